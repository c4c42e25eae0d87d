// The HintMinter over the Store.
#pragma once

#include "base/lifetime.h"
#include "replication/epoch_lease.h"
#include "replication/hint_minter.h"
#include "replication/store_hint_log.h"

namespace parley::replication {

class StoreHintMinter final : public HintMinter {
 public:
  // Updates that wait in the store hold `epochs` too.
  StoreHintMinter(const ReplicationWorld& world, StoreHintLog& hints, StorageId storage,
                  std::shared_ptr<EpochLease> epochs);
  void mint(const NodeId& target, MintRequest request,
            std::function<void(Result<Minted>)> done) override;
  Result<Minted> mint_unkept(const MintRequest& request) override;

 private:
  void mint_in_room(const NodeId& target, MintRequest request, VersionSet known,
                    std::function<void(Result<Minted>)> done);
  // `bytes`: the room that was found for it.
  void mint_onto(const NodeId& target, std::size_t bytes, MintRequest request, VersionSet known,
                 std::function<void(Result<Minted>)> done);

  StoreHintLog& hints_;
  const StorageId storage_;
  const std::shared_ptr<EpochLease> epochs_;
  const MintLimits limits_;
  Lifetime alive_;
};

}  // namespace parley::replication
