// CallGate: how much client work may be under way at once, on one connection and in all. Counting
// only; pure.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "base/result.h"

namespace parley::api {

struct CallLimits {
  std::size_t connection_calls_most = 1024;
  std::size_t calls_most = 16384;
  std::size_t bytes_most = 256u << 20;  // of keys, values and contexts under way
};

class CallGate {
 public:
  explicit CallGate(const CallLimits& limits) : limits_(limits) {}

  // What is under way on one connection; outlives it while calls end.
  struct ConnectionCalls {
    std::size_t calls = 0;
  };
  using ConnectionPtr = std::shared_ptr<ConnectionCalls>;

  struct Totals {
    std::size_t calls = 0, bytes = 0;
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
  void close() { closed_ = true; }
  std::size_t calls() const { return totals_->calls; }

 private:
  const CallLimits limits_;
  const TotalsPtr totals_ = std::make_shared<Totals>();
  bool closed_ = false;
};

}  // namespace parley::api
