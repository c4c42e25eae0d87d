// What this node holds, as repair asks for it: the keys of some slots in (token, key) order, a page
// at a time, and the version sets of named keys. Listings of whole slots also check the slot index.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/lifetime.h"
#include "repair/slot_index.h"
#include "repair/sync_codec.h"
#include "storage/store.h"

namespace parley::repair {

struct ListOrder {
  storage::KeyspaceNumber keyspace = storage::kDefaultKeyspace;
  std::vector<Slot> slots;  // ascending
  Bytes after;              // the last key that is known already; empty: from the start
  std::size_t keys_most = 1;
  std::size_t bytes_most = 0;  // of keys; at least one key comes
};

// `done` comes exactly once, in a later turn, unless `alive` dies first; it must die before the
// store and the index. Errors: what the store says.
void list_slots(storage::Store& store, SlotIndex& index, const Lifetime& alive, ListOrder order,
                std::function<void(Result<ListReply>)> done);

struct ReadOrder {
  storage::KeyspaceNumber keyspace = storage::kDefaultKeyspace;
  std::vector<Bytes> keys;
  std::size_t bytes_most = 0;  // of sets; at least one copy comes
};

// The copies of a prefix of the keys. The same rules as list_slots.
void read_copies(storage::Store& store, const Lifetime& alive, ReadOrder order,
                 std::function<void(Result<std::vector<FetchedCopy>>)> done);

}  // namespace parley::repair
