// RequestTrace: who was asked what during one request, and when each answered. Keeps nothing, and
// allocates nothing, unless it is asked to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/loop.h"

namespace parley::replication {

struct TraceRow {
  NodeId node;
  std::string address;
  std::string what;               // "mint", "write", "read", "repair", "hint for ADDRESS", ...
  std::int64_t sent_us = 0;       // since the request began
  std::int64_t answered_us = -1;  // -1: not when the reply left
  std::string outcome;            // "ok", or an error's code; empty: not answered
  bool operator==(const TraceRow&) const = default;
};

class RequestTrace {
 public:
  // Of each row's texts too: what other nodes send is cut to this.
  static constexpr std::size_t kRowsMost = 128;
  static constexpr std::size_t kTextBytesMost = 128;

  RequestTrace(runtime::Loop& loop, bool on)
      : loop_(loop), on_(on), begun_(on ? loop.now() : Instant{}) {}

  bool on() const { return on_; }
  // The row's number, for answered(). `of`: the address that a hint is for.
  std::size_t sent(const NodeId& node, const std::string& address, const char* what,
                   const std::string& of = {});
  template <typename T>
  void answered(std::size_t row, const Result<T>& answer) {
    if (row < rows_.size()) end(row, answer.ok() ? "ok" : to_text(answer.error().code));
  }
  // What a node that was asked in `row` did itself. Its times are since it began: here they begin
  // when it was sent the question.
  void include(std::size_t row, const std::vector<TraceRow>& rows);

  const std::vector<TraceRow>& rows() const { return rows_; }

 private:
  std::int64_t now() const;
  void end(std::size_t row, const char* outcome);

  runtime::Loop& loop_;
  const bool on_;
  const Instant begun_;
  std::vector<TraceRow> rows_;
};

}  // namespace parley::replication
