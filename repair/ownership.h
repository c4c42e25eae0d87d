// Which nodes own a key, under one view.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "membership/view.h"
#include "storage/store.h"

namespace parley::repair {

// Only `default` exists for now.
const membership::KeyspaceRecord* keyspace_record(const membership::View& view,
                                                  storage::KeyspaceNumber keyspace);
std::optional<storage::KeyspaceNumber> keyspace_number(const membership::View& view,
                                                       const KeyspaceId& id);

bool owns(const membership::View& view, storage::KeyspaceNumber keyspace, const NodeId& node,
          Token token);
std::vector<NodeId> owners(const membership::View& view, storage::KeyspaceNumber keyspace,
                           Token token);

}  // namespace parley::repair
