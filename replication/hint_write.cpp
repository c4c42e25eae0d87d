#include "replication/hint_write.h"

#include <algorithm>

#include "replication/context_token.h"
#include "replication/write_context.h"

namespace parley::replication {

HintWrite::HintWrite(Coordination& parts, const WriteRequest& request, const VersionVector& seen,
                     const ReplicaPlan& plan, Bytes cluster_key, bool maybe_sent,
                     std::function<void(WriteReply)> reply)
    : parts_(parts),
      request_(request),
      seen_(seen),
      plan_(plan),
      cluster_key_(std::move(cluster_key)),
      maybe_sent_(maybe_sent),
      reply_(std::move(reply)),
      receipt_(blank_receipt(plan, ReplicaState::Failed)) {}

void HintWrite::start() {
  parts_.hint_minter.mint(
      plan_.owners.front().node,
      {plan_.key, request_.value, seen_, request_.op, storage::Durability::Fsync},
      alive_.guard([this](Result<Minted> minted) { on_minted(std::move(minted)); }));
}

void HintWrite::on_minted(Result<Minted> minted) {
  if (replied_) return;
  if (!minted) {
    WriteReply reply;
    reply.outcome = maybe_sent_ ? Outcome::Unknown : Outcome::NotWritten;
    reply.error = minted.error();
    if (maybe_sent_) reply.error->code = ErrorCode::Unknown;
    reply.level = request_.level;
    reply.required = plan_.required;
    reply.replicas = receipt_;
    replied_ = true;
    return reply_(std::move(reply));
  }
  minted_ = std::move(*minted);
  waiting_ = 1;  // this function itself
  on_kept(0, Done{});
  for (std::size_t i = 1; i < plan_.owners.size(); ++i) {
    ++waiting_;
    parts_.hints.add(plan_.owners[i].node, plan_.key, minted_->set, true,
                     alive_.guard([this, i](const Status& kept) {
                       on_kept(i, kept);
                       one_ended();
                     }));
  }
  for (const PlannedOwner& owner : plan_.owners) {
    if (!plan_.stand_in) break;
    ++waiting_;
    // A stand-in that stays silent must not hold up a write that is durable here already.
    const Instant soon = parts_.world.loop.now() + parts_.world.options.replica_patience();
    parts_.peers.store_hint(*plan_.stand_in, plan_, owner.node, minted_->set, true,
                            std::min(soon, request_.deadline),
                            alive_.guard([this](const Status& kept) {
                              on_second(kept);
                              one_ended();
                            }));
  }
  one_ended();
}

void HintWrite::on_kept(std::size_t owner, const Status& kept) {
  if (!kept) return parts_.hint_dropped(plan_.owners[owner].node, plan_.key);
  receipt_[owner].state = ReplicaState::Hinted;
  receipt_[owner].hint_holder = plan_.self_address;
}

void HintWrite::on_second(const Status& kept) { second_copies_ += kept ? 1 : 0; }

void HintWrite::one_ended() {
  if (--waiting_ == 0) answer();
}

void HintWrite::give_up() {
  if (minted_) return answer();
  if (replied_) return;
  WriteReply reply;
  reply.outcome = Outcome::Unknown;
  reply.error = Error{ErrorCode::Unknown, "the hint was not durable before the deadline"};
  reply.level = request_.level;
  reply.required = plan_.required;
  reply.replicas = receipt_;
  replied_ = true;
  reply_(std::move(reply));
}

void HintWrite::answer() {
  if (replied_) return;
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
  reply.hint_holders = {plan_.self_address};
  if (second_copies_ > 0) reply.hint_holders.push_back(plan_.stand_in->peer.address);
  reply_(std::move(reply));
}

}  // namespace parley::replication
