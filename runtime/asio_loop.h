// The real world: Loop and Network over one asio::io_context on one thread. This header names no
// asio type.
#pragma once

#include <functional>
#include <memory>

#include "base/log.h"
#include "base/metric.h"
#include "runtime/loop.h"
#include "runtime/network.h"

namespace parley::runtime {

class AsioWorld {
 public:
  virtual ~AsioWorld() = default;
  virtual Loop& loop() = 0;
  virtual Network& network() = 0;
  // Runs until stop(). Ready sockets are drained before due timers run, so that a process that was
  // stopped hears its peers before it judges them.
  virtual void run() = 0;
  // Safe from any thread and from a handler.
  virtual void stop() = 0;
  // Nothing of the loop runs for so long: what a pause of the whole process does to it.
  virtual void stall(Duration span) = 0;
  // Calls `handler` in a turn for SIGTERM and SIGINT, instead of dying. At most once.
  virtual void on_termination(std::function<void(int signal)> handler) = 0;
};

// `slow_turn`: handlers that run longer are counted (parley_loop_slow_turns_total).
std::unique_ptr<AsioWorld> make_asio_world(Logger log, MetricRegistry& metrics);

// 32 bytes from the operating system, for Random.
Bytes os_entropy32();

}  // namespace parley::runtime
