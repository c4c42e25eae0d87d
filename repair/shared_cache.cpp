#include "repair/shared_cache.h"

#include "base/mutant.h"
#include "repair/ownership.h"

namespace parley::repair {

std::shared_ptr<SharedSlots> SharedCache::get(const membership::View& view,
                                              storage::KeyspaceNumber keyspace,
                                              const NodeId& peer) {
  const auto* record = keyspace_record(view, keyspace);
  if (view.ring == nullptr || record == nullptr) {
    return std::make_shared<SharedSlots>(keyspace, SlotSet{});
  }
  if (view.ring->digest() != ring_digest_) {
    if (!PARLEY_MUTANT(shared_slots_of_old_ring)) by_peer_.clear();
    ring_digest_ = view.ring->digest();
  }
  auto& shared = by_peer_[{keyspace, peer}];
  if (!shared) {
    shared = std::make_shared<SharedSlots>(
        keyspace, view.ring->common_slots(view.self, peer, record->replication_factor));
  }
  return shared;
}

}  // namespace parley::repair
