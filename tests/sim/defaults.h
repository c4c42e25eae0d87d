// The default levels of a run's keyspace, which somebody changes while clients work: what they can
// be, and what they must be in the end.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"

namespace parley::sim {

// Of a change: an empty one leaves what is there.
struct DefaultLevels {
  std::string read = "quorum", write = "quorum";
  bool operator==(const DefaultLevels&) const = default;
};

class Defaults {
 public:
  std::size_t begin(DefaultLevels levels, Instant now) {
    changes_.push_back({std::move(levels), now, std::nullopt, false});
    return changes_.size() - 1;
  }
  void end(std::size_t change, bool ok, Instant now) {
    changes_[change].ended = now;
    changes_[change].ok = ok;
  }

  // Has anybody asked for it yet?
  bool may_read_at(const std::string& level) const {
    return level == DefaultLevels{}.read ||
           std::any_of(changes_.begin(), changes_.end(),
                       [&](auto& c) { return c.levels.read == level; });
  }
  bool may_write_at(const std::string& level) const {
    return level == DefaultLevels{}.write ||
           std::any_of(changes_.begin(), changes_.end(),
                       [&](auto& c) { return c.levels.write == level; });
  }

  // When all is known to all: each half as some change that set it, or as at the start; no change
  // says anything of the half that it left alone (membership/held_keyspace.h). A change that was ok
  // before another one of this half began, which was ok too, is over. One that was not ok may
  // prevail at any time (membership/gossiper.h).
  bool may_last(const DefaultLevels& levels) const {
    return may_last(&DefaultLevels::read, levels.read) &&
           may_last(&DefaultLevels::write, levels.write);
  }

 private:
  struct Change {
    DefaultLevels levels;
    Instant begun;
    std::optional<Instant> ended;
    bool ok = false;
  };
  using Half = std::string DefaultLevels::*;
  bool may_last(Half half, const std::string& level) const {
    const Change start{{}, Instant::min(), Instant::min(), true};
    const auto lasts = [&](const Change& change) {
      if (change.levels.*half != level) return false;
      return !change.ok || !is_over(half, *change.ended);
    };
    return lasts(start) || std::any_of(changes_.begin(), changes_.end(), lasts);
  }
  bool is_over(Half half, Instant ended) const {
    return std::any_of(changes_.begin(), changes_.end(), [&](const Change& later) {
      return later.ok && later.begun > ended && !(later.levels.*half).empty();
    });
  }

  std::vector<Change> changes_;
};

}  // namespace parley::sim
