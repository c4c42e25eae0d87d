// The look behind the replies: a real store on a simulated disk, and replies about it that are true
// or false.
#include "tests/sim/truth.h"

#include <sqlite3.h>

#include "ring/ring.h"
#include "storage/sqlite_settings.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/sim/sim_rot.h"
#include "tests/sim/story.h"

namespace parley::sim {
namespace {

using replication::Dot;
using replication::VersionSet;

constexpr std::uint64_t kRoomy = std::uint64_t{1} << 40;
constexpr const char* kAddress = "127.0.0.1";

// One node's disk with an open store, beside a history of one key.
struct Stage {
  Stage() {
    vfs.mount("/127.0.0.1", disk);
    truth.add(kAddress, "/127.0.0.1", disk);
    open();
  }
  WriteNumber put(const Dot& dot) {
    story.history.set_owners("key", {});  // the story's receipts name three
    const WriteNumber number = story.put(dot);
    story.history.set_owners("key", {kAddress});
    return number;
  }
  void open() {
    storage::SqliteSettings settings;
    settings.vfs = SimVfs::kName;
    settings.threads = storage::StoreThreads::Inline;
    settings.free_bytes = [](const std::string&) { return kRoomy; };
    settings.real_directory = false;
    auto opened =
        storage::open_sqlite_store_with(settings, "/127.0.0.1", options, world.node("one").loop(),
                                        Logger{}, metrics, [](const Error&) {});
    REQUIRE(opened.ok());
    store = std::move(*opened);
  }
  static VersionSet set_of(WriteNumber number, const Dot& dot) {
    VersionSet set;
    OpId op;
    op.octets[0] = static_cast<std::uint8_t>(number + 1);  // as Story gives it
    set.write({}, {dot, false, op, value_of(number, 8)});
    return set;
  }
  static storage::RecordKey record() {
    return {storage::kDefaultKeyspace, ring::token_of("key"), "key"};
  }
  void keep(const VersionSet& set, storage::Durability durability = storage::Durability::Fsync) {
    bool done = false;
    store->update(
        record(), [&set](const auto&) { return set.encode(); }, durability,
        [&done](const auto& updated) { done = updated.ok(); });
    world.run_until([&done] { return done; }, 1s);
    world.run_for(1s);
    REQUIRE(done);
  }
  void keep_hint(const VersionSet& set) {
    bool done = false;
    NodeId target;
    target.octets[0] = 2;
    store->update_hint(
        {target, record()}, false, WallTime{}, [&set](const auto&) { return set.encode(); },
        [&done](const auto& updated) { done = updated.ok(); });
    world.run_until([&done] { return done; }, 1s);
    REQUIRE(done);
  }
  void judge(WriteNumber number, const Dot& dot, const std::string& state) {
    client::WriteResult reply = ok_write(dot, {});
    reply.replicas = {{"", kAddress, state, state == "hinted" ? kAddress : ""}};
    truth.judge(story.history.writes()[number], reply);
  }

  fake::World world;
  SimVfs vfs{1, [] { return WallTime{}; }};
  SimDisk disk{Random(1)};
  Story story;
  Truth truth{vfs, story.history, Random(1), 1};
  MetricRegistry metrics;
  storage::StoreOptions options;
  std::unique_ptr<storage::Store> store;
};

const auto kA1 = dot_of(1, 1), kB1 = dot_of(2, 1);

}  // namespace

TEST_CASE("truth: an ack whose write is on the disk is true, another is not", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1), other = stage.put(kB1);
  stage.keep(Stage::set_of(put, kA1));
  stage.judge(put, kA1, "durable");
  CHECK(stage.story.found().empty());
  stage.judge(other, kB1, "durable");
  CHECK(stage.story.found() == "untrue");
}

TEST_CASE("truth: what is written and not synced is on no disk", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1), other = stage.put(kB1);
  stage.keep(Stage::set_of(put, kA1));
  VersionSet both = Stage::set_of(put, kA1);
  both.merge(Stage::set_of(other, kB1));
  int looked = 0;
  stage.disk.add_fault([&](DiskCall call, const auto&) {
    if (call != DiskCall::Sync || looked++ > 0) return DiskVerdict::Proceed;
    stage.judge(put, kA1, "durable");
    CHECK(stage.story.found().empty());
    stage.judge(other, kB1, "durable");  // an ack that left too early
    return DiskVerdict::Proceed;
  });
  stage.keep(both);
  CHECK(looked > 0);
  CHECK(stage.story.found() == "untrue");
  stage.judge(other, kB1, "durable");
  CHECK(stage.story.found() == "untrue");
}

TEST_CASE("truth: a second look finds what became of the disk since the first", "[truth]") {
  Stage stage;
  const DiskImage before = stage.disk.durable_image();
  const auto put = stage.put(kA1);
  stage.keep(Stage::set_of(put, kA1));
  stage.judge(put, kA1, "durable");
  REQUIRE(stage.story.found().empty());
  SECTION("rot, of which no log tells") {
    REQUIRE(stage.disk.damage("parley.db-wal", value_of(put, 8)));
    stage.judge(put, kA1, "durable");
    CHECK(stage.story.found() == "untrue");
  }
  SECTION("an earlier day of the disk, in another life") {
    stage.store.reset();
    stage.disk.power_cut();
    stage.disk.restore(before);
    stage.open();
    stage.judge(put, kA1, "durable");
    CHECK(stage.story.found() == "untrue");
  }
}

TEST_CASE("truth: a look leaves nothing open that a checkpoint would wait for", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1);
  stage.keep(Stage::set_of(put, kA1));
  stage.judge(put, kA1, "durable");
  sqlite3* writer = nullptr;
  REQUIRE(sqlite3_open_v2("/127.0.0.1/parley.db", &writer, SQLITE_OPEN_READWRITE, SimVfs::kName) ==
          SQLITE_OK);
  // A connection learns of the log when it first reads.
  REQUIRE(sqlite3_exec(writer, "SELECT * FROM records", nullptr, nullptr, nullptr) == SQLITE_OK);
  int in_log = -1, moved = -1;
  CHECK(sqlite3_wal_checkpoint_v2(writer, nullptr, SQLITE_CHECKPOINT_TRUNCATE, &in_log, &moved) ==
        SQLITE_OK);
  CHECK(in_log == 0);
  sqlite3_close(writer);
  stage.judge(put, kA1, "durable");
  CHECK(stage.story.found().empty());
}

TEST_CASE("truth: what a failed sync left in the cache is on no disk", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1);
  stage.disk.add_fault([](DiskCall call, const auto&) {
    return call == DiskCall::Sync ? DiskVerdict::IoError : DiskVerdict::Proceed;
  });
  const VersionSet set = Stage::set_of(put, kA1);
  stage.store->update(
      Stage::record(), [&set](const auto&) { return set.encode(); }, storage::Durability::Fsync,
      [](const auto&) {});
  stage.world.run_for(1s);
  stage.disk.faults.clear();
  stage.judge(put, kA1, "durable");
  CHECK(stage.story.found() == "untrue");
}

TEST_CASE("truth: a disk whose process is gone is read too", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1), other = stage.put(kB1);
  stage.keep(Stage::set_of(put, kA1));
  stage.disk.power_cut();
  stage.store.reset();
  stage.judge(put, kA1, "durable");
  CHECK(stage.story.found().empty());
  stage.judge(other, kB1, "durable");
  CHECK(stage.story.found() == "untrue");
  stage.open();  // looking has left nothing behind that a start would meet
}

TEST_CASE("truth: where the last writer wins, a copy that shows an earlier write has nothing",
          "[truth]") {
  Stage stage;
  stage.story.history.last_writer_wins = true;
  const auto put = stage.put(kA1), other = stage.put(kB1);
  const auto set_at = [](WriteNumber number, const Dot& dot, replication::Stamp stamp) {
    VersionSet set;
    auto sibling = Stage::set_of(number, dot).siblings().front();
    sibling.stamp = stamp;
    set.write({}, sibling);
    return set;
  };
  const VersionSet early = set_at(put, kA1, 5);
  const auto late = set_at(other, kB1, 9).siblings().front();
  stage.story.history.stamps.add("key", early.siblings().front(), true);
  stage.story.history.stamps.add("key", late, true);
  SECTION("it shows the later one") {
    VersionSet both = early;
    both.merge(set_at(other, kB1, 9));
    stage.keep(both);
    stage.keep_hint(both);
    stage.judge(other, kB1, "durable");
    stage.judge(put, kA1, "hinted");
    CHECK(stage.story.found().empty());
  }
  SECTION("it has seen both, and shows the earlier one") {
    VersionSet wrong;
    wrong.write(vector_with({kB1}), early.siblings().front());
    stage.keep(wrong);
    stage.judge(other, kB1, "durable");
    CHECK(stage.story.found() == "untrue");
  }
  SECTION("it is a hint that does") {
    VersionSet wrong;
    wrong.write(vector_with({kB1}), early.siblings().front());
    stage.keep_hint(wrong);
    stage.judge(other, kB1, "hinted");
    CHECK(stage.story.found() == "untrue");
  }
}

TEST_CASE("truth: a kept hint is on its holder's disk, or with its target", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1), other = stage.put(kB1);
  stage.keep_hint(Stage::set_of(put, kA1));
  stage.judge(put, kA1, "hinted");
  CHECK(stage.story.found().empty());
  stage.judge(other, kB1, "hinted");
  CHECK(stage.story.found() == "untrue");
  stage.keep(Stage::set_of(other, kB1));
  stage.judge(other, kB1, "hinted");
  CHECK(stage.story.found() == "untrue");  // the same one
  stage.judge(put, kA1, "durable");        // a hint is no copy
  CHECK(stage.story.found() == "untrue untrue");
}

TEST_CASE("truth: a read at a majority shows what as many disks hold", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1);
  stage.keep(Stage::set_of(put, kA1));
  ReadRecord read;
  read.key = "key";
  read.level = "quorum";
  read.result.required = 1;  // there is one disk
  read.context = vector_with({kA1});
  stage.truth.judge(read);
  CHECK(stage.story.found().empty());
  read.context = vector_with({kA1, kB1});
  stage.truth.judge(read);
  CHECK(stage.story.found() == "untrue");
}

TEST_CASE("truth: a disk that lost something is held to what came later", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1);  // and the disk does not have it
  const Instant begun = stage.story.history.writes()[put].begun;
  const auto [address, at, rule] = GENERATE(table<std::string, Duration, std::string>({
      {kAddress, 1ms, ""},           // struck after it was begun
      {kAddress, -1ms, "untrue"},    // before
      {"127.0.0.2", 1ms, "untrue"},  // another one
  }));
  stage.story.history.lost(address, begun + at);
  stage.judge(put, kA1, "durable");
  CHECK(stage.story.found() == rule);
}

TEST_CASE("truth: a record that rotted unseen bears nothing out, and denies nothing", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1);
  stage.keep(Stage::set_of(put, kA1));
  Random random(1);
  REQUIRE(rot_record("/127.0.0.1", random));
  SECTION("where nothing was struck") {
    stage.judge(put, kA1, "durable");
    CHECK(stage.story.found() == "untrue");
  }
  SECTION("where it was, before the call") {
    stage.story.history.lost(kAddress, stage.story.history.writes()[put].begun - 1ms);
    stage.judge(put, kA1, "durable");
    CHECK(stage.story.found().empty());
  }
}

TEST_CASE("truth: the end is what all owners hold, deletes too", "[truth]") {
  Stage stage;
  const auto put = stage.put(kA1);
  stage.keep(Stage::set_of(put, kA1));
  const auto state = stage.truth.judge_end({"key"}).front();
  REQUIRE(state.has_value());
  REQUIRE(state->siblings.size() == 1);
  CHECK(state->siblings[0].write == put);
  CHECK(state->siblings[0].dot == kA1);
  CHECK(state->context == vector_with({kA1}));
  SECTION("another owner's disk holds less") {
    SimDisk empty{Random(2)};
    stage.truth.add("127.0.0.2", "/127.0.0.2", empty);
    stage.story.history.set_owners("key", {kAddress, "127.0.0.2"});
    CHECK_FALSE(stage.truth.judge_end({"key"}).front().has_value());
    CHECK(stage.story.found() == "converge");
  }
  SECTION("a hint is left, of what is there") {
    stage.keep_hint(Stage::set_of(put, kA1));
    stage.truth.judge_end({"key"});
    CHECK(stage.story.found().empty());
  }
  SECTION("a hint is left, of what no owner has") {
    stage.keep_hint(Stage::set_of(stage.put(kB1), kB1));
    stage.truth.judge_end({"key"});
    CHECK(stage.story.found() == "stray");
  }
  SECTION("a hint is left, of what no owner has, for a node that is gone or is not") {
    const auto [target, rule] =
        GENERATE(table<std::string, std::string>({{"127.0.0.9", ""}, {kAddress, "stray"}}));
    stage.truth.address_of = [target = target](const NodeId&) { return target; };
    stage.keep_hint(Stage::set_of(stage.put(kB1), kB1));
    stage.truth.judge_end({"key"});
    CHECK(stage.story.found() == rule);
  }
  SECTION("an operation that nobody asked for") {
    stage.keep(Stage::set_of(77, kB1));
    stage.truth.judge_end({"key"});
    CHECK(stage.story.found() == "phantom");
  }
}

TEST_CASE("truth: the bytes of a refused write are on no disk", "[truth]") {
  Stage stage;
  const auto write = stage.story.begin({}, {});
  const bool refused = GENERATE(false, true);
  const auto outcome = refused ? client::Outcome::NotWritten : client::Outcome::Unknown;
  const auto code = refused ? ErrorCode::Unavailable : ErrorCode::Unknown;
  stage.story.end(write, no_write(outcome, code));
  stage.keep(Stage::set_of(write, kA1));
  stage.keep(Stage::set_of(write + 1, kA1));  // it is in the log even after it was replaced
  stage.truth.judge_refused();
  CHECK(stage.story.found() == (refused ? "ghost" : ""));
}

}  // namespace parley::sim
