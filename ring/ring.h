// The ring: which nodes own which part of the token space. Pure and immutable; a deterministic
// function of the members' ring records, so equal digests mean equal rings.
//
// A node's tokens sit on the fixed grid of 2^16 slots. A token at slot s owns the slots after the
// previous token up to and including s (half-open interval (previous, s]), so every range is a
// union of whole slots. Consistent hashing with virtual nodes as in Dynamo (SOSP 2007, 4.2).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace parley::ring {

enum class RingStatus : std::uint8_t {
  Joining = 1,
  Normal = 2,
  Leaving = 3,
  Left = 4,
  Removed = 5
};

// Written by its node alone; the higher version wins (docs/protocol.md). Only Normal owns slots.
struct RingRecord {
  NodeId node;
  std::uint64_t version = 0;
  RingStatus status = RingStatus::Joining;
  std::string rack;
  std::vector<Slot> slots;  // sorted, distinct
  bool operator==(const RingRecord&) const = default;
};

// XXH3-64 of the key. Frozen.
Token token_of(ByteView key);

class Ring {
 public:
  // Two records that claim one slot: the lower node id owns it. Records of one node: the highest
  // version counts. The order of the records does not matter.
  static std::shared_ptr<const Ring> build(std::span<const RingRecord> records);

  // Of the owning (Normal) records; 0 for an empty ring.
  std::uint64_t digest() const { return digest_; }
  // Distinct nodes on the ring, sorted.
  const std::vector<NodeId>& nodes() const { return nodes_; }

  // The first min(count, nodes) distinct nodes clockwise from the slot: the owners, in order.
  std::vector<NodeId> preference_list(Slot slot, std::size_t count) const;
  // Every node on the ring in preference order: owners first, then where stand-ins come from.
  std::vector<NodeId> walk(Slot slot) const;
  bool owns(const NodeId& node, Slot slot, std::size_t count) const;
  // Share of the slots for which `node` is among the first `count`, 0..1.
  double owned_share(const NodeId& node, std::size_t count) const;
  // Slots for which both nodes are among the first `count`: what they must agree on.
  SlotSet common_slots(const NodeId& a, const NodeId& b, std::size_t count) const;

  struct Vnode {
    Slot slot;
    NodeId node;
  };
  // Sorted by slot, one per claimed slot.
  const std::vector<Vnode>& vnodes() const { return vnodes_; }

 private:
  using NodeIndex = std::uint32_t;  // into nodes_
  // How many distinct nodes from each vnode on are kept ready: more than any usual factor.
  static constexpr std::size_t kReady = 8;

  std::size_t vnode_at(Slot slot) const;
  std::vector<NodeIndex> distinct_from(std::size_t vnode, std::size_t count) const;
  std::vector<NodeId> named(std::span<const NodeIndex> indexes) const;
  void take(const std::vector<NodeId>& claimants,
            const std::vector<std::pair<Slot, NodeIndex>>& claims);
  void prepare_distinct();
  std::optional<NodeIndex> index_of(const NodeId& node) const;
  // Calls visit(first slot, number of slots, indexes of the first `count` nodes) for each range.
  template <typename Visit>
  void for_each_range(std::size_t count, Visit visit) const;

  std::vector<Vnode> vnodes_;
  std::vector<NodeId> nodes_;
  std::vector<NodeIndex> vnode_owner_;  // like vnodes_, as indexes
  std::vector<NodeIndex> ready_;        // ready_count_ for each vnode
  std::size_t ready_count_ = 0;
  std::uint64_t digest_ = 0;
};

// Slots for a joining node, so that owned shares stay even and only what the joiner takes moves:
// no slot changes between two old nodes. Deterministic in its arguments. `count` >= 1.
std::vector<Slot> allocate_slots(const Ring& ring, const NodeId& joiner, std::size_t count);

}  // namespace parley::ring
