// Who this node is: its id for as long as the data directory lives, and the generation of this
// life.
#pragma once

#include <functional>

#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "storage/store.h"

namespace parley::api {

struct NodeIdentity {
  NodeId node;
  Generation generation = 0;
};

// Durably marks this data directory as an old or second copy of a node's: begin_life refuses it
// from then on. Without the mark its next start would outbid the generation that gave it away.
void retire_copy(storage::Store& store, std::function<void()> done);

// Takes the next generation (the stored one plus one; 1 and a fresh id in an empty store) and makes
// it durable before `done`. Errors: Damaged (the stored identity is unreadable; unchanged),
// StaleCopy (retire_copy was called on it; unchanged), and
// those of the store.
void begin_life(storage::Store& store, Random& random,
                std::function<void(Result<NodeIdentity>)> done);

}  // namespace parley::api
