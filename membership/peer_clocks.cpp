#include "membership/peer_clocks.h"

#include <algorithm>
#include <cstdlib>

namespace parley::membership {

namespace {

std::int64_t at_zero(WallTime wall, Instant at) {
  return wall.millis - to_millis(at.time_since_epoch());
}

}  // namespace

void PeerClocks::heard(const NodeId& node, WallTime theirs, Instant now, Duration round_trip) {
  if (theirs == WallTime{} || round_trip > kRoundTripMost) return;
  std::erase_if(samples_, [&node](const Sample& sample) { return sample.node == node; });
  if (samples_.size() == kSamplesMost) samples_.erase(samples_.begin());
  // Read half-way, give or take that half.
  samples_.push_back({node, {at_zero(theirs, now - round_trip / 2)}});
}

std::optional<Duration> PeerClocks::off(Instant now, WallTime own, std::size_t members) const {
  const std::size_t known = std::min(members, kSamplesMost + 1);
  if (samples_.empty() || samples_.size() + 1 < known / 2 + 1) return std::nullopt;
  std::vector<std::int64_t> ahead_of{0};  // our own clock
  ahead_of.reserve(samples_.size() + 1);
  for (const Sample& sample : samples_) {
    ahead_of.push_back(at_zero(own, now) - sample.at_zero.millis);
  }
  std::sort(ahead_of.begin(), ahead_of.end());
  const std::int64_t low = ahead_of[(ahead_of.size() - 1) / 2];
  const std::int64_t high = ahead_of[ahead_of.size() / 2];
  return std::chrono::milliseconds(std::abs(low) <= std::abs(high) ? low : high);
}

}  // namespace parley::membership
