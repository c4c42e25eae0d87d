// DamageMender: asks the other owners for what a damaged record of this node may have held, and
// puts it back. A bounded queue, one entry a key, a few keys at a time; a record that is left out,
// or makes room for another, is met, and told, again. Driver of DamageMending.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/lifetime.h"
#include "repair/damage_mending.h"
#include "repair/repair.h"
#include "replication/replica_plan.h"

namespace parley::repair {

class DamageMender {
 public:
  explicit DamageMender(const RepairWorld& world);

  void add(const storage::RecordKey& key);
  // An owner may be back: what is waiting for its next try is tried now.
  void look_soon();
  std::size_t waiting() const { return entries_.size(); }

 private:
  struct Asking {
    explicit Asking(std::size_t owners) : mending(owners) {}
    DamageMending mending;
    std::vector<runtime::CallHandle> calls;
  };
  struct Entry {
    Instant due;
    Duration pause;
    bool under_way = false;
    std::unique_ptr<Asking> asking;
  };
  using EntryAt = std::map<storage::RecordKey, Entry>::iterator;

  void look();
  bool make_room();
  void begin(EntryAt at);
  void ask(EntryAt at, const replication::PlannedOwner& owner,
           const replication::ReplicaPlan& plan);
  void on_answer(const storage::RecordKey& key, const Result<Bytes>& answer);
  void settle(EntryAt at);
  void mend(EntryAt at, const replication::VersionSet& set, bool in_doubt);
  void note_mended(const storage::RecordKey& key, bool in_doubt);
  void write_off(EntryAt at);
  void try_later(EntryAt at);
  void end(EntryAt at);
  void wake(Instant when);

  const RepairWorld& world_;
  std::map<storage::RecordKey, Entry> entries_;
  std::size_t under_way_ = 0;
  runtime::Timer timer_;
  Instant wake_at_;

  MetricFamily<Counter> ended_;
  Gauge waiting_;
  Lifetime alive_;
};

}  // namespace parley::repair
