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
  // includes whatever hints of this key were kept here before. Errors: Overloaded, SiblingCap,
  // TooLarge, DiskFull: nothing was written.
  virtual void mint(const NodeId& target, MintRequest request,
                    std::function<void(Result<Minted>)> done) = 0;
};

}  // namespace parley::replication
