#include "replication/pass_ledger.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace parley::replication {

namespace {

std::size_t acks(const WriteReply& reply) {
  return static_cast<std::size_t>(
      std::count_if(reply.replicas.begin(), reply.replicas.end(), [](const auto& replica) {
        return replica.state == ReplicaState::Durable || replica.state == ReplicaState::Memory;
      }));
}

// A refusal for want of others, as this owner sees them.
bool is_own_view(const WriteReply& reply) {
  return reply.outcome == Outcome::NotWritten && reply.error &&
         reply.error->code == ErrorCode::Unavailable;
}

bool is_about_the_write(ErrorCode code) {
  return code == ErrorCode::SiblingCap || code == ErrorCode::TooLarge ||
         code == ErrorCode::BadContext || code == ErrorCode::InvalidArgument;
}

}  // namespace

bool is_own_trouble(ErrorCode code) {
  return code == ErrorCode::DiskFull || code == ErrorCode::Damaged || code == ErrorCode::NotReady ||
         code == ErrorCode::ClockSkew;
}

void PassLedger::plan(std::vector<std::size_t> order) {
  order_ = std::move(order);
  wrong_ring_ = false;
}

std::optional<std::size_t> PassLedger::next() {
  if (order_.empty()) return std::nullopt;
  const std::size_t owner = order_.front();
  order_.erase(order_.begin());
  ++outstanding_;
  return owner;
}

void PassLedger::answered(const WriteReply& reply) {
  PARLEY_CHECK(outstanding_ > 0);
  --outstanding_;
  const bool not_written = reply.outcome == Outcome::NotWritten && reply.error;
  if (not_written && is_own_trouble(reply.error->code)) {
    last_error_ = reply.error;
    return;
  }
  if (reply.outcome == Outcome::Unknown) maybe_sent_ = true;
  const auto rank = [](const WriteReply& one) {
    const int outcome = one.outcome == Outcome::Ok ? 2 : one.outcome == Outcome::Unknown ? 1 : 0;
    return std::pair(outcome, acks(one));
  };
  // Of two refusals the one that another owner cannot undo.
  const bool firmer = best_ && rank(reply) == rank(*best_) && is_own_view(*best_) && reply.error &&
                      is_about_the_write(reply.error->code);
  if (!best_ || firmer || rank(reply) > rank(*best_)) best_ = reply;
}

void PassLedger::failed(const Error& error) {
  PARLEY_CHECK(outstanding_ > 0);
  --outstanding_;
  last_error_ = error;
  switch (error.code) {
    case ErrorCode::WrongRing: wrong_ring_ = true; break;
    case ErrorCode::Unreachable:
    case ErrorCode::Overloaded:
    case ErrorCode::NotReady:
    case ErrorCode::Expired:
    case ErrorCode::WrongCluster:
    case ErrorCode::Unsupported:
    case ErrorCode::NotFound: break;  // nothing was done there
    default: maybe_sent_ = !PARLEY_MUTANT(silence_taken_for_refusal); break;
  }
}

PassLedger::Step PassLedger::step() const {
  if (best_ && best_->outcome == Outcome::Ok) return Step::Give;
  if (outstanding_ > 0) return Step::Wait;
  if (best_ && best_->outcome == Outcome::NotWritten && !maybe_sent_) {
    // One that believes too few of the others up may be the one that is cut off: they are up to
    // whoever passes the write.
    return is_own_view(*best_) && !order_.empty() ? Step::TryNext : Step::Give;
  }
  // One that coordinated and reached nobody else may be the one that is cut off, and said so early
  // because it knows. That is no better than silence. One that others acked is not cut off: what
  // is missing has been refused, and asking again would be load on who sheds it.
  if (best_ && best_->outcome == Outcome::Unknown) {
    return order_.empty() || acks(*best_) > 1 ? Step::Give : Step::TryLater;
  }
  if (!order_.empty()) return Step::TryNext;
  if (wrong_ring_) return Step::Replan;
  return Step::NobodyReached;
}

}  // namespace parley::replication
