#include "runtime/asio_core.h"

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <cctype>
#include <chrono>
#include <utility>

namespace parley::runtime {
namespace {

// A timer this late means that the process was stopped or starved: sockets come first then.
constexpr Duration kLate = 20ms;
// Longest that late timers wait for the sockets to be drained.
constexpr Duration kDrainMost = 200ms;
constexpr int kTicksPerWindow = 50;

}  // namespace

AsioCore::AsioCore(Logger log, MetricRegistry& metrics)
    : log_(log),
      slow_turns_(metrics, "loop_slow_turns_total", "Loop handlers that ran longer than 2 ms."),
      lag_gauge_(metrics, "loop_lag_seconds", "Worst lateness of the loop's tick of late (5-10 s).",
                 [this] {
                   return to_seconds(std::max({lag(), worst_lag_[0], worst_lag_[1]}));
                 }) {
  tick_due_ = now() + kLagTick;
  start_timer(tick_due_, [this] { tick(); });
}

AsioCore::~AsioCore() {
  // Tasks that never ran may own connections and timers of this very core.
  for (auto& task : std::exchange(mailbox_, {})) task = nullptr;
  for (auto& one : std::exchange(to_flush_, {})) one.reset();
}

Instant AsioCore::now() const {
  return Instant(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

WallTime AsioCore::wall() const {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::milliseconds>(since).count()};
}

void AsioCore::post(Task task) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mailbox_mutex_);
    was_empty = mailbox_.empty();
    mailbox_.push_back(std::move(task));
  }
  if (was_empty) asio::post(io_, [this] { run_posted(); });
}

void AsioCore::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mailbox_mutex_);
    tasks.swap(mailbox_);
  }
  for (auto& task : tasks) {
    turn(task);
    task = nullptr;  // what it owns goes now, and not after its fellows
  }
}

TimerId AsioCore::start_timer(Instant at, Task task) {
  const TimerId id = timers_.add(at, std::move(task));
  arm();
  return id;
}

void AsioCore::cancel_timer(TimerId id) { timers_.cancel(id); }

// A cancelled first timer leaves its alarm standing: one needless wake-up is cheaper than a
// system call for every cancelled deadline.
void AsioCore::arm() {
  const auto first = timers_.first();
  if (!first || *first >= armed_at_) return;
  armed_at_ = *first;
  alarm_.expires_at(std::chrono::steady_clock::time_point(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(first->time_since_epoch())));
  alarm_.async_wait([this](const std::error_code& error) {
    if (!error) run_timers();
  });
}

void AsioCore::run_timers() {
  const auto first = timers_.first();
  const Instant start = now();
  if (first && start - *first > kLate) {
    while (now() - start < kDrainMost && io_.poll_one() != 0) {
    }
  }
  armed_at_ = Instant::max();
  const Instant due_at = now();
  const std::uint64_t fence = timers_.fence();
  while (auto task = timers_.take_due(due_at, fence)) turn(*task);
  arm();
}

void AsioCore::tick() {
  const Instant at = now();
  last_lag_ = std::max(Duration{0}, at - tick_due_);
  worst_lag_[0] = std::max(worst_lag_[0], last_lag_);
  if (++ticks_in_window_ >= kTicksPerWindow) {
    worst_lag_[1] = std::exchange(worst_lag_[0], Duration{0});
    ticks_in_window_ = 0;
  }
  tick_due_ = at + kLagTick;
  start_timer(tick_due_, [this] { tick(); });
}

// A tick that is overdue now counts already: handlers that run before it must know.
Duration AsioCore::lag() const {
  const Duration lag = std::max(last_lag_, now() - tick_due_);
  return lag < 1ms ? Duration{0} : lag;
}

void AsioCore::note_turn(Duration took) {
  if (took > kSlowTurn) slow_turns_.add();
}

void AsioCore::flush_later(std::shared_ptr<Flushable> one) {
  const bool was_empty = to_flush_.empty();
  to_flush_.push_back(std::move(one));
  if (!was_empty) return;
  // Behind everything that is ready now, so that the replies to one batch of reads share a write.
  asio::post(io_, [this] {
    turn([this] {
      for (const auto& each : std::exchange(to_flush_, {})) each->flush();
    });
  });
}

void AsioCore::run() {
  const auto guard = asio::make_work_guard(io_);
  io_.run();
  io_.restart();
}

void AsioCore::stop() { io_.stop(); }

std::string plain_text(const std::error_code& error) {
  std::string text = error.message();
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace parley::runtime
