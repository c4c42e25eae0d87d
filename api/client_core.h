// ClientCore: the client library below its thread. Owns the connections and the calls under way;
// who is asked and what is said in the end is decided by ClientRouter and CallPlan. A driver; loop
// thread only, with a KjPort on it.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "api/client_call.h"
#include "api/client_connection.h"
#include "api/client_router.h"
#include "base/lifetime.h"
#include "base/random.h"
#include "runtime/loop.h"
#include "runtime/network.h"

namespace parley::client {

class ClientCore;

// One call: what to send, and what to do with the ending.
class ClientCall {
 public:
  struct Terms {
    Purpose purpose = Purpose::Read;
    std::optional<Slot> slot;
    Duration timeout{};
    bool hedging = true;
  };
  explicit ClientCall(const Terms& terms) : terms_(terms) {}
  virtual ~ClientCall() = default;
  ClientCall(const ClientCall&) = delete;
  ClientCall& operator=(const ClientCall&) = delete;

  // Sends attempt number `attempt` and keeps its data until finish().
  virtual kj::Promise<Verdict> send(ClientConnection& to, std::size_t attempt,
                                    std::uint32_t timeout_ms) = 0;
  virtual void finish(const CallPlan::Ending& ending) = 0;

  const Terms& terms() const { return terms_; }

 private:
  const Terms terms_;
};

class ClientCore {
 public:
  ClientCore(std::vector<Endpoint> given, bool learn_ring, runtime::Loop& loop,
             runtime::Network& network, Random random);
  // Every call under way ends now, with what is true of it.
  ~ClientCore();
  ClientCore(const ClientCore&) = delete;
  ClientCore& operator=(const ClientCore&) = delete;

  // finish() comes exactly once, at the latest at the deadline, never inside this call.
  void run(std::unique_ptr<ClientCall> call);

  OpId mint_op() { return random_.id<OpId>(); }
  // Where the call for this slot would best go; equal answers may share a message.
  std::optional<Endpoint> home(Slot slot) const { return router_.home(slot, loop_.now()); }
  Instant now() const { return loop_.now(); }

 private:
  struct Running;
  using RunningList = std::list<std::unique_ptr<Running>>;

  void advance(Running& running);
  void ask(Running& running, Instant now);
  void ready(Running& running, std::size_t attempt, const Status& status);
  void verdict(Running& running, std::size_t attempt, Verdict verdict);
  void lost(Running& running, std::size_t attempt, const kj::Exception& exception);
  void end(Running& running);
  void learn_from(ClientConnection& connection);
  ClientConnection& connection(const Endpoint& endpoint);

  runtime::Loop& loop_;
  runtime::Network& network_;
  Random random_;
  ClientRouter router_;
  std::map<Endpoint, std::unique_ptr<ClientConnection>> connections_;
  kj::Promise<void> learning_ = nullptr;
  RunningList running_;
  RunningList ended_;  // destroyed in a later turn: a promise cannot destroy itself
  bool clearing_ = false;
  Lifetime lifetime_;
};

}  // namespace parley::client
