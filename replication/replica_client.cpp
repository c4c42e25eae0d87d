#include "replication/replica_client.h"

#include <algorithm>

namespace parley::replication {
namespace {

CopyOf copy_of(const ReplicaPlan& plan) { return {plan.keyspace, plan.key.key, plan.owner_ids()}; }

Status as_status(const auto& result) {
  if (!result) return result.error();
  return Done{};
}

}  // namespace

ReplicaClient::ReplicaClient(const ReplicationWorld& world, Replica& replica, HintLog& hints,
                             LatencyBook& latencies)
    : world_(world), replica_(replica), hints_(hints), latencies_(latencies) {}

template <typename T>
void ReplicaClient::call(const NodeId& node, const Endpoint& peer, runtime::Verb verb, Bytes body,
                         const ReplicaPlan& plan, Instant deadline, Result<T> (*decode)(ByteView),
                         std::function<void(Result<T>)> done) {
  runtime::CallOptions options;
  options.timeout = std::max<Duration>(deadline - world_.loop.now(), 1ms);
  options.ring_digest = plan.ring_digest;
  const std::uint64_t id = ++calls_made_;
  calls_[id] = world_.rpc.call(
      peer, verb, std::move(body), options,
      alive_.guard([this, id, node, decode, done = std::move(done)](Result<Bytes> answer) {
        const auto handle = calls_.extract(id);
        if (answer) return done(decode(*answer));
        const ErrorCode code = answer.error().code;
        const bool silent = code == ErrorCode::Unreachable || code == ErrorCode::NoAnswer;
        if (silent && world_.call_failed) world_.call_failed(node);
        done(answer.error());
      }));
}

void ReplicaClient::note(const NodeId& peer, LatencyBook::Question question, Instant sent,
                         const ServiceTimes& times) {
  latencies_.asked(peer, question, {sent, world_.loop.now(), times.received, times.answered});
}

const Bytes& OutgoingCopy::body() {
  if (body_.empty()) body_ = encode_store_copy_request({copy_of(plan_), set_, durability_});
  return body_;
}

void ReplicaClient::store_copy(const PlannedOwner& to, OutgoingCopy& copy, Instant deadline,
                               std::function<void(Status)> done) {
  const ReplicaPlan& plan = copy.plan();
  if (to.self) {
    return replica_.merge(plan.key, copy.set(), copy.durability(),
                          [done](Result<storage::Updated> merged) { done(as_status(merged)); });
  }
  call<StoreCopyReply>(to.node, to.peer, runtime::Verb::StoreCopy, copy.body(), plan, deadline,
                       decode_store_copy_reply,
                       [this, done, node = to.node, sent = world_.loop.now(),
                        durability = copy.durability()](Result<StoreCopyReply> reply) {
                         // Copies that wait for no disk would hide what those take that do.
                         if (reply && durability == storage::Durability::Fsync) {
                           note(node, LatencyBook::Question::Write, sent, reply->times);
                         }
                         done(as_status(reply));
                       });
}

void ReplicaClient::read_copy(const PlannedOwner& to, const ReplicaPlan& plan, Instant deadline,
                              std::function<void(Result<ReadAnswer>)> done) {
  if (to.self) {
    const Instant asked = world_.loop.now();
    return replica_.read(plan.key, alive_.guard([this, done, asked](Result<LocalCopy> copy) {
      if (!copy) return done(copy.error());
      const Instant now = world_.loop.now();
      latencies_.served(LatencyBook::Own::Read, now - asked, now);
      done(ReadAnswer::decoded(copy->digest, std::move(copy->set)));
    }));
  }
  call<ReadCopyReply>(to.node, to.peer, runtime::Verb::ReadCopy,
                      encode_read_copy_request({copy_of(plan)}), plan, deadline,
                      decode_read_copy_reply,
                      [this, done, key = plan.key.key, node = to.node,
                       sent = world_.loop.now()](Result<ReadCopyReply> reply) {
                        if (!reply) return done(reply.error());
                        note(node, LatencyBook::Question::Read, sent, reply->times);
                        done(ReadAnswer::received(key, std::move(reply->set)));
                      });
}

void ReplicaClient::inspect_copy(const PlannedOwner& to, const ReplicaPlan& plan, Instant deadline,
                                 std::function<void(Result<InspectCopyReply>)> done) {
  if (to.self) {
    return replica_.read(plan.key, [done](Result<LocalCopy> copy) { done(describe_copy(copy)); });
  }
  call<InspectCopyReply>(to.node, to.peer, runtime::Verb::InspectCopy,
                         encode_inspect_copy_request({copy_of(plan)}), plan, deadline,
                         decode_inspect_copy_reply, std::move(done));
}

void ReplicaClient::store_hint(const LiveNode& to, const ReplicaPlan& plan, const NodeId& target,
                               const Bytes& set, bool sole, Instant deadline,
                               std::function<void(Status)> done) {
  StoreHintRequest request{{plan.keyspace, plan.key.key, {}}, set, target, sole};
  call<Done>(to.node, to.peer, runtime::Verb::StoreHint, encode_store_hint_request(request), plan,
             deadline, decode_store_hint_reply, std::move(done));
}

void ReplicaClient::find_hints(const LiveNode& to, bool here, const ReplicaPlan& plan,
                               bool targets_only, Instant deadline,
                               std::function<void(Result<FindHintsReply>)> done) {
  if (here) {
    return hints_.find(plan.key, [done, targets_only](Result<std::vector<storage::HintRow>> rows) {
      if (!rows) return done(rows.error());
      done(found_hints(*rows, targets_only));
    });
  }
  FindHintsRequest request{{plan.keyspace, plan.key.key, {}}, targets_only};
  call<FindHintsReply>(to.node, to.peer, runtime::Verb::FindHints,
                       encode_find_hints_request(request), plan, deadline, decode_find_hints_reply,
                       std::move(done));
}

void ReplicaClient::coordinate_put(const PlannedOwner& to, const ReplicaPlan& plan,
                                   const WriteRequest& request, Instant deadline,
                                   std::function<void(Result<WriteReply>)> done) {
  CoordinatePutRequest message{copy_of(plan),      request.value, request.level, request.context,
                               request.durability, request.op,    request.trace};
  call<WriteReply>(to.node, to.peer, runtime::Verb::CoordinatePut,
                   encode_coordinate_put_request(message), plan, deadline,
                   decode_coordinate_put_reply, std::move(done));
}

Result<InspectCopyReply> describe_copy(const Result<LocalCopy>& copy) {
  InspectCopyReply reply;
  if (!copy) {
    if (copy.error().code != ErrorCode::Damaged) return copy.error();
    reply.damaged = true;
    return reply;
  }
  const VersionSet& set = copy->set;
  reply.holds_record = !set.empty();
  reply.digest = copy->digest;
  const auto join = [](std::string& text, const std::string& more) {
    if (!text.empty()) text += ",";
    text += more;
  };
  const auto visible = set.visible();
  for (const Sibling& sibling : visible) join(reply.version, to_text(sibling.dot));
  for (const auto& [actor, counter] : set.context().entries()) {
    join(reply.context, to_text(Dot{actor, counter}));
  }
  reply.tombstone = !visible.empty() && std::all_of(visible.begin(), visible.end(),
                                                    [](const Sibling& s) { return s.tombstone; });
  return reply;
}

FindHintsReply found_hints(const std::vector<storage::HintRow>& rows, bool targets_only) {
  FindHintsReply reply;
  VersionSet merged;
  std::optional<std::size_t> first;
  for (const storage::HintRow& row : rows) {
    reply.hints.push_back({row.key.target, {}});
    if (targets_only || row.damaged) continue;
    const auto set = VersionSet::decode(row.value);
    if (!set) continue;
    merged.merge(*set);
    if (!first) first = reply.hints.size() - 1;
  }
  if (first) reply.hints[*first].set = merged.encode();
  return reply;
}

}  // namespace parley::replication
