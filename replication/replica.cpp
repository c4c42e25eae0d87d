#include "replication/replica.h"

#include <set>
#include <utility>

#include "base/lifetime.h"
#include "replication/epoch_lease.h"
#include "replication/mint.h"

namespace parley::replication {
namespace {

// A merge waits for a floor at most this often; each wait raises it above what the bytes name, so
// a second one means that a cloned disk mints at this moment.
constexpr int kFloorRaisesMost = 3;
constexpr std::size_t kWrittenOffMost = 4096;

// Filled on the writer's thread by a Decide, read by its completion.
struct MergeTrace {
  std::optional<Error> error;
  std::optional<std::uint64_t> forgotten;
  bool replaced = false;   // a damaged record
  bool discarded = false;  // a last writer
};
struct MintTrace {
  bool replaced = false;  // a damaged record
  Result<MintDecision> decision{Error{ErrorCode::Internal, "the mint was not decided", 0}};
  Bytes set;
};

struct Incoming {
  storage::RecordKey key;
  Bytes bytes;
  VersionSet set;
  storage::Durability durability;
  OnDamage on_damage;
};

class StoreReplica final : public Replica {
 public:
  StoreReplica(const ReplicationOptions& options, storage::Store& store, StorageId storage_id,
               std::shared_ptr<EpochLease> epochs,
               std::function<void(const storage::RecordKey&)> met_damage, Logger log,
               MetricRegistry& metrics)
      : store_(store),
        storage_id_(storage_id),
        epochs_(std::move(epochs)),
        limits_{options.siblings_most(), options.set_bytes_most()},
        met_damage_(std::move(met_damage)),
        log_(log),
        damaged_replaced_(metrics, "replica_damaged_replaced_total",
                          "Damaged records replaced: mended from other owners, or given up and "
                          "written anew"),
        discarded_(metrics, "replica_discarded_total",
                   "Writes that lost to a later one that had not seen them, when a copy was merged "
                   "(lww)."),
        forgotten_(metrics, "replica_forgotten_total",
                   "Merges that proved that a record had been forgotten here") {}

  StorageId storage_id() const override { return storage_id_; }

  void read(const storage::RecordKey& key, std::function<void(Result<LocalCopy>)> done) override {
    store_.get(
        key, alive_.guard([this, key, done = std::move(done)](const Result<storage::Found>& found) {
          if (!found) return done(found.error());
          LocalState local = local_state(*found);
          if (local.condition == storage::Condition::Damaged) {
            tell_damage(key);
            return done(Error{ErrorCode::Damaged, "the local record is damaged", 0});
          }
          done(LocalCopy{std::move(local.set), found->digest});
        }));
  }

  void merge(const storage::RecordKey& key, Bytes encoded_set, storage::Durability durability,
             std::function<void(Result<storage::Updated>)> done) override {
    take_in(key, std::move(encoded_set), durability, on_damage(key), std::move(done));
  }

  void mend(const storage::RecordKey& key, Bytes encoded_set,
            std::function<void(Result<storage::Updated>)> done) override {
    take_in(key, std::move(encoded_set), storage::Durability::Fsync, OnDamage::Replace,
            std::move(done));
  }

  void write_off(const storage::RecordKey& key) override {
    if (written_off_.size() >= kWrittenOffMost) written_off_.clear();
    written_off_.insert(key);
  }

  void mint(MintRequest request, std::function<void(Result<Minted>)> done) override {
    epochs_->top_up();
    auto trace = std::make_shared<MintTrace>();
    const auto key = request.key;
    const auto durability = request.durability;
    auto decide = [this_id = storage_id_, epochs = epochs_, limits = limits_, trace,
                   damage = on_damage(key),
                   request = std::move(request)](const storage::Found& found) {
      const LocalState local = local_state(found, damage);
      trace->decision = decide_mint(local, request, this_id, *epochs, limits);
      std::optional<Bytes> out;
      if (!trace->decision) return out;
      trace->replaced = local.condition == storage::Condition::Missing &&
                        found.condition != storage::Condition::Missing;
      trace->set = trace->decision->set.encode();
      if (!trace->decision->again) out = trace->set;
      return out;
    };
    store_.update(
        key, std::move(decide), durability,
        alive_.guard(
            [this, key, trace, done = std::move(done)](const Result<storage::Updated>& updated) {
              epochs_->top_up();
              if (!updated) return done(updated.error());
              if (!trace->decision) {
                if (trace->decision.error().code == ErrorCode::Damaged) tell_damage(key);
                return done(trace->decision.error());
              }
              if (trace->replaced) note_replaced(key);
              done(Minted{trace->decision->dot, std::move(trace->set), trace->decision->again});
            }));
  }

 private:
  using MergeDone = std::function<void(Result<storage::Updated>)>;

  OnDamage on_damage(const storage::RecordKey& key) const {
    return written_off_.contains(key) ? OnDamage::Replace : OnDamage::Refuse;
  }
  void tell_damage(const storage::RecordKey& key) {
    if (met_damage_ && !written_off_.contains(key)) met_damage_(key);
  }

  void note_replaced(const storage::RecordKey& key) {
    written_off_.erase(key);
    damaged_replaced_.add();
  }

  void take_in(const storage::RecordKey& key, Bytes encoded_set, storage::Durability durability,
               OnDamage damage, MergeDone done) {
    Result<VersionSet> set = VersionSet::decode(encoded_set);
    if (!set) return done(set.error());
    if (set->empty()) {
      return done(Error{ErrorCode::InvalidArgument, "an empty version set to merge", 0});
    }
    submit(std::make_shared<const Incoming>(
               Incoming{key, std::move(encoded_set), std::move(*set), durability, damage}),
           kFloorRaisesMost, std::move(done));
  }

  void submit(std::shared_ptr<const Incoming> incoming, int raises_left, MergeDone done) {
    auto trace = std::make_shared<MergeTrace>();
    auto decide = [this_id = storage_id_, epochs = epochs_, trace,
                   incoming](const storage::Found& found) {
      std::optional<Bytes> out;
      LocalState local = local_state(found, incoming->on_damage);
      const bool sound = local.condition == storage::Condition::Sound;
      const auto decision =
          decide_merge(std::move(local), incoming->set, this_id, epochs->bounds());
      if (!decision) {
        trace->error = decision.error();
        return out;
      }
      trace->forgotten = decision->forgotten;
      if (!decision->changed) return out;
      trace->discarded = decision->discarded;
      trace->replaced = !sound && found.condition != storage::Condition::Missing;
      // Alone it is stored as it came: its bytes are canonical, so this equals encoding it.
      out = sound ? decision->set.encode() : incoming->bytes;
      return out;
    };
    store_.update(incoming->key, std::move(decide), incoming->durability,
                  alive_.guard([this, trace, incoming, raises_left,
                                done = std::move(done)](const Result<storage::Updated>& updated) {
                    if (!updated) return done(updated.error());
                    if (trace->error) {
                      tell_damage(incoming->key);
                      return done(*trace->error);
                    }
                    if (trace->forgotten) {
                      return raise(*trace->forgotten, incoming, raises_left, done);
                    }
                    if (trace->replaced) note_replaced(incoming->key);
                    if (trace->discarded) discarded_.add();
                    done(updated);
                  }));
  }

  // Nothing is stored before the floor is durable: otherwise a crash between the two could leave
  // the older record here, looking as if it had never been forgotten.
  void raise(std::uint64_t draw, std::shared_ptr<const Incoming> incoming, int raises_left,
             MergeDone done) {
    forgotten_.add();
    if (raises_left == 0) {
      return done(Error{ErrorCode::Overloaded, "dots of this storage id keep appearing", 1000});
    }
    log_.warn("replica.record_forgotten", {{"epoch", draw}});
    epochs_->raise_floor(draw, alive_.guard([this, incoming, raises_left,
                                             done = std::move(done)](const Status& raised) {
      if (!raised) return done(raised.error());
      submit(incoming, raises_left - 1, done);
    }));
  }

  storage::Store& store_;
  const StorageId storage_id_;
  const std::shared_ptr<EpochLease> epochs_;
  const MintLimits limits_;
  const std::function<void(const storage::RecordKey&)> met_damage_;
  std::set<storage::RecordKey> written_off_;
  Logger log_;
  Counter damaged_replaced_;
  Counter discarded_;
  Counter forgotten_;
  Lifetime alive_;
};

}  // namespace

std::unique_ptr<Replica> make_replica(const ReplicationOptions& options, storage::Store& store,
                                      StorageId storage_id, std::shared_ptr<EpochLease> epochs,
                                      std::function<void(const storage::RecordKey&)> met_damage,
                                      Logger log, MetricRegistry& metrics) {
  return std::make_unique<StoreReplica>(options, store, storage_id, std::move(epochs),
                                        std::move(met_damage), log, metrics);
}

}  // namespace parley::replication
