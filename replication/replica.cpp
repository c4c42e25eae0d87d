#include "replication/replica.h"

#include <utility>

#include "base/lifetime.h"
#include "replication/epoch_lease.h"
#include "replication/mint.h"

namespace parley::replication {
namespace {

// A merge waits for a floor at most this often; each wait raises it above what the bytes name, so
// a second one means that a cloned disk mints at this moment.
constexpr int kFloorRaisesMost = 3;

// Filled on the writer's thread by a Decide, read by its completion.
struct MergeTrace {
  std::optional<std::uint64_t> forgotten;
  bool repaired = false;
};
struct MintTrace {
  Result<MintDecision> decision{Error{ErrorCode::Internal, "the mint was not decided", 0}};
  Bytes set;
};

struct Incoming {
  storage::RecordKey key;
  Bytes bytes;
  VersionSet set;
  storage::Durability durability;
};

class StoreReplica final : public Replica {
 public:
  StoreReplica(const ReplicationOptions& options, storage::Store& store, StorageId storage_id,
               EpochLease& epochs, Logger log, MetricRegistry& metrics)
      : store_(store),
        storage_id_(storage_id),
        epochs_(epochs),
        limits_{options.siblings_most(), options.set_bytes_most()},
        log_(log),
        damaged_repaired_(metrics, "replica_damaged_repaired_total",
                          "Damaged records replaced by a copy from elsewhere"),
        forgotten_(metrics, "replica_forgotten_total",
                   "Merges that proved that a record had been forgotten here") {}

  StorageId storage_id() const override { return storage_id_; }

  void read(const storage::RecordKey& key, std::function<void(Result<LocalCopy>)> done) override {
    store_.get(key, alive_.guard([done = std::move(done)](const Result<storage::Found>& found) {
      if (!found) return done(found.error());
      LocalState local = local_state(*found);
      if (local.condition == storage::Condition::Damaged) {
        return done(Error{ErrorCode::Damaged, "the local record is damaged", 0});
      }
      done(LocalCopy{std::move(local.set), found->digest});
    }));
  }

  void merge(const storage::RecordKey& key, Bytes encoded_set, storage::Durability durability,
             std::function<void(Result<storage::Updated>)> done) override {
    Result<VersionSet> set = VersionSet::decode(encoded_set);
    if (!set) return done(set.error());
    if (set->empty()) {
      return done(Error{ErrorCode::InvalidArgument, "an empty version set to merge", 0});
    }
    submit(std::make_shared<const Incoming>(
               Incoming{key, std::move(encoded_set), std::move(*set), durability}),
           kFloorRaisesMost, std::move(done));
  }

  void mint(MintRequest request, std::function<void(Result<Minted>)> done) override {
    epochs_.top_up();
    auto trace = std::make_shared<MintTrace>();
    const auto key = request.key;
    const auto durability = request.durability;
    auto decide = [this_id = storage_id_, &epochs = epochs_, limits = limits_, trace,
                   request = std::move(request)](const storage::Found& found) {
      trace->decision = decide_mint(local_state(found), request, this_id, epochs, limits);
      std::optional<Bytes> out;
      if (!trace->decision) return out;
      trace->set = trace->decision->set.encode();
      if (!trace->decision->again) out = trace->set;
      return out;
    };
    store_.update(
        key, std::move(decide), durability,
        alive_.guard(
            [this, trace, done = std::move(done)](const Result<storage::Updated>& updated) {
              epochs_.top_up();
              if (!updated) return done(updated.error());
              if (!trace->decision) return done(trace->decision.error());
              done(Minted{trace->decision->dot, std::move(trace->set), trace->decision->again});
            }));
  }

 private:
  using MergeDone = std::function<void(Result<storage::Updated>)>;

  void submit(std::shared_ptr<const Incoming> incoming, int raises_left, MergeDone done) {
    auto trace = std::make_shared<MergeTrace>();
    auto decide = [this_id = storage_id_, &epochs = epochs_, trace,
                   incoming](const storage::Found& found) {
      std::optional<Bytes> out;
      LocalState local = local_state(found);
      const auto before = local.condition;
      MergeDecision decision =
          decide_merge(std::move(local), incoming->set, this_id, epochs.bounds());
      trace->forgotten = decision.forgotten;
      if (!decision.changed) return out;
      trace->repaired = before == storage::Condition::Damaged;
      // Alone it is stored as it came: its bytes are canonical, so this equals encoding it.
      out = before == storage::Condition::Sound ? decision.set.encode() : incoming->bytes;
      return out;
    };
    store_.update(incoming->key, std::move(decide), incoming->durability,
                  alive_.guard([this, trace, incoming, raises_left,
                                done = std::move(done)](const Result<storage::Updated>& updated) {
                    if (!updated) return done(updated.error());
                    if (trace->forgotten) {
                      return raise(*trace->forgotten, incoming, raises_left, done);
                    }
                    if (trace->repaired) damaged_repaired_.add();
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
    epochs_.raise_floor(draw, alive_.guard([this, incoming, raises_left,
                                            done = std::move(done)](const Status& raised) {
      if (!raised) return done(raised.error());
      submit(incoming, raises_left - 1, done);
    }));
  }

  storage::Store& store_;
  const StorageId storage_id_;
  EpochLease& epochs_;
  const MintLimits limits_;
  Logger log_;
  Counter damaged_repaired_;
  Counter forgotten_;
  Lifetime alive_;
};

}  // namespace

std::unique_ptr<Replica> make_replica(const ReplicationOptions& options, storage::Store& store,
                                      StorageId storage_id, EpochLease& epochs, Logger log,
                                      MetricRegistry& metrics) {
  return std::make_unique<StoreReplica>(options, store, storage_id, epochs, log, metrics);
}

}  // namespace parley::replication
