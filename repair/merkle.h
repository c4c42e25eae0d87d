// Comparing two replicas over the slots that both own: one digest over all of them, then 256
// groups of 256 slots, then the slots of differing groups; the keys of differing slots are
// key_join.h. Both sides must know the same ring. Merkle trees as in Dynamo (SOSP 2007, 4.7),
// with sums instead of hash trees, so that a change costs O(1).
//
// Sums move while they are compared; a difference may be a write under way. Merging is idempotent,
// so such a false difference costs bytes and nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "repair/slot_index.h"

namespace parley::repair {

// Groups whose slot sums one message may ask for: 16 * 256 sums are 32 KiB.
inline constexpr std::size_t kCompareGroupsMost = 16;
// Slots whose keys one listing walks.
inline constexpr std::size_t kListSlotsMost = 256;

// The slots that this node and one peer must agree on, under one ring, with their digests cached
// per group: a comparison of equal replicas recomputes only the groups that changed since.
class SharedSlots {
 public:
  SharedSlots(storage::KeyspaceNumber keyspace, const SlotSet& slots)
      : keyspace_(keyspace), member_(slots) {}

  storage::KeyspaceNumber keyspace() const { return keyspace_; }
  bool empty() const { return member_.empty(); }
  bool contains(Slot slot) const { return member_.contains(slot); }
  // Sorted.
  std::vector<Slot> slots_of(std::size_t group) const;

  const std::array<std::uint64_t, kGroupCount>& groups(const SlotIndex& index);
  // Their wrapping sum.
  std::uint64_t root(const SlotIndex& index);

 private:
  const storage::KeyspaceNumber keyspace_;
  const SlotSet member_;
  std::array<std::uint64_t, kGroupCount> digest_{};
  // What digest_ was made from: the index's changes and group_changes. What never changed sums to
  // 0.
  std::uint64_t made_at_ = 0;
  std::array<std::uint64_t, kGroupCount> made_from_{};
};

struct CompareRequest {
  KeyspaceId keyspace;
  std::uint64_t root = 0;            // first question only
  std::vector<std::uint8_t> groups;  // sorted, distinct; empty: the first question
  bool operator==(const CompareRequest&) const = default;
};

struct CompareReply {
  bool equal = false;               // the roots agree; nothing else is set
  std::vector<std::uint64_t> sums;  // 256 group digests, or the sums of the asked groups' slots
  bool operator==(const CompareReply&) const = default;
};

// The answering side. InvalidArgument when too many groups are asked for or they are not sorted.
Result<CompareReply> answer_compare(const CompareRequest& request, SharedSlots& shared,
                                    const SlotIndex& index);

// The asking side of one comparison.
class SyncSession {
 public:
  enum class Step : std::uint8_t {
    Compare,  // send compare() and give the reply to on_reply()
    List,     // compare the keys of take_slots()
    Ended,
  };

  SyncSession(SharedSlots& shared, const SlotIndex& index, const KeyspaceId& keyspace);

  Step step() const;
  CompareRequest compare();
  // InvalidArgument when the reply does not fit the question; the session is over then.
  Status on_reply(const CompareReply& reply);
  // Differing slots, sorted, at most kListSlotsMost; they leave the session.
  std::vector<Slot> take_slots();
  // The peer's root was equal: there was no difference at all.
  bool equal() const { return equal_; }

 private:
  Status on_groups(const CompareReply& reply);
  Status on_sums(const CompareReply& reply);

  SharedSlots& shared_;
  const SlotIndex& index_;
  const KeyspaceId keyspace_;
  bool begun_ = false;
  bool equal_ = false;
  std::vector<std::uint8_t> groups_;  // differing, not yet asked for; descending
  std::vector<std::uint8_t> asked_;
  std::vector<Slot> slots_;  // differing, not yet listed; descending
};

}  // namespace parley::repair
