// The promise "a completion of Durability::Fsync comes after the fsync of the commit that holds
// it", proved on the calls that SQLite makes; and that the proof notices engines that break it.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/fake/fault_vfs.h"
#include "tests/unit/storage/store_case.h"

using namespace parley;
using namespace parley::storage_test;

namespace {

// Passes everything on and notes when each task was handed over: the moment of the ack is when
// the engine posts the completion, not when the loop gets round to running it.
class StampingLoop final : public runtime::Loop {
 public:
  StampingLoop(runtime::Loop& loop, fake::FaultVfs& vfs) : loop_(loop), vfs_(vfs) {}
  Instant now() const override { return loop_.now(); }
  WallTime wall() const override { return loop_.wall(); }
  void post(runtime::Task task) override {
    loop_.post([this, at = vfs_.stamp(), task = std::move(task)] {
      posted_ = at;
      task();
    });
  }
  runtime::TimerId start_timer(Instant at, runtime::Task task) override {
    return loop_.start_timer(at, std::move(task));
  }
  void cancel_timer(runtime::TimerId id) override { loop_.cancel_timer(id); }
  Duration lag() const override { return loop_.lag(); }
  // Of the task that runs now.
  std::uint64_t posted() const { return posted_; }

 private:
  runtime::Loop& loop_;
  fake::FaultVfs& vfs_;
  std::uint64_t posted_ = 0;
};

struct Acks {
  int acked = 0;
  int synced_first = 0;
};

Acks write_and_judge(Synchronous synchronous, Durability durability, StoreThreads threads) {
  fake::FaultVfs vfs;
  fake::World world;
  StampingLoop loop(world.node("127.0.0.1").loop(), vfs);
  SqliteSettings settings;
  settings.vfs = vfs.name();
  settings.synchronous = synchronous;
  settings.threads = threads;
  fake::TempStore store(loop, settings);
  vfs.start_trace();
  constexpr int kWrites = 60;
  Acks acks;
  std::map<Bytes, std::uint64_t> acked_at;
  for (int i = 0; i < kWrites; ++i) {
    const Bytes marker = "<marker of write number " + std::to_string(i) + ">";
    store->update(record_key("k" + std::to_string(i % 20)), put(marker), durability,
                  [&, marker](Result<Updated> result) {
                    REQUIRE(result.ok());
                    acked_at[marker] = loop.posted();
                    ++acks.acked;
                  });
    // Some groups of one, some of several.
    if (i % 4 == 0) REQUIRE(world.run_real_until([&] { return acks.acked == i + 1; }, 10s));
  }
  REQUIRE(world.run_real_until([&] { return acks.acked == kWrites; }, 10s));
  const auto trace = vfs.trace();
  for (const auto& [marker, at] : acked_at) {
    // Of a key that one group wrote twice only the last value reaches the log.
    if (fake::synced_before(trace, marker, at)) ++acks.synced_first;
  }
  return acks;
}

}  // namespace

TEST_CASE("durability: every ack follows a log sync that began after its commit frame") {
  const auto threads = GENERATE(StoreThreads::Inline, StoreThreads::Real);
  const Acks acks = write_and_judge(Synchronous::Full, Durability::Fsync, threads);
  CHECK(acks.acked == 60);
  CHECK(acks.synced_first == acks.acked);
}

TEST_CASE("durability: the proof notices synchronous=NORMAL") {
  const Acks acks = write_and_judge(Synchronous::Normal, Durability::Fsync, StoreThreads::Inline);
  CHECK(acks.acked == 60);
  CHECK(acks.synced_first == 0);
}

TEST_CASE("durability: the proof notices an ack one step early (memory durability)") {
  const Acks acks = write_and_judge(Synchronous::Full, Durability::Memory, StoreThreads::Inline);
  CHECK(acks.acked == 60);
  CHECK(acks.synced_first == 0);
}

namespace {

std::uint64_t metric(MetricRegistry& metrics, const Bytes& line) {
  const Bytes text = metrics.render();
  const auto at = text.find("\n" + line + " ");
  REQUIRE(at != Bytes::npos);
  return std::stoull(text.substr(at + line.size() + 2));
}

}  // namespace

TEST_CASE("group commit: 64 writers in a closed loop share their syncs") {
  StoreCase test(threaded_settings());
  constexpr int kWriters = 64, kEach = 40;
  int done = 0;
  std::function<void(int, int)> next = [&](int writer, int left) {
    if (left == 0) return;
    const auto key = record_key("w" + std::to_string(writer), static_cast<Token>(writer) << 50);
    test.store->update(key, put(std::to_string(left)), Durability::Fsync,
                       [&, writer, left](Result<Updated> result) {
                         REQUIRE(result.ok());
                         ++done;
                         next(writer, left - 1);
                       });
  };
  for (int i = 0; i < kWriters; ++i) next(i, kEach);
  REQUIRE(test.world.run_real_until([&] { return done == kWriters * kEach; }, 30s));
  const auto syncs = metric(test.store.metrics(), "parley_store_fsyncs_total{file=\"wal\"}") +
                     metric(test.store.metrics(), "parley_store_fsyncs_total{file=\"database\"}");
  INFO(syncs << " syncs for " << done << " writes");
  // Three replicas may spend 0.2 together.
  CHECK(static_cast<double>(syncs) / done < 0.2 / 3);
}

TEST_CASE("group commit: a lone writer makes one commit and one log sync a write") {
  StoreCase test(threaded_settings());
  for (int i = 0; i < 20; ++i) REQUIRE(test.update(record_key("k"), put(std::to_string(i))).ok());
  CHECK(metric(test.store.metrics(), "parley_store_commits_total") == 20);
  // One more for the header of the new log.
  CHECK(metric(test.store.metrics(), "parley_store_fsyncs_total{file=\"wal\"}") <= 21);
  CHECK(metric(test.store.metrics(), "parley_store_fsyncs_total{file=\"wal\"}") >= 20);
  CHECK(metric(test.store.metrics(), "parley_fsync_seconds_count") >= 20);
}

TEST_CASE("checkpoints: the log stays short under steady writing, also beside readers") {
  StoreCase test(threaded_settings());
  REQUIRE(test.store.options().checkpoint_pages.set(100).ok());
  test.store.reopen();
  int done = 0;
  constexpr int kWrites = 3000;
  const Bytes value(2000, 'v');
  for (int i = 0; i < kWrites; ++i) {
    const Token token = static_cast<Token>(i) * 0x9e3779b97f4a7c15ULL;
    test.store->update(record_key("k" + std::to_string(i), token), put(value), Durability::Fsync,
                       [&](Result<Updated> result) {
                         if (result.ok()) ++done;
                       });
    test.store->get(record_key("k" + std::to_string(i), token), [](Result<Found>) {});
    if (i % 50 == 0) {
      REQUIRE(test.world.run_real_until([&] { return done == i + 1; }, 10s));
    }
  }
  REQUIRE(test.world.run_real_until([&] { return done == kWrites; }, 20s));
  CHECK(metric(test.store.metrics(), "parley_store_checkpoints_total") > 5);
  const auto log = std::filesystem::file_size(test.store.directory() + "/parley.db-wal");
  CHECK(log < 16 * 112 * 4120ULL);
  test.store.close();
  CHECK(std::filesystem::file_size(test.store.directory() + "/parley.db-wal") == 0);
}

TEST_CASE("crash: what was acked before a kill -9 is there afterwards") {
  fake::TempDirectory directory;
  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(pipe_ends[0]);
    fake::World world;
    runtime::Loop& loop = world.node("127.0.0.1").loop();
    StoreOptions options;
    MetricRegistry metrics;
    auto opened = open_sqlite_store(directory.path(), options, loop, Logger{}, metrics, nullptr);
    if (!opened) ::_exit(1);
    // Forty writers in a closed loop, each ack told by its number.
    std::uint32_t next = 0;
    std::function<void()> write = [&] {
      const std::uint32_t mine = next++;
      (*opened)->update(record_key(std::to_string(mine)), put("value " + std::to_string(mine)),
                        Durability::Fsync, [&, mine](Result<Updated> result) {
                          if (!result || ::write(pipe_ends[1], &mine, 4) != 4) ::_exit(1);
                          write();
                        });
    };
    for (int i = 0; i < 40; ++i) write();
    world.run_real_until([] { return false; }, 20s);
    ::_exit(2);
  }
  ::close(pipe_ends[1]);
  std::vector<std::uint32_t> acked;
  std::uint32_t one = 0;
  while (acked.size() < 500 && ::read(pipe_ends[0], &one, 4) == 4) acked.push_back(one);
  ::kill(child, SIGKILL);
  while (::read(pipe_ends[0], &one, 4) == 4) acked.push_back(one);
  ::close(pipe_ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(acked.size() >= 500);

  fake::World world;
  StoreOptions options;
  MetricRegistry metrics;
  auto opened = open_sqlite_store(directory.path(), options, world.node("127.0.0.1").loop(),
                                  Logger{}, metrics, nullptr);
  REQUIRE(opened.ok());
  std::size_t there = 0, answers = 0;
  for (const std::uint32_t number : acked) {
    (*opened)->get(record_key(std::to_string(number)), [&, number](Result<Found> found) {
      ++answers;
      if (found && found->value == "value " + std::to_string(number)) ++there;
    });
  }
  REQUIRE(world.run_real_until([&] { return answers == acked.size(); }, 20s));
  CHECK(there == acked.size());
}
