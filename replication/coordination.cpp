#include "replication/coordination.h"

namespace parley::replication {

const char* to_text(Outcome outcome) {
  switch (outcome) {
    case Outcome::Ok: return "ok";
    case Outcome::NotWritten: return "not_written";
    case Outcome::Unknown: return "unknown";
  }
  return "unknown";
}

const char* to_text(ReplicaState state) {
  switch (state) {
    case ReplicaState::Durable: return "durable";
    case ReplicaState::Memory: return "memory";
    case ReplicaState::Hinted: return "hinted";
    case ReplicaState::Failed: return "failed";
    case ReplicaState::NoAnswer: return "no_answer";
    case ReplicaState::Pending: return "pending";
  }
  return "failed";
}

CoordinationMetrics::CoordinationMetrics(MetricRegistry& registry)
    : requests(registry, "requests_total", "Client requests by outcome.",
               {"op", "level", "outcome"}),
      latency(registry, "request_seconds", "From a request's arrival to its reply.",
              {"op", "level"}),
      replica_acks(registry, "replica_acks_total", "Replicas of writes by state at the reply.",
                   {"state"}),
      hints_dropped(registry, "hints_dropped_total", "Hints that could not be kept."),
      read_repairs(registry, "read_repairs_total", "Stale replicas that reads found.", {"kind"}),
      sibling_reads(registry, "sibling_reads_total", "Reads that returned more than one value."),
      discarded(registry, "read_discarded_total",
                "Writes that a read found, and lost to a later one that had not seen them (lww).") {
  // Shown from the start: a rate needs its zero.
  read_repairs.with({"blocking"});
  read_repairs.with({"background"});
}

void Coordination::hint_dropped(const NodeId& target, const storage::RecordKey& key) {
  metrics.hints_dropped.add();
  if (observer != nullptr) observer->hint_dropped(target, key);
}

std::optional<Error> stamp_trouble(const ReplicationWorld& world, const ReplicaPlan& plan) {
  const bool stamps = plan.conflict_rule == membership::ConflictRule::LastWriterWins;
  return stamps && world.clock_trouble ? world.clock_trouble() : std::nullopt;
}

MintRequest mint_request(const ReplicationWorld& world, const ReplicaPlan& plan,
                         const WriteRequest& request, const CausalContext& seen,
                         storage::Durability durability) {
  MintRequest mint{plan.key, request.value, seen.vector, request.op, durability};
  if (plan.conflict_rule == membership::ConflictRule::LastWriterWins) {
    mint.last_writer = LastWriter{world.loop.wall(), seen.stamp};
  }
  mint.given_up = [&clock = world.loop, deadline = request.deadline] {
    return clock.now() >= deadline;
  };
  return mint;
}

Error not_ready() { return {ErrorCode::NotReady, "this node is not serving yet", 500}; }

std::vector<ReplicaReceipt> blank_receipt(const ReplicaPlan& plan, ReplicaState state) {
  std::vector<ReplicaReceipt> receipt;
  for (const PlannedOwner& owner : plan.owners) {
    receipt.push_back({owner.node, owner.peer.address, state, {}});
  }
  return receipt;
}

}  // namespace parley::replication
