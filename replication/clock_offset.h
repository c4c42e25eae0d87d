// ClockOffset: which part of a round trip was the way out and which the way back, without clocks
// that agree. Each round trip says between what the peer's clock is ahead of ours, since no way
// takes less than no time; together the recent ones say it closely, and in the middle of what is
// left the shortest way out and the shortest way back are the same. What cannot be known stays: a
// way that is always slower than the way back looks like half of both. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/units.h"

namespace parley::replication {

// One question to a peer: `sent` and `back` by our clock, `received` and `answered` by the peer's,
// whose beginning is nobody's business.
struct RoundTrip {
  Instant sent, back;
  Duration received{}, answered{};

  Duration service() const { return answered - received; }
  Duration network() const { return back - sent - service(); }
  // False for what no honest peer could say, and for one that says nothing.
  bool is_sound() const {
    constexpr Duration kMost{std::int64_t{1} << 61};  // 73 years; the sums below cannot overflow
    if (received <= Duration{0} || answered < received || answered > kMost) return false;
    return network() >= Duration{0};
  }
};

struct Legs {
  Duration out{}, back{};
};

class ClockOffset {
 public:
  // Clocks drift by tens of microseconds a second at most: older round trips say nothing any more.
  static constexpr Duration kWindow = 20s;

  // Of a sound one.
  Legs split(const RoundTrip& trip);

 private:
  struct Bounds {  // how far the peer's clock is ahead
    Duration least, most;
  };
  static std::optional<Bounds> both(const Bounds& a, const Bounds& b);

  std::optional<Bounds> now_, before_;  // of this window and of the one before it
  Instant since_{};                     // when this window began
};

}  // namespace parley::replication
