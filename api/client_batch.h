// Batches of any size: cut into messages by the node that each key would best go to, within what
// one message may hold, and paced so that a bounded part is under way. The cutting and the pace
// are pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/units.h"

namespace parley::client {

struct BatchItem {
  std::optional<Endpoint> home;  // nullopt: any node
  std::size_t bytes = 0;         // on the wire
};

// Indexes of the items, group by group, in order within each group. Every item is in exactly one
// group; an item larger than `bytes_most` is alone.
std::vector<std::vector<std::size_t>> cut_batch(const std::vector<BatchItem>& items,
                                                std::size_t items_most, std::size_t bytes_most);

// How much of all batches of one client may be under way. Even if every node but one is gone, it
// all fits the calls that a node takes from one connection (serve.calls_most, 1024 as delivered)
// and leaves room for single calls.
class BatchPace {
 public:
  static constexpr std::size_t kItemsMost = 768;
  static constexpr std::size_t kBytesMost = 8_MiB;

  // How many of `waiting` items may go now. Waits until half is free, so that what is sent is
  // worth a message to each node.
  std::size_t room(std::size_t waiting, std::size_t most = kItemsMost) const {
    most = std::clamp<std::size_t>(most, 1, kItemsMost);
    const std::size_t free = most - std::min(most, items_);
    if (waiting <= free) return waiting;
    return free >= (most + 1) / 2 ? free : 0;
  }
  // An item larger than all of it goes alone.
  bool fits(std::size_t bytes) const { return items_ == 0 || bytes_ + bytes <= kBytesMost; }
  void begin(std::size_t bytes) {
    ++items_;
    bytes_ += bytes;
  }
  void end(std::size_t bytes) {
    --items_;
    bytes_ -= bytes;
  }
  std::size_t items() const { return items_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t items_ = 0, bytes_ = 0;
};

}  // namespace parley::client
