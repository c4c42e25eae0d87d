// What membership says over streams, apart from the bytes (membership_codec.h).
#pragma once

#include <string>
#include <vector>

#include "membership/held_keyspace.h"
#include "membership/member.h"
#include "membership/view.h"

namespace parley::membership {

// "Which cluster are you?" From a node that has none.
struct JoinAsk {
  NodeId node;
  std::string cluster_name;
  bool would_found = false;  // it is the first of its own seeds
  bool operator==(const JoinAsk&) const = default;
};

struct JoinAskReply {
  bool has_cluster = false;
  NodeId node;
  bool would_found = false;
  // Only with has_cluster.
  ClusterId cluster;
  std::string cluster_name;
  Bytes cluster_key;
  std::vector<NodeRecord> nodes;
  std::vector<HeldKeyspace> keyspaces;
  bool operator==(const JoinAskReply&) const = default;
};

struct JoinGrant {
  NodeId node;
  ClusterId cluster;
  std::uint64_t ring_digest = 0;  // of the ring that the joiner was shown
  bool operator==(const JoinGrant&) const = default;
};

enum class GrantVerdict : std::uint16_t {
  Granted = 1,
  Already = 2,    // the joiner is on our ring
  Wait = 3,       // another one goes first
  StaleRing = 4,  // our ring differs from the one it was shown
};

struct JoinGrantReply {
  GrantVerdict verdict = GrantVerdict::Wait;
  NodeId first;  // Wait: who goes first
  bool operator==(const JoinGrantReply&) const = default;
};

struct JoinDone {
  NodeId node;
  ClusterId cluster;
  std::vector<NodeRecord> record;  // one: the joiner's; none: it gave up
  bool operator==(const JoinDone&) const = default;
};

// Both directions of the exchange of records.
struct MemberSync {
  struct NodeSummary {
    Claim claim;                // its node, and what the sender believes of it
    Generation generation = 0;  // of the record held
    std::uint64_t version = 0;
    std::uint64_t digest = 0;
    bool operator==(const NodeSummary&) const = default;
  };
  struct KeyspaceSummary {
    KeyspaceId id;
    std::uint64_t version = 0;
    std::uint64_t digest = 0;
    bool operator==(const KeyspaceSummary&) const = default;
  };
  NodeId sender;
  bool asks = false;  // the summaries name all that the sender has: answer with what it lacks
  std::vector<NodeSummary> nodes;
  std::vector<KeyspaceSummary> keyspaces;
  std::vector<NodeRecord> node_records;
  std::vector<HeldKeyspace> keyspace_records;
  std::vector<NodeId> nodes_wanted;
  std::vector<KeyspaceId> keyspaces_wanted;
  bool operator==(const MemberSync&) const = default;
};

}  // namespace parley::membership
