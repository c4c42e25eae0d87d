#include "replication/write_coordinator.h"

#include "base/mutant.h"
#include "replication/context_token.h"

namespace parley::replication {

WriteOperation::WriteOperation(Coordination& parts, WriteRequest request, PassOn pass_on,
                               std::function<void(WriteReply)> reply, std::function<void()> ended)
    : parts_(parts),
      request_(std::move(request)),
      pass_on_(pass_on),
      reply_(std::move(reply)),
      ended_(std::move(ended)),
      trace_(parts.world.loop, request_.trace),
      deadline_timer_(parts.world.loop),
      hedge_timer_(parts.world.loop),
      ring_timer_(parts.world.loop) {}

void WriteOperation::start() {
  const auto view = parts_.world.view();
  if (view == nullptr) return refuse(not_ready());
  if (auto error = inadmissible(*view)) return refuse(std::move(*error));
  cluster_key_ = view->cluster_key;
  if (request_.op.is_nil()) request_.op = parts_.random.id<OpId>();
  deadline_timer_.at(request_.deadline, [this] { on_deadline(); });
  choose_way();
}

std::optional<Error> WriteOperation::inadmissible(const membership::View& view) {
  const auto& options = parts_.world.options;
  if (request_.key.empty()) return Error{ErrorCode::InvalidArgument, "the key is empty"};
  if (request_.key.size() > options.key_bytes_most()) {
    return Error{ErrorCode::TooLarge,
                 "the key is longer than " + std::to_string(options.key_bytes_most()) + " bytes"};
  }
  if (request_.value && request_.value->size() > options.value_bytes_most()) {
    return Error{ErrorCode::TooLarge, "the value is larger than " +
                                          std::to_string(options.value_bytes_most()) + " bytes"};
  }
  if (request_.context && !PARLEY_MUTANT(context_ignored)) {
    auto seen = open_context(view.cluster_key, request_.keyspace, request_.key, *request_.context);
    if (!seen) return seen.error();
    seen_ = std::move(*seen);
  }
  if (parts_.world.accepts_writes && !parts_.world.accepts_writes()) {
    return Error{ErrorCode::NotReady, "this node takes no writes now", 1000};
  }
  return std::nullopt;
}

void WriteOperation::refuse(Error error, bool with_receipt) {
  WriteReply reply;
  reply.error = std::move(error);
  reply.level = request_.level;
  if (with_receipt) {
    reply.required = plan_.required;
    reply.replicas = blank_receipt(plan_, ReplicaState::Failed);
  }
  finish(std::move(reply));
}

void WriteOperation::choose_way() {
  const auto view = parts_.world.view();
  if (view == nullptr) return refuse(not_ready());
  auto plan = plan_replicas(*view, request_.keyspace, request_.key, request_.level);
  if (!plan) return refuse(plan.error());
  plan_ = std::move(*plan);
  if (plan_.refusal) return refuse(*plan_.refusal, true);
  if (plan_.self && !own_trouble_) {
    deadline_timer_.cancel();
    owner_write_ = std::make_unique<OwnerWrite>(
        parts_, request_, seen_, plan_, cluster_key_, trace_,
        [this](WriteReply reply) { finish(std::move(reply)); },
        [this](Error error) { on_declined(std::move(error)); }, ended_);
    return owner_write_->start();
  }
  if (pass_on_ == PassOn::No) {
    return refuse({ErrorCode::WrongRing, "this node does not own the key"});
  }
  pass_around();
}

void WriteOperation::pass_around() {
  std::vector<std::size_t> order = plan_.asking_order();
  if (plan_.self) std::erase(order, *plan_.self);
  ledger_.plan(std::move(order));
  after_pass();
}

// Nothing was written here: what any minter would say is the answer, else another owner may take
// it, which then keeps this one's copy or hint.
void WriteOperation::on_declined(Error error) {
  own_trouble_ = std::move(error);
  const bool final = pass_on_ == PassOn::No || !is_own_trouble(own_trouble_->code);
  if (final) return refuse(*own_trouble_, true);
  deadline_timer_.at(request_.deadline, [this] { on_deadline(); });
  pass_around();
}

void WriteOperation::pass_to_next() {
  const auto owner = ledger_.next();
  PARLEY_CHECK(owner.has_value());
  const PlannedOwner& to = plan_.owners[*owner];
  const std::size_t row = trace_.sent(to.node, to.peer.address, "pass on");
  parts_.peers.coordinate_put(
      to, plan_, request_, request_.deadline,
      alive_.guard([this, row](Result<WriteReply> answer) { on_passed(row, std::move(answer)); }));
  hedge_timer_.after(parts_.world.options.pass_hedge(), [this] {
    if (ledger_.can_hedge()) return pass_to_next();
    // All owners are silent: at `any` the hints begin, and whichever is durable first answers.
    if (plan_.level.kind == Level::Kind::Any) write_hints();
  });
}

void WriteOperation::on_passed(std::size_t row, Result<WriteReply> answer) {
  if (finished_) return;
  trace_.answered(row, answer);
  if (answer) trace_.include(row, answer->trace);
  if (answer) {
    ledger_.answered(*answer);
  } else {
    ledger_.failed(answer.error());
  }
  after_pass();
}

void WriteOperation::after_pass() {
  switch (ledger_.step()) {
    case PassLedger::Step::Wait: return;
    case PassLedger::Step::TryNext:
      if (hint_write_ == nullptr) pass_to_next();
      return;
    case PassLedger::Step::TryLater:
      if (hint_write_ == nullptr && !hedge_timer_.pending()) pass_to_next();
      return;
    case PassLedger::Step::Replan:
      if (hint_write_ != nullptr) return;  // it works on the plan that is
      ring_timer_.after(kWrongRingPause, [this] { choose_way(); });
      return;
    case PassLedger::Step::Give:
      if (hint_write_ != nullptr && ledger_.best()->outcome != Outcome::Ok) return;
      return finish(*ledger_.best());
    case PassLedger::Step::NobodyReached:
      if (plan_.level.kind == Level::Kind::Any) return write_hints();
      if (ledger_.last_error()) return refuse(*ledger_.last_error(), true);
      return refuse(own_trouble_.value_or(Error{ErrorCode::Unavailable, "no owner is up"}), true);
  }
}

void WriteOperation::write_hints() {
  if (hint_write_ != nullptr) return;
  // No hint comes of a clock that is off: those who were asked may still say yes.
  if (ledger_.outstanding() > 0 && stamp_trouble(parts_.world, plan_)) return;
  hedge_timer_.cancel();
  ring_timer_.cancel();
  const bool maybe_sent = ledger_.maybe_sent() || ledger_.outstanding() > 0;
  hint_write_ =
      std::make_unique<HintWrite>(parts_, request_, seen_, plan_, cluster_key_, trace_, maybe_sent,
                                  [this](WriteReply reply) { finish(std::move(reply)); });
  hint_write_->start();
}

void WriteOperation::on_deadline() {
  if (finished_) return;
  if (hint_write_ != nullptr) return hint_write_->give_up();
  if (ledger_.best()) return finish(*ledger_.best());
  refuse({ErrorCode::Unavailable, "no owner of the key answered before the deadline"}, true);
}

void WriteOperation::finish(WriteReply reply) {
  if (finished_) return;
  finished_ = true;
  deadline_timer_.cancel();
  hedge_timer_.cancel();
  ring_timer_.cancel();
  const bool maybe_sent = ledger_.maybe_sent() || ledger_.outstanding() > 0;
  if (reply.outcome == Outcome::NotWritten && maybe_sent &&
      !PARLEY_MUTANT(sent_told_as_not_written)) {
    reply.outcome = Outcome::Unknown;
    reply.error =
        Error{ErrorCode::Unknown, (reply.error ? reply.error->message : std::string("no answer")) +
                                      "; it was sent and may appear later"};
    for (ReplicaReceipt& replica : reply.replicas) {
      if (replica.state == ReplicaState::Failed) replica.state = ReplicaState::NoAnswer;
    }
  } else if (reply.outcome == Outcome::NotWritten && reply.error &&
             reply.error->code == ErrorCode::Unreachable) {
    reply.error->code = ErrorCode::Unavailable;
  }
  reply.trace = trace_.rows();
  reply_(std::move(reply));
  // An OwnerWrite that minted goes on until every owner has the write or a hint, and ends by
  // itself.
  if (owner_write_ == nullptr || own_trouble_) ended_();
}

}  // namespace parley::replication
