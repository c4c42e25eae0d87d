// The records that all members must come to share: a state-based CRDT of single-writer records,
// so that equal digests mean equal contents whatever order they came in. No time, no liveness.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "membership/held_keyspace.h"
#include "membership/view.h"

namespace parley::membership {

class Records {
 public:
  // True when the record was newer than what was held. (generation, version) orders a node's
  // records; equal ones go by their bytes, so that all agree in the end. Of a keyspace: when it
  // holds a level that was set later (held_keyspace.h).
  bool merge(const NodeRecord& record);
  bool merge(const HeldKeyspace& keyspace);

  const std::map<NodeId, NodeRecord>& nodes() const { return nodes_; }
  const std::map<KeyspaceId, HeldKeyspace>& keyspaces() const { return keyspaces_; }
  const NodeRecord* find(const NodeId& node) const;
  const std::shared_ptr<const ring::Ring>& ring() const;
  // Over all records, whatever their order of arrival. Never 0.
  std::uint64_t view_digest() const;
  std::vector<NodeRecord> all_nodes() const;
  std::vector<HeldKeyspace> all_keyspaces() const;

 private:
  std::map<NodeId, NodeRecord> nodes_;
  std::map<KeyspaceId, HeldKeyspace> keyspaces_;
  std::uint64_t digest_sum_ = 0;
  // Made when first asked for: a thousand records that come together need one ring.
  mutable std::shared_ptr<const ring::Ring> ring_ = ring::Ring::build({});
  mutable bool ring_is_old_ = false;
};

}  // namespace parley::membership
