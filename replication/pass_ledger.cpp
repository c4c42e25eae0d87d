#include "replication/pass_ledger.h"

#include "base/check.h"
#include "base/mutant.h"

namespace parley::replication {

bool is_own_trouble(ErrorCode code) {
  return code == ErrorCode::DiskFull || code == ErrorCode::Damaged || code == ErrorCode::NotReady;
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
  const auto rank = [](Outcome outcome) {
    return outcome == Outcome::Ok ? 2 : outcome == Outcome::Unknown ? 1 : 0;
  };
  if (!best_ || rank(reply.outcome) > rank(best_->outcome)) best_ = reply;
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
  if (best_ && best_->outcome == Outcome::NotWritten && !maybe_sent_) return Step::Give;
  // One that coordinated and fell short may be the one that is cut off, and its word came early
  // because it knows that it reaches nobody. It is no better than silence.
  if (best_ && best_->outcome == Outcome::Unknown) {
    return order_.empty() ? Step::Give : Step::TryLater;
  }
  if (!order_.empty()) return Step::TryNext;
  if (wrong_ring_) return Step::Replan;
  return Step::NobodyReached;
}

}  // namespace parley::replication
