// Deadlines over a connection whose ends have different clocks. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/units.h"

namespace parley::runtime {

// A clock reading as it travels: milliseconds, modulo 2^32.
inline std::uint32_t travelling_ms(Instant now) {
  return static_cast<std::uint32_t>(to_millis(now.time_since_epoch()));
}

// How long frames of one connection lay in buffers. The offset between the two clocks is unknown,
// but the least (received - sent) of the last one to two minutes is the offset plus a quick trip;
// what a frame took beyond that, it waited somewhere: most of all in the socket buffers of a
// stopped process, whose work of 30 s ago must not be done now.
class TransitMeter {
 public:
  // Takes note of one frame and says how long it waited.
  Duration waited(Instant received, std::uint32_t sent_ms);

 private:
  static constexpr Duration kWindow = 60s;
  // Offsets wrap: only their differences mean anything.
  std::optional<std::uint32_t> least_, least_before_;
  Instant window_began_{};
};

// What remains of a deadline; zero or less: expired.
inline Duration remaining_of(std::uint32_t remaining_ms, Duration waited) {
  return std::chrono::milliseconds(remaining_ms) - waited;
}

}  // namespace parley::runtime
