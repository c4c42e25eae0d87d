// PassLedger: what a coordinator that is no replica knows of a write that it passes to owners: whom
// to try next, and what may be said once no more is to come. A value; pure.
//
// Outcomes are per client call: once one attempt may have reached an owner, only ok or unknown
// remain, whatever the others say.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "replication/coordinator.h"

namespace parley::replication {

// What an owner says of itself and not of the write: nothing was written there, and another owner
// may take it. Overloaded is none: what one owner sheds must not become the load of the others.
bool is_own_trouble(ErrorCode code);

class PassLedger {
 public:
  enum class Step : std::uint8_t {
    Wait,           // an answer is outstanding
    TryNext,        // an owner is left, and trying it can help
    TryLater,       // the same, after the pause that a silent owner is given
    Replan,         // an owner's ring differed
    Give,           // give best()
    NobodyReached,  // no owner is left and none has given an answer
  };

  // A new plan: its owners in the order they are to be tried. What was sent stays sent.
  void plan(std::vector<std::size_t> order);
  std::optional<std::size_t> next();
  // The owner's reply, or why there is none.
  void answered(const WriteReply& reply);
  void failed(const Error& error);

  Step step() const;
  bool can_hedge() const { return !order_.empty(); }
  bool maybe_sent() const { return maybe_sent_; }
  std::size_t outstanding() const { return outstanding_; }
  // The best reply so far: ok before unknown before not_written; of two unknown, more acks.
  const std::optional<WriteReply>& best() const { return best_; }
  const std::optional<Error>& last_error() const { return last_error_; }

 private:
  std::vector<std::size_t> order_;
  std::size_t outstanding_ = 0;
  bool maybe_sent_ = false;
  bool wrong_ring_ = false;
  std::optional<WriteReply> best_;
  std::optional<Error> last_error_;
};

}  // namespace parley::replication
