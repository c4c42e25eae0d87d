#include "storage/hint_ledger.h"

#include <algorithm>

namespace parley::storage {

void HintLedger::change(const NodeId& target, const std::optional<HintShare>& before,
                        const std::optional<HintShare>& after) {
  // Added first, so that a target whose only hint changes keeps its entry.
  if (after) add(target, *after);
  if (before) take(target, *before);
}

void HintLedger::add(const NodeId& target, const HintShare& share) {
  auto& ages = ages_[target];
  ++ages[share.created];
  HintTotals& totals = totals_[target];
  ++totals.hints;
  totals.sole_hints += share.sole ? 1 : 0;
  totals.bytes += share.bytes;
  totals.oldest = ages.begin()->first;
}

void HintLedger::take(const NodeId& target, const HintShare& share) {
  auto& ages = ages_[target];
  HintTotals& totals = totals_[target];
  // A row that rotted on disk may name another time or size than the one that was added: totals
  // are then a little off until the next start, and nothing else is harmed.
  const auto exact = ages.find(share.created);
  const auto age = exact != ages.end() ? exact : ages.begin();
  if (age != ages.end() && --age->second == 0) ages.erase(age);
  totals.hints -= std::min<std::uint64_t>(totals.hints, 1);
  totals.sole_hints -= std::min<std::uint64_t>(totals.sole_hints, share.sole ? 1 : 0);
  totals.bytes -= std::min<std::uint64_t>(totals.bytes, share.bytes);
  if (totals.hints == 0 || ages.empty()) {
    totals_.erase(target);
    ages_.erase(target);
  } else {
    totals.oldest = ages.begin()->first;
  }
}

}  // namespace parley::storage
