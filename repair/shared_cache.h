// The slots shared with each peer, made once per ring.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "membership/view.h"
#include "repair/merkle.h"

namespace parley::repair {

class SharedCache {
 public:
  // Never null; empty when the two share nothing under this view's ring.
  std::shared_ptr<SharedSlots> get(const membership::View& view, storage::KeyspaceNumber keyspace,
                                   const NodeId& peer);

 private:
  std::uint64_t ring_digest_ = 0;
  std::map<std::pair<storage::KeyspaceNumber, NodeId>, std::shared_ptr<SharedSlots>> by_peer_;
};

}  // namespace parley::repair
