#include "repair/slot_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace parley::repair {

std::uint64_t index_term(Token token, ByteView key, std::uint64_t digest) {
  return digest == 0 ? 0 : storage::slot_term(token, key, digest);
}

const SlotIndex::Sums* SlotIndex::find(storage::KeyspaceNumber keyspace) const {
  const auto found = keyspaces_.find(keyspace);
  return found == keyspaces_.end() ? nullptr : &found->second;
}

void SlotIndex::touch(Sums& sums, Slot slot) {
  ++sums.slot_changes[slot];
  ++sums.group_changes[group_of(slot)];
  ++sums.changes;
}

void SlotIndex::load(storage::KeyspaceNumber keyspace, std::vector<std::uint64_t> sums) {
  if (sums.empty()) return;
  PARLEY_CHECK(sums.size() == kSlotCount);
  const auto [at, fresh] = keyspaces_.emplace(keyspace, std::move(sums));
  PARLEY_CHECK(fresh);
  Sums& into = at->second;
  for (std::size_t group = 0; group < kGroupCount; ++group) {
    const auto own = std::span(into.sum).subspan(group * kGroupSlots, kGroupSlots);
    if (std::any_of(own.begin(), own.end(), [](auto sum) { return sum != 0; })) {
      ++into.group_changes[group];
    }
  }
  ++into.changes;
}

void SlotIndex::change(storage::KeyspaceNumber keyspace, Token token, ByteView key,
                       std::uint64_t digest_before, std::uint64_t digest_after) {
  if (digest_before == digest_after) return;
  if (PARLEY_MUTANT(overwrite_left_out_of_digest) && digest_before != 0) return;
  const Slot slot = slot_of(token);
  Sums& sums = keyspaces_[keyspace];
  sums.sum[slot] += index_term(token, key, digest_after) - index_term(token, key, digest_before);
  touch(sums, slot);
}

std::uint64_t SlotIndex::sum(storage::KeyspaceNumber keyspace, Slot slot) const {
  const Sums* sums = find(keyspace);
  return sums == nullptr ? 0 : sums->sum[slot];
}

std::span<const std::uint64_t> SlotIndex::group_sums(storage::KeyspaceNumber keyspace,
                                                     std::size_t group) const {
  const Sums* sums = find(keyspace);
  if (sums == nullptr) return {};
  return std::span(sums->sum).subspan(group * kGroupSlots, kGroupSlots);
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
  const Sums* sums = find(keyspace);
  return sums == nullptr ? 0 : sums->slot_changes[slot];
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
  sums.sum[slot] = listed;
  touch(sums, slot);
  return true;
}

}  // namespace parley::repair
