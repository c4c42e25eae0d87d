// What the operations of one coordinator share, and how the coordinator owns them.
#pragma once

#include <functional>
#include <string>

#include "replication/coordinator.h"
#include "replication/hint_minter.h"
#include "replication/replica_client.h"

namespace parley::replication {

// A node whose ring differs pulls what it lacks by itself: a short wait, then the plan is made
// anew.
inline constexpr Duration kWrongRingPause = 30ms;

struct CoordinationMetrics {
  explicit CoordinationMetrics(MetricRegistry& registry);
  MetricFamily<Counter> requests;      // op, level, outcome
  MetricFamily<Histogram> latency;     // op, level
  MetricFamily<Counter> replica_acks;  // state
  Counter hints_dropped;
  MetricFamily<Counter> read_repairs;  // kind
  Counter sibling_reads;
  Counter discarded;  // where the last writer wins
};

struct Coordination {
  const ReplicationWorld& world;
  Replica& replica;
  HintLog& hints;
  HintMinter& hint_minter;
  ReplicaClient& peers;
  LatencyBook& latencies;
  Random& random;
  CoordinationMetrics& metrics;
  DivergenceObserver* observer = nullptr;

  void hint_dropped(const NodeId& target, const storage::RecordKey& key);
};

// One request under way. Owned by the coordinator; asks to be destroyed by calling `ended` (the
// destruction comes in a later turn).
class Operation {
 public:
  virtual ~Operation() = default;
  virtual void start() = 0;
};

Error not_ready();
// ClockSkew, where the last writer wins and this node's clock is too far off.
std::optional<Error> stamp_trouble(const ReplicationWorld& world, const ReplicaPlan& plan);
MintRequest mint_request(const ReplicationWorld& world, const ReplicaPlan& plan,
                         const WriteRequest& request, const CausalContext& seen,
                         storage::Durability durability);
std::vector<ReplicaReceipt> blank_receipt(const ReplicaPlan& plan, ReplicaState state);

}  // namespace parley::replication
