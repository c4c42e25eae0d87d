// PeerClocks: how far this node's wall clock is off the members', as a decider. It believes only
// answers that came soon after their question: the clock in them was read in between, however long
// this process or the other one stood still before or after.
#pragma once

#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/units.h"

namespace parley::membership {

class PeerClocks {
 public:
  static constexpr Duration kRoundTripMost = 500ms;
  // Of the members heard last, one sample each: a median of so many is as good as that of all.
  static constexpr std::size_t kSamplesMost = 64;

  // A current member's answer to a question that was asked `round_trip` before `now`: its wall
  // clock showed `theirs` (0: not told) at some moment between.
  void heard(const NodeId& node, WallTime theirs, Instant now, Duration round_trip);

  // How far `own` is ahead of the median of the clocks that were heard, our own among them. Of an
  // even number the one of the two middle ones that is nearer to `own`: where half of the clocks
  // say so, ours is right. What a member said last counts until it says something else: a clock
  // that was found wrong is not right again because the others have fallen silent. nullopt: these
  // are no majority of so many `members`, ours among them, or there is no other one.
  std::optional<Duration> off(Instant now, WallTime own, std::size_t members) const;
  std::size_t heard_count() const { return samples_.size(); }

 private:
  struct Sample {
    NodeId node;
    // What its wall clock showed when our monotonic one was at 0. So what is known of the others
    // stays true when our own wall clock jumps, and off() sees the jump at once.
    WallTime at_zero;
  };
  std::vector<Sample> samples_;  // the one heard last is the last
};

}  // namespace parley::membership
