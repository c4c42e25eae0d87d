// ClientConnection: one node as the client library talks to it. Dials on demand, keeps the RPC
// session, notices its end. A driver; loop thread only, with a KjPort on it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "api/parley.capnp.h"
#include "base/ids.h"
#include "base/lifetime.h"
#include "base/result.h"
#include "runtime/loop.h"
#include "runtime/network.h"

namespace parley::client {

class ClientConnection {
 public:
  ClientConnection(Endpoint endpoint, runtime::Loop& loop, runtime::Network& network);
  ~ClientConnection();

  // Exactly once, never inside the call, unless this is destroyed first. Unreachable: nothing can
  // have been sent. A node that refused a moment ago is not dialled again at once: the same error.
  void when_ready(std::function<void(Status)> ready);
  // Only in the turn in which when_ready() said yes.
  api::schema::KeyValue::Client key_value();
  api::schema::Admin::Client admin();

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  struct Session;

  void dial();
  void dialled(Result<std::unique_ptr<runtime::Connection>> result);
  void tell_waiting(const Status& status);
  void broken();

  const Endpoint endpoint_;
  runtime::Loop& loop_;
  runtime::Network& network_;
  std::unique_ptr<Session> session_;
  std::vector<std::unique_ptr<Session>> dying_;  // broken; destroyed in a later turn
  bool dialling_ = false;
  std::vector<std::function<void(Status)>> waiting_;
  Duration back_off_{};
  Instant dial_not_before_{};
  Error last_error_;
  Lifetime lifetime_;
};

}  // namespace parley::client
