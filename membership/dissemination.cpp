#include "membership/dissemination.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace parley::membership {

void Dissemination::add(const Claim& claim) { queue_[claim.node] = Item{claim, 0}; }

std::size_t Dissemination::copies_for(std::size_t members) {
  const double n = static_cast<double>(std::max<std::size_t>(1, members));
  return static_cast<std::size_t>(std::ceil(std::log(n) + 14));
}

bool Dissemination::any_for(const NodeId& to) const {
  if (queue_.size() != 1) return !queue_.empty();
  const auto& [node, item] = *queue_.begin();
  return node != to || item.claim.liveness != Liveness::Alive;
}

void Dissemination::forget_alive(const NodeId& node) {
  const auto at = queue_.find(node);
  if (at != queue_.end() && at->second.claim.liveness == Liveness::Alive) queue_.erase(at);
}

std::vector<Claim> Dissemination::take(std::size_t most, std::size_t members, const NodeId& to) {
  std::vector<Item*> order;
  for (auto& [node, item] : queue_) {
    if (node == to && item.claim.liveness == Liveness::Alive) continue;
    order.push_back(&item);
  }
  std::sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return std::tie(a->sent, a->claim.liveness, a->claim.node) <
           std::tie(b->sent, b->claim.liveness, b->claim.node);
  });
  if (order.size() > most) order.resize(most);

  const std::size_t copies = copies_for(members);
  std::vector<Claim> out;
  for (Item* item : order) {
    out.push_back(item->claim);
    if (++item->sent >= copies) queue_.erase(NodeId(item->claim.node));
  }
  return out;
}

}  // namespace parley::membership
