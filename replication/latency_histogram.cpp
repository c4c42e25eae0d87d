#include "replication/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace parley::replication {
namespace {

// What has faded to less than this counts no more.
constexpr float kWeightLeast = 1e-3F;

double bound_ms(std::size_t bucket) {
  if (bucket == 0) return 0;
  const double octaves =
      static_cast<double>(bucket) / static_cast<double>(LatencyHistogram::kPerOctave);
  return to_seconds(LatencyHistogram::kLeast) * 1e3 * std::exp2(octaves);
}

}  // namespace

void LatencyHistogram::record(Duration elapsed, Instant now) {
  fade(now);
  const double ratio =
      static_cast<double>(std::max(elapsed, kLeast).count()) / static_cast<double>(kLeast.count());
  const auto bucket = static_cast<std::size_t>(std::log2(ratio) * static_cast<double>(kPerOctave));
  weights_[std::min(bucket, weights_.size() - 1)] += 1;
}

// In steps of a whole half-life, so that a record costs no walk.
void LatencyHistogram::fade(Instant now) {
  if (faded_ == Instant{}) faded_ = now;
  const auto halvings = (now - faded_) / half_life_;
  if (halvings <= 0) return;
  faded_ += halvings * half_life_;
  const auto factor = static_cast<float>(std::exp2(-static_cast<double>(halvings)));
  for (float& weight : weights_) {
    weight *= factor;
    if (weight < kWeightLeast) weight = 0;
  }
}

LatencyBuckets LatencyHistogram::buckets() const {
  LatencyBuckets out;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] > 0) out.push_back({bound_ms(i), bound_ms(i + 1), weights_[i]});
  }
  return out;
}

}  // namespace parley::replication
