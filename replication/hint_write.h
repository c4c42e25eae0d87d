// HintWrite: a write at level `any` that no replica could take. Minted here under this node's own
// actor, kept as one hint for each owner, and once more on the first live node after them; by that
// node alone when this disk is full.
#pragma once

#include <functional>

#include "base/lifetime.h"
#include "replication/coordination.h"

namespace parley::replication {

class HintWrite {
 public:
  // `maybe_sent`: an earlier attempt may have reached a replica. `reply` comes once; this object
  // has nothing left to do then. Give it up by destroying it.
  HintWrite(Coordination& parts, const WriteRequest& request, const CausalContext& seen,
            const ReplicaPlan& plan, Bytes cluster_key, RequestTrace& trace, bool maybe_sent,
            std::function<void(WriteReply)> reply);
  void start();
  // The deadline has come: answer with what is known.
  void give_up();

 private:
  std::size_t trace_hint(const NodeId& node, const std::string& address, const PlannedOwner& of);
  void on_minted(Result<Minted> minted);
  void keep_here();
  void keep_on_stand_in();
  void on_kept(std::size_t owner, const Status& kept);
  void on_second(std::size_t owner, const Status& kept);
  void one_ended();
  void fall_short(Error error, bool in_doubt);
  void answer();

  Coordination& parts_;
  const WriteRequest& request_;
  const CausalContext& seen_;
  const ReplicaPlan& plan_;
  const Bytes cluster_key_;
  RequestTrace& trace_;
  const bool maybe_sent_;
  std::function<void(WriteReply)> reply_;
  std::optional<Minted> minted_;
  std::vector<ReplicaReceipt> receipt_;
  std::size_t second_copies_ = 0;
  std::optional<Error> not_here_;  // why this node itself keeps no hint
  bool in_doubt_ = false;          // a hint may be kept by a node that did not say so
  std::size_t waiting_ = 0;
  bool replied_ = false;
  Lifetime alive_;
};

}  // namespace parley::replication
