// SyncService: answers the repair verbs of other nodes. Bounded: past so many requests at once it
// says `overloaded`.
#pragma once

#include <functional>

#include "base/lifetime.h"
#include "repair/copy_store.h"
#include "repair/repair.h"
#include "repair/shared_cache.h"

namespace parley::repair {

class SyncService {
 public:
  // `compared(peer, equal)`: a peer compared itself with this node just now; not equal means that
  // it goes on to mend the differences.
  SyncService(const RepairWorld& world, SlotIndex& index, SharedCache& cache,
              std::function<void(const NodeId&, bool)> compared);
  ~SyncService();
  SyncService(const SyncService&) = delete;
  SyncService& operator=(const SyncService&) = delete;

  void start();

 private:
  using Handler = void (SyncService::*)(const runtime::RpcRequest&, const membership::ViewPtr&,
                                        runtime::Responder);
  void serve(runtime::Verb verb, Handler handler);
  void compare(const runtime::RpcRequest& request, const membership::ViewPtr& view,
               runtime::Responder respond);
  void list(const runtime::RpcRequest& request, const membership::ViewPtr& view,
            runtime::Responder respond);
  void fetch(const runtime::RpcRequest& request, const membership::ViewPtr& view,
             runtime::Responder respond);
  void store(const runtime::RpcRequest& request, const membership::ViewPtr& view,
             runtime::Responder respond);

  const RepairWorld& world_;
  SlotIndex& index_;
  SharedCache& cache_;
  std::function<void(const NodeId&, bool)> compared_;
  std::size_t serving_ = 0;
  Lifetime alive_;
};

}  // namespace parley::repair
