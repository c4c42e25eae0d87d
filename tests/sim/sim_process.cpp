#include "tests/sim/sim_process.h"

#include <utility>

#include "api/fault_desk.h"
#include "base/check.h"
#include "storage/sqlite_settings.h"

namespace parley::sim {
namespace {

constexpr std::uint64_t kRoomy = std::uint64_t{1} << 40;
// One that begins again for ever, in no time, would keep the run for ever.
constexpr std::uint64_t kLivesMost = 1000;

}  // namespace

SimProcess::SimProcess(fake::World& world, runtime::KjPort& kj, SimVfs& vfs, std::string address,
                       std::vector<Endpoint> seeds, Random random, LogSink* log)
    : world_(world),
      kj_(kj),
      address_(std::move(address)),
      directory_("/" + address_),
      host_(world.node(address_)),
      operator_(world.node("operator")),
      disk_(random.fork("disk")),
      random_(std::move(random)),
      log_(log) {
  config_.listen = address_;
  config_.data_dir = directory_;
  config_.seeds = std::move(seeds);
  vfs.mount(directory_, disk_);
}

SimProcess::~SimProcess() {
  if (running()) die(Death::Kill);
}

void SimProcess::start() {
  PARLEY_CHECK(!running());
  PARLEY_CHECK(++lives_ < kLivesMost);
  world_.power_on(host_);
  ready_ = false;
  failed_.reset();
  metrics_ = std::make_unique<MetricRegistry>();
  const Logger log = log_ == nullptr ? Logger{} : Logger(*log_, address_);
  storage::SqliteSettings settings;
  settings.vfs = SimVfs::kName;
  settings.threads = storage::StoreThreads::Inline;
  settings.free_bytes = [](const std::string&) { return kRoomy; };
  settings.real_directory = false;
  settings.batch_time = disk_delay;
  auto store =
      storage::open_sqlite_store_with(settings, directory_, config_.storage, host_.loop(), log,
                                      *metrics_, [this](const Error& error) { fail(error); });
  if (!store.ok()) {
    failed_ = store.error();
    return;
  }
  if (tap) *store = tap(std::move(*store));
  api::NodeEvents events;
  events.ready = [this](const std::string&) { ready_ = true; };
  events.failed = [this](const Error& error) { fail(error); };
  events.begin_again = [this](const Error&) {
    // As the daemon does it: in a later turn, and in a world of its own.
    operator_.loop().post(alive_.guard([this, life = lives_] {
      // Who was told to stop goes on with that (tools/daemon/ending.h).
      if (life != lives_ || !running() || stopping_) return;
      bury();
      start();
    }));
  };
  events.stall = [this](Duration span) {
    host_.pause();
    operator_.loop().start_timer(world_.now() + span, alive_.guard([this, life = lives_] {
      if (life == lives_ && host_.paused()) host_.resume();
    }));
  };
  node_ = api::make_node(config_, std::move(*store), host_.loop(), host_.network(), kj_,
                         random_.fork("life"), log, *metrics_, std::move(events));
}

WallTime SimProcess::wall() {
  auto* const desk = fault_desk();
  return desk == nullptr ? host_.loop().wall() : desk->loop().wall();
}

void SimProcess::fail(const Error& error) {
  failed_ = error;
  if (on_end) on_end();
}

void SimProcess::die(Death how) {
  if (on_end) on_end();
  if (how == Death::PowerCut) {
    disk_.power_cut();
  } else {
    disk_.kill();
  }
  world_.kill(host_, how == Death::PowerCut);
  bury();
}

// The signal waits while the process stands still. What ends there is destroyed in a later turn, as
// the daemon does it; streams end behind what was sent on them, and the store closes its files.
void SimProcess::stop(std::function<void()> ended) {
  PARLEY_CHECK(running());
  if (stopping_) return;
  stopping_ = world_.now();
  host_.loop().post([this, ended = std::move(ended)] {
    node_->stop([this, ended] {
      operator_.loop().post(alive_.guard([this, ended, life = lives_] {
        if (life != lives_ || !running()) return;
        if (on_end) on_end();
        bury();
        ended();
      }));
    });
  });
}

void SimProcess::bury() {
  node_.reset();
  world_.bury(host_);
  ready_ = false;
  stopping_.reset();
}

}  // namespace parley::sim
