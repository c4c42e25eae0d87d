#include "replication/hint_write.h"

#include <algorithm>

#include "base/mutant.h"
#include "replication/context_token.h"
#include "replication/write_context.h"

namespace parley::replication {

HintWrite::HintWrite(Coordination& parts, const WriteRequest& request, const CausalContext& seen,
                     const ReplicaPlan& plan, Bytes cluster_key, RequestTrace& trace,
                     bool maybe_sent, std::function<void(WriteReply)> reply)
    : parts_(parts),
      request_(request),
      seen_(seen),
      plan_(plan),
      cluster_key_(std::move(cluster_key)),
      trace_(trace),
      maybe_sent_(maybe_sent),
      reply_(std::move(reply)),
      receipt_(blank_receipt(plan, ReplicaState::Failed)) {}

void HintWrite::start() {
  if (auto trouble = stamp_trouble(parts_.world, plan_)) return fall_short(*trouble, false);
  const PlannedOwner& first = plan_.owners.front();
  const std::size_t row = trace_hint(plan_.self_node, plan_.self_address, first);
  parts_.hint_minter.mint(
      first.node, mint_request(parts_.world, plan_, request_, seen_, storage::Durability::Fsync),
      alive_.guard([this, row](Result<Minted> minted) {
        trace_.answered(row, minted);
        on_minted(std::move(minted));
      }));
}

std::size_t HintWrite::trace_hint(const NodeId& node, const std::string& address,
                                  const PlannedOwner& of) {
  return trace_.sent(node, address, "hint", of.peer.address);
}

void HintWrite::on_minted(Result<Minted> minted) {
  if (replied_) return;
  if (!minted && minted.error().code == ErrorCode::DiskFull && plan_.stand_in) {
    not_here_ = minted.error();
    minted = parts_.hint_minter.mint_unkept(
        mint_request(parts_.world, plan_, request_, seen_, storage::Durability::Fsync));
  }
  if (!minted) return fall_short(minted.error(), false);
  minted_ = std::move(*minted);
  waiting_ = 1;  // this function itself
  if (!not_here_ && !PARLEY_MUTANT(any_keeps_nothing)) keep_here();
  if (plan_.stand_in) keep_on_stand_in();
  one_ended();
}

void HintWrite::keep_here() {
  on_kept(0, Done{});
  for (std::size_t i = 1; i < plan_.owners.size(); ++i) {
    ++waiting_;
    const std::size_t row = trace_hint(plan_.self_node, plan_.self_address, plan_.owners[i]);
    parts_.hints.add(plan_.owners[i].node, plan_.key, minted_->set, true,
                     alive_.guard([this, i, row](const Status& kept) {
                       trace_.answered(row, kept);
                       on_kept(i, kept);
                       one_ended();
                     }));
  }
}

void HintWrite::keep_on_stand_in() {
  for (std::size_t i = 0; i < plan_.owners.size(); ++i) {
    ++waiting_;
    // A stand-in that stays silent must not hold up a write that is durable here already.
    const std::size_t row =
        trace_hint(plan_.stand_in->node, plan_.stand_in->peer.address, plan_.owners[i]);
    const Instant soon = parts_.world.loop.now() + parts_.world.options.replica_patience();
    parts_.peers.store_hint(*plan_.stand_in, plan_, plan_.owners[i].node, minted_->set, true,
                            std::min(soon, request_.deadline),
                            alive_.guard([this, i, row](const Status& kept) {
                              trace_.answered(row, kept);
                              on_second(i, kept);
                              one_ended();
                            }));
  }
}

void HintWrite::on_kept(std::size_t owner, const Status& kept) {
  if (!kept) return parts_.hint_dropped(plan_.owners[owner].node, plan_.key);
  receipt_[owner].state = ReplicaState::Hinted;
  receipt_[owner].hint_holder = plan_.self_address;
}

void HintWrite::on_second(std::size_t owner, const Status& kept) {
  ReplicaReceipt& receipt = receipt_[owner];
  if (kept) {
    ++second_copies_;
    if (receipt.state == ReplicaState::Hinted) return;
    receipt.state = ReplicaState::Hinted;
    receipt.hint_holder = plan_.stand_in->peer.address;
    return;
  }
  const ErrorCode code = kept.error().code;
  if (code == ErrorCode::NoAnswer || code == ErrorCode::Unknown || code == ErrorCode::Internal) {
    in_doubt_ = true;
  }
}

void HintWrite::one_ended() {
  if (--waiting_ == 0) answer();
}

void HintWrite::give_up() {
  if (minted_) return answer();
  fall_short({ErrorCode::Unknown, "the hint was not durable before the deadline"}, true);
}

void HintWrite::fall_short(Error error, bool in_doubt) {
  if (replied_) return;
  replied_ = true;
  WriteReply reply;
  const bool unknown = in_doubt || maybe_sent_;
  reply.outcome = unknown ? Outcome::Unknown : Outcome::NotWritten;
  reply.error = std::move(error);
  if (unknown) reply.error->code = ErrorCode::Unknown;
  reply.level = request_.level;
  reply.required = plan_.required;
  reply.replicas = receipt_;
  for (ReplicaReceipt& replica : reply.replicas) {
    if (unknown) replica.state = ReplicaState::NoAnswer;
  }
  reply_(std::move(reply));
}

void HintWrite::answer() {
  if (replied_) return;
  if (not_here_ && second_copies_ == 0) return fall_short(*not_here_, in_doubt_ || waiting_ > 0);
  replied_ = true;
  WriteReply reply;
  reply.outcome = Outcome::Ok;
  reply.level = request_.level;
  reply.required = plan_.required;
  reply.version = to_text(minted_->dot);
  const auto set = VersionSet::decode(minted_->set);
  PARLEY_CHECK(set.ok());
  reply.context = seal_context(cluster_key_, request_.keyspace, request_.key,
                               context_after_write(seen_, minted_->dot, *set));
  reply.replicas = receipt_;
  if (!not_here_) reply.hint_holders.push_back(plan_.self_address);
  if (second_copies_ > 0) reply.hint_holders.push_back(plan_.stand_in->peer.address);
  reply_(std::move(reply));
}

}  // namespace parley::replication
