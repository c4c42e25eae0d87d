// ReadRepair: brings replicas up to date that a read found stale and did not wait for. A bounded
// queue, one entry a key; what does not fit or fails is left to anti-entropy.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <set>
#include <vector>

#include "base/lifetime.h"
#include "repair/copy_store.h"
#include "repair/repair.h"

namespace parley::repair {

class ReadRepair {
 public:
  // `left_over(node)`: this node stays stale until anti-entropy meets it.
  ReadRepair(const RepairWorld& world, CopySender& sender,
             std::function<void(const NodeId&)> left_over);

  void add(const storage::RecordKey& key, const Bytes& merged_set,
           const std::vector<NodeId>& stale);
  std::size_t waiting() const { return queue_.size(); }

 private:
  struct Entry {
    Bytes set;
    std::set<NodeId> stale;
    std::list<storage::RecordKey>::iterator turn;
  };
  struct Batch {
    std::vector<KeyedSet> copies;
    std::size_t bytes = 0;
  };

  void wake();
  void send_some();
  void send(const NodeId& node, storage::KeyspaceNumber keyspace, std::vector<KeyedSet> copies);
  void on_sent(const NodeId& node, const Result<StoreReply>& reply);

  const RepairWorld& world_;
  CopySender& sender_;
  std::function<void(const NodeId&)> left_over_;
  std::map<storage::RecordKey, Entry> queue_;
  std::list<storage::RecordKey> turns_;  // oldest first
  std::size_t bytes_ = 0;                // of the queued sets
  std::size_t in_flight_ = 0;
  runtime::Timer timer_;

  Counter repaired_;
  Gauge queued_;
  Lifetime alive_;
};

}  // namespace parley::repair
