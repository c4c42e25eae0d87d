// Clients of served nodes, for the tests over real loopback sockets.
#pragma once

#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "api/client.h"
#include "tests/catch.h"
#include "tests/unit/api/fake_cluster.h"

namespace parley::fake {

// A port of this process's own: nothing else on the machine uses these addresses.
inline Endpoint fresh_endpoint() {
  static std::uint16_t next = static_cast<std::uint16_t>(20000 + getpid() % 20000);
  return {"127.0.7.1", next++};
}

inline std::unique_ptr<client::Client> client_of(std::vector<Endpoint> endpoints,
                                                 Duration timeout = 5s, bool learn = true) {
  client::ClientOptions options;
  options.endpoints.clear();
  for (const Endpoint& endpoint : endpoints) options.endpoints.push_back(to_text(endpoint));
  options.timeout = timeout;
  options.learn_ring = learn;
  auto made = client::Client::make(options);
  REQUIRE(made.ok());
  return std::move(*made);
}

inline Instant real_now() { return Instant(std::chrono::steady_clock::now().time_since_epoch()); }

inline replication::WriteReply refusal(ErrorCode code) {
  replication::WriteReply reply;
  reply.outcome = replication::Outcome::NotWritten;
  reply.error = Error{code, "no", 0};
  return reply;
}

}  // namespace parley::fake
