// HintLog: version sets kept here for absent replicas, within caps. Keeping only; sending them is
// repair/hint_delivery.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "storage/store.h"

namespace parley::replication {

class HintLog {
 public:
  virtual ~HintLog() = default;

  // Durable before `done`. `sole`: this hint may be the only copy of an acknowledged `any` write;
  // it is never dropped. Errors: Overloaded (over the cap for its target, or no room).
  virtual void add(const NodeId& target, const storage::RecordKey& key, Bytes encoded_set,
                   bool sole, std::function<void(Status)> done) = 0;
  virtual void find(const storage::RecordKey& key,
                    std::function<void(Result<std::vector<storage::HintRow>>)> done) = 0;
  virtual void list(const NodeId& target, std::optional<storage::HintKey> after, std::size_t limit,
                    std::size_t bytes_limit,
                    std::function<void(Result<std::vector<storage::HintRow>>)> done) = 0;
  // Erases it only if it is still the version that was delivered.
  virtual void erase(const storage::HintKey& key, std::uint64_t digest,
                     std::function<void(Result<bool>)> done) = 0;
  virtual void drop(std::optional<NodeId> target,
                    std::function<void(Result<std::uint64_t>)> done) = 0;
  virtual const std::map<NodeId, storage::HintTotals>& totals() const = 0;
};

}  // namespace parley::replication
