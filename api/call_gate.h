// CallGate: how much client work may be under way at once, and how many answers may wait to be
// read, on one connection and in all. Counting only; pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>

#include "base/result.h"
#include "base/units.h"

namespace parley::api {

struct CallLimits {
  std::size_t connection_calls_most = 1024;
  std::size_t calls_most = 16384;
  std::size_t bytes_most = 256u << 20;  // of keys, values and contexts under way
  // Answers that clients leave unread.
  std::size_t connection_unread_most = 256u << 20, unread_most = 512u << 20;
};

class CallGate {
 public:
  explicit CallGate(const CallLimits& limits) : limits_(limits) {}

  // What is under way on one connection; outlives it while calls end.
  struct ConnectionCalls {
    std::size_t calls = 0;
    std::size_t unread = 0;      // bytes of answers that wait in the stream
    std::size_t on_the_way = 0;  // and of those that are not there yet
    Instant counted_since{};     // the latter
  };
  using ConnectionPtr = std::shared_ptr<ConnectionCalls>;

  struct Totals {
    std::size_t calls = 0, bytes = 0, unread = 0;
  };
  using TotalsPtr = std::shared_ptr<Totals>;

  // Counts while it lives.
  class Ticket {
   public:
    Ticket(TotalsPtr totals, ConnectionPtr connection, std::size_t calls, std::size_t bytes)
        : totals_(std::move(totals)),
          connection_(std::move(connection)),
          calls_(calls),
          bytes_(bytes) {
      totals_->calls += calls_;
      totals_->bytes += bytes_;
      connection_->calls += calls_;
    }
    ~Ticket() {
      totals_->calls -= calls_;
      totals_->bytes -= bytes_;
      connection_->calls -= calls_;
    }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    const TotalsPtr totals_;  // a call may end after the gate is gone
    const ConnectionPtr connection_;
    const std::size_t calls_, bytes_;
  };
  using TicketPtr = std::shared_ptr<Ticket>;

  // Overloaded, with a retry time, when there is no room; NotReady once closed.
  Result<TicketPtr> enter(const ConnectionPtr& connection, std::size_t calls, std::size_t bytes) {
    constexpr std::int64_t kRetryMs = 20;
    if (closed_) return Error{ErrorCode::NotReady, "this node is stopping", 1000};
    if (connection->calls + calls > limits_.connection_calls_most) {
      return Error{ErrorCode::Overloaded, "too many calls under way on this connection", kRetryMs};
    }
    if (totals_->calls + calls > limits_.calls_most ||
        totals_->bytes + bytes > limits_.bytes_most) {
      return Error{ErrorCode::Overloaded, "too many client calls under way on this node", kRetryMs};
    }
    return std::make_shared<Ticket>(totals_, connection, calls, bytes);
  }
  // From a connection's stream: what was written to it, and what its client leaves unread.
  void note_output(ConnectionCalls& connection, std::size_t written, std::size_t unread) {
    connection.on_the_way -= std::min(connection.on_the_way, written);
    totals_->unread += unread - connection.unread;
    connection.unread = unread;
  }
  // Overloaded when the client is so far behind with reading that an answer of `bytes` would be too
  // much; else it is on its way to the stream. What others leave unread counts only against clients
  // that leave something unread themselves. A client that is owed nothing gets an answer of any
  // size.
  Status admit_answer(ConnectionCalls& connection, std::size_t bytes, Instant now) {
    constexpr std::int64_t kRetryMs = 100;
    // An answer whose call was cancelled never arrives; what is older than this is not waited for.
    constexpr Duration kOnTheWayMost = 1s;
    if (now - connection.counted_since > kOnTheWayMost) {
      connection.counted_since = now;
      connection.on_the_way = 0;
    }
    const std::size_t owed = connection.unread + connection.on_the_way;
    const bool most_here = owed > 0 && owed + bytes > limits_.connection_unread_most;
    const bool most_in_all = connection.unread > 0 && totals_->unread + bytes > limits_.unread_most;
    if (most_here || most_in_all) {
      return Error{ErrorCode::Overloaded, "too many answers wait to be read", kRetryMs};
    }
    connection.on_the_way += bytes;
    return Done{};
  }
  void close() { closed_ = true; }
  std::size_t calls() const { return totals_->calls; }
  std::size_t unread() const { return totals_->unread; }

 private:
  const CallLimits limits_;
  const TotalsPtr totals_ = std::make_shared<Totals>();
  bool closed_ = false;
};

}  // namespace parley::api
