// ReplicaClient: asks one copy of a key, here or on another node, in one way for both. Drives the
// calls; the answers are the caller's business.
//
// `done` comes exactly once, in a later turn, unless this object is destroyed first. Bind it to the
// caller's Lifetime. Errors: those of runtime/rpc.h and of Replica and HintLog.
#pragma once

#include <functional>
#include <map>

#include "base/lifetime.h"
#include "replication/latency_book.h"
#include "replication/read_answer.h"
#include "replication/replica_codec.h"
#include "replication/replica_plan.h"

namespace parley::replication {

// One version set on its way to a key's owners. What they are sent is the same for all and is
// encoded once, when the first of them is not this node.
class OutgoingCopy {
 public:
  // Both are borrowed.
  OutgoingCopy(const ReplicaPlan& plan, const Bytes& set, storage::Durability durability)
      : plan_(plan), set_(set), durability_(durability) {}

  const ReplicaPlan& plan() const { return plan_; }
  const Bytes& set() const { return set_; }
  storage::Durability durability() const { return durability_; }
  const Bytes& body();

 private:
  const ReplicaPlan& plan_;
  const Bytes& set_;
  const storage::Durability durability_;
  Bytes body_;
};

class ReplicaClient {
 public:
  ReplicaClient(const ReplicationWorld& world, Replica& replica, HintLog& hints,
                LatencyBook& latencies);

  // Durable (as asked for) when it succeeds.
  void store_copy(const PlannedOwner& to, OutgoingCopy& copy, Instant deadline,
                  std::function<void(Status)> done);
  void read_copy(const PlannedOwner& to, const ReplicaPlan& plan, Instant deadline,
                 std::function<void(Result<ReadAnswer>)> done);
  void inspect_copy(const PlannedOwner& to, const ReplicaPlan& plan, Instant deadline,
                    std::function<void(Result<InspectCopyReply>)> done);
  void store_hint(const LiveNode& to, const ReplicaPlan& plan, const NodeId& target,
                  const Bytes& set, bool sole, Instant deadline, std::function<void(Status)> done);
  // `here`: this node's own hints.
  void find_hints(const LiveNode& to, bool here, const ReplicaPlan& plan, bool targets_only,
                  Instant deadline, std::function<void(Result<FindHintsReply>)> done);
  void coordinate_put(const PlannedOwner& to, const ReplicaPlan& plan, const WriteRequest& request,
                      Instant deadline, std::function<void(Result<WriteReply>)> done);

 private:
  template <typename T>
  void call(const NodeId& node, const Endpoint& peer, runtime::Verb verb, Bytes body,
            const ReplicaPlan& plan, Instant deadline, Result<T> (*decode)(ByteView),
            std::function<void(Result<T>)> done);
  void note(const NodeId& peer, LatencyBook::Question question, Instant sent,
            const ServiceTimes& times);

  const ReplicationWorld& world_;
  Replica& replica_;
  HintLog& hints_;
  LatencyBook& latencies_;
  std::uint64_t calls_made_ = 0;
  std::map<std::uint64_t, runtime::CallHandle> calls_;
  Lifetime alive_;
};

// What `inspect` says of a copy as it was read. Damaged is told, not an error.
Result<InspectCopyReply> describe_copy(const Result<LocalCopy>& copy);
// One row for each target; the first sound one has the merged set of all, so that an answer is no
// larger for many targets than for one.
FindHintsReply found_hints(const std::vector<storage::HintRow>& rows, bool targets_only);

}  // namespace parley::replication
