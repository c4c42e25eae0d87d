// What becomes of the hint for one (target, key) when another set for it is to be kept. A decider:
// the log runs it inside the store's transaction.
#pragma once

#include <optional>

#include "replication/version.h"
#include "storage/store.h"

namespace parley::replication {

// `bytes` are those of `incoming`. nullopt: the hint that is there holds all of it. A damaged one
// is replaced: nothing of it can be delivered.
std::optional<Bytes> decide_hint(const storage::Found& current, const VersionSet& incoming,
                                 const Bytes& bytes);

}  // namespace parley::replication
