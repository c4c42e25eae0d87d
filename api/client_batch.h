// How a batch is cut into messages: by the node that each key would best go to, within what one
// message may hold. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/ids.h"

namespace parley::client {

struct BatchItem {
  std::optional<Endpoint> home;  // nullopt: any node
  std::size_t bytes = 0;         // on the wire
};

// Indexes of the items, group by group, in order within each group. Every item is in exactly one
// group; an item larger than `bytes_most` is alone.
std::vector<std::vector<std::size_t>> cut_batch(const std::vector<BatchItem>& items,
                                                std::size_t items_most, std::size_t bytes_most);

}  // namespace parley::client
