// A keyspace as members hold it and tell each other. Each default level is a register with a
// version of its own: whoever sets one says nothing of the other, so no change takes another one's
// place unless it sets the same level.
#pragma once

#include <optional>

#include "membership/view.h"

namespace parley::membership {

// A level that nobody names stays as it is.
struct KeyspaceChange {
  std::optional<LevelCode> read_level, write_level;
};

struct HeldKeyspace {
  KeyspaceRecord record;  // its version is the later one of these
  std::uint64_t read_version = 0, write_version = 0;
  bool operator==(const HeldKeyspace&) const = default;
};

// The same changes to all, whatever the order: of each level the later version, of equal ones the
// greater level.
HeldKeyspace join(const HeldKeyspace& one, const HeldKeyspace& other);
// As a version that is later than all of `held`.
HeldKeyspace with_change(HeldKeyspace held, const KeyspaceChange& change);
// Every level that `change` names is in both as in `record`: none has taken its place.
bool stands(const HeldKeyspace& record, const KeyspaceChange& change, const HeldKeyspace& held);

}  // namespace parley::membership
