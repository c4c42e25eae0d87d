// How many hints each target has, how large and how old: kept by adding and taking away, so that
// nobody ever counts rows. A value machine; no I/O.
#pragma once

#include <map>
#include <optional>

#include "storage/store.h"

namespace parley::storage {

// What one hint adds to its target's totals.
struct HintShare {
  std::uint64_t bytes = 0;  // of the value
  WallTime created;
  bool sole = false;
};

class HintLedger {
 public:
  // nullopt: there was, or is, no hint.
  void change(const NodeId& target, const std::optional<HintShare>& before,
              const std::optional<HintShare>& after);
  // Only targets with hints.
  const std::map<NodeId, HintTotals>& totals() const { return totals_; }

 private:
  void add(const NodeId& target, const HintShare& share);
  void take(const NodeId& target, const HintShare& share);

  std::map<NodeId, HintTotals> totals_;
  std::map<NodeId, std::map<WallTime, std::uint64_t>> ages_;  // hints by creation: for the oldest
};

}  // namespace parley::storage
