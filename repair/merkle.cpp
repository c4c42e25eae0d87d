#include "repair/merkle.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/hash.h"
#include "base/mutant.h"

namespace parley::repair {
namespace {

// Of both numbers' little-endian bytes. Up to 2^16 in one turn, so without a buffer that grows.
std::uint64_t mix(Slot slot, std::uint64_t sum) {
  std::array<char, sizeof slot + sizeof sum> form;
  for (std::size_t i = 0; i < sizeof slot; ++i) form[i] = static_cast<char>(slot >> (8 * i));
  for (std::size_t i = 0; i < sizeof sum; ++i) {
    form[sizeof slot + i] = static_cast<char>(sum >> (8 * i));
  }
  return hash64({form.data(), form.size()});
}

Error does_not_fit() {
  return {ErrorCode::InvalidArgument, "comparison reply does not fit the question"};
}

}  // namespace

std::vector<Slot> SharedSlots::slots_of(std::size_t group) const {
  std::vector<Slot> out;
  for (std::size_t i = 0; i < kGroupSlots; ++i) {
    const auto slot = static_cast<Slot>(group * kGroupSlots + i);
    if (member_.contains(slot)) out.push_back(slot);
  }
  return out;
}

const std::array<std::uint64_t, kGroupCount>& SharedSlots::groups(const SlotIndex& index) {
  const std::uint64_t changes = index.changes(keyspace_);
  if (std::exchange(made_at_, changes) == changes) return digest_;
  const auto now = index.group_changes(keyspace_);
  for (std::size_t group = 0; group < kGroupCount; ++group) {
    if (std::exchange(made_from_[group], now[group]) == now[group]) continue;
    std::uint64_t digest = 0;
    const auto sums = index.group_sums(keyspace_, group);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const auto slot = static_cast<Slot>(group * kGroupSlots + i);
      // An empty slot adds nothing: most of a new node's 65,536 are.
      if (sums[i] != 0 && member_.contains(slot)) digest += mix(slot, sums[i]);
    }
    digest_[group] = digest;
  }
  return digest_;
}

std::uint64_t SharedSlots::root(const SlotIndex& index) {
  const auto& all = groups(index);
  return std::accumulate(all.begin(), all.end(), std::uint64_t{0});
}

Result<CompareReply> answer_compare(const CompareRequest& request, SharedSlots& shared,
                                    const SlotIndex& index) {
  CompareReply reply;
  if (request.groups.empty()) {
    const auto& groups = shared.groups(index);
    reply.equal =
        shared.root(index) == request.root || PARLEY_MUTANT(different_roots_taken_for_equal);
    if (!reply.equal) reply.sums.assign(groups.begin(), groups.end());
    return reply;
  }
  const bool sorted =
      std::adjacent_find(request.groups.begin(), request.groups.end(),
                         [](auto a, auto b) { return a >= b; }) == request.groups.end();
  if (!sorted || request.groups.size() > kCompareGroupsMost) {
    return Error{ErrorCode::InvalidArgument, "comparison asks for unsorted or too many groups"};
  }
  for (const std::uint8_t group : request.groups) {
    for (const Slot slot : shared.slots_of(group)) {
      reply.sums.push_back(index.sum(shared.keyspace(), slot));
    }
  }
  return reply;
}

SyncSession::SyncSession(SharedSlots& shared, const SlotIndex& index, const KeyspaceId& keyspace)
    : shared_(shared), index_(index), keyspace_(keyspace) {}

SyncSession::Step SyncSession::step() const {
  if (!begun_) return Step::Compare;
  if (!slots_.empty()) return Step::List;  // before more groups: bounds what is remembered
  return groups_.empty() ? Step::Ended : Step::Compare;
}

CompareRequest SyncSession::compare() {
  CompareRequest request;
  request.keyspace = keyspace_;
  if (!begun_) {
    request.root = shared_.root(index_);
    return request;
  }
  asked_.clear();
  while (!groups_.empty() && asked_.size() < kCompareGroupsMost) {
    asked_.push_back(groups_.back());
    groups_.pop_back();
  }
  request.groups = asked_;
  return request;
}

Status SyncSession::on_reply(const CompareReply& reply) {
  return begun_ ? on_sums(reply) : on_groups(reply);
}

Status SyncSession::on_groups(const CompareReply& reply) {
  begun_ = true;
  if (reply.equal) {
    equal_ = true;
    return Done{};
  }
  if (reply.sums.size() != kGroupCount) return does_not_fit();
  const auto& mine = shared_.groups(index_);
  for (std::size_t group = kGroupCount;
       group-- > (PARLEY_MUTANT(first_group_not_compared) ? 1 : 0);) {
    if (mine[group] != reply.sums[group]) groups_.push_back(static_cast<std::uint8_t>(group));
  }
  return Done{};
}

Status SyncSession::on_sums(const CompareReply& reply) {
  std::vector<Slot> slots;
  for (const std::uint8_t group : asked_) {
    const auto of_group = shared_.slots_of(group);
    slots.insert(slots.end(), of_group.begin(), of_group.end());
  }
  if (reply.sums.size() != slots.size()) {
    groups_.clear();
    return does_not_fit();
  }
  for (std::size_t i = slots.size(); i-- > 0;) {
    if (index_.sum(shared_.keyspace(), slots[i]) != reply.sums[i]) slots_.push_back(slots[i]);
  }
  return Done{};
}

std::vector<Slot> SyncSession::take_slots() {
  std::vector<Slot> out;
  while (!slots_.empty() && out.size() < kListSlotsMost) {
    out.push_back(slots_.back());
    slots_.pop_back();
  }
  return out;
}

}  // namespace parley::repair
