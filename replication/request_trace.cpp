#include "replication/request_trace.h"

namespace parley::replication {

std::int64_t RequestTrace::now() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(loop_.now() - begun_).count();
}

std::size_t RequestTrace::sent(const NodeId& node, const std::string& address, const char* what,
                               const std::string& of) {
  if (!on_ || rows_.size() == kRowsMost) return kRowsMost;
  rows_.push_back({node, address, of.empty() ? what : what + (" for " + of), now(), -1, {}});
  return rows_.size() - 1;
}

void RequestTrace::end(std::size_t row, const char* outcome) {
  rows_[row].answered_us = now();
  rows_[row].outcome = outcome;
}

void RequestTrace::include(std::size_t row, const std::vector<TraceRow>& rows) {
  if (row >= rows_.size()) return;
  const std::int64_t sent = rows_[row].sent_us;
  for (TraceRow one : rows) {
    if (rows_.size() == kRowsMost) return;
    one.sent_us += sent;
    if (one.answered_us >= 0) one.answered_us += sent;
    rows_.push_back(std::move(one));
  }
}

}  // namespace parley::replication
