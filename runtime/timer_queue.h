// Pending timers in order of time, then of age. A value: the loop asks it what is due.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/units.h"
#include "runtime/loop.h"

namespace parley::runtime {

class TimerQueue {
 public:
  TimerId add(Instant at, Task task);
  // False when it ran, was cancelled or never was.
  bool cancel(TimerId id);
  std::optional<Instant> first() const;
  // The first timer due at `now` whose id is below `before` (see fence()); nullopt when none is.
  std::optional<Task> take_due(Instant now, std::uint64_t before);
  // Ids given from now on are at or above it: a task that starts a timer which is due already
  // waits for the next turn, so one turn always ends.
  std::uint64_t fence() const { return next_id_; }
  std::size_t size() const { return keys_.size(); }

 private:
  using Key = std::pair<Instant, std::uint64_t>;
  std::map<Key, Task> tasks_;
  std::unordered_map<std::uint64_t, Instant> keys_;
  std::uint64_t next_id_ = 1;
};

}  // namespace parley::runtime
