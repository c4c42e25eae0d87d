#include "runtime/asio_loop.h"

#include <asio/signal_set.hpp>
#include <csignal>
#include <memory>
#include <thread>
#include <utility>

#include "base/check.h"
#include "runtime/asio_core.h"
#include "runtime/asio_network.h"

namespace parley::runtime {
namespace {

class World final : public AsioWorld {
 public:
  World(Logger log, MetricRegistry& metrics) : core_(log, metrics), network_(core_) {
    // A peer that went away is an error code of write(), not a death.
    std::signal(SIGPIPE, SIG_IGN);
  }

  Loop& loop() override { return core_; }
  Network& network() override { return network_; }
  void run() override { core_.run(); }
  void stop() override { core_.stop(); }
  void stall(Duration span) override { std::this_thread::sleep_for(span); }

  void on_termination(std::function<void(int signal)> handler) override {
    PARLEY_CHECK(!on_signal_);
    on_signal_ = std::move(handler);
    signals_ = std::make_unique<asio::signal_set>(core_.io(), SIGTERM, SIGINT);
    wait_for_signal();
  }

 private:
  void wait_for_signal() {
    signals_->async_wait([this](const std::error_code& error, int signal) {
      if (error) return;
      wait_for_signal();
      core_.turn([&] { on_signal_(signal); });
    });
  }

  AsioCore core_;
  AsioNetwork network_;
  std::function<void(int)> on_signal_;
  std::unique_ptr<asio::signal_set> signals_;
};

}  // namespace

std::unique_ptr<AsioWorld> make_asio_world(Logger log, MetricRegistry& metrics) {
  return std::make_unique<World>(log, metrics);
}

}  // namespace parley::runtime
