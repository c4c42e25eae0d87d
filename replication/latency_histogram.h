// LatencyHistogram: how long something takes, of late. Log buckets of fixed number, so that memory
// is bounded whatever comes, and what is older counts less: by half for each half-life. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "base/units.h"

namespace parley::replication {

struct LatencyBucket {
  double from_ms = 0, to_ms = 0;
  double weight = 0;
  bool operator==(const LatencyBucket&) const = default;
};
using LatencyBuckets = std::vector<LatencyBucket>;  // ascending, without empty ones

class LatencyHistogram {
 public:
  // What is shorter is in the first bucket, what is longer in the last one.
  static constexpr Duration kLeast = 1us;
  static constexpr std::size_t kPerOctave = 16;  // 4.4 % wide
  static constexpr std::size_t kOctaves = 26;    // up to 67 s

  explicit LatencyHistogram(Duration half_life) : half_life_(half_life) {}

  void record(Duration elapsed, Instant now);
  LatencyBuckets buckets() const;

 private:
  void fade(Instant now);

  Duration half_life_;
  Instant faded_{};  // the weights are as of this moment
  std::array<float, kPerOctave * kOctaves> weights_{};
};

}  // namespace parley::replication
