// Repair: making copies equal again. Read repair of what reads found stale, hint delivery when a
// target is back, anti-entropy always. This is the floor's face to the API floor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"
#include "membership/view.h"
#include "repair/options.h"
#include "replication/coordinator.h"
#include "runtime/loop.h"
#include "runtime/rpc.h"
#include "storage/store.h"

namespace parley::repair {

// One row of `parley repair status`: what this node and one peer last found of each other.
struct SyncRow {
  NodeId peer;
  std::string address;
  std::int64_t last_sync_ms = -1;  // since the last finished comparison; -1: never
  std::uint64_t keys_last = 0;     // keys sent or received in it
  std::uint64_t keys_total = 0;
  bool running = false;
  bool equal = false;  // the last comparison found no difference at all
};

// With whom a comparison has ended, since this node's start and under the present ring, that left
// all that they could give in this node's hands: no copy that is damaged there. Waiting until it is
// mended could last for ever, as mending may wait for this node.
struct Comparisons {
  bool known = false;  // false: there is no ring yet
  std::size_t co_owners = 0;
  std::vector<NodeId> missing;  // not yet; those that are down too
  // Of those compared, the copies that the last comparison met and could not take, as they are
  // damaged there. One of a key that this node does not hold may go unmet.
  std::uint64_t damaged_there = 0;
};

struct RepairWorld {
  const RepairOptions& options;
  runtime::Loop& loop;
  runtime::Rpc& rpc;
  storage::Store& store;
  replication::Replica& replica;
  replication::HintLog& hints;
  std::function<membership::ViewPtr()> view;
  Logger log;
  MetricRegistry& metrics;
};

// Listens to the store (slot digests), to membership (targets that are back) and to replication
// (stale replicas).
class Repair : public storage::RecordObserver,
               public membership::MembershipObserver,
               public replication::DivergenceObserver {
 public:
  virtual void start() = 0;
  // One comparison with every co-owner that is up, now; `done` when all have ended (or `timeout`).
  // The value is the number of keys sent or received. Error Unknown when some did not end.
  virtual void run_round(Duration timeout, std::function<void(Result<std::uint64_t>)> done) = 0;
  virtual std::vector<SyncRow> status() const = 0;
  virtual Comparisons comparisons() const = 0;
  // `done` comes once, in a later turn, when no co-owner is missing from comparisons().
  virtual void when_compared(std::function<void()> done) = 0;
};

std::unique_ptr<Repair> make_repair(RepairWorld world, Random random);

}  // namespace parley::repair
