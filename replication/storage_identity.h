// The storage id: the name of one life of one data directory's contents, in the named value
// "storage_id".
#pragma once

#include <functional>

#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "storage/store.h"

namespace parley::replication {

struct StorageIdentity {
  StorageId id;
  bool fresh = false;  // minted just now; not durable before `done`
};

// The stored id, or a new one. `done` comes in a later turn once the id is durable (at once,
// inside the call, when it was stored already); nothing may be minted under it before. Damaged
// (and no `done`): there is a value that is no id. Errors of `done`: those of put_named.
Result<StorageIdentity> open_storage_identity(storage::Store& store, Random& random,
                                              std::function<void(Status)> done);

// Gives the directory's contents a new name, whatever their old one; `done` once it is durable. Not
// while a Replica is open. Errors: those of put_named (unchanged).
void renew_storage_identity(storage::Store& store, Random& random,
                            std::function<void(Status)> done);

}  // namespace parley::replication
