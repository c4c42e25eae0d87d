// Damaged records between whole nodes on virtual time: real stores, real rpc, the replication and
// the repair floor. Anti-entropy sleeps, so what is mended is mended by asking.
#include "tests/unit/replication/test_cluster.h"

#include "repair/repair.h"
#include "replication/mint.h"

namespace parley::repair {
namespace {

using replication::Outcome;
using replication::ReplicaState;

// The events that a person must act upon.
struct Errors final : LogSink {
  bool wants(LogLevel level) const override { return level == LogLevel::Error; }
  void write(LogLevel, std::string_view, std::string_view event,
             const std::vector<LogField>&) override {
    events.emplace_back(event);
  }
  std::vector<std::string> events;
};

struct DamageCluster : replication::test::Cluster {
  Errors errors;
  RepairOptions repair_options;
  std::vector<std::unique_ptr<Repair>> repairs{5};

  DamageCluster() {
    REQUIRE(repair_options.sync_interval.set(3600s).ok());
    for (std::size_t i = 0; i < nodes.size(); ++i) begin(i);
    world.run_for(1s);
  }
  ~DamageCluster() {
    for (std::size_t i = 0; i < nodes.size(); ++i) end(i);
  }
  void begin(std::size_t i) {
    auto& node = nodes[i];
    repairs[i] =
        make_repair({repair_options, node.host->loop(), *node.rpc, node.store->get(),
                     node.replication->replica(), node.replication->hints(),
                     [&node] { return node.view; }, Logger{errors, "repair"}, *node.metrics},
                    Random(std::uint64_t{200 + i}));
    node.replication->observe(repairs[i].get());
    repairs[i]->start();
  }
  void end(std::size_t i) {
    if (nodes[i].replication) nodes[i].replication->observe(nullptr);
    repairs[i].reset();
  }
  void take_down(std::size_t i) {
    end(i);
    kill(i);
    publish();
  }
  void bring_back(std::size_t i) {
    start(i);
    begin(i);
    publish();
    world.run_for(100ms);
    for (std::size_t j = 0; j < nodes.size(); ++j) {
      if (j != i && repairs[j]) repairs[j]->member_returned(id(i));
    }
  }
  double count(std::size_t at, const std::string& metric) const {
    const std::string text = nodes[at].metrics->render();
    const auto found = text.find("\n" + metric + " ");
    return found == std::string::npos ? 0 : std::stod(text.substr(found + metric.size() + 2));
  }
  bool mended(std::size_t at, const std::string& key, Duration limit = 1s,
              const char* how = kMended) {
    return world.run_until([&] { return count(at, how) > 0; }, limit) &&
           replication::local_state(record(at, key)).condition == storage::Condition::Sound;
  }
  static constexpr const char* kMended = "parley_damaged_records_total{result=\"mended\"}";
  static constexpr const char* kInDoubt =
      "parley_damaged_records_total{result=\"mended_in_doubt\"}";
  static constexpr const char* kLost = "parley_damaged_records_total{result=\"lost\"}";
  static constexpr const char* kPutOff = "parley_damaged_records_total{result=\"put_off\"}";
};

}  // namespace

TEST_CASE("damage: a record met by a read, a write or a copy is mended from the others",
          "[repair][damage]") {
  DamageCluster cluster;
  const auto owners = cluster.owners("k");
  const auto put = cluster.put(owners[0], "k", "v", "all");
  REQUIRE(put.outcome == Outcome::Ok);
  cluster.damage(owners[0], "k");
  SECTION("a read") { CHECK(cluster.get(owners[0], "k", "quorum").values[0].value == "v"); }
  SECTION("a write of its own") { cluster.put(owners[0], "k", "w", "one", put.context); }
  SECTION("a copy of a write") {
    CHECK(cluster.put(owners[1], "k", "w", "quorum", put.context).outcome == Outcome::Ok);
  }
  CHECK(cluster.mended(owners[0], "k"));
  cluster.world.run_for(2s);  // a hint that was kept meanwhile
  CHECK_FALSE(cluster.inspect(owners[1], "k").diverged);
  CHECK(cluster.count(owners[0], "parley_damaged_records_waiting") == 0);
}

TEST_CASE("damage: an acked write survives its holder's damage beside a stale replica",
          "[repair][damage]") {
  DamageCluster cluster;
  const auto owners = cluster.owners("k");
  const auto old = cluster.put(owners[0], "k", "old", "all");
  // The newest is on 0 and 1 only.
  cluster.dead = {owners[2]};
  cluster.publish();
  REQUIRE(cluster.put(owners[0], "k", "new", "quorum", old.context).outcome == Outcome::Ok);
  bool dropped = false;
  cluster.nodes[owners[0]].replication->hints().drop(
      std::nullopt,
      [&](const Result<std::uint64_t>& count) { dropped = count.ok() && *count == 1; });
  REQUIRE(cluster.world.run_until([&] { return dropped; }, 1s));
  cluster.damage(owners[0], "k");
  cluster.dead.clear();
  cluster.take_down(owners[1]);
  // 0 is damaged, 2 stale, 1 away: no majority can know, so none may answer, and nothing that the
  // stale one sends may make 0 count again.
  for (int i = 0; i < 3; ++i) {
    const auto got = cluster.get(cluster.others("k")[0], "k", "quorum");
    CHECK(got.outcome == Outcome::NotWritten);
    const auto put = cluster.put(owners[2], "k", "beside", "quorum", old.context);
    CHECK(put.outcome == Outcome::Unknown);
    cluster.world.run_for(1s);
  }
  CHECK(cluster.count(owners[0], DamageCluster::kPutOff) > 0);
  CHECK(replication::local_state(cluster.record(owners[0], "k")).condition ==
        storage::Condition::Damaged);
  cluster.bring_back(owners[1]);
  REQUIRE(cluster.mended(owners[0], "k"));
  cluster.take_down(owners[1]);
  const auto got = cluster.get(owners[2], "k", "quorum");
  REQUIRE(got.outcome == Outcome::Ok);
  std::set<std::string> values;
  for (const auto& value : got.values) values.insert(value.value);
  CHECK(values.contains("new"));
  CHECK_FALSE(values.contains("old"));
}

TEST_CASE("damage: two damaged copies are mended from the third once all have spoken",
          "[repair][damage]") {
  DamageCluster cluster;
  const auto owners = cluster.owners("k");
  REQUIRE(cluster.put(owners[0], "k", "v", "all").outcome == Outcome::Ok);
  cluster.damage(owners[0], "k");
  cluster.damage(owners[1], "k");
  CHECK(cluster.get(owners[2], "k", "all").outcome == Outcome::NotWritten);
  // The first to be mended has only one of the two answers that it needs to be sure.
  CHECK(cluster.world.run_until(
      [&] {
        double mended = 0;
        for (const std::size_t owner : {owners[0], owners[1]}) {
          mended += cluster.count(owner, DamageCluster::kMended);
          mended += cluster.count(owner, DamageCluster::kInDoubt);
        }
        return mended == 2;
      },
      1s));
  CHECK(cluster.count(owners[0], DamageCluster::kInDoubt) +
            cluster.count(owners[1], DamageCluster::kInDoubt) >=
        1);
  CHECK(cluster.get(owners[2], "k", "all").values[0].value == "v");
}

TEST_CASE("damage: a mend beside another damaged record says that a write may be missing",
          "[repair][damage]") {
  DamageCluster cluster;
  const auto owners = cluster.owners("k");
  REQUIRE(cluster.put(owners[0], "k", "v", "all").outcome == Outcome::Ok);
  cluster.damage(owners[0], "k");
  // It stays damaged: its own mender is gone.
  cluster.end(owners[1]);
  cluster.damage(owners[1], "k");
  CHECK(cluster.get(owners[0], "k", "one").outcome == Outcome::Ok);
  CHECK(cluster.mended(owners[0], "k", 1s, DamageCluster::kInDoubt));
  CHECK(cluster.count(owners[0], DamageCluster::kMended) == 0);
  CHECK(cluster.errors.events == std::vector<std::string>{"damage.mended_in_doubt"});
}

TEST_CASE("damage: what nobody holds any more is lost, said, and can be written again",
          "[repair][damage]") {
  DamageCluster cluster;
  const auto owners = cluster.owners("k");
  REQUIRE(cluster.put(owners[0], "k", "v", "all").outcome == Outcome::Ok);
  for (const std::size_t owner : owners) cluster.damage(owner, "k");
  CHECK(cluster.get(owners[0], "k", "quorum").outcome == Outcome::NotWritten);
  REQUIRE(cluster.world.run_until(
      [&] {
        return std::all_of(owners.begin(), owners.end(), [&](std::size_t owner) {
          return cluster.count(owner, DamageCluster::kLost) == 1;
        });
      },
      2s));
  // No answer, never "not found".
  const auto still = cluster.get(owners[0], "k", "one");
  CHECK(still.outcome == Outcome::NotWritten);
  CHECK(still.error->code == ErrorCode::Unavailable);
  REQUIRE(cluster.put(owners[0], "k", "again", "all").outcome == Outcome::Ok);
  const auto got = cluster.get(owners[1], "k", "all");
  REQUIRE(got.outcome == Outcome::Ok);
  REQUIRE(got.values.size() == 1);
  CHECK(got.values[0].value == "again");
  CHECK_FALSE(cluster.inspect(owners[1], "k").diverged);
  CHECK(cluster.count(owners[0], DamageCluster::kLost) == 1);
}

TEST_CASE("damage: tries while an owner is silent are few, and end with its return",
          "[repair][damage]") {
  DamageCluster cluster;
  const auto owners = cluster.owners("k");
  REQUIRE(cluster.put(owners[0], "k", "v", "all").outcome == Outcome::Ok);
  cluster.damage(owners[0], "k");
  cluster.nodes[owners[1]].host->pause();  // up in every view, and silent
  for (int i = 0; i < 10; ++i) cluster.get(owners[0], "k", "one");
  CHECK(cluster.count(owners[0], "parley_damaged_records_waiting") == 1);
  cluster.world.run_for(60s);
  const double tries = cluster.count(owners[0], DamageCluster::kPutOff);
  CHECK(tries >= 2);
  CHECK(tries <= 12);
  cluster.nodes[owners[1]].host->resume();
  CHECK(cluster.mended(owners[0], "k", 20s));
}

TEST_CASE("damage: while too few owners are up nobody is asked", "[repair][damage]") {
  DamageCluster cluster;
  const auto owners = cluster.owners("k");
  REQUIRE(cluster.put(owners[0], "k", "v", "all").outcome == Outcome::Ok);
  cluster.damage(owners[0], "k");
  cluster.take_down(owners[1]);
  cluster.get(owners[0], "k", "one");
  auto& calls = cluster.nodes[owners[0]].rpc->calls;
  const int before = calls[runtime::Verb::ReadCopy];
  cluster.world.run_for(30s);
  CHECK(cluster.count(owners[0], DamageCluster::kPutOff) >= 2);
  CHECK(calls[runtime::Verb::ReadCopy] == before);
  cluster.bring_back(owners[1]);
  CHECK(cluster.mended(owners[0], "k"));
}

TEST_CASE("damage: records whose owners are up are mended beside a queue full of others",
          "[repair][damage]") {
  DamageCluster cluster;
  const std::size_t at = 0, down = 1;
  const auto own = [&](const std::string& key, bool with_the_down_one) {
    const auto owners = cluster.owners(key);
    const auto has = [&](std::size_t node) {
      return std::find(owners.begin(), owners.end(), node) != owners.end();
    };
    return has(at) && has(down) == with_the_down_one;
  };
  std::vector<std::string> waiting, mendable;
  for (int i = 0; waiting.size() < 1200 || mendable.size() < 5; ++i) {
    const std::string key = "k" + std::to_string(i);
    if (own(key, true) && waiting.size() < 1200) waiting.push_back(key);
    if (own(key, false) && mendable.size() < 5) mendable.push_back(key);
  }
  for (const auto& key : mendable) {
    REQUIRE(cluster.put(at, key, "v", "all").outcome == Outcome::Ok);
    cluster.damage(at, key);
  }
  cluster.take_down(down);
  for (const auto& key : waiting) cluster.repairs[at]->record_damaged(cluster.record_key(key));
  REQUIRE(cluster.count(at, "parley_damaged_records_waiting") == 1024);
  cluster.world.run_for(5s);
  for (const auto& key : mendable) CHECK(cluster.get(at, key, "one").outcome == Outcome::Ok);
  CHECK(
      cluster.world.run_until([&] { return cluster.count(at, DamageCluster::kMended) == 5; }, 1s));
  CHECK(cluster.count(at, "parley_damaged_records_waiting") <= 1024);
  for (const auto& key : mendable) {
    CHECK(replication::local_state(cluster.record(at, key)).condition == storage::Condition::Sound);
  }
}

TEST_CASE("damage: many records are mended, a few at a time", "[repair][damage]") {
  DamageCluster cluster;
  const auto at = std::size_t{0};
  std::vector<std::string> keys;
  for (int i = 0; keys.size() < 60; ++i) {
    const std::string key = "k" + std::to_string(i);
    const auto owners = cluster.owners(key);
    if (std::find(owners.begin(), owners.end(), at) != owners.end()) keys.push_back(key);
  }
  for (const auto& key : keys) {
    REQUIRE(cluster.put(at, key, "v", "all").outcome == Outcome::Ok);
    cluster.damage(at, key);
  }
  for (const auto& key : keys) cluster.get(at, key, "one");
  CHECK(
      cluster.world.run_until([&] { return cluster.count(at, DamageCluster::kMended) == 60; }, 2s));
  for (const auto& key : keys) CHECK_FALSE(cluster.inspect(at, key).diverged);
}

TEST_CASE("damage: the mender may be destroyed with asks and mends under way", "[repair][damage]") {
  for (int events = 0; events < 40; events += 3) {
    DamageCluster cluster;
    const auto owners = cluster.owners("k");
    REQUIRE(cluster.put(owners[0], "k", "v", "all").outcome == Outcome::Ok);
    cluster.damage(owners[0], "k");
    cluster.repairs[owners[0]]->record_damaged(cluster.record_key("k"));
    int seen = 0;
    cluster.world.run_until([&] { return ++seen > events; }, 1s);
    cluster.end(owners[0]);
    cluster.world.run_for(200ms);
  }
}

}  // namespace parley::repair
