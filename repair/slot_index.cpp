#include "repair/slot_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace parley::repair {

namespace {

constexpr std::size_t within_group(Slot slot) { return slot % kGroupSlots; }

}  // namespace

std::uint64_t index_term(Token token, ByteView key, std::uint64_t digest) {
  return digest == 0 ? 0 : storage::slot_term(token, key, digest);
}

const SlotIndex::Sums* SlotIndex::find(storage::KeyspaceNumber keyspace) const {
  const auto found = keyspaces_.find(keyspace);
  return found == keyspaces_.end() ? nullptr : &found->second;
}

const SlotIndex::Group* SlotIndex::find_group(storage::KeyspaceNumber keyspace,
                                              std::size_t group) const {
  const Sums* sums = find(keyspace);
  return sums == nullptr ? nullptr : sums->groups[group].get();
}

SlotIndex::Group& SlotIndex::Sums::group(Slot slot) {
  auto& found = groups[group_of(slot)];
  if (!found) found = std::make_unique<Group>();
  return *found;
}

void SlotIndex::touch(Sums& sums, Slot slot) {
  ++sums.group(slot).slot_changes[within_group(slot)];
  ++sums.group_changes[group_of(slot)];
  ++sums.changes;
}

void SlotIndex::load(storage::KeyspaceNumber keyspace, std::span<const storage::SlotDigest> sums) {
  if (sums.empty()) return;
  PARLEY_CHECK(!keyspaces_.contains(keyspace));
  Sums& into = keyspaces_[keyspace];
  for (const auto& [slot, sum] : sums) {
    into.group(slot).sum[within_group(slot)] += sum;
    into.group_changes[group_of(slot)] = 1;
  }
  into.changes = 1;
}

void SlotIndex::change(storage::KeyspaceNumber keyspace, Token token, ByteView key,
                       std::uint64_t digest_before, std::uint64_t digest_after) {
  if (digest_before == digest_after) return;
  if (PARLEY_MUTANT(overwrite_left_out_of_digest) && digest_before != 0) return;
  const Slot slot = slot_of(token);
  Sums& sums = keyspaces_[keyspace];
  sums.group(slot).sum[within_group(slot)] +=
      index_term(token, key, digest_after) - index_term(token, key, digest_before);
  touch(sums, slot);
}

std::uint64_t SlotIndex::sum(storage::KeyspaceNumber keyspace, Slot slot) const {
  const Group* group = find_group(keyspace, group_of(slot));
  return group == nullptr ? 0 : group->sum[within_group(slot)];
}

std::span<const std::uint64_t> SlotIndex::group_sums(storage::KeyspaceNumber keyspace,
                                                     std::size_t group) const {
  const Group* found = find_group(keyspace, group);
  if (found == nullptr) return {};
  return found->sum;
}

std::uint64_t SlotIndex::changes(storage::KeyspaceNumber keyspace) const {
  const Sums* sums = find(keyspace);
  return sums == nullptr ? 0 : sums->changes;
}

std::span<const std::uint64_t> SlotIndex::group_changes(storage::KeyspaceNumber keyspace) const {
  const Sums* sums = find(keyspace);
  if (sums == nullptr) return {};
  return sums->group_changes;
}

std::uint32_t SlotIndex::slot_changes(storage::KeyspaceNumber keyspace, Slot slot) const {
  const Group* group = find_group(keyspace, group_of(slot));
  return group == nullptr ? 0 : group->slot_changes[within_group(slot)];
}

bool SlotIndex::recount(storage::KeyspaceNumber keyspace, Slot slot, std::uint64_t listed,
                        std::uint32_t changes) {
  if (slot_changes(keyspace, slot) != changes) return false;
  const auto at = std::pair(keyspace, slot);
  const auto doubt = doubts_.find(at);
  if (sum(keyspace, slot) == listed) {
    if (doubt != doubts_.end()) doubts_.erase(doubt);
    return false;
  }
  if (doubt == doubts_.end() || doubt->second.listed != listed ||
      doubt->second.changes != changes) {
    if (doubt == doubts_.end() && doubts_.size() >= kDoubtsMost) doubts_.clear();
    doubts_[at] = {listed, changes};
    return false;
  }
  doubts_.erase(doubt);
  Sums& sums = keyspaces_[keyspace];
  sums.group(slot).sum[within_group(slot)] = listed;
  touch(sums, slot);
  return true;
}

}  // namespace parley::repair
