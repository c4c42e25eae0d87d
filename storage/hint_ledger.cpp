#include "storage/hint_ledger.h"

#include "base/check.h"

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
  const auto age = ages.find(share.created);
  HintTotals& totals = totals_[target];
  PARLEY_CHECK(age != ages.end() && totals.bytes >= share.bytes);
  if (--age->second == 0) ages.erase(age);
  --totals.hints;
  totals.sole_hints -= share.sole ? 1 : 0;
  totals.bytes -= share.bytes;
  if (totals.hints == 0) {
    totals_.erase(target);
    ages_.erase(target);
  } else {
    totals.oldest = ages.begin()->first;
  }
}

}  // namespace parley::storage
