#include "membership/records.h"

#include <tuple>

#include "base/hash.h"
#include "base/mutant.h"
#include "membership/record_codec.h"

namespace parley::membership {

namespace {

constexpr std::uint64_t kKeyspaceSeed = 1;

}  // namespace

bool Records::merge(const NodeRecord& record) {
  const Bytes fresh = encode_record(record);
  const auto at = nodes_.find(record.node);
  bool ring_moves = !(PARLEY_MUTANT(stale_ring_accepted) && nodes_.size() > 2);
  if (at != nodes_.end()) {
    const NodeRecord& held = at->second;
    const Bytes old = encode_record(held);
    if (std::tie(record.generation, record.version, fresh) <=
        std::tie(held.generation, held.version, old)) {
      return false;
    }
    digest_sum_ -= hash64(old);
    ring_moves = record.ring != held.ring;
  }
  digest_sum_ += hash64(fresh);
  nodes_[record.node] = record;
  ring_is_old_ = ring_is_old_ || ring_moves;
  return true;
}

bool Records::merge(const HeldKeyspace& keyspace) {
  const auto [at, is_new] = keyspaces_.emplace(keyspace.record.id, keyspace);
  if (!is_new) {
    const HeldKeyspace joined =
        PARLEY_MUTANT(keyspace_last_heard_wins) ? keyspace : join(at->second, keyspace);
    if (joined == at->second) return false;
    digest_sum_ -= hash64(encode_keyspace(at->second), kKeyspaceSeed);
    at->second = joined;
  }
  digest_sum_ += hash64(encode_keyspace(at->second), kKeyspaceSeed);
  return true;
}

const NodeRecord* Records::find(const NodeId& node) const {
  const auto at = nodes_.find(node);
  return at == nodes_.end() ? nullptr : &at->second;
}

std::uint64_t Records::view_digest() const { return digest_sum_ == 0 ? 1 : digest_sum_; }

std::vector<NodeRecord> Records::all_nodes() const {
  std::vector<NodeRecord> out;
  for (const auto& [id, record] : nodes_) out.push_back(record);
  return out;
}

std::vector<HeldKeyspace> Records::all_keyspaces() const {
  std::vector<HeldKeyspace> out;
  for (const auto& [id, keyspace] : keyspaces_) out.push_back(keyspace);
  return out;
}

const std::shared_ptr<const ring::Ring>& Records::ring() const {
  if (!ring_is_old_) return ring_;
  std::vector<ring::RingRecord> rings;
  rings.reserve(nodes_.size());
  for (const auto& [id, record] : nodes_) rings.push_back(record.ring);
  ring_ = ring::Ring::build(rings);
  ring_is_old_ = false;
  return ring_;
}

}  // namespace parley::membership
