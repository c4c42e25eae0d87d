// Who this node is: its id for as long as the data directory lives, and the generation of this life.
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

// Takes the next generation (the stored one plus one; 1 and a fresh id in an empty store) and makes
// it durable before `done`. Errors: Damaged (the stored identity is unreadable; unchanged), and
// those of the store.
void begin_life(storage::Store& store, Random& random,
                std::function<void(Result<NodeIdentity>)> done);

}  // namespace parley::api
