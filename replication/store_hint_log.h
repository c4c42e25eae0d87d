// The HintLog over the Store, within its caps.
#pragma once

#include "base/lifetime.h"
#include "replication/coordinator.h"
#include "replication/hint_log.h"
#include "replication/version.h"
#include "runtime/loop.h"

namespace parley::replication {

class StoreHintLog final : public HintLog {
 public:
  explicit StoreHintLog(const ReplicationWorld& world);

  void add(const NodeId& target, const storage::RecordKey& key, Bytes encoded_set, bool sole,
           std::function<void(Status)> done) override;
  void find(const storage::RecordKey& key,
            std::function<void(Result<std::vector<storage::HintRow>>)> done) override;
  void list(const NodeId& target, std::optional<storage::HintKey> after, std::size_t limit,
            std::size_t bytes_limit,
            std::function<void(Result<std::vector<storage::HintRow>>)> done) override;
  void erase(const storage::HintKey& key, std::uint64_t digest,
             std::function<void(Result<bool>)> done) override;
  void drop(std::optional<NodeId> target, std::function<void(Result<std::uint64_t>)> done) override;
  const std::map<NodeId, storage::HintTotals>& totals() const override;

  // Room for `bytes` of an only copy: the target's other hints give way, for anti-entropy will
  // tell it what they hold. Overloaded when only copies fill the cap. `done` may come inside the
  // call.
  void make_room(const NodeId& target, std::size_t bytes, std::function<void(Status)> done);
  // Store::update_hint, with `bytes` of the target's cap taken until the commit: hints written at
  // one time must not each find the room that is there once. Room for them was found in this turn.
  void update(const storage::HintKey& key, bool sole, std::size_t bytes, storage::Decide decide,
              std::function<void(Result<storage::Updated>)> done);

 private:
  // Overloaded when `bytes` more for the target would pass its cap, with all that is kept for it
  // and all that is being written.
  Status room_for(const NodeId& target, std::size_t bytes) const;
  void keep(const storage::HintKey& key, VersionSet set, Bytes encoded_set, bool sole,
            std::function<void(Status)> done);
  void wrote(const NodeId& target, std::size_t bytes);
  void expire_next();
  void expire(const NodeId& target, std::optional<storage::HintKey> after);
  void on_listed(const NodeId& target, const Result<std::vector<storage::HintRow>>& rows);

  const ReplicationWorld& world_;
  Gauge pending_, bytes_;
  Counter expired_, evicted_;
  std::map<NodeId, std::uint64_t> writing_;  // bytes whose commit is awaited; never 0
  NodeId expired_last_;                      // the target whose old hints went last
  runtime::Timer expiry_timer_;
  Lifetime alive_;
};

}  // namespace parley::replication
