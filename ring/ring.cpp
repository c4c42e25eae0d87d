#include "ring/ring.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/mutant.h"

namespace parley::ring {

namespace {

// A total order, so that the choice among one node's records never depends on their order.
bool newer(const RingRecord& a, const RingRecord& b) {
  return std::tie(a.version, a.status, a.slots, a.rack) >
         std::tie(b.version, b.status, b.slots, b.rack);
}

std::map<NodeId, const RingRecord*> newest_by_node(std::span<const RingRecord> records) {
  std::map<NodeId, const RingRecord*> newest;
  for (const RingRecord& record : records) {
    const auto [at, fresh] = newest.emplace(record.node, &record);
    if (!fresh && newer(record, *at->second)) at->second = &record;
  }
  return newest;
}

}  // namespace

Token token_of(ByteView key) { return hash64(key); }

std::shared_ptr<const Ring> Ring::build(std::span<const RingRecord> records) {
  auto ring = std::make_shared<Ring>();
  const auto newest = newest_by_node(records);

  // Claimants in ascending order of their ids: the first claim of a slot is the lowest id's.
  std::vector<NodeId> claimants;
  std::vector<std::pair<Slot, NodeIndex>> claims;
  for (const auto& [node, record] : newest) {
    if (record->status != RingStatus::Normal) continue;
    for (const Slot slot : record->slots) {
      claims.emplace_back(slot, static_cast<NodeIndex>(claimants.size()));
    }
    claimants.push_back(node);
  }
  std::sort(claims.begin(), claims.end());
  claims.erase(std::unique(claims.begin(), claims.end(),
                           [](const auto& a, const auto& b) { return a.first == b.first; }),
               claims.end());
  if (claims.empty()) return ring;
  ring->take(claimants, claims);

  // Frozen: nodes compare this number to learn whether they see the same ring.
  ByteWriter form;
  for (const NodeId& node : ring->nodes_) {
    form.raw(node.view());
    form.sized(newest.at(node)->rack);
  }
  for (const Vnode& vnode : ring->vnodes_) {
    form.number(vnode.slot);
    form.raw(vnode.node.view());
  }
  const std::uint64_t digest = hash64(form.bytes());
  ring->digest_ = digest == 0 ? 1 : digest;  // 0 says "empty"
  return ring;
}

// `claims` are one a slot, in order; a claimant that got none is not on the ring.
void Ring::take(const std::vector<NodeId>& claimants,
                const std::vector<std::pair<Slot, NodeIndex>>& claims) {
  std::vector<bool> owns(claimants.size());
  for (const auto& [slot, claimant] : claims) owns[claimant] = true;
  std::vector<NodeIndex> index_of(claimants.size());
  for (std::size_t i = 0; i < claimants.size(); ++i) {
    index_of[i] = static_cast<NodeIndex>(nodes_.size());
    if (owns[i]) nodes_.push_back(claimants[i]);
  }
  vnodes_.reserve(claims.size());
  vnode_owner_.reserve(claims.size());
  for (const auto& [slot, claimant] : claims) {
    vnodes_.push_back({slot, claimants[claimant]});
    vnode_owner_.push_back(index_of[claimant]);
  }
  prepare_distinct();
}

void Ring::prepare_distinct() {
  ready_count_ = std::min(nodes_.size(), kReady);
  ready_.reserve(vnodes_.size() * ready_count_);
  // For each node, the last vnode (plus one) from which a walk met it.
  std::vector<std::size_t> met(nodes_.size());
  for (std::size_t i = 0; i < vnodes_.size(); ++i) {
    const std::size_t full = ready_.size() + ready_count_;
    for (std::size_t at = i; ready_.size() < full; at = at + 1 == vnodes_.size() ? 0 : at + 1) {
      const NodeIndex owner = vnode_owner_[at];
      if (std::exchange(met[owner], i + 1) != i + 1) ready_.push_back(owner);
    }
  }
}

// A token at slot s owns (previous, s]: the owner of a slot is the first vnode at or after it.
std::size_t Ring::vnode_at(Slot slot) const {
  const auto at = std::lower_bound(vnodes_.begin(), vnodes_.end(), slot,
                                   [](const Vnode& v, Slot s) { return v.slot < s; });
  return at == vnodes_.end() ? 0 : static_cast<std::size_t>(at - vnodes_.begin());
}

std::optional<Ring::NodeIndex> Ring::index_of(const NodeId& node) const {
  const auto at = std::lower_bound(nodes_.begin(), nodes_.end(), node);
  if (at == nodes_.end() || *at != node) return std::nullopt;
  return static_cast<NodeIndex>(at - nodes_.begin());
}

std::vector<Ring::NodeIndex> Ring::distinct_from(std::size_t vnode, std::size_t count) const {
  std::vector<NodeIndex> out;
  count = std::min(count, nodes_.size());
  out.reserve(count);
  std::vector<bool> seen(nodes_.size());
  for (std::size_t step = 0; out.size() < count; ++step) {  // each node has a vnode
    const NodeIndex owner = vnode_owner_[(vnode + step) % vnodes_.size()];
    if (seen[owner]) continue;
    seen[owner] = true;
    out.push_back(owner);
  }
  return out;
}

std::vector<NodeId> Ring::named(std::span<const NodeIndex> indexes) const {
  std::vector<NodeId> out;
  out.reserve(indexes.size());
  for (const NodeIndex i : indexes) out.push_back(nodes_[i]);
  return out;
}

std::vector<NodeId> Ring::preference_list(Slot slot, std::size_t count) const {
  count = std::min(count, nodes_.size());
  if (count == 0) return {};
  const std::size_t vnode = vnode_at(slot);
  if (count > ready_count_) return named(distinct_from(vnode, count));
  return named(std::span(ready_).subspan(vnode * ready_count_, count));
}

std::vector<NodeId> Ring::walk(Slot slot) const { return preference_list(slot, nodes_.size()); }

bool Ring::owns(const NodeId& node, Slot slot, std::size_t count) const {
  const auto index = index_of(node);
  count = std::min(count, nodes_.size());
  if (!index) return false;
  const std::size_t vnode = vnode_at(slot);
  if (count > ready_count_) {
    const auto some = distinct_from(vnode, count);
    return std::find(some.begin(), some.end(), *index) != some.end();
  }
  const auto some = std::span(ready_).subspan(vnode * ready_count_, count);
  return std::find(some.begin(), some.end(), *index) != some.end();
}

template <typename Visit>
void Ring::for_each_range(std::size_t count, Visit visit) const {
  count = std::min(count, nodes_.size());
  if (count == 0) return;
  for (std::size_t i = 0; i < vnodes_.size(); ++i) {
    // Slots wrap as 16-bit numbers; the only vnode of a ring owns all of them.
    const Slot previous = vnodes_[i == 0 ? vnodes_.size() - 1 : i - 1].slot;
    const Slot span_slots = static_cast<Slot>(vnodes_[i].slot - previous);
    const std::size_t length = span_slots == 0 ? kSlotCount : span_slots;
    const Slot first = static_cast<Slot>(previous + 1);
    if (count > ready_count_) {
      const auto some = distinct_from(i, count);
      visit(first, length, std::span<const NodeIndex>(some));
    } else {
      visit(first, length, std::span<const NodeIndex>(ready_).subspan(i * ready_count_, count));
    }
  }
}

double Ring::owned_share(const NodeId& node, std::size_t count) const {
  const auto index = index_of(node);
  if (!index) return 0;
  std::size_t owned = 0;
  for_each_range(count, [&](Slot, std::size_t length, std::span<const NodeIndex> owners) {
    if (std::find(owners.begin(), owners.end(), *index) != owners.end()) owned += length;
  });
  return static_cast<double>(owned) / static_cast<double>(kSlotCount);
}

SlotSet Ring::common_slots(const NodeId& a, const NodeId& b, std::size_t count) const {
  const auto index_a = index_of(a);
  const auto index_b = index_of(b);
  SlotSet out;
  if (!index_a || !index_b) return out;
  for_each_range(count, [&](Slot first, std::size_t length, std::span<const NodeIndex> owners) {
    if (std::find(owners.begin(), owners.end(), *index_a) == owners.end()) return;
    if (std::find(owners.begin(), owners.end(), *index_b) == owners.end()) return;
    if (PARLEY_MUTANT(wrap_not_shared)) length = std::min(length, kSlotCount - first);
    out.add_range(first, length);
  });
  return out;
}

}  // namespace parley::ring
