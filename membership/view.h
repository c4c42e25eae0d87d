// View: what this node believes about the cluster right now, as one immutable snapshot. One
// request uses exactly one View.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/units.h"
#include "ring/ring.h"

namespace parley::membership {

// Local opinion, fast and reversible. It steers routing and hints; it never moves data.
enum class Liveness : std::uint8_t {
  Alive = 0,
  Suspect = 1,  // still asked, until refuted or dead
  Dead = 2,     // not asked; stays on the ring; probed for ever
  Left = 3,     // said goodbye (clean stop); stays on the ring; may return with a new generation
};
const char* to_text(Liveness liveness);
// A suspect is until it is convicted.
constexpr bool is_up(Liveness liveness) {
  return liveness == Liveness::Alive || liveness == Liveness::Suspect;
}

// What a node says about itself. Written by the node alone; (generation, version) orders it.
struct NodeRecord {
  NodeId node;
  Generation generation = 0;
  std::uint64_t version = 0;
  std::string address;  // the --listen address, no port
  std::uint16_t client_port = 0, peer_port = 0, http_port = 0;
  std::string rack = "default", dc = "default";
  ring::RingRecord ring;
  bool serves = true;  // false while it rebuilds itself: it answers no request for its copies
  bool operator==(const NodeRecord&) const = default;

  Endpoint peer() const { return {address, peer_port}; }
  Endpoint client() const { return {address, client_port}; }
};

struct Member {
  NodeRecord record;
  Incarnation incarnation = 0;
  Liveness liveness = Liveness::Alive;

  // Worth sending to: alive, or only suspected.
  bool is_up() const { return membership::is_up(liveness); }
  // Worth asking for a copy, or counting on for one.
  bool serves() const { return is_up() && record.serves; }
};

// A consistency level as it is stored and sent: 0 all, 1 quorum, 2 one, 3 any, or 16 + number.
using LevelCode = std::uint16_t;

// What becomes of concurrent writes of a key. Fixed when the keyspace is made.
enum class ConflictRule : std::uint8_t {
  Siblings = 0,        // all are kept until a writer has seen them
  LastWriterWins = 1,  // the one with the latest stamp (replication/version.h): others are lost
};
const char* to_text(ConflictRule rule);  // "siblings", "lww"
std::optional<ConflictRule> parse_conflict_rule(std::string_view text);

// What all nodes must know of a keyspace. Each level is set for itself (held_keyspace.h).
struct KeyspaceRecord {
  KeyspaceId id;
  std::string name;
  std::uint64_t version = 0;
  std::uint32_t replication_factor = 3;
  ConflictRule conflict_rule = ConflictRule::Siblings;
  LevelCode read_level = 1, write_level = 1;
  bool operator==(const KeyspaceRecord&) const = default;
};

struct View {
  ClusterId cluster;
  std::string cluster_name;
  Bytes cluster_key;  // 32 secret bytes: authenticates causal contexts; never logged
  NodeId self;
  std::vector<Member> members;  // sorted by node id; self is one of them; never shrinks
  std::vector<KeyspaceRecord> keyspaces;
  std::shared_ptr<const ring::Ring> ring;
  std::uint64_t view_digest = 0;  // over the members' records and the keyspaces

  const Member* find(const NodeId& node) const;
  const Member* find_peer(const Endpoint& peer) const;
  const KeyspaceRecord* keyspace(std::string_view name) const;
  const KeyspaceRecord* keyspace(const KeyspaceId& id) const;
  // True for self, and for members that are up.
  bool is_up(const NodeId& node) const;
};
using ViewPtr = std::shared_ptr<const View>;

// Told on the loop, after the new view is in place.
class MembershipObserver {
 public:
  virtual ~MembershipObserver() = default;
  virtual void view_changed(const ViewPtr& view) = 0;
  // Was dead, left or unknown, or came back with a new generation. After view_changed.
  virtual void member_returned(const NodeId& node) = 0;
};

}  // namespace parley::membership
