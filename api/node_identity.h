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
  // The directory is an old copy of this node's: it serves nothing and mints nothing until
  // anti-entropy has brought what it lacks.
  bool rebuilding = false;
};

// Durably marks this data directory as one that runs twice: begin_life refuses it from then on.
// Without the mark its next start would outbid the generation that gave it away.
void retire_copy(storage::Store& store, std::function<void()> done);

// Durably marks this data directory as an old copy, of which others know the generation `later`.
// That is the one step to take: begin_life does the rest, at each start until end_rebuild.
void begin_rebuild(storage::Store& store, Generation later, std::function<void(Status)> done);
void end_rebuild(storage::Store& store, std::function<void(Status)> done);

// Takes the next generation (the stored one plus one; 1 and a fresh id in an empty store) and makes
// it durable before `done`. While the rebuild lasts: one above `later` at least, and a new storage
// id first, since the old one's dots were given once more by the lives that this copy forgot.
// Errors: Damaged (the stored identity is unreadable; unchanged), StaleCopy (retire_copy was called
// on it, or no generation is left above `later`; unchanged), and those of the store.
void begin_life(storage::Store& store, Random& random,
                std::function<void(Result<NodeIdentity>)> done);

}  // namespace parley::api
