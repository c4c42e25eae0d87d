// Lifeguard's local health (arXiv:1707.00788, section 3.1): the more often this node misses what
// it should have heard, the slower it probes, because the fault is then likely its own.
#pragma once

#include <algorithm>

#include "base/units.h"

namespace parley::membership {

class Awareness {
 public:
  explicit Awareness(int ceiling) : most_(std::max(0, ceiling - 1)) {}

  // 0 is healthy.
  int score() const { return score_; }
  void add(int delta) { score_ = std::clamp(score_ + delta, 0, most_); }
  Duration scaled(Duration d) const { return d * (score_ + 1); }

 private:
  int most_;
  int score_ = 0;
};

}  // namespace parley::membership
