// GossiperDriver: the exchange of records, probes over streams, and keyspace changes.
#include <algorithm>

#include "base/hash.h"
#include "base/mutant.h"
#include "membership/gossiper_internal.h"
#include "membership/membership_codec.h"

namespace parley::membership {

namespace {

constexpr Duration kSyncTimeout = 1s;
constexpr std::size_t kSyncsAtOnce = 4;       // row 16: exchanges never storm
constexpr std::size_t kRecordsPerSync = 256;  // the rest follows with the next exchange

}  // namespace

void GossiperDriver::sync_with(const NodeId& node, const Endpoint& at) {
  // All that nobody knows share one turn: a forged sender costs nothing but the others' delay.
  const NodeId slot = records_.find(node) != nullptr ? node : NodeId{};
  if (!member_ || leaving_ || syncing_.count(slot) != 0 || syncing_.size() >= kSyncsAtOnce) return;
  const Instant now = loop_.now();
  std::erase_if(synced_at_,
                [&](const auto& last) { return now - last.second >= options_.sync_interval(); });
  if (!synced_at_.emplace(slot, now).second) return;
  syncing_.insert(slot);
  metrics_.syncs.add();
  call(at, runtime::Verb::MemberSync, encode_member_sync(summary()), kSyncTimeout,
       [this, slot, at, now](const Result<Bytes>& answer) {
         if (!answer.ok() && PARLEY_MUTANT(failed_sync_keeps_its_turn)) return;
         syncing_.erase(slot);
         if (!answer.ok()) return;
         const auto message = decode_member_sync(*answer);
         if (!message.ok()) return;
         SwimOutbox out;
         take(*message, at, out);
         const bool accepted = out.other_lives.empty();
         carry_out(std::move(out));
         const bool wanted = !message->nodes_wanted.empty() || !message->keyspaces_wanted.empty();
         if (wanted && !leaving_ && !own_life_.disputed()) {
           call(at, runtime::Verb::MemberSync, encode_member_sync(answer_to(*message)),
                kSyncTimeout, [](const Result<Bytes>&) {});
         }
         if (accepted) introduced_to(message->sender, now);
       });
}

// Tells the members that we are here (again); the digests find those that this misses.
void GossiperDriver::announce() {
  for (const auto& [node, record] : records_.nodes()) {
    if (node != self_.node) sync_with(node, record.peer());
  }
}

void GossiperDriver::serve() {
  if (self_.serves) return;
  self_.serves = true;
  ++self_.version;
  if (!member_) return;  // it is told with the rest
  records_.merge(self_);
  save([] {});
  publish({});
  announce();
}

MemberSync GossiperDriver::summary() const {
  MemberSync message;
  message.sender = self_.node;
  message.asks = true;
  for (const auto& [node, record] : records_.nodes()) {
    // A doubted life says nothing of itself: who holds with the other would take its word, if its
    // incarnation is the higher one. Each answer then tells which life the sender holds with.
    if (node == self_.node && own_life_.disputed()) continue;
    const auto peer = swim_.peers().find(node);
    const Claim claim = peer == swim_.peers().end() ? swim_.self_claim() : peer->second.claim;
    message.nodes.push_back(
        {claim, record.generation, record.version, hash64(encode_record(record))});
  }
  for (const auto& [id, held] : records_.keyspaces()) {
    message.keyspaces.push_back({id, held.record.version, hash64(encode_keyspace(held))});
  }
  // Not before it is known that this is the latest life: it might take another one's place.
  if (!introducing_) message.node_records.push_back(self_);
  return message;
}

// What the sender of `message` asked for, and, if it named all that it has, what it lacks and what
// we lack.
MemberSync GossiperDriver::answer_to(const MemberSync& message) const {
  MemberSync answer;
  answer.sender = self_.node;
  for (const NodeId& node : message.nodes_wanted) {
    const NodeRecord* record = records_.find(node);
    if (record != nullptr && answer.node_records.size() < kRecordsPerSync) {
      answer.node_records.push_back(*record);
    }
  }
  for (const KeyspaceId& id : message.keyspaces_wanted) {
    const auto at = records_.keyspaces().find(id);
    if (at != records_.keyspaces().end()) answer.keyspace_records.push_back(at->second);
  }
  if (!message.asks) return answer;

  std::map<NodeId, const MemberSync::NodeSummary*> theirs;
  for (const auto& summary : message.nodes) {
    theirs[summary.claim.node] = &summary;
    const NodeRecord* ours = records_.find(summary.claim.node);
    // A different record of the same (generation, version) is asked for too; bytes decide.
    const bool lack = ours == nullptr || std::tie(ours->generation, ours->version) <
                                             std::tie(summary.generation, summary.version);
    const bool differ = ours != nullptr &&
                        std::tie(ours->generation, ours->version) ==
                            std::tie(summary.generation, summary.version) &&
                        hash64(encode_record(*ours)) != summary.digest;
    if ((lack || differ) && answer.nodes_wanted.size() < kRecordsPerSync) {
      answer.nodes_wanted.push_back(summary.claim.node);
    }
  }
  for (const auto& [node, record] : records_.nodes()) {
    const auto at = theirs.find(node);
    const auto peer = swim_.peers().find(node);
    const Claim claim = peer == swim_.peers().end() ? swim_.self_claim() : peer->second.claim;
    const std::uint64_t digest = hash64(encode_record(record));
    const bool lacks =
        at == theirs.end() || (std::tie(at->second->generation, at->second->version) <=
                                   std::tie(record.generation, record.version) &&
                               at->second->digest != digest);
    if (lacks && answer.node_records.size() < kRecordsPerSync) {
      answer.node_records.push_back(record);
    }
    // Only the sayings that are news travel back.
    if (at == theirs.end() || supersedes(claim, at->second->claim) ||
        other_life(claim, at->second->claim)) {
      answer.nodes.push_back({claim, record.generation, record.version, digest});
    }
  }
  std::map<KeyspaceId, const MemberSync::KeyspaceSummary*> their_keyspaces;
  for (const auto& summary : message.keyspaces) {
    their_keyspaces[summary.id] = &summary;
    const auto ours = records_.keyspaces().find(summary.id);
    // Both may hold a level that the other one lacks, whatever their versions.
    if (ours == records_.keyspaces().end() ||
        hash64(encode_keyspace(ours->second)) != summary.digest) {
      answer.keyspaces_wanted.push_back(summary.id);
    }
  }
  for (const auto& [id, held] : records_.keyspaces()) {
    const auto at = their_keyspaces.find(id);
    if (at == their_keyspaces.end() || at->second->digest != hash64(encode_keyspace(held))) {
      answer.keyspace_records.push_back(held);
    }
  }
  return answer;
}

void GossiperDriver::take(const MemberSync& message, const Endpoint&, SwimOutbox& out) {
  std::map<NodeId, Claim> claims;
  std::vector<Claim> known;
  for (const auto& summary : message.nodes) {
    // A suspicion belongs to its accuser; by a summary it would have none. One of this node it can
    // answer, whoever accuses; and it may be of another life of it.
    if (summary.claim.liveness == Liveness::Suspect && summary.claim.node != self_.node) continue;
    claims[summary.claim.node] = summary.claim;
    known.push_back(summary.claim);
  }
  bool changed = false;
  for (const NodeRecord& record : message.node_records) {
    changed = take_record(record, message.sender, claims, out) || changed;
  }
  for (const HeldKeyspace& keyspace : message.keyspace_records) {
    changed = records_.merge(keyspace) || changed;
  }
  std::erase_if(known, [this](const Claim& claim) {
    return claim.node != self_.node && swim_.peers().count(claim.node) == 0;
  });
  swim_.on_claims(loop_.now(), message.sender, known, out);
  if (!changed) return;
  out.changed = true;
  swim_.set_digests(loop_.now(), records_.view_digest(), records_.ring()->digest());
  save([] {});
}

// True when it was news. A record is believed only from its writer's hand: (generation, version)
// are raised by nobody else.
bool GossiperDriver::take_record(const NodeRecord& record, const NodeId& from,
                                 const std::map<NodeId, Claim>& claims, SwimOutbox& out) {
  if (record.node == self_.node) {
    const auto said = claims.find(self_.node);
    const bool known = said != claims.end() && said->second.generation == record.generation;
    // A record of our own generation may be ours, come back; the claim tells whose it is.
    const bool another = known && other_life(said->second, swim_.self_claim());
    if (record.generation > self_.generation || another) {
      out.other_lives.push_back({record.generation, known ? said->second.liveness : Liveness::Alive,
                                 record.peer(), false, from});
    }
    return false;
  }
  const bool unknown = records_.find(record.node) == nullptr;
  if (!records_.merge(record)) return false;
  Claim claim{record.node, record.generation, 0, Liveness::Alive, {}, 0};
  const auto said = claims.find(record.node);
  if (said != claims.end() && said->second.generation >= record.generation) claim = said->second;
  swim_.learn(loop_.now(), record.peer(), claim, out);
  desk_.release(record.node);  // it has joined: the others' writes see it
  if (unknown) {
    log_.info("member.joined", {{"node", record.node}, {"peer", record.peer()}});
    out.returned.push_back(record.node);
  }
  return true;
}

void GossiperDriver::probe_over_stream(const SwimOutbox::StreamProbe& probe) {
  const NodeRecord* record = records_.find(probe.node);
  const auto peer = swim_.peers().find(probe.node);
  if (record == nullptr || peer == swim_.peers().end()) return;
  call(record->peer(), runtime::Verb::TcpProbe, encode_stream_probe(peer->second.claim),
       options_.probe_timeout(), [this, probe](const Result<Bytes>& answer) {
         if (!answer.ok() || leaving_) return;
         const auto claim = decode_stream_probe(*answer);
         if (!claim.ok() || claim->node != probe.node) return;
         SwimOutbox out;
         swim_.on_stream_answer(loop_.now(), probe.probe, *claim, out);
         carry_out(std::move(out));
       });
}

// Not by a call: its channel may answer from memory while it waits to dial again.
void GossiperDriver::dial(const SwimOutbox::Knock& knock) {
  network_.connect(
      self_.address, knock.at, options_.probe_timeout(),
      lifetime_.guard([this, knock](const Result<std::unique_ptr<runtime::Connection>>& outcome) {
        if (leaving_ || outcome.ok() || outcome.error().code != ErrorCode::Refused) return;
        SwimOutbox out;
        swim_.on_refused(loop_.now(), knock, out);
        carry_out(std::move(out));
      }));
}

}  // namespace parley::membership
