// GossiperDriver: what other nodes ask of this one.
#include "membership/gossiper_internal.h"
#include "membership/membership_codec.h"

namespace parley::membership {

namespace {

constexpr Duration kQuietPoll = 10ms;

}  // namespace

void GossiperDriver::serve_all() {
  using runtime::Admission;
  using runtime::Verb;
  const auto serve = [this](Verb verb, Admission admission,
                            void (GossiperDriver::*handler)(const runtime::RpcRequest&,
                                                            const runtime::Responder&)) {
    rpc_.serve(verb, admission,
               lifetime_.guard([this, handler](const runtime::RpcRequest& request,
                                               const runtime::Responder& respond) {
                 if (leaving_ || own_life_.disputed()) {
                   return respond(Error{ErrorCode::NotReady, "the node takes no part now", 100});
                 }
                 (this->*handler)(request, respond);
               }));
  };
  serve(Verb::JoinAsk, Admission::Strangers, &GossiperDriver::serve_join_ask);
  serve(Verb::JoinGrant, Admission::Strangers, &GossiperDriver::serve_join_grant);
  serve(Verb::JoinDone, Admission::Strangers, &GossiperDriver::serve_join_done);
  serve(Verb::MemberSync, Admission::Members, &GossiperDriver::serve_sync);
  serve(Verb::TcpProbe, Admission::Members, &GossiperDriver::serve_stream_probe);
  serve(Verb::KeyspaceSet, Admission::Members, &GossiperDriver::serve_keyspace);
}

Error GossiperDriver::other_cluster(const std::string& theirs) const {
  return {ErrorCode::WrongCluster, to_text(self_.peer()) + " is a node of cluster '" +
                                       start_.cluster_name + "', --cluster says '" + theirs + "'"};
}

void GossiperDriver::serve_join_ask(const runtime::RpcRequest& request,
                                    const runtime::Responder& respond) {
  const auto ask = decode_join_ask(request.body);
  if (!ask.ok()) return respond(ask.error());
  if (ask->cluster_name != start_.cluster_name) return respond(other_cluster(ask->cluster_name));
  JoinAskReply reply;
  reply.node = self_.node;
  reply.would_found = join_ && join_->would_found();
  reply.has_cluster = member_;
  if (member_) {
    reply.cluster = cluster_.id;
    reply.cluster_name = start_.cluster_name;
    reply.cluster_key = cluster_key_;
    reply.nodes = records_.all_nodes();
    reply.keyspaces = records_.all_keyspaces();
  }
  respond(encode_join_ask_reply(reply));
}

void GossiperDriver::serve_join_grant(const runtime::RpcRequest& request,
                                      const runtime::Responder& respond) {
  const auto grant = decode_join_grant(request.body);
  if (!grant.ok()) return respond(grant.error());
  if (!member_) return respond(Error{ErrorCode::NotReady, "no member of a cluster yet", 100});
  if (grant->cluster != cluster_.id) {
    return respond(Error{ErrorCode::WrongCluster, "another cluster of the same name"});
  }
  const NodeRecord* known = records_.find(grant->node);
  if (known != nullptr && known->ring.status == ring::RingStatus::Normal) {
    return respond(encode_join_grant_reply({GrantVerdict::Already, {}}));
  }
  if (start_.has_records && start_.has_records()) {
    return respond(holds_data());
  }
  const auto reply =
      desk_.ask(loop_.now(), grant->node, grant->ring_digest, records_.ring()->digest());
  if (reply.verdict != GrantVerdict::Granted) return respond(encode_join_grant_reply(reply));
  grant_when_quiet(grant->node, request.deadline, respond);
}

// The lease keeps new writes away from here on; one that began before may still leave data, so the
// question whether there is any comes after its end.
void GossiperDriver::grant_when_quiet(const NodeId& joiner, Instant until,
                                      const runtime::Responder& respond) {
  const Instant now = loop_.now();
  if (now >= until || !desk_.leased_to(now, joiner)) return;  // the joiner asks again
  if (start_.writes_under_way && start_.writes_under_way()) {
    loop_.start_timer(now + kQuietPoll, lifetime_.guard([this, joiner, until, respond] {
      grant_when_quiet(joiner, until, respond);
    }));
    return;
  }
  if (start_.has_records && start_.has_records()) {
    desk_.release(joiner);
    return respond(holds_data());
  }
  respond(encode_join_grant_reply({GrantVerdict::Granted, {}}));
}

Error GossiperDriver::holds_data() const {
  return {ErrorCode::Refused, "cluster '" + start_.cluster_name +
                                  "' holds data; joining a cluster with data is not supported yet"};
}

void GossiperDriver::serve_join_done(const runtime::RpcRequest& request,
                                     const runtime::Responder& respond) {
  const auto done = decode_join_done(request.body);
  if (!done.ok()) return respond(done.error());
  if (!member_) return respond(Error{ErrorCode::NotReady, "no member of a cluster yet", 100});
  if (done->cluster != cluster_.id) {
    return respond(Error{ErrorCode::WrongCluster, "another cluster of the same name"});
  }
  if (!done->record.empty()) {
    const NodeRecord& record = done->record.front();
    // Anybody may call this: it adds a node, and changes none. What a known one has to say about
    // itself comes from itself, as a member.
    const NodeRecord* held = records_.find(record.node);
    const bool on_ring = held != nullptr && held->ring.status == ring::RingStatus::Normal;
    const bool foreign = record.node != done->node || record.node == self_.node;
    if (foreign || (on_ring && record.ring != held->ring)) {
      return respond(Error{ErrorCode::Refused, "no announcement of a new node"});
    }
    // It crashed before it heard that we know it.
    if (on_ring) return save_if(false, [respond] { respond(Bytes()); });
  }
  const bool consented = desk_.leased_to(loop_.now(), done->node);
  if (done->record.empty()) {
    desk_.release(done->node);
    return respond(Bytes());
  }
  const bool known = records_.find(done->node) != nullptr;
  if (!consented && !known && start_.has_records && start_.has_records()) {
    return respond(Error{ErrorCode::Refused, "the consent to join ran out, and cluster '" +
                                                 start_.cluster_name + "' now holds data"});
  }
  SwimOutbox out;
  const bool changed = take_record(done->record.front(), done->node, {}, out);
  if (changed) out.changed = true;
  desk_.release(done->node);
  save_if(changed, [respond] { respond(Bytes()); });
  carry_out(std::move(out));
}

void GossiperDriver::serve_sync(const runtime::RpcRequest& request,
                                const runtime::Responder& respond) {
  const auto message = decode_member_sync(request.body);
  if (!message.ok()) return respond(message.error());
  if (!member_) return respond(Error{ErrorCode::NotReady, "no member of a cluster yet", 100});
  SwimOutbox out;
  take(*message, request.remote, out);
  respond(encode_member_sync(answer_to(*message)));
  carry_out(std::move(out));
}

void GossiperDriver::serve_stream_probe(const runtime::RpcRequest& request,
                                        const runtime::Responder& respond) {
  const auto claim = decode_stream_probe(request.body);
  if (!claim.ok()) return respond(claim.error());
  if (!member_) return respond(Error{ErrorCode::NotReady, "no member of a cluster yet", 100});
  if (claim->node != self_.node) {
    return respond(Error{ErrorCode::NotFound, "another node has this address now"});
  }
  SwimOutbox out;
  swim_.on_claims(loop_.now(), request.from, {*claim}, out);
  respond(encode_stream_probe(swim_.self_claim()));
  carry_out(std::move(out));
}

void GossiperDriver::serve_keyspace(const runtime::RpcRequest& request,
                                    const runtime::Responder& respond) {
  const auto keyspace = decode_keyspace_set(request.body);
  if (!keyspace.ok()) return respond(keyspace.error());
  if (!member_) return respond(Error{ErrorCode::NotReady, "no member of a cluster yet", 100});
  SwimOutbox out;
  out.changed = records_.merge(*keyspace);
  save_if(out.changed, [this, respond, keyspace = *keyspace] {
    const HeldKeyspace& now = records_.keyspaces().at(keyspace.record.id);
    respond(now == keyspace ? Bytes() : encode_keyspace_set(now));
  });
  carry_out(std::move(out));
}

}  // namespace parley::membership
