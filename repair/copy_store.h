// Version sets to where they belong: merged into this node's replica when asked by a peer, or sent
// to a peer in batches. Every repair path that stores goes through here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/lifetime.h"
#include "repair/repair.h"
#include "repair/sync_codec.h"
#include "runtime/verb.h"

namespace parley::repair {

// Merges each copy whose key this node owns under `view`; `done` comes when all are durable or
// failed, with one outcome a copy; inside the call when nothing was to be merged, or all was
// refused as no version set.
void merge_copies(const RepairWorld& world, const Lifetime& alive, const membership::View& view,
                  storage::KeyspaceNumber keyspace, std::vector<KeyedSet> copies,
                  std::function<void(StoreReply)> done);

class CopySender {
 public:
  explicit CopySender(const RepairWorld& world) : world_(world) {}

  // To `node` as one message of `verb` (SyncStore or DeliverHints) on the bulk connection, or into
  // the own replica when it is this node. `done` comes once, in a later turn, with one outcome a
  // copy. Errors: those of a call; NotFound when the node or the keyspace is not known.
  void send(const NodeId& node, runtime::Verb verb, storage::KeyspaceNumber keyspace,
            std::vector<KeyedSet> copies, std::function<void(Result<StoreReply>)> done);

 private:
  const RepairWorld& world_;
  std::uint64_t calls_made_ = 0;
  std::map<std::uint64_t, runtime::CallHandle> calls_;
  Lifetime alive_;
};

}  // namespace parley::repair
