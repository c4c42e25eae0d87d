// HintMinter: mints a write that no replica could take, at level `any`, under this node's own
// durable actor, straight into a hint. A driver over the Store.
#pragma once

#include <functional>

#include "base/result.h"
#include "replication/replica.h"

namespace parley::replication {

class HintMinter {
 public:
  virtual ~HintMinter() = default;
  // On success the hint for `target` is durable here, is `sole`, and holds the minted set, which
  // includes whatever hints of this key were kept here before. Errors: Overloaded, NotReady,
  // SiblingCap, TooLarge, DiskFull: nothing was written.
  virtual void mint(const NodeId& target, MintRequest request,
                    std::function<void(Result<Minted>)> done) = 0;
  // For hints that only other nodes keep, when this disk is full: nothing is stored here. The dot
  // has an epoch of its own from the durable lease, so it names nothing else, ever. Errors:
  // NotReady, TooLarge.
  virtual Result<Minted> mint_unkept(const MintRequest& request) = 0;
};

}  // namespace parley::replication
