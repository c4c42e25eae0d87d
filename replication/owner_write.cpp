#include "replication/owner_write.h"

#include <algorithm>

#include "base/mutant.h"
#include "replication/context_token.h"
#include "replication/write_context.h"

namespace parley::replication {

OwnerWrite::OwnerWrite(Coordination& parts, WriteRequest request, CausalContext seen,
                       ReplicaPlan plan, Bytes cluster_key, RequestTrace& trace,
                       std::function<void(WriteReply)> reply, std::function<void(Error)> declined,
                       std::function<void()> ended)
    : parts_(parts),
      request_(std::move(request)),
      seen_(std::move(seen)),
      plan_(std::move(plan)),
      cluster_key_(std::move(cluster_key)),
      trace_(trace),
      reply_(std::move(reply)),
      declined_(std::move(declined)),
      ended_(std::move(ended)),
      quorum_(plan_.owners.size(), plan_.required, plan_.level.kind == Level::Kind::Any),
      deadline_timer_(parts.world.loop),
      patience_timer_(parts.world.loop),
      ring_timer_(parts.world.loop) {}

void OwnerWrite::start() {
  PARLEY_CHECK(plan_.self.has_value());
  deadline_timer_.at(request_.deadline, [this] { on_deadline(); });
  quorum_.asked(*plan_.self);
  if (auto trouble = stamp_trouble(parts_.world, plan_)) return on_minted(std::move(*trouble));
  parts_.replica.mint(mint_request(parts_.world, plan_, request_, seen_, request_.durability),
                      alive_.guard([this, asked = parts_.world.loop.now(),
                                    row = trace_.sent(plan_.self_node, plan_.self_address, "mint")](
                                       Result<Minted> minted) {
                        const Instant now = parts_.world.loop.now();
                        if (minted && request_.durability == storage::Durability::Fsync) {
                          parts_.latencies.served(LatencyBook::Own::Mint, now - asked, now);
                        }
                        trace_.answered(row, minted);
                        on_minted(std::move(minted));
                      }));
}

void OwnerWrite::on_minted(Result<Minted> minted) {
  if (!minted) {
    over_ = true;
    deadline_timer_.cancel();
    if (replied_) return ended_();
    replied_ = true;
    return declined_(minted.error());
  }
  minted_ = std::move(*minted);
  fan_out();
}

void OwnerWrite::fan_out() {
  OutgoingCopy copy(plan_, minted_->set, request_.durability);
  for (std::size_t i = 0; i < plan_.owners.size(); ++i) {
    const PlannedOwner& owner = plan_.owners[i];
    if (owner.self) {
      quorum_.asked(i);
      quorum_.acked(i, request_.durability);
    } else if (owner.up) {
      quorum_.asked(i);
      send(i, copy);
    } else {
      keep_hint(i);
    }
  }
  const Duration patience = parts_.world.options.replica_patience();
  past_patience_ = false;
  patience_timer_.after(patience, [this] {
    past_patience_ = true;
    keep_missing_hints();
    evaluate();
  });
  if (past_deadline_) keep_missing_hints();
  evaluate();
}

void OwnerWrite::send(std::size_t owner, OutgoingCopy& copy) {
  // After the deadline nobody waits, but the copies still have to get where they belong.
  const Instant least = parts_.world.loop.now() + parts_.world.options.replica_patience();
  const PlannedOwner& to = plan_.owners[owner];
  parts_.peers.store_copy(
      to, copy, std::max(request_.deadline, least),
      alive_.guard([this, owner, round = round_,
                    row = trace_.sent(to.node, to.peer.address, "write")](Status ack) {
        trace_.answered(row, ack);
        on_ack(owner, round, ack);
      }));
}

void OwnerWrite::on_ack(std::size_t owner, std::uint64_t round, const Status& ack) {
  if (round != round_ || over_) return;
  if (ack) {
    quorum_.acked(owner, request_.durability);
    return evaluate();
  }
  const ErrorCode code = ack.error().code;
  if (code == ErrorCode::WrongRing && !past_patience_ && !past_deadline_) {
    wrong_ring_.push_back(owner);
    if (!ring_timer_.pending()) ring_timer_.after(kWrongRingPause, [this] { ask_again(); });
    return;
  }
  on_failed(owner, code);
  evaluate();
}

void OwnerWrite::on_failed(std::size_t owner, ErrorCode code) {
  const bool in_doubt =
      code == ErrorCode::NoAnswer || code == ErrorCode::Unknown || code == ErrorCode::Internal;
  if (in_doubt) {
    quorum_.no_answer(owner);
  } else {
    quorum_.failed(owner);
  }
  if (quorum_.needs_hint(owner)) keep_hint(owner);
}

// Some owner's ring differed: the same set goes out again, under the plan of now. Without one their
// refusal stands.
void OwnerWrite::ask_again() {
  const auto refused = std::exchange(wrong_ring_, {});
  const auto view = parts_.world.view();
  auto plan = view == nullptr
                  ? Result<ReplicaPlan>(not_ready())
                  : plan_replicas(*view, request_.keyspace, request_.key, request_.level);
  if (!plan) {
    for (const std::size_t owner : refused) on_failed(owner, ErrorCode::WrongRing);
    return evaluate();
  }
  const bool same = plan->owner_ids() == plan_.owner_ids();
  plan_ = std::move(*plan);
  if (same) {
    OutgoingCopy copy(plan_, minted_->set, request_.durability);
    for (const std::size_t owner : refused) send(owner, copy);
    return;
  }
  ++round_;
  quorum_ = WriteQuorum(plan_.owners.size(), plan_.required, plan_.level.kind == Level::Kind::Any);
  fan_out();
}

void OwnerWrite::keep_hint(std::size_t owner) {
  const NodeId target = plan_.owners[owner].node;
  // After a change of the ring the minter may be no owner any more, and an acked `any` write may
  // have nothing but its hints.
  const bool sole = plan_.level.kind == Level::Kind::Any && quorum_.ack_count() == 0;
  quorum_.hint_begun(owner);
  const std::size_t row =
      trace_.sent(plan_.self_node, plan_.self_address, "hint", plan_.owners[owner].peer.address);
  parts_.hints.add(target, plan_.key, minted_->set, sole,
                   alive_.guard([this, owner, target, row, round = round_](Status kept) {
                     trace_.answered(row, kept);
                     if (!kept) parts_.hint_dropped(target, plan_.key);
                     if (round != round_ || over_) return;
                     if (kept) {
                       quorum_.hint_kept(owner, plan_.self_address);
                     } else {
                       quorum_.hint_lost(owner);
                     }
                     evaluate();
                   }));
}

void OwnerWrite::keep_missing_hints() {
  for (std::size_t i = 0; i < quorum_.size(); ++i) {
    if (quorum_.needs_hint(i)) keep_hint(i);
  }
}

void OwnerWrite::on_deadline() {
  past_deadline_ = true;
  if (!replied_) answer(quorum_.verdict() == Verdict::Reached ? Outcome::Ok : Outcome::Unknown);
  if (minted_) keep_missing_hints();
  evaluate();
}

bool OwnerWrite::complete() const {
  for (std::size_t i = 0; i < quorum_.size(); ++i) {
    if (quorum_.needs_hint(i)) return false;
  }
  return quorum_.hints_settled();
}

void OwnerWrite::evaluate() {
  if (over_ || !minted_) return;
  if (!replied_) {
    const Verdict verdict = quorum_.verdict();
    if (verdict == Verdict::Reached && quorum_.hints_settled()) answer(Outcome::Ok);
    if (verdict == Verdict::Unreachable && quorum_.settled()) answer(Outcome::Unknown);
  }
  if (!replied_ || !complete()) return;
  over_ = true;
  ended_();
}

Error OwnerWrite::shortfall() const {
  std::string acked;
  for (std::size_t i = 0; i < quorum_.size(); ++i) {
    const ReplicaState state = quorum_.state(i);
    if (state != ReplicaState::Durable && state != ReplicaState::Memory) continue;
    acked += (acked.empty() ? "" : ", ") + plan_.owners[i].peer.address;
  }
  return {ErrorCode::Unknown,
          std::to_string(quorum_.ack_count()) + " of " + std::to_string(plan_.required) +
              " required replicas acked in time" + (acked.empty() ? "" : " (" + acked + ")") +
              "; the write may appear later"};
}

void OwnerWrite::answer(Outcome outcome) {
  WriteReply reply;
  reply.outcome = outcome;
  if (outcome != Outcome::Ok) reply.error = shortfall();
  if (PARLEY_MUTANT(unreached_told_as_not_written) && reply.error) {
    reply.outcome = Outcome::NotWritten;
  }
  reply.level = request_.level;
  reply.required = plan_.required;
  if (minted_) {
    reply.version = to_text(minted_->dot);
    const auto set = VersionSet::decode(minted_->set);
    PARLEY_CHECK(set.ok());
    reply.context = seal_context(cluster_key_, request_.keyspace, request_.key,
                                 context_after_write(seen_, minted_->dot, *set));
  }
  for (std::size_t i = 0; i < quorum_.size(); ++i) {
    const PlannedOwner& owner = plan_.owners[i];
    const ReplicaState state = quorum_.state(i);
    const bool hinted = state == ReplicaState::Hinted;
    reply.replicas.push_back(
        {owner.node, owner.peer.address, state, hinted ? quorum_.hint_holder(i) : std::string()});
    if (hinted) reply.hint_holders = {plan_.self_address};
  }
  replied_ = true;
  reply_(std::move(reply));
}

}  // namespace parley::replication
