// What one run is played with: the world, its nodes, clients and nemesis, and what was found. Made
// and torn down in an order that the real code allows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/kj_port.h"
#include "tests/sim/door.h"
#include "tests/sim/history.h"
#include "tests/sim/ledger.h"
#include "tests/sim/level_setter.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/run.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_process.h"
#include "tests/sim/sim_vfs.h"
#include "tests/sim/strangers.h"
#include "tests/sim/truth.h"

namespace parley::sim {

class Scene {
 public:
  explicit Scene(const RunOptions& run);
  ~Scene();
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  // In a run with Stranger, before make_nodes().
  bool settle_strangers();
  // None runs yet.
  void make_nodes();
  // In a run with Founding one now and one then, amid trouble, which has ended.
  void start_nodes();
  // In some runs clients begin before all nodes are there, and when so many of them are ready that
  // every key has three owners.
  bool clients_are_early() const { return early_; }
  bool enough_nodes();
  // All of them are ready, after bounded time; or some write came before the others, which then
  // stay outside: a cluster with data takes nobody in. Fails as `forming`.
  bool form();
  void make_clients();
  SimClient& add_client();

  // For one concern, so that a draw more there changes nothing elsewhere.
  Random draw(const std::string& concern) const;
  void fail(const std::string& rule, const std::string& key, const std::string& what) {
    report.violations.push_back({rule, key, what});
  }
  // Lets time pass, starts again what ended and looks at the nodes' bounds now and then.
  void pass(Duration span);
  // The nemesis has taken something from this node's disk.
  void lose(const std::string& address);
  // Drawn or given.
  membership::ConflictRule rule() const { return rule_; }
  // A node that has all it ever had.
  SimProcess& witness() const;
  // Into this node, over links that no fault touches.
  Door& door(const SimProcess& node);
  LogSink* log() const { return log_.get(); }

  const RunOptions options;
  const std::vector<Fault> faults;
  fake::World world;

 private:
  const membership::ConflictRule rule_;
  std::unique_ptr<LogSink> log_;

 public:
  runtime::KjPort kj;
  SimVfs vfs;
  WorkloadOptions workload;
  History history;
  Ledger ledger{history};
  Truth truth;
  std::vector<std::unique_ptr<SimProcess>> nodes;
  std::vector<std::unique_ptr<SimClient>> clients;
  std::unique_ptr<Strangers> strangers;       // in some runs
  std::unique_ptr<LevelSetter> level_setter;  // in some runs
  std::unique_ptr<Nemesis> nemesis;
  RunReport report;
  std::vector<Told> changes;  // of the key that is watched

 private:
  bool fail_to_form();
  void leave_out_the_late();
  void learn_owners();
  void limit_keys(std::size_t count);
  void check_bounds(SimProcess& node);
  bool clocks_were_wrong();
  void look_at_clocks();
  void listen(SimProcess& node);
  bool was_passed_on(const WriteRecord& write, const std::string& minter) const;

  const bool early_;
  std::vector<std::unique_ptr<SimProcess>> outside_;  // for good
  // Of this cluster's nodes, whoever may have an address later.
  std::vector<Endpoint> endpoints_;
  Instant look_at_bounds_{};
  bool clocks_were_wrong_ = false;
  struct ClockOff {
    std::uint64_t life = 0;
    Instant since{};
  };
  std::map<std::string, ClockOff> clock_off_;  // as the node itself says

  std::map<std::string, std::unique_ptr<Door>> doors_;
};

}  // namespace parley::sim
