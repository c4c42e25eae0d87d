// Replica: what one node does for its own copy of a key: read, merge, mint. A driver over the
// Store; every change is one read-merge-write inside the store's transaction.
#pragma once

#include <functional>
#include <memory>

#include "base/ids.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/result.h"
#include "replication/options.h"
#include "replication/version.h"
#include "storage/store.h"

namespace parley::replication {

struct LocalCopy {
  VersionSet set;            // empty when there is no record
  std::uint64_t digest = 0;  // storage::record_digest of its bytes; 0 when there is no record
};

struct Minted {
  Dot dot;
  Bytes set;           // encoded; what every other replica and hint gets
  bool again = false;  // the op-id was live already: nothing new was minted
};

// Where the last writer wins: the minter's clock, and the latest stamp that the client saw.
struct LastWriter {
  WallTime wall;
  Stamp seen = 0;
};

struct MintRequest {
  storage::RecordKey key;
  std::optional<Bytes> value;  // nullopt: a delete
  VersionVector seen;          // from the client's context; empty: concurrent with everything
  OpId op;
  storage::Durability durability = storage::Durability::Fsync;
  std::optional<LastWriter> last_writer = std::nullopt;  // nullopt: the key keeps siblings
  // Is the request's time over? Asked when it is its turn on the store's thread: a process that was
  // stopped meanwhile must not write what was given up long ago. Empty: never.
  std::function<bool()> given_up = nullptr;
};

class Replica {
 public:
  virtual ~Replica() = default;
  virtual StorageId storage_id() const = 0;

  // Errors: Damaged (no answer: there was a record, it is unreadable), Overloaded.
  virtual void read(const storage::RecordKey& key, std::function<void(Result<LocalCopy>)> done) = 0;
  // Merges a version set received from elsewhere. `done` has the digest after the merge. Errors:
  // Overloaded, DiskFull, Damaged (the local record is), InvalidArgument (the bytes are no version
  // set: `done` comes inside the call); nothing was done in each case.
  virtual void merge(const storage::RecordKey& key, Bytes encoded_set,
                     storage::Durability durability,
                     std::function<void(Result<storage::Updated>)> done) = 0;
  // Errors: SiblingCap, TooLarge, Overloaded (the store's queue is full), NotReady (no epoch is
  // leased yet), DiskFull, Damaged, Expired (the request was given up meanwhile): nothing was
  // written in each case.
  virtual void mint(MintRequest request, std::function<void(Result<Minted>)> done) = 0;

  // Merges what enough other owners hold together (repair/damage_mending.h): a damaged local record
  // is replaced by it. Errors as merge, never Damaged.
  virtual void mend(const storage::RecordKey& key, Bytes encoded_set,
                    std::function<void(Result<storage::Updated>)> done) = 0;
  // No owner holds anything of this damaged record: the next mint or merge takes it for missing.
  // Kept in memory only, and forgotten past a bound: then it is met, and given up, again.
  virtual void write_off(const storage::RecordKey& key) = 0;
};

class EpochLease;
// All but `options` and `epochs` are borrowed for the Replica's life. Updates that wait in the
// store when it ends hold the lease that they draw from. Mints answer NotReady until the
// lease has started. `met_damage` is told on the loop of every damaged record that is met and not
// written off, before the answer that says so.
std::unique_ptr<Replica> make_replica(const ReplicationOptions& options, storage::Store& store,
                                      StorageId storage_id, std::shared_ptr<EpochLease> epochs,
                                      std::function<void(const storage::RecordKey&)> met_damage,
                                      Logger log, MetricRegistry& metrics);

}  // namespace parley::replication
