#include "repair/ownership.h"

namespace parley::repair {

const membership::KeyspaceRecord* keyspace_record(const membership::View& view,
                                                  storage::KeyspaceNumber keyspace) {
  return keyspace == storage::kDefaultKeyspace ? view.keyspace("default") : nullptr;
}

std::optional<storage::KeyspaceNumber> keyspace_number(const membership::View& view,
                                                       const KeyspaceId& id) {
  const auto* record = view.keyspace(id);
  if (record == nullptr || record->name != "default") return std::nullopt;
  return storage::kDefaultKeyspace;
}

bool owns(const membership::View& view, storage::KeyspaceNumber keyspace, const NodeId& node,
          Token token) {
  const auto* record = keyspace_record(view, keyspace);
  return record != nullptr && view.ring != nullptr &&
         view.ring->owns(node, slot_of(token), record->replication_factor);
}

std::vector<NodeId> owners(const membership::View& view, storage::KeyspaceNumber keyspace,
                           Token token) {
  const auto* record = keyspace_record(view, keyspace);
  if (record == nullptr || view.ring == nullptr) return {};
  return view.ring->preference_list(slot_of(token), record->replication_factor);
}

}  // namespace parley::repair
