#include "replication/read_coordinator.h"

#include <utility>

#include "base/mutant.h"
#include "replication/context_token.h"
#include "replication/write_context.h"

namespace parley::replication {

ReadOperation::ReadOperation(Coordination& parts, ReadRequest request,
                             std::function<void(ReadReply)> reply, std::function<void()> ended)
    : parts_(parts),
      request_(std::move(request)),
      reply_(std::move(reply)),
      ended_(std::move(ended)),
      trace_(parts.world.loop, request_.trace),
      deadline_timer_(parts.world.loop),
      hedge_timer_(parts.world.loop),
      patience_timer_(parts.world.loop),
      ring_timer_(parts.world.loop) {}

void ReadOperation::start() {
  const auto most = parts_.world.options.key_bytes_most();
  if (request_.key.empty()) return refuse({ErrorCode::InvalidArgument, "the key is empty"});
  if (request_.key.size() > most) {
    return refuse(
        {ErrorCode::TooLarge, "the key is longer than " + std::to_string(most) + " bytes"});
  }
  deadline_timer_.at(request_.deadline, [this] { on_deadline(); });
  plan_and_ask();
}

void ReadOperation::plan_and_ask() {
  view_ = parts_.world.view();
  if (view_ == nullptr) return refuse(not_ready());
  auto plan = plan_replicas(*view_, request_.keyspace, request_.key, request_.level);
  if (!plan) return refuse(plan.error());
  plan_ = std::move(*plan);
  ++round_;
  wrong_ring_ = false;
  repairing_.clear();  // places in the old plan
  failures_.clear();
  if (plan_.refusal) return refuse(*plan_.refusal);
  merge_.emplace(request_.key, plan_.owners.size(), plan_.asking_order(), plan_.required,
                 majority_of(plan_.owners.size()));
  hedge_timer_.after(parts_.world.options.read_hedge(), [this] { hedge(); });
  // Once for all rounds: rings that stay different must not keep the hints from answering.
  if (plan_.level.kind == Level::Kind::Any && round_ == 1) {
    patience_timer_.after(parts_.world.options.replica_patience(), [this] { search_hints(); });
  }
  advance();
}

void ReadOperation::advance() {
  if (finished_) return;
  switch (merge_->step()) {
    case ReadMerge::Step::Ask: return ask(merge_->to_ask());
    case ReadMerge::Step::Repair: return repair(merge_->to_repair());
    case ReadMerge::Step::Answer: return answer(merge_->merged(), false);
    case ReadMerge::Step::Unavailable: return on_unavailable();
  }
}

void ReadOperation::ask(const std::vector<std::size_t>& owners) {
  for (const std::size_t owner : owners) {
    const PlannedOwner& to = plan_.owners[owner];
    const std::size_t row = trace_.sent(to.node, to.peer.address, "read");
    parts_.peers.read_copy(
        to, plan_, request_.deadline,
        alive_.guard([this, owner, row, round = round_](Result<ReadAnswer> answer) {
          trace_.answered(row, answer);
          on_read(owner, round, std::move(answer));
        }));
  }
}

void ReadOperation::hedge() {
  if (finished_ || merge_->step() != ReadMerge::Step::Ask) return;
  ask(merge_->to_ask(1));
  hedge_timer_.after(parts_.world.options.read_hedge(), [this] { hedge(); });
}

void ReadOperation::on_read(std::size_t owner, std::uint64_t round, Result<ReadAnswer> answer) {
  if (finished_ || round != round_) return;
  const Status read = answer ? merge_->answered(owner, std::move(*answer)) : Status(answer.error());
  if (!read) {
    note_failure(owner, read.error().code);
    merge_->failed(owner);
  }
  advance();
}

void ReadOperation::repair(const std::vector<std::size_t>& owners) {
  if (owners.empty()) return;
  OutgoingCopy copy(plan_, merge_->merged_bytes(), storage::Durability::Fsync);
  for (const std::size_t owner : owners) {
    repairing_.push_back(owner);
    const PlannedOwner& to = plan_.owners[owner];
    const std::size_t row = trace_.sent(to.node, to.peer.address, "repair");
    parts_.peers.store_copy(to, copy, request_.deadline,
                            alive_.guard([this, owner, row, round = round_](const Status& stored) {
                              trace_.answered(row, stored);
                              if (finished_ || round != round_) return;
                              std::erase(repairing_, owner);
                              if (stored) {
                                merge_->repaired(owner);
                                failures_.erase(owner);
                                parts_.metrics.read_repairs.with({"blocking"}).add();
                              } else {
                                note_failure(owner, stored.error().code);
                                merge_->repair_failed(owner);
                              }
                              advance();
                            }));
  }
  patience_timer_.after(parts_.world.options.replica_patience(), [this] { pass_over_repairs(); });
}

// A replica that answered and then fell silent: another one is brought up to date too, and whoever
// is first counts. The other one may be worse, up and out of reach: to take the late for failed
// would have the read refused while all that it needs is stored and on its way.
void ReadOperation::pass_over_repairs() {
  for (const std::size_t owner : std::exchange(repairing_, {})) {
    merge_->repair_late(owner);
    note_failure(owner, ErrorCode::NoAnswer);
  }
  advance();
}

void ReadOperation::on_unavailable() {
  if (wrong_ring_) {
    if (!ring_timer_.pending()) ring_timer_.after(kWrongRingPause, [this] { plan_and_ask(); });
    return;
  }
  if (plan_.level.kind == Level::Kind::Any) return search_hints();
  refuse({ErrorCode::Unavailable, shortfall("")});
}

void ReadOperation::note_failure(std::size_t owner, ErrorCode code) {
  wrong_ring_ = wrong_ring_ || code == ErrorCode::WrongRing;
  failures_[owner] = code;
}

// Which of the two is missing: answers, or replicas that hold what was read.
std::string ReadOperation::shortfall(const std::string& when) const {
  const std::size_t answers = merge_->answer_count();
  std::string text = std::to_string(answers) + " of " + std::to_string(plan_.required) +
                     " required replicas answered";
  if (answers < plan_.required) {
    text += when.empty() ? ", and too few are left" : when;
  } else {
    text += ", but they differ, and only " + std::to_string(merge_->holders()) +
            " could be made to hold all that was read" + when;
  }
  std::string failed;
  for (std::size_t i = 0; i < plan_.owners.size(); ++i) {
    const PlannedOwner& owner = plan_.owners[i];
    const auto failure = failures_.find(i);
    if (owner.up && failure == failures_.end()) continue;
    failed += (failed.empty() ? "; failed: " : ", ") + owner.peer.address + " (" +
              (owner.up           ? to_text(failure->second)
               : owner.rebuilding ? "rebuilding"
                                  : "down") +
              ")";
  }
  return text + failed;
}

void ReadOperation::search_hints() {
  if (finished_ || search_ != nullptr) return;
  search_ = std::make_unique<HintSearch>(
      parts_, [this] { answer_from_hints(); }, &trace_);
  search_->start(*view_, plan_, false, request_.deadline);
  // A silent node must not hold up what others hold already.
  patience_timer_.after(parts_.world.options.replica_patience(), [this] {
    if (!search_->merged().empty()) answer_from_hints();
  });
}

void ReadOperation::answer_from_hints() {
  if (finished_) return;
  const bool any = !search_->merged().empty() || PARLEY_MUTANT(no_hint_told_as_not_found);
  if (any) return answer(search_->merged(), true);
  // A replica may still be on its way; then it, or the deadline, decides.
  if (merge_->step() != ReadMerge::Step::Unavailable) return;
  refuse({ErrorCode::Unavailable, "no replica answered and no live node holds a hint"});
}

void ReadOperation::on_deadline() {
  if (finished_) return;
  if (search_ != nullptr && !search_->merged().empty()) return answer(search_->merged(), true);
  refuse({ErrorCode::Unavailable, shortfall(" before the deadline")});
}

void ReadOperation::answer(const VersionSet& set, bool from_hint) {
  ReadReply reply;
  reply.outcome = Outcome::Ok;
  for (Sibling& sibling : set.visible()) {
    if (sibling.tombstone && !PARLEY_MUTANT(tombstone_shown)) continue;
    reply.values.push_back({std::move(sibling.value), to_text(sibling.dot)});
  }
  reply.found = !reply.values.empty();
  if (reply.values.size() > 1) parts_.metrics.sibling_reads.add();
  if (!set.empty() && !PARLEY_MUTANT(context_left_out)) {
    reply.context = seal_context(view_->cluster_key, request_.keyspace, request_.key,
                                 {context_of_read(set), set.stamp()});
  }
  reply.from_hint = from_hint;
  std::vector<NodeId> stale;
  if (!from_hint) {
    for (const std::size_t owner : merge_->stale()) stale.push_back(plan_.owners[owner].node);
  }
  if (!stale.empty()) {
    parts_.metrics.read_repairs.with({"background"}).add(stale.size());
    if (parts_.observer != nullptr) {
      parts_.observer->replicas_stale(plan_.key, merge_->merged_bytes(), stale);
    }
  }
  finish(std::move(reply));
}

void ReadOperation::refuse(Error error) {
  ReadReply reply;
  if (error.code == ErrorCode::Unreachable) error.code = ErrorCode::Unavailable;
  reply.error = std::move(error);
  finish(std::move(reply));
}

void ReadOperation::finish(ReadReply reply) {
  if (finished_) return;
  finished_ = true;
  reply.level = request_.level;
  reply.required = plan_.required;
  if (merge_) {
    reply.asked = merge_->asked();
    reply.answered = merge_->answer_count();
    reply.agreed = merge_->agreed();
    reply.repaired = merge_->repaired_count();
    parts_.metrics.discarded.add(merge_->discarded());
  }
  for (runtime::Timer* timer : {&deadline_timer_, &hedge_timer_, &patience_timer_, &ring_timer_}) {
    timer->cancel();
  }
  reply.trace = trace_.rows();
  reply_(std::move(reply));
  ended_();
}

}  // namespace parley::replication
