// The queue of claims that ride on every datagram. One slot per subject, so it is bounded by the
// number of members and never repeats a stale accusation behind a newer refutation.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "membership/member.h"

namespace parley::membership {

class Dissemination {
 public:
  // Replaces what was queued about the same member.
  void add(const Claim& claim);
  // Up to `most` claims, least-sent first, good news before bad among equals; each counts as sent
  // once. `to` needs no copy of what it says about itself by being alive. A claim leaves the queue
  // after copies_for(members) copies.
  std::vector<Claim> take(std::size_t most, std::size_t members, const NodeId& to);
  // False when take() for `to` would give nothing.
  bool any_for(const NodeId& to) const;
  // Drops what is queued about `node` if it is that it lives.
  void forget_alive(const NodeId& node);
  bool empty() const { return queue_.empty(); }
  std::size_t size() const { return queue_.size(); }
  void forget(const NodeId& node) { queue_.erase(node); }

  // Misses one node in a million: ceil(ln N + 14). memberlist's 4 x ceil(log10(N + 1)) leaves a
  // hole in 2 % of the updates at 48 nodes.
  static std::size_t copies_for(std::size_t members);

 private:
  struct Item {
    Claim claim;
    std::size_t sent = 0;
  };
  std::map<NodeId, Item> queue_;
};

}  // namespace parley::membership
