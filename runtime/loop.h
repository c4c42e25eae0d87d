// The node's one loop: time, timers and turns. Everything above the storage threads runs on it.
// Production is Asio (asio_loop.h); a simulator implements the same interface.
#pragma once

#include <cstdint>
#include <functional>

#include "base/units.h"

namespace parley::runtime {

using Task = std::function<void()>;

// Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;
};

enum class TimerId : std::uint64_t { None = 0 };

class Loop : public Clock {
 public:
  // Runs `task` in a later turn, never inside the call; FIFO. Safe from any thread.
  virtual void post(Task task) = 0;
  // Runs `task` once at or after `at`. Loop thread only. Never inside the call.
  virtual TimerId start_timer(Instant at, Task task) = 0;
  // No effect if it ran already or is None. After it, the task will not run.
  virtual void cancel_timer(TimerId id) = 0;
  // How late the loop's last heartbeat tick ran (0 when on time): a sign that this process, not
  // its peers, is slow or was stopped.
  virtual Duration lag() const = 0;
};

// One pending wake-up that dies with its owner.
class Timer {
 public:
  explicit Timer(Loop& loop) : loop_(loop) {}
  ~Timer() { cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Replaces a pending wake-up.
  void at(Instant when, Task task) {
    cancel();
    id_ = loop_.start_timer(when, [this, task = std::move(task)] {
      id_ = TimerId::None;
      const Task run = task;  // the task may set this timer again, which destroys the closure
      run();
    });
  }
  void after(Duration delay, Task task) { at(loop_.now() + delay, std::move(task)); }
  void cancel() {
    loop_.cancel_timer(id_);
    id_ = TimerId::None;
  }
  bool pending() const { return id_ != TimerId::None; }

 private:
  Loop& loop_;
  TimerId id_ = TimerId::None;
};

}  // namespace parley::runtime
