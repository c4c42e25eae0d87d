// Units: time and sizes whose unit is in the type or the literal.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace parley {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;  // 200ms, 5s: the same words on every floor

// The node's monotonic time line. Deliberately not a std clock: nobody can ask it for now();
// the present comes in through a runtime::Clock.
struct MonotonicTime {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  static constexpr bool is_steady = true;
};
using Instant = std::chrono::time_point<MonotonicTime, Duration>;

// Milliseconds since the Unix epoch. For logs, the local age of hints, how far the nodes' clocks
// are apart, and the stamps of keyspaces where the last writer wins: nothing else depends on it.
struct WallTime {
  std::int64_t millis = 0;
  auto operator<=>(const WallTime&) const = default;
};

inline std::int64_t to_millis(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}
inline double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

inline constexpr std::size_t operator""_KiB(unsigned long long n) { return n << 10; }
inline constexpr std::size_t operator""_MiB(unsigned long long n) { return n << 20; }

}  // namespace parley
