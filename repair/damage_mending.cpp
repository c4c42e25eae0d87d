#include "repair/damage_mending.h"

#include "base/check.h"
#include "base/mutant.h"

namespace parley::repair {

DamageMending::DamageMending(std::size_t owners)
    : others_(owners - 1),
      needed_(PARLEY_MUTANT(damage_mended_from_one) ? 1 : owners - (owners / 2 + 1) + 1) {
  PARLEY_CHECK(owners > 0);
}

void DamageMending::answered(const replication::VersionSet& set) {
  ++answered_;
  merged_.merge(set);
}

void DamageMending::damaged() { ++damaged_; }

void DamageMending::silent() { ++silent_; }

DamageMending::Step DamageMending::step() const {
  const std::size_t left = others_ - (answered_ + damaged_ + silent_);
  const bool all = silent_ == 0;
  if (!all && answered_ + left < needed_) return Step::TryAgain;
  // Those that still may speak may know writes that fewer than a majority acked: wait for them.
  if (left > 0) return Step::Wait;
  if (!merged_.empty()) return answered_ < needed_ ? Step::MendInDoubt : Step::Mend;
  // The silent ones may hold a write that fewer than a majority acked.
  return all ? Step::Lost : Step::TryAgain;
}

}  // namespace parley::repair
