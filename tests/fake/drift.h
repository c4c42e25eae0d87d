// A node's monotonic clock against the world's: it may run faster or slower, and never jumps.
// Included by tests/fake/fake_world.h.
#pragma once

#include "base/units.h"

namespace parley::fake::detail {

class Drift {
 public:
  // From `now`, in the world's time, on: so many of its seconds in one of the world's.
  void set(double rate, Instant now) {
    own_ = of(now);
    world_ = now;
    rate_ = rate;
  }
  Instant of(Instant world) const {
    return rate_ == 1 ? own_ + (world - world_) : own_ + scaled(world - world_, rate_);
  }
  // The first moment of the world at which this clock shows `own` or more.
  Instant when(Instant own) const {
    if (own - own_ > kFar) return world_ + kFar;
    if (rate_ == 1) return world_ + (own - own_);
    Instant at = world_ + scaled(own - own_, 1 / rate_);
    while (of(at) < own) at += Duration(1);
    return at;
  }

 private:
  static constexpr Duration kFar = std::chrono::hours(24 * 365);  // never, for a run
  static Duration scaled(Duration span, double by) {
    return Duration(static_cast<Duration::rep>(static_cast<double>(span.count()) * by));
  }
  Instant world_{}, own_{};
  double rate_ = 1;
};

}  // namespace parley::fake::detail
