// ClientRouter: which nodes to ask for a key, in what order. Pure: told what was learned and what
// became of each request, answers with endpoints.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/units.h"
#include "ring/ring.h"

namespace parley::client {

// What a node said about the cluster.
struct Topology {
  struct Node {
    NodeId node;
    Endpoint client;
    bool up = false;
    std::vector<Slot> slots;
  };
  std::uint64_t ring_digest = 0;
  std::uint32_t replication_factor = 0;
  std::vector<Node> nodes;
};

enum class Purpose : std::uint8_t {
  Read,
  Write,
  Admin,   // asks something
  Change,  // an admin call after which something may be otherwise
};

class ClientRouter {
 public:
  // `given`: distinct, at least one. `learn`: also use the nodes that a topology names.
  ClientRouter(std::vector<Endpoint> given, bool learn) : given_(std::move(given)), learn_(learn) {}

  // Every endpoint worth a try, best first, each once. Reads take the up replicas in turn; writes
  // the first up replica, so that few actors mint versions of one key. Endpoints that failed lately
  // come last; when their penalty is over, one request at a time tries them again.
  // Admin: the given ones, in the order given.
  std::vector<Endpoint> order(Purpose purpose, std::optional<Slot> slot, Instant now);
  // The first healthy replica: items with equal homes can share one message.
  std::optional<Endpoint> home(Slot slot, Instant now) const;

  // True at most once a second; when the topology is old, or something went wrong since it came.
  bool should_learn(Instant now);
  void learned(const Topology& topology, Instant now);
  bool has_ring() const { return ring_ != nullptr; }

  void answered(const Endpoint& endpoint);
  // It could not be reached, its connection broke, it is not serving, or it keeps silent.
  void failed(const Endpoint& endpoint, Instant now);

 private:
  struct Penalty {
    Duration length{};
    Instant until{};
  };
  struct KnownNode {
    Endpoint client;
    bool up = false;
  };
  static constexpr Duration kPenaltyLeast = 1s, kPenaltyMost = 8s;
  static constexpr Duration kTopologyAge = 5s, kLearnPause = 1s;

  std::vector<Endpoint> healthy_first(std::vector<Endpoint> wanted, Instant now);
  std::vector<Endpoint> replicas(Slot slot, bool up) const;

  const std::vector<Endpoint> given_;
  const bool learn_;
  std::shared_ptr<const ring::Ring> ring_;
  std::uint64_t ring_digest_ = 0;  // as the topology said
  std::uint32_t replication_factor_ = 0;
  std::map<NodeId, KnownNode> nodes_;
  std::map<Endpoint, Penalty> penalties_;
  std::uint64_t turn_ = 0;
  std::optional<Instant> learned_at_, asked_at_;
  bool doubted_ = false;
};

}  // namespace parley::client
