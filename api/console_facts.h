// ConsoleFacts: all that the console's page is told at one moment, and its JSON (console.capnp).
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/client.h"
#include "base/result.h"

namespace parley::api {

// So that an answer stays small in a large cluster.
inline constexpr std::size_t kHintRowsMost = 64;
inline constexpr std::size_t kNodesAskedMost = 64;

// What one node says of itself.
struct NodeWord {
  client::NodeInfo info;
  std::optional<std::vector<client::FaultRow>> faults;  // nullopt: it allows none
};

struct ConsoleFacts {
  client::NodeInfo self;
  client::ClusterStatus status;
  std::vector<client::GossipRow> gossip;
  client::Gathered<client::HintRow> hints;
  client::Gathered<client::RepairRow> repair;
  std::map<std::string, NodeWord> words;  // by address, of those that answered
  std::vector<client::WorkRow> work;      // of all nodes; never shrinks: see WorkTally
  std::size_t not_asked = 0;
};

struct ConsoleOrder {
  enum class What : std::uint8_t { Cut, Heal };
  What what = What::Cut;
  std::string a, b;  // see console.capnp
};

std::string cluster_json(const ConsoleFacts& facts);
std::string ring_json(const client::RingInfo& ring);
std::string key_json(const std::string& keyspace, const Bytes& key,
                     const client::InspectResult& found);
std::string said_json(const std::string& text);
std::string refusal_json(const std::string& text);

// InvalidArgument, with a line for people: no JSON, or no order.
Result<ConsoleOrder> read_order(ByteView json);

}  // namespace parley::api
