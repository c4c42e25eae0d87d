// A node's store that tells the Ledger of every change; it changes nothing, not even the number of
// events.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/units.h"
#include "storage/store.h"
#include "tests/sim/ledger.h"

namespace parley::sim {

struct TappedNode {
  std::string address;
  std::function<Instant()> now;       // the world's
  std::function<WallTime()> wall;     // the node's own
  Duration hint_age_most{};           // older ones are dropped
  std::uint64_t hint_bytes_most = 0;  // for one target
};

std::unique_ptr<storage::Store> keep_ledger(std::unique_ptr<storage::Store> store, TappedNode node,
                                            Ledger& ledger);

}  // namespace parley::sim
