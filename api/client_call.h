// CallPlan: one client call over its attempts at several nodes: when to ask another, when to stop,
// and what may be said in the end. Pure.
//
// The rule (three outcomes, per call): a read may fail over freely. A write may be sent to another
// node when nothing of it was sent, when the node asked said not_written, or, under the same op-id,
// when the node is silent or its connection broke; but once an attempt may have been sent and is
// not known to be refused, only `ok` and `unknown` remain.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/client.h"
#include "api/client_router.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"

namespace parley::client {

// What one node answered, apart from the data.
struct Verdict {
  Outcome outcome = Outcome::Unknown;
  std::optional<Error> error;  // unless Ok
};

class CallPlan {
 public:
  // `hedging` off: a silent node is waited for until the deadline.
  CallPlan(Purpose purpose, Instant start, Duration timeout, bool hedging = true);

  enum class What : std::uint8_t {
    Ask,   // pick an endpoint and begin(), or say exhausted()
    Wait,  // until `until` or the next event
    End,   // ending() says how
  };
  struct Step {
    What what = What::Wait;
    Instant until{};
  };
  // Ask again after every event and at `until`.
  Step step(Instant now);

  // The first that may still be asked. An endpoint is asked once, or twice if its connection broke
  // under the first attempt (it may just have been old).
  std::optional<Endpoint> pick(const std::vector<Endpoint>& order) const;
  void exhausted() { exhausted_ = true; }
  // The number of the attempt.
  std::size_t begin(const Endpoint& endpoint, Instant now);

  // Events of an attempt; late ones, after the end, change nothing.
  void sent(std::size_t attempt);  // from here on it may have been executed
  void not_sent(std::size_t attempt, Error error);
  void broke(std::size_t attempt, Error error);
  void answered(std::size_t attempt, Verdict verdict);
  // The client is being destroyed.
  void abandon();

  struct Ending {
    Outcome outcome = Outcome::NotWritten;
    std::optional<Error> error;
    bool connected = false;              // some node could be reached
    std::optional<std::size_t> attempt;  // whose answer carries the data or the receipt
    bool maybe_elsewhere = false;        // another attempt than that one may have been executed
  };
  // After step() said End.
  const Ending& ending() const { return *ending_; }

  Instant deadline() const { return deadline_; }
  const Endpoint& endpoint(std::size_t attempt) const { return attempts_[attempt].endpoint; }
  bool is_live(std::size_t attempt) const;
  // How long a silent node is waited for before another is asked too.
  Duration patience() const { return patience_; }

 private:
  bool changes() const { return purpose_ == Purpose::Write || purpose_ == Purpose::Change; }

  enum class Phase : std::uint8_t { Dialling, Sent, NotSent, Broken, Answered };
  struct Attempt {
    Endpoint endpoint;
    Phase phase = Phase::Dialling;
    std::optional<Verdict> verdict;
  };
  static constexpr Duration kPatienceLeast = 250ms;
  // Others will most likely say the same, and unavailable must be said fast.
  static constexpr int kAfterUnavailableMost = 2;

  void take_refusal(const Error& error);
  void end(Instant now);
  void end_write(bool may_be_written, std::optional<std::size_t> unknown);
  std::optional<std::size_t> best_refusal() const;
  Error silence_error(ErrorCode code) const;
  bool any_live() const;

  const Purpose purpose_;
  const Instant deadline_;
  const Duration timeout_;
  const Duration patience_;
  const bool hedging_;

  std::vector<Attempt> attempts_;
  Instant begun_last_{};
  bool ask_ = true;         // another node should be asked now
  bool exhausted_ = false;  // there is none
  bool settled_ = false;    // no further node would change the answer
  bool abandoned_ = false;
  int unavailable_ = 0;
  std::optional<std::size_t> winner_;
  std::optional<Ending> ending_;
};

}  // namespace parley::client
