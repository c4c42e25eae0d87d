// ConsoleLines: asks other nodes at their client ports, on connections of this node's own that no
// fault touches: so a console sees what is broken on the far side of a cut, and can heal it.
// A driver; loop thread only, with a KjPort on it.
#pragma once

#include <kj/async.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/client.h"
#include "api/client_connection.h"
#include "api/console_facts.h"
#include "base/result.h"
#include "runtime/kj_port.h"
#include "runtime/loop.h"
#include "runtime/network.h"

namespace parley::api {

class ConsoleLines : private kj::TaskSet::ErrorHandler {
 public:
  template <typename T>
  using Done = std::function<void(Result<T>)>;

  // For one question; then the answer is NoAnswer.
  static constexpr Duration kPatience = 700ms;
  // Connections that nobody needed for this long are closed.
  static constexpr Duration kIdleMost = 10s;

  // `network`: the real one, below the faults. All outlive it.
  ConsoleLines(runtime::KjPort& port, runtime::Loop& loop, runtime::Network& network);
  ~ConsoleLines() noexcept = default;  // KJ members may throw; here that could only be a bug

  // Every `done` comes once, never inside the call, unless this is destroyed first.
  void word(const Endpoint& node, Done<NodeWord> done);
  void inject(const Endpoint& node, const client::FaultSpec& fault, Done<std::uint64_t> done);
  // All on links to `peer`; empty: all.
  void heal(const Endpoint& node, const std::string& peer, Done<std::uint64_t> done);

 private:
  template <typename T>
  using Question = std::function<kj::Promise<Result<T>>(schema::Admin::Client)>;
  template <typename T>
  void ask(const Endpoint& node, Question<T> question, Done<T> done);
  client::ClientConnection& line(const Endpoint& node);
  void taskFailed(kj::Exception&& exception) override;

  runtime::KjPort& port_;
  runtime::Loop& loop_;
  runtime::Network& network_;
  std::map<Endpoint, std::unique_ptr<client::ClientConnection>> lines_;
  runtime::Timer idle_;
  kj::TaskSet asked_;
};

}  // namespace parley::api
