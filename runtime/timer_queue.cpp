#include "runtime/timer_queue.h"

#include <utility>

namespace parley::runtime {

TimerId TimerQueue::add(Instant at, Task task) {
  const std::uint64_t id = next_id_++;
  tasks_.emplace(Key{at, id}, std::move(task));
  keys_.emplace(id, at);
  return TimerId{id};
}

bool TimerQueue::cancel(TimerId id) {
  const auto number = static_cast<std::uint64_t>(id);
  const auto found = keys_.find(number);
  if (found == keys_.end()) return false;
  // The task's captures may own what starts or cancels timers: let go of it last.
  auto dropped = tasks_.extract(Key{found->second, number});
  keys_.erase(found);
  return true;
}

std::optional<Instant> TimerQueue::first() const {
  if (tasks_.empty()) return std::nullopt;
  return tasks_.begin()->first.first;
}

std::optional<Task> TimerQueue::take_due(Instant now, std::uint64_t before) {
  if (tasks_.empty()) return std::nullopt;
  const auto& [at, id] = tasks_.begin()->first;
  if (at > now || id >= before) return std::nullopt;
  keys_.erase(id);
  auto due = tasks_.extract(tasks_.begin());
  return std::move(due.mapped());
}

}  // namespace parley::runtime
