// ReplicaPlan: who holds a key, who of them can be asked now, and how many must answer. Pure: one
// View in, one plan out, and "too few are up" is said here, before anything is sent.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "membership/view.h"
#include "replication/level.h"
#include "storage/store.h"

namespace parley::replication {

struct PlannedOwner {
  NodeId node;
  Endpoint peer;
  bool up = false;          // worth asking
  bool rebuilding = false;  // alive, and answers no request for its copies: not `up`
  bool suspect = false;     // up, but asked after those that are not suspected
  bool self = false;
};

struct LiveNode {
  NodeId node;
  Endpoint peer;
};

struct ReplicaPlan {
  KeyspaceId keyspace;
  storage::RecordKey key;
  Level level;
  membership::ConflictRule conflict_rule = membership::ConflictRule::Siblings;
  std::vector<PlannedOwner> owners;  // the N owners, in preference order
  std::size_t required = 0;
  std::uint64_t ring_digest = 0;
  std::optional<std::size_t> self;   // the coordinator's place among the owners
  std::optional<LiveNode> stand_in;  // first up node after the owners, never the coordinator
  NodeId self_node;                  // the coordinator, owner or not
  std::string self_address;
  // Set when the level cannot be met with the owners that are up. Nothing may be sent then.
  std::optional<Error> refusal;

  std::size_t up_count() const;
  std::vector<NodeId> owner_ids() const;
  // Owners that are up, self first, then alive before suspect, otherwise in preference order.
  std::vector<std::size_t> asking_order() const;
};

// The local number of a keyspace that this node can serve (only `default` for now).
std::optional<storage::KeyspaceNumber> keyspace_number(const membership::View& view,
                                                       const KeyspaceId& id);

// Errors: NotFound (no such keyspace), InvalidArgument (a number above the replication factor or
// 0), NotReady (no node is on the ring yet).
Result<ReplicaPlan> plan_replicas(const membership::View& view, const KeyspaceId& keyspace,
                                  ByteView key, const Level& level);

// Does a request that was planned for `planned` under `ring_digest` name the owners that this view
// gives? Equal digests mean equal rings; an empty list was planned by nobody.
bool same_owners(const membership::View& view, const KeyspaceId& keyspace, ByteView key,
                 std::uint64_t ring_digest, const std::vector<NodeId>& planned);

}  // namespace parley::replication
