#include "api/client_call.h"

#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"

namespace parley::client {

namespace {

// Another node would say the same.
bool is_final(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
    case ErrorCode::TooLarge:
    case ErrorCode::BadContext:
    case ErrorCode::SiblingCap:
    case ErrorCode::Unsupported:
    case ErrorCode::NotFound:
    case ErrorCode::WrongCluster:
    case ErrorCode::Refused: return true;
    default: return false;
  }
}

// Of several refusals the one that tells most: higher first.
int weight(ErrorCode code) {
  if (is_final(code)) return 4;
  if (code == ErrorCode::Unavailable) return 3;
  if (code == ErrorCode::Overloaded || code == ErrorCode::DiskFull) return 2;
  return code == ErrorCode::NotReady ? 0 : 1;
}

}  // namespace

CallPlan::CallPlan(Purpose purpose, Instant start, Duration timeout, bool hedging)
    : purpose_(purpose),
      deadline_(start + timeout * (PARLEY_MUTANT(client_deadline_ignored) ? 1000 : 1)),
      timeout_(timeout),
      patience_(std::max<Duration>(kPatienceLeast, timeout / 4)),
      hedging_(hedging) {}

CallPlan::Step CallPlan::step(Instant now) {
  if (!ending_) {
    const bool overdue = now >= deadline_;
    const bool may_ask = !exhausted_ && !settled_;
    if (!attempts_.empty() && hedging_ && now >= begun_last_ + patience_) ask_ = true;
    if (winner_ || overdue || abandoned_ || (!any_live() && !(ask_ && may_ask))) {
      end(now);
    } else if (ask_ && may_ask) {
      return {What::Ask, now};
    } else {
      const bool will_hedge = hedging_ && may_ask;  // some attempt is live
      return {What::Wait, will_hedge ? std::min(deadline_, begun_last_ + patience_) : deadline_};
    }
  }
  return {What::End, now};
}

std::optional<Endpoint> CallPlan::pick(const std::vector<Endpoint>& order) const {
  std::optional<Endpoint> again;
  for (const Endpoint& endpoint : order) {
    std::size_t begun = 0, broken = 0;
    for (const Attempt& attempt : attempts_) {
      if (attempt.endpoint != endpoint) continue;
      ++begun;
      if (attempt.phase == Phase::Broken) ++broken;
    }
    if (begun == 0) return endpoint;
    if (begun == 1 && broken == 1 && !again) again = endpoint;
  }
  return again;
}

std::size_t CallPlan::begin(const Endpoint& endpoint, Instant now) {
  attempts_.push_back({endpoint, Phase::Dialling, std::nullopt});
  begun_last_ = now;
  ask_ = false;
  return attempts_.size() - 1;
}

bool CallPlan::is_live(std::size_t attempt) const {
  return attempts_[attempt].phase == Phase::Dialling || attempts_[attempt].phase == Phase::Sent;
}

bool CallPlan::any_live() const {
  for (std::size_t i = 0; i < attempts_.size(); ++i) {
    if (is_live(i)) return true;
  }
  return false;
}

void CallPlan::sent(std::size_t attempt) {
  if (attempts_[attempt].phase == Phase::Dialling) attempts_[attempt].phase = Phase::Sent;
}

void CallPlan::not_sent(std::size_t attempt, Error error) {
  if (!is_live(attempt)) return;
  attempts_[attempt].phase = Phase::NotSent;
  attempts_[attempt].verdict = Verdict{Outcome::NotWritten, std::move(error)};
  ask_ = true;
}

void CallPlan::broke(std::size_t attempt, Error error) {
  if (!is_live(attempt)) return;
  attempts_[attempt].phase =
      PARLEY_MUTANT(lost_connection_told_as_not_written) ? Phase::NotSent : Phase::Broken;
  attempts_[attempt].verdict = Verdict{Outcome::Unknown, std::move(error)};
  ask_ = true;
  // The connection that broke may be tried anew even though every endpoint was asked once.
  exhausted_ = false;
}

void CallPlan::answered(std::size_t attempt, Verdict verdict) {
  if (!is_live(attempt) || winner_) return;
  attempts_[attempt].phase = Phase::Answered;
  if (verdict.outcome == Outcome::Ok) {
    winner_ = attempt;
  } else if (verdict.outcome == Outcome::Unknown && changes()) {
    settled_ = true;  // that node has spent the deadline on it
  } else {
    take_refusal(*verdict.error);
  }
  attempts_[attempt].verdict = std::move(verdict);
}

void CallPlan::take_refusal(const Error& error) {
  if (is_final(error.code)) {
    settled_ = true;
  } else if (error.code == ErrorCode::Unavailable && ++unavailable_ > kAfterUnavailableMost) {
    settled_ = true;
  } else {
    ask_ = true;
  }
}

void CallPlan::abandon() { abandoned_ = true; }

std::optional<std::size_t> CallPlan::best_refusal() const {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < attempts_.size(); ++i) {
    const Attempt& attempt = attempts_[i];
    if (attempt.phase != Phase::Answered) continue;  // none said ok: that one would have won
    if (!best ||
        weight(attempt.verdict->error->code) > weight(attempts_[*best].verdict->error->code)) {
      best = i;
    }
  }
  return best;
}

Error CallPlan::silence_error(ErrorCode code) const {
  if (abandoned_) return {code, "the client was closed before an answer came", 0};
  for (const Attempt& attempt : attempts_) {
    if (attempt.phase == Phase::Broken && !any_live())
      return {code, attempt.verdict->error->message, 0};
  }
  return {code, "no answer within " + std::to_string(to_millis(timeout_)) + " ms", 0};
}

void CallPlan::end(Instant) {
  ending_.emplace();
  std::optional<std::size_t> unknown;
  bool may_be_written = false;
  std::string refusals;
  for (std::size_t i = 0; i < attempts_.size(); ++i) {
    const Attempt& attempt = attempts_[i];
    const bool reached = attempt.phase != Phase::Dialling && attempt.phase != Phase::NotSent;
    ending_->connected |= reached;
    const bool said_unknown =
        attempt.phase == Phase::Answered && attempt.verdict->outcome == Outcome::Unknown;
    if (said_unknown) unknown = i;
    if (PARLEY_MUTANT(last_refusal_decides) && attempt.phase == Phase::Answered)
      may_be_written = false;
    may_be_written |= said_unknown || attempt.phase == Phase::Broken ||
                      (attempt.phase == Phase::Sent &&
                       !(PARLEY_MUTANT(silent_attempt_forgotten) && best_refusal()));
    if (attempt.phase == Phase::NotSent && refusals.size() < 400) {
      refusals += (refusals.empty() ? "" : "; ") + attempt.verdict->error->message;
    }
  }
  if (winner_) {
    ending_->outcome = Outcome::Ok;
    ending_->attempt = winner_;
    ending_->maybe_elsewhere = may_be_written;
  } else if (!ending_->connected) {
    if (abandoned_) refusals = "the client was closed";
    if (refusals.empty()) refusals = silence_error(ErrorCode::Unreachable).message;
    ending_->error = Error{ErrorCode::Unreachable, "cannot connect: " + refusals, 0};
  } else if (changes()) {
    end_write(may_be_written, unknown);
  } else {
    ending_->attempt = best_refusal();
    // A read that nobody answered has changed nothing; of an admin call that is not known.
    const auto code = purpose_ == Purpose::Read ? ErrorCode::Unavailable : ErrorCode::NoAnswer;
    ending_->error =
        ending_->attempt ? *attempts_[*ending_->attempt].verdict->error : silence_error(code);
  }
}

void CallPlan::end_write(bool may_be_written, std::optional<std::size_t> unknown) {
  if (!may_be_written) {
    ending_->attempt = best_refusal();
    PARLEY_CHECK(ending_->attempt.has_value());
    ending_->error = *attempts_[*ending_->attempt].verdict->error;
    return;
  }
  ending_->outcome = Outcome::Unknown;
  ending_->attempt = unknown;
  const auto code = purpose_ == Purpose::Write ? ErrorCode::Unknown : ErrorCode::NoAnswer;
  ending_->error = unknown ? *attempts_[*unknown].verdict->error : silence_error(code);
}

}  // namespace parley::client
