// One parleyd in the simulator: the daemon's wiring over virtual time, network and disk. It dies
// and starts again; the disk stays.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/node.h"
#include "base/lifetime.h"
#include "runtime/kj_port.h"
#include "tests/fake/fake_world.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_vfs.h"

namespace parley::sim {

enum class Death : std::uint8_t {
  Kill,      // kill -9: the disk keeps all that was written
  PowerCut,  // the machine: the disk keeps what was synced, and some of the rest
};

class SimProcess {
 public:
  // `configure` sets options before each life.
  SimProcess(fake::World& world, runtime::KjPort& kj, SimVfs& vfs, std::string address,
             std::vector<Endpoint> seeds, Random random, LogSink* log);
  ~SimProcess();
  SimProcess(const SimProcess&) = delete;
  SimProcess& operator=(const SimProcess&) = delete;

  // Never inside a callback of this node.
  void start();
  void die(Death how);
  // SIGTERM: the node drains, says goodbye and goes, as in the daemon. `ended` comes when it has
  // gone by itself, unless its life ended otherwise before.
  void stop(std::function<void()> ended);

  bool running() const { return node_ != nullptr; }
  bool ready() const { return ready_; }
  // Since when it has been told to stop.
  const std::optional<Instant>& stopping() const { return stopping_; }
  // It ended by itself: fail-stop, or it refused to start.
  const std::optional<Error>& failed() const { return failed_; }
  void forget_failure() { failed_.reset(); }
  const std::string& address() const { return address_; }
  Endpoint client_endpoint() const { return {address_, config_.client_port}; }
  api::NodeConfig& config() { return config_; }
  SimDisk& disk() { return disk_; }
  fake::Node& host() { return host_; }
  const MetricRegistry& metrics() const { return *metrics_; }
  std::uint64_t lives() const { return lives_; }
  // Of this life; null where the configuration does not allow faults, or nothing runs.
  // As the node itself sees it.
  WallTime wall();
  api::FaultDesk* fault_desk() { return node_ ? node_->fault_desk() : nullptr; }

  // This life ended, by itself or not.
  std::function<void()> on_end;
  // Puts something between the node and its store, in each life.
  std::function<std::unique_ptr<storage::Store>(std::unique_ptr<storage::Store>)> tap;
  // How long the disk takes for one batch.
  std::function<Duration()> disk_delay;

 private:
  void fail(const Error& error);
  void bury();

  fake::World& world_;
  runtime::KjPort& kj_;
  const std::string address_;
  const std::string directory_;
  api::NodeConfig config_;
  fake::Node& host_;
  fake::Node& operator_;  // where what happens to processes is done
  SimDisk disk_;
  Random random_;
  LogSink* const log_;
  std::uint64_t lives_ = 0;
  bool ready_ = false;
  std::optional<Instant> stopping_;
  std::optional<Error> failed_;
  std::unique_ptr<MetricRegistry> metrics_;
  std::unique_ptr<api::Node> node_;
  Lifetime alive_;
};

}  // namespace parley::sim
