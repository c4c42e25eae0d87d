// Changes of a keyspace, which any member may be asked for at any time.
#include "tests/catch.h"
#include "tests/unit/membership/test_cluster.h"

namespace parley::membership {
namespace {

using Outcome = std::optional<Result<KeyspaceRecord>>;

struct Five : TestCluster {
  explicit Five(int count = 5) : TestCluster(count) {
    boot_all(count);
    REQUIRE(world.run_until([&] { return whole(); }, 5s));
  }
  void ask(std::size_t node, LevelCode read_level, Outcome& outcome, Duration timeout = 1s) {
    nodes[node]->gossiper->change_keyspace(
        nodes[node]->gossiper->view()->keyspace("default")->id, with_read(read_level), timeout,
        [&outcome](Result<KeyspaceRecord> result) { outcome = std::move(result); });
  }
  Result<KeyspaceRecord> set(std::size_t node, LevelCode read_level, Duration timeout = 1s) {
    Outcome outcome;
    ask(node, read_level, outcome, timeout);
    REQUIRE(world.run_until([&] { return outcome.has_value(); }, 2 * timeout));
    return *outcome;
  }
  LevelCode read_level(std::size_t node) {
    return nodes[node]->gossiper->view()->keyspace("default")->read_level;
  }
  void all_show(LevelCode expected) {
    REQUIRE(world.run_until([&] { return whole(); }, 10s));
    for (std::size_t i = 0; i < nodes.size(); ++i) CHECK(read_level(i) == expected);
  }
  static KeyspaceChange with_read(LevelCode level) {
    return [level](KeyspaceRecord now) {
      now.read_level = level;
      return now;
    };
  }
};

}  // namespace

TEST_CASE("keyspace: changed on a majority, known to all, kept over a restart",
          "[membership][keyspace]") {
  Five cluster;
  cluster[4].kill();
  REQUIRE(cluster.set(0, 2).ok());
  REQUIRE(cluster[4].boot({}).ok());
  cluster.all_show(2);
  for (std::size_t i = 1; i < 4; ++i) cluster[i].kill();
  const auto is_dead = [&](std::size_t i) { return cluster[0].sees(cluster[i]) == Liveness::Dead; };
  REQUIRE(cluster.world.run_until([&] { return is_dead(1) && is_dead(2) && is_dead(3); }, 10s));
  const auto refused = cluster.set(0, 3);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::Unavailable);
  CHECK(cluster.read_level(0) == 2);
}

TEST_CASE("keyspace: what another member changed a moment ago stays changed",
          "[membership][keyspace]") {
  const auto [read, write] = GENERATE(table<LevelCode, LevelCode>({{3, 2}, {2, 3}, {2, 2}}));
  Five cluster;
  for (std::size_t i = 0; i < 4; ++i) cluster.world.cut(cluster[i].address, cluster[4].address);
  REQUIRE(cluster.set(0, read, 300ms).ok());
  cluster.world.heal_all();
  Outcome outcome;
  cluster[4].gossiper->change_keyspace(
      cluster[4].gossiper->view()->keyspace("default")->id,
      [write = write](KeyspaceRecord now) {
        now.write_level = write;
        return now;
      },
      5s, [&](const auto& result) { outcome = result; });
  REQUIRE(cluster.world.run_until([&] { return outcome.has_value(); }, 6s));
  REQUIRE(outcome->ok());
  CHECK((*outcome)->read_level == read);
  CHECK((*outcome)->write_level == write);
  cluster.all_show(read);
}

// Silent, and not suspected yet.
TEST_CASE("keyspace: a silent member does not keep a change from being made again",
          "[membership][keyspace]") {
  Five cluster(3);
  cluster.world.cut(cluster[2].address, cluster[0].address);
  cluster.world.cut(cluster[2].address, cluster[1].address);
  REQUIRE(cluster.set(0, 3, 300ms).ok());
  cluster.world.heal_all();
  cluster.world.cut(cluster[2].address, cluster[1].address);
  Outcome outcome;
  const Instant begun = cluster.world.now();
  cluster.ask(2, 2, outcome, 5s);
  REQUIRE(cluster.world.run_until([&] { return outcome.has_value(); }, 6s));
  CHECK(outcome->ok());
  CHECK(cluster.world.now() - begun < 4s);
}

TEST_CASE("keyspace: a disk that never ends ends no call late", "[membership][keyspace]") {
  Five cluster(1);
  cluster[0].journal.delay = 10s;
  const Instant begun = cluster.world.now();
  const auto result = cluster.set(0, 2, 500ms);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::Unknown);
  CHECK(cluster.world.now() - begun == 500ms);
}

// Whichever of the two records is the greater by its bytes.
TEST_CASE("keyspace: a member that missed the last change makes its own on top of it",
          "[membership][keyspace]") {
  const auto [first, second] = GENERATE(table<LevelCode, LevelCode>({{3, 2}, {2, 3}}));
  Five cluster;
  for (std::size_t i = 0; i < 4; ++i) cluster.world.cut(cluster[i].address, cluster[4].address);
  REQUIRE(cluster.set(0, first, 300ms).ok());
  REQUIRE(cluster.read_level(4) != first);
  cluster.world.heal_all();
  Outcome outcome;
  cluster.ask(4, second, outcome, 5s);
  REQUIRE(cluster.world.run_until([&] { return outcome.has_value(); }, 6s));
  REQUIRE(outcome->ok());
  CHECK((*outcome)->read_level == second);
  cluster.all_show(second);
}

TEST_CASE(
    "keyspace: of changes at one moment those that are ok prevail, and the last of them is shown",
    "[membership][keyspace]") {
  Five cluster;
  std::vector<Outcome> outcomes(5);
  for (std::size_t i = 0; i < 5; ++i) {
    cluster.ask(i, static_cast<LevelCode>(i + 1), outcomes[i], 3s);
  }
  const auto all_ended = [&] {
    return std::all_of(outcomes.begin(), outcomes.end(), [](const auto& o) { return bool(o); });
  };
  REQUIRE(cluster.world.run_until(all_ended, 4s));
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 10s));
  // Several may have the same version: then the later ones went over the earlier ones.
  std::vector<KeyspaceRecord> ok;
  for (const auto& outcome : outcomes) {
    if (outcome->ok()) ok.push_back(**outcome);
  }
  CHECK_FALSE(ok.empty());
  const auto* shown = cluster[0].gossiper->view()->keyspace("default");
  // What was not ok may prevail too.
  if (ok.size() == outcomes.size()) CHECK(std::count(ok.begin(), ok.end(), *shown) == 1);
  for (const auto& one : ok) CHECK(one.version <= shown->version);
}

TEST_CASE("keyspace: a change counts where it is durable only", "[membership][keyspace]") {
  Five cluster(3);
  for (std::size_t i = 1; i < 3; ++i) cluster[i].journal.delay = 700ms;
  const Instant begun = cluster.world.now();
  REQUIRE(cluster.set(0, 2, 2s).ok());
  CHECK(cluster.world.now() - begun >= 700ms);
  const auto late = cluster.set(0, 3, 200ms);
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().code == ErrorCode::Unknown);
}

TEST_CASE("keyspace: its conflict rule is the founder's, whatever others were told, and stays",
          "[membership][keyspace]") {
  fake::World world(7);
  TestNode founder(world, 1, 1), joiner(world, 2, 1);
  founder.conflict_rule = ConflictRule::LastWriterWins;
  joiner.conflict_rule = ConflictRule::Siblings;
  REQUIRE(founder.boot({}, true).ok());
  REQUIRE(world.run_until([&] { return founder.gossiper->view() != nullptr; }, 10s));
  REQUIRE(joiner.boot({{founder.address, 7401}}).ok());
  REQUIRE(world.run_until([&] { return joiner.gossiper->view() != nullptr; }, 30s));
  const auto rule = [](const TestNode& node) {
    return node.gossiper->view()->keyspace("default")->conflict_rule;
  };
  CHECK(rule(joiner) == ConflictRule::LastWriterWins);
  founder.kill();
  founder.conflict_rule = ConflictRule::Siblings;
  REQUIRE(founder.boot({}).ok());
  REQUIRE(world.run_until([&] { return founder.gossiper->view() != nullptr; }, 30s));
  CHECK(rule(founder) == ConflictRule::LastWriterWins);
}

TEST_CASE("keyspace: one that does not exist is not found", "[membership][keyspace]") {
  Five cluster(1);
  KeyspaceId other;
  other.octets[0] = 9;
  Outcome outcome;
  cluster[0].gossiper->change_keyspace(other, Five::with_read(1), 1s,
                                       [&](const auto& result) { outcome = result; });
  REQUIRE(cluster.world.run_until([&] { return outcome.has_value(); }, 1s));
  CHECK(outcome->error().code == ErrorCode::NotFound);
}

}  // namespace parley::membership
