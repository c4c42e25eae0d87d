// AntiEntropy: one comparison after the other with the nodes that share slots with this one, for
// ever. At most one that this node began is under way. Driver of SyncSchedule.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/lifetime.h"
#include "repair/repair.h"
#include "repair/shared_cache.h"
#include "repair/sync_run.h"
#include "repair/sync_schedule.h"

namespace parley::repair {

class AntiEntropy {
 public:
  AntiEntropy(const RepairWorld& world, SlotIndex& index, SharedCache& cache, Random random);

  void start();
  void view_changed();
  void compare_soon(const NodeId& peer);
  // A comparison that `peer` began with this node; not equal: it is mending the differences now.
  void compared_by(const NodeId& peer, bool equal);
  void run_round(Duration timeout, std::function<void(Result<std::uint64_t>)> done);
  std::vector<SyncRow> status() const;
  Comparisons comparisons() const;
  void when_compared(std::function<void()> done);

 private:
  // A run_round() that has not ended.
  struct Round {
    explicit Round(runtime::Loop& loop) : timer(loop) {}
    std::set<NodeId> waiting;
    std::string missed;  // addresses of those that died before they were compared
    std::uint64_t keys = 0;
    std::uint64_t first_run = 0;  // runs begun before it do not count
    std::function<void(Result<std::uint64_t>)> done;
    runtime::Timer timer;
  };
  using RoundAt = std::list<Round>::iterator;

  void schedule_next();
  void begin_next();
  void begin_with(const NodeId& peer, const membership::View& view);
  void on_ended(const NodeId& peer, const SyncOutcome& outcome);
  // Those who can be waited for no more leave the rounds.
  void drop_the_gone(const membership::View& view);
  void leave_rounds(const NodeId& peer, std::uint64_t run, std::uint64_t keys);
  void end_round(RoundAt round, Result<std::uint64_t> result);
  static Result<std::uint64_t> result_of(const Round& round);
  void tell_compared();
  std::function<bool(const NodeId&)> liveness() const;

  const RepairWorld& world_;
  SlotIndex& index_;
  SharedCache& cache_;
  std::uint64_t ring_digest_ = 0;
  bool started_ = false;
  SyncSchedule schedule_;
  std::uint64_t runs_begun_ = 0;
  NodeId running_with_;
  std::uint64_t running_under_ = 0;  // the ring's digest
  std::unique_ptr<SyncRun> run_;
  std::list<Round> rounds_;
  std::function<void()> compared_;
  runtime::Timer timer_;

  MetricFamily<Counter> rounds_total_;
  MetricFamily<Counter> keys_total_;
  Gauge oldest_;
  Lifetime alive_;
};

}  // namespace parley::repair
