// The way into one node for those who check: the client library with this node as its only
// endpoint, from a machine that no fault touches. Each call lets virtual time pass until it ends.
#pragma once

#include <string>
#include <vector>

#include "api/client_core.h"
#include "api/client_requests.h"
#include "tests/fake/fake_world.h"

namespace parley::sim {

class Door {
 public:
  Door(fake::World& world, const Endpoint& node, Random random);

  client::ReadResult read(const std::string& key, const std::string& level);
  // Under this op-id.
  client::WriteResult write(client::PutItem item, const std::string& level, const OpId& op);
  OpId mint_op() { return core_.mint_op(); }
  Result<client::InspectResult> inspect(const std::string& key);
  // The members as this node sees them.
  Result<std::vector<client::GossipRow>> gossip();
  Result<client::KeyspaceInfo> keyspace();

  // A round of anti-entropy on every node, awaited: how many keys moved.
  Result<std::uint64_t> repair();

  static constexpr Duration kTimeout = 2s;

 private:
  template <typename T>
  Result<T> ask(client::AdminAsk<T> question, Duration timeout = kTimeout);

  fake::World& world_;
  client::ClientCore core_;
};

}  // namespace parley::sim
