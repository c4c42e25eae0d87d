// News that replication tells the floor above.
#pragma once

#include <vector>

#include "base/ids.h"
#include "storage/store.h"

namespace parley::replication {

class DivergenceObserver {
 public:
  virtual ~DivergenceObserver() = default;
  // A read found these replicas without the merged version and did not wait to repair them.
  virtual void replicas_stale(const storage::RecordKey& key, const Bytes& merged_set,
                              const std::vector<NodeId>& stale) = 0;
  // The own record of this key is damaged: it gives no answer and takes no write until it is
  // mended. May be told again and again.
  virtual void record_damaged(const storage::RecordKey& key) = 0;
  // A hint for this target could not be kept: only anti-entropy will tell it.
  virtual void hint_dropped(const NodeId& target, const storage::RecordKey& key) = 0;
};

}  // namespace parley::replication
