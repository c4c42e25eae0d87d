// OwnerWrite: coordinates a write on a node that owns the key: mints at the own replica first (the
// minter is durable before anyone hears of its dot), then tells all other owners at once and keeps
// hints for those that are down, fail or stay silent. Lives on after the reply until every owner
// has acked or has a hint.
#pragma once

#include <functional>

#include "base/lifetime.h"
#include "replication/coordination.h"
#include "replication/write_quorum.h"
#include "runtime/loop.h"

namespace parley::replication {

class OwnerWrite {
 public:
  // The plan has the coordinator among its owners and no refusal. `seen`: the opened context.
  // `declined` instead of `reply`: the own mint failed, so nothing was written anywhere; this
  // object has nothing left to do then, and does not call `ended`.
  OwnerWrite(Coordination& parts, WriteRequest request, CausalContext seen, ReplicaPlan plan,
             Bytes cluster_key, RequestTrace& trace, std::function<void(WriteReply)> reply,
             std::function<void(Error)> declined, std::function<void()> ended);
  void start();

 private:
  void on_minted(Result<Minted> minted);
  void fan_out();
  void send(std::size_t owner, OutgoingCopy& copy);
  void on_failed(std::size_t owner, ErrorCode code);
  void on_ack(std::size_t owner, std::uint64_t round, const Status& ack);
  void ask_again();
  void keep_hint(std::size_t owner);
  void keep_missing_hints();
  void on_deadline();
  void evaluate();
  void answer(Outcome outcome);
  Error shortfall() const;
  bool complete() const;

  Coordination& parts_;
  const WriteRequest request_;
  const CausalContext seen_;
  ReplicaPlan plan_;
  const Bytes cluster_key_;
  RequestTrace& trace_;
  std::function<void(WriteReply)> reply_;
  std::function<void(Error)> declined_;
  std::function<void()> ended_;

  WriteQuorum quorum_;
  std::optional<Minted> minted_;
  std::uint64_t round_ = 0;  // of the plan: an answer to an older plan changes nothing
  std::vector<std::size_t> wrong_ring_;
  bool replied_ = false;
  bool past_patience_ = false, past_deadline_ = false;
  bool over_ = false;
  runtime::Timer deadline_timer_, patience_timer_, ring_timer_;
  Lifetime alive_;
};

}  // namespace parley::replication
