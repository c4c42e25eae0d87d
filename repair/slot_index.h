// SlotIndex: the wrapping sum of slot_term over every record of each slot, per keyspace, in
// memory. Kept up to date in O(1) per change, so that comparing replicas never scans a table.
//
// A damaged record counts as if it were absent: it then differs from every replica that has a
// sound copy, and from none that has not (nobody could mend it, so nothing is to be repeated).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/ids.h"
#include "storage/store.h"

namespace parley::repair {

// 2^16 slots in 2^8 groups of 2^8: the levels of the comparison tree above the keys.
inline constexpr std::size_t kGroupCount = 256;
inline constexpr std::size_t kGroupSlots = kSlotCount / kGroupCount;
inline constexpr std::size_t group_of(Slot slot) { return slot / kGroupSlots; }

// A record's share of its slot; 0 for a record that is absent or damaged.
std::uint64_t index_term(Token token, ByteView key, std::uint64_t digest);

class SlotIndex {
 public:
  // As the store scanned them; in a damaged file a slot may come twice. Before any change in the
  // keyspace, and once.
  void load(storage::KeyspaceNumber keyspace, std::span<const storage::SlotDigest> sums);
  void change(storage::KeyspaceNumber keyspace, Token token, ByteView key,
              std::uint64_t digest_before, std::uint64_t digest_after);

  std::uint64_t sum(storage::KeyspaceNumber keyspace, Slot slot) const;
  // Of the group's slots in order; empty when nothing was ever counted in the group.
  std::span<const std::uint64_t> group_sums(storage::KeyspaceNumber keyspace,
                                            std::size_t group) const;
  // Go up with every change in the keyspace, in the group, or in the slot: equal numbers mean
  // equal sums, and 0 of a keyspace or a group that there are none. Of the groups in order; empty
  // when nothing was ever counted in the keyspace.
  std::uint64_t changes(storage::KeyspaceNumber keyspace) const;
  std::span<const std::uint64_t> group_changes(storage::KeyspaceNumber keyspace) const;
  std::uint32_t slot_changes(storage::KeyspaceNumber keyspace, Slot slot) const;

  // What a full listing of the slot gave; `changes` is slot_changes from before it was begun. A
  // record that rots while the store is open leaves its old share in the sum, so a sum that two
  // listings in a row contradict in the same way, with no change between, is replaced. (One
  // listing may have seen a commit whose news is still on its way here.) True if it was replaced.
  bool recount(storage::KeyspaceNumber keyspace, Slot slot, std::uint64_t listed,
               std::uint32_t changes);

 private:
  struct Group {
    std::array<std::uint64_t, kGroupSlots> sum{};
    std::array<std::uint32_t, kGroupSlots> slot_changes{};
  };
  struct Sums {
    // Made when something is counted in them: a node with few records has few.
    std::array<std::unique_ptr<Group>, kGroupCount> groups;
    std::array<std::uint64_t, kGroupCount> group_changes{};
    std::uint64_t changes = 0;

    Group& group(Slot slot);
  };
  struct Doubt {
    std::uint64_t listed = 0;
    std::uint32_t changes = 0;
  };
  static constexpr std::size_t kDoubtsMost = 4096;

  const Sums* find(storage::KeyspaceNumber keyspace) const;
  const Group* find_group(storage::KeyspaceNumber keyspace, std::size_t group) const;
  static void touch(Sums& sums, Slot slot);

  std::map<storage::KeyspaceNumber, Sums> keyspaces_;
  std::map<std::pair<storage::KeyspaceNumber, Slot>, Doubt> doubts_;
};

}  // namespace parley::repair
