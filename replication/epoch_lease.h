// Driver of the key epochs' counter: draws on the store's writer thread, leases ahead in the named
// value "epoch_lease" from the loop.
#pragma once

#include <functional>
#include <mutex>

#include "base/lifetime.h"
#include "base/result.h"
#include "replication/epoch_range.h"
#include "storage/store.h"

namespace parley::replication {

// Updates hold it, for the store calls draw() from its own thread. It ends on the loop: a store
// with threads finishes before whoever else holds the lease ends.
class EpochLease final : public EpochSource {
 public:
  EpochLease(storage::Store& store, const EpochMark& on_disk, std::uint64_t block)
      : store_(store), range_(on_disk, block) {}
  // For a disk that may have been put back to an earlier day; `jump` by chance (epoch_range.h).
  EpochLease(storage::Store& store, const EpochMark& on_disk, std::uint64_t block,
             std::uint64_t jump)
      : EpochLease(store, on_disk, block) {
    range_.doubt_earlier_lives(jump);
  }
  EpochLease(const EpochLease&) = delete;
  EpochLease& operator=(const EpochLease&) = delete;

  // Any thread.
  EpochBounds bounds() const override;
  std::optional<std::uint64_t> draw() override;

  // Loop thread. Leases the first block; `done` once it is durable. Errors as put_named; try again.
  // Call it only when the storage id is durable: a dot of an id that can be lost is worth nothing.
  void start(std::function<void(Status)> done);
  // Loop thread. Leases another block if less than half is left; does nothing before start().
  void top_up();
  // Loop thread. Every co-owner's copies have been taken since this start.
  void trust_earlier_lives();
  // Loop thread. Every draw up to and with `draw` is dead at once; `done` when that is durable.
  void raise_floor(std::uint64_t draw, std::function<void(Status)> done);

 private:
  void put(std::function<void(Status)> done);

  storage::Store& store_;
  mutable std::mutex lock_;
  mutable EpochRange range_;
  mutable std::uint64_t undone_ = 0;  // as the store said last
  bool started_ = false;
  Lifetime alive_;
};

// What the store has; a fresh mark when it has none. Damaged: unreadable.
Result<EpochMark> stored_epoch_mark(const storage::Store& store);

}  // namespace parley::replication
