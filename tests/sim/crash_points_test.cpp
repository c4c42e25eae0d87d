// A workload of writes, deletes and hints on one disk, with the power cut before every single
// write, truncation and sync of it: what was acknowledged is there, the database opens, and no dot
// names two writes.
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "replication/epoch_lease.h"
#include "replication/mint.h"
#include "replication/replica.h"
#include "replication/storage_identity.h"
#include "storage/sqlite_settings.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/sim/sim_vfs.h"

namespace parley::sim {
namespace {

using replication::Dot;
using replication::VersionSet;
using storage::Durability;
using storage::RecordKey;

constexpr int kTransactions = 200;
constexpr int kKeys = 12;
// Pages of the log after which it is copied into the database: never in this workload, and again
// and again.
constexpr std::uint64_t kNoCheckpoint = 4000, kManyCheckpoints = 100;
// Every point, but in a sanitizer's build, which is twenty times slower.
#if defined(PARLEY_SANITIZED)
constexpr std::uint64_t kStep = 11;
#else
constexpr std::uint64_t kStep = 1;
#endif
constexpr std::uint64_t kRoomy = std::uint64_t{1} << 40;

RecordKey key_of(std::uint64_t number) {
  return {storage::kDefaultKeyspace, number << 48, "key" + std::to_string(number)};
}
NodeId target() {
  NodeId id;
  id.octets[3] = 7;
  return id;
}

// What has been acknowledged, over all lives of the disk.
struct Acked {
  std::map<Dot, Bytes> dots;                   // what each dot names
  std::map<RecordKey, VersionSet> sets;        // the last acknowledged
  std::map<RecordKey, std::uint64_t> hints;    // the newest number acknowledged; erased ones: none
  std::map<RecordKey, std::uint64_t> pending;  // hints changed and not acknowledged
  bool dot_used_twice = false;

  void minted(const Dot& dot, const Bytes& value) {
    const auto [at, fresh] = dots.emplace(dot, value);
    if (!fresh && at->second != value) dot_used_twice = true;
  }
};

// One life of a store with a replica on it.
class Life {
 public:
  Life(fake::World& world, Random& random, Acked& acked, std::uint64_t checkpoint_pages)
      : world_(world), loop_(world.node("one").loop()), random_(random), acked_(acked) {
    REQUIRE(store_options_.checkpoint_pages.set(checkpoint_pages).ok());
  }

  // False when the disk died on the way.
  bool open() {
    storage::SqliteSettings settings;
    settings.vfs = SimVfs::kName;
    settings.threads = storage::StoreThreads::Inline;
    settings.free_bytes = [](const std::string&) { return kRoomy; };
    settings.real_directory = false;
    auto opened = storage::open_sqlite_store_with(settings, "/one", store_options_, loop_, Logger{},
                                                  metrics_, [this](const Error&) { dead_ = true; });
    if (!opened) return false;
    store_ = std::move(*opened);
    const auto identity =
        replication::open_storage_identity(*store_, random_, [](const Status&) {});
    if (!identity.ok()) return false;
    world_.run_for(0ms);
    const auto mark = replication::stored_epoch_mark(*store_);
    if (!mark.ok()) return false;
    epochs_ = std::make_shared<replication::EpochLease>(*store_, *mark, 4);
    bool ready = false;
    epochs_->start([&](const Status& started) { ready = started.ok(); });
    world_.run_for(0ms);
    if (!ready) return false;
    replica_ = replication::make_replica(options_, *store_, identity->id, epochs_, nullptr,
                                         Logger{}, metrics_);
    return true;
  }

  bool mint(const RecordKey& key, bool is_delete, bool blind) {
    replication::MintRequest request;
    request.key = key;
    const Bytes value =
        "v" + std::to_string(++value_number_) + "." + std::to_string(random_.next());
    if (!is_delete) request.value = value;
    if (!blind) {
      const auto known = acked_.sets.find(key);
      if (known != acked_.sets.end()) request.seen = known->second.context();
    }
    bool done = false;
    replica_->mint(request, [&](const Result<replication::Minted>& minted) {
      REQUIRE(minted.ok());
      done = true;
      acked_.minted(minted->dot, is_delete ? Bytes("delete") + value : value);
      acked_.sets[key] = *VersionSet::decode(minted->set);
    });
    world_.run_for(0ms);
    return done;
  }

  bool keep_hint(const RecordKey& key, std::uint64_t number) {
    bool done = false;
    acked_.pending[key] = number;
    store_->update_hint(
        {target(), key}, false, loop_.wall(),
        [number](const storage::Found&) {
          return std::optional<Bytes>("hint" + std::to_string(number));
        },
        [&](const Result<storage::Updated>& kept) {
          REQUIRE(kept.ok());
          done = true;
          acked_.hints[key] = number;
          acked_.pending.erase(key);
        });
    world_.run_for(0ms);
    return done;
  }

  bool erase_hint(const RecordKey& key) {
    const auto kept = acked_.hints.find(key);
    if (kept == acked_.hints.end()) return true;
    const Bytes value = "hint" + std::to_string(kept->second);
    bool done = false;
    acked_.pending[key] = kept->second;
    store_->erase_hint({target(), key}, storage::record_digest(key.key, value),
                       [&](const Result<bool>& erased) {
                         REQUIRE(erased.ok());
                         done = true;
                         acked_.hints.erase(key);
                         acked_.pending.erase(key);
                       });
    world_.run_for(0ms);
    return done;
  }

  // Everything acknowledged is here.
  void check() {
    for (const auto& [key, set] : acked_.sets) {
      std::optional<VersionSet> found;
      replica_->read(key, [&](const Result<replication::LocalCopy>& copy) {
        REQUIRE(copy.ok());
        found = copy->set;
      });
      world_.run_for(0ms);
      REQUIRE(found.has_value());
      VersionSet merged = *found;
      merged.merge(set);
      REQUIRE(merged == *found);
    }
    for (const auto& [key, number] : acked_.hints) check_hint(key, number);
  }

 private:
  void check_hint(const RecordKey& key, std::uint64_t number) {
    if (acked_.pending.contains(key)) return;
    std::vector<storage::HintRow> rows;
    store_->find_hints(key, [&](const Result<std::vector<storage::HintRow>>& found) {
      REQUIRE(found.ok());
      rows = *found;
    });
    world_.run_for(0ms);
    REQUIRE(rows.size() == 1);
    REQUIRE(rows[0].value == "hint" + std::to_string(number));
  }

  fake::World& world_;
  runtime::Loop& loop_;
  Random& random_;
  Acked& acked_;
  static inline std::uint64_t value_number_ = 0;
  bool dead_ = false;
  storage::StoreOptions store_options_;
  replication::ReplicationOptions options_;
  MetricRegistry metrics_;
  std::unique_ptr<storage::Store> store_;
  std::shared_ptr<replication::EpochLease> epochs_;
  std::unique_ptr<replication::Replica> replica_;
};

// The workload from its first transaction; false when the disk died.
bool work(Life& life, Random& random) {
  for (int i = 0; i < kTransactions; ++i) {
    const RecordKey key = key_of(random.below(kKeys));
    bool alive = true;
    switch (random.below(8)) {
      case 0: alive = life.keep_hint(key, static_cast<std::uint64_t>(i)); break;
      case 1: alive = life.erase_hint(key); break;
      case 2: alive = life.mint(key, true, false); break;
      case 3: alive = life.mint(key, false, true); break;
      default: alive = life.mint(key, false, false);
    }
    if (!alive) return false;
  }
  return true;
}

// Cuts the power before call number `cut`; how many calls the whole workload makes when it is 0.
std::uint64_t run_with_cut(std::uint64_t cut, std::uint64_t checkpoint_pages) {
  fake::World world(1);
  SimVfs vfs(1, [&world] { return world.node("one").loop().wall(); });
  SimDisk disk{Random(cut)};
  vfs.mount("/one", disk);
  Random random(7);  // the same workload every time
  Acked acked;
  disk.add_fault([&disk, cut](DiskCall call, const auto&) {
    if (call != DiskCall::Read && disk.calls() == cut) disk.power_cut();
    return DiskVerdict::Proceed;
  });
  {
    Life first(world, random, acked, checkpoint_pages);
    const bool finished = first.open() && work(first, random);
    REQUIRE(finished == (cut == 0));
    if (cut == 0) return disk.calls();
  }
  disk.faults.clear();
  disk.kill();
  Life second(world, random, acked, checkpoint_pages);
  REQUIRE(second.open());
  second.check();
  for (std::uint64_t i = 0; i < kKeys; ++i) REQUIRE(second.mint(key_of(i), false, true));
  second.check();
  REQUIRE_FALSE(acked.dot_used_twice);
  return 0;
}

// Fails sync number `bad`; the process starts again, goes on, and then the power is cut.
// How many syncs the workload makes when it is 0.
std::uint64_t run_with_bad_sync(std::uint64_t bad, std::uint64_t checkpoint_pages) {
  fake::World world(1);
  SimVfs vfs(1, [&world] { return world.node("one").loop().wall(); });
  SimDisk disk{Random(bad)};
  vfs.mount("/one", disk);
  Random random(7);
  Acked acked;
  std::uint64_t syncs = 0;
  disk.add_fault([&](DiskCall call, const auto&) {
    const bool fails = call == DiskCall::Sync && ++syncs == bad;
    return fails ? DiskVerdict::IoError : DiskVerdict::Proceed;
  });
  {
    Life first(world, random, acked, checkpoint_pages);
    // A sync that SQLite can do without, such as that of a connection that closes, may fail unseen.
    (void)(first.open() && work(first, random));
    if (bad == 0) return syncs;
  }
  disk.kill();
  disk.faults.clear();
  {
    Life second(world, random, acked, checkpoint_pages);
    REQUIRE(second.open());
    second.check();
    for (std::uint64_t i = 0; i < kKeys; ++i) REQUIRE(second.mint(key_of(i), false, true));
    disk.power_cut();
  }
  Life third(world, random, acked, checkpoint_pages);
  REQUIRE(third.open());
  third.check();
  REQUIRE_FALSE(acked.dot_used_twice);
  return 0;
}

}  // namespace

TEST_CASE("disk: what is acknowledged after a failed fsync and a restart outlives a power cut",
          "[crash_points]") {
  const auto pages = GENERATE(kNoCheckpoint, kManyCheckpoints);
  const std::uint64_t syncs = run_with_bad_sync(0, pages);
  REQUIRE(syncs > 100);
  for (std::uint64_t bad = 1; bad <= syncs; bad += kStep) {
    INFO("sync " << bad << " of " << syncs << " fails");
    run_with_bad_sync(bad, pages);
  }
}

TEST_CASE("disk: every acknowledged write outlives a power cut (before each write and sync)",
          "[crash_points]") {
  const auto pages = GENERATE(kNoCheckpoint, kManyCheckpoints);
  const std::uint64_t calls = run_with_cut(0, pages);
  REQUIRE(calls > 300);
  for (std::uint64_t cut = 1; cut <= calls; cut += kStep) {
    INFO("the power is cut before disk call " << cut << " of " << calls);
    run_with_cut(cut, pages);
  }
}

}  // namespace parley::sim
