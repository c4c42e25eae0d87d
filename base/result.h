// Result<T>: what the world does to us is a value; what only a bug does is a CHECK.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace parley {

// A code exists only if some caller treats it differently. The numbers travel between nodes:
// never renumber, only add. Each says whether the state may have changed.
enum class ErrorCode : std::uint16_t {
  Internal = 1,         // a bug or an impossible answer; may have changed
  InvalidArgument = 2,  // the request is malformed; unchanged
  TooLarge = 3,         // key, value or version set over its limit; unchanged
  BadContext = 4,       // malformed, forged or foreign causal context; unchanged
  Unavailable = 5,      // too few live replicas, nothing was sent; unchanged
  Unknown = 6,          // sent, too few answered in time; may have changed
  Unreachable = 7,      // one call: provably never sent (no connection); unchanged
  NoAnswer = 8,         // one call: sent, no answer in time or the connection broke; may have
  Overloaded = 9,       // a queue or cap is full; unchanged
  WrongRing = 10,       // the callee's owners differ from the caller's; unchanged
  WrongCluster = 11,    // another cluster's message; unchanged
  SiblingCap = 12,      // the key has too many siblings to take one more; unchanged
  Expired = 13,         // the deadline passed before the work was begun; unchanged
  Damaged = 14,         // the local record failed its checksum, so there is no answer; unchanged
  DiskFull = 15,        // writes are refused until there is room; unchanged
  Refused = 16,         // an admission said no, for the reason in the message; unchanged
  NotReady = 17,        // the node is not (yet, or any more) serving; unchanged
  Unsupported = 18,     // a verb, level or format this version does not know; unchanged
  NotFound = 19,        // a named thing (node, keyspace) does not exist; unchanged
  StaleCopy = 20,       // this data directory is an old or second copy of a node's; unchanged
  ClockSkew = 21,       // the node's clock is too far from the others' to stamp a write; unchanged
};

const char* to_text(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;              // one clear line for a person
  std::int64_t retry_after_ms = 0;  // > 0 only with Overloaded and NotReady
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT: a value is a result
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: an error is a result

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() {
    PARLEY_CHECK(ok());
    return std::get<0>(state_);
  }
  const T& value() const {
    PARLEY_CHECK(ok());
    return std::get<0>(state_);
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    PARLEY_CHECK(!ok());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

struct Done {};
using Status = Result<Done>;

}  // namespace parley
