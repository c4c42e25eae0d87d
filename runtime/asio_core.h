// The loop itself, shared by the Asio files of this folder and included by nothing else.
#pragma once

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/metric.h"
#include "base/result.h"
#include "runtime/loop.h"
#include "runtime/timer_queue.h"

namespace parley::runtime {

inline constexpr Duration kLagTick = 100ms;
inline constexpr Duration kSlowTurn = 2ms;

// Something that gathered output during this turn.
class Flushable {
 public:
  virtual ~Flushable() = default;
  virtual void flush() = 0;
};

class AsioCore final : public Loop {
 public:
  AsioCore(Logger log, MetricRegistry& metrics);
  ~AsioCore();

  Instant now() const override;
  WallTime wall() const override;
  void post(Task task) override;
  TimerId start_timer(Instant at, Task task) override;
  void cancel_timer(TimerId id) override;
  Duration lag() const override;

  void run();
  void stop();

  asio::io_context& io() { return io_; }
  const Logger& log() const { return log_; }
  // For one read at a time; its contents last until the reader's callback returns.
  std::array<char, 64_KiB>& read_buffer() { return read_buffer_; }
  // flush() comes once, after the handlers that are ready now.
  void flush_later(std::shared_ptr<Flushable> one);
  // Runs `body` and counts it if it was slow. Every handler's body goes through it.
  template <typename F>
  void turn(F&& body) {
    const Instant start = now();
    body();
    note_turn(now() - start);
  }

 private:
  void note_turn(Duration took);
  void run_posted();
  void arm();
  void run_timers();
  void tick();

  // The io_context outlives all that hangs on it, tasks not yet run included.
  asio::io_context io_{1};
  Logger log_;
  std::array<char, 64_KiB> read_buffer_{};

  std::mutex mailbox_mutex_;
  std::vector<Task> mailbox_;

  TimerQueue timers_;
  asio::steady_timer alarm_{io_};
  Instant armed_at_ = Instant::max();

  std::vector<std::shared_ptr<Flushable>> to_flush_;

  Instant tick_due_{};
  Duration last_lag_{0};
  // The worst lag of this window and of the one before, each 5 s.
  std::array<Duration, 2> worst_lag_{};
  int ticks_in_window_ = 0;

  Counter slow_turns_;
  Gauge lag_gauge_;
};

// "address already in use": the system's words, without the capital.
std::string plain_text(const std::error_code& error);

}  // namespace parley::runtime
