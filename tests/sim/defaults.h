// The default levels of a run's keyspace, which somebody changes while clients work: what they can
// be, and what they must be in the end.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"

namespace parley::sim {

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

  // When all is known to all: a change that was ok before another one began, which was ok too, is
  // over, and with the first of them what was at the start. One that was not ok may prevail at any
  // time (membership/gossiper.h).
  bool may_last(const DefaultLevels& levels) const {
    if (levels == DefaultLevels{} && !is_over(Instant::min())) return true;
    return std::any_of(changes_.begin(), changes_.end(), [&](const Change& change) {
      return change.levels == levels && !(change.ok && is_over(*change.ended));
    });
  }

 private:
  struct Change {
    DefaultLevels levels;
    Instant begun;
    std::optional<Instant> ended;
    bool ok = false;
  };
  bool is_over(Instant ended) const {
    return std::any_of(changes_.begin(), changes_.end(),
                       [ended](const Change& later) { return later.ok && later.begun > ended; });
  }

  std::vector<Change> changes_;
};

}  // namespace parley::sim
