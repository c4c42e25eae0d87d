// Changes of a keyspace, which any member may be asked for at any time.
#include "tests/catch.h"
#include "tests/unit/membership/test_cluster.h"

namespace parley::membership {
namespace {

using Outcome = std::optional<Result<KeyspaceRecord>>;

struct Five : TestCluster {
  explicit Five(int count = 5, std::uint64_t seed = 1) : TestCluster(count, seed) {
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
  static KeyspaceChange with_read(LevelCode level) { return {level, std::nullopt}; }
};

// A change of one level alone, as its caller knows it.
struct Half {
  bool of_reads = false;
  LevelCode level = 0;
  Instant begun;
  std::optional<Instant> ended;
  bool ok = false;
};

void change_half(Five& cluster, std::size_t node, Half& half) {
  KeyspaceChange change;
  (half.of_reads ? change.read_level : change.write_level) = half.level;
  half.begun = cluster.world.now();
  cluster[node].gossiper->change_keyspace(cluster[node].gossiper->view()->keyspace("default")->id,
                                          change, 2s, [&half, &cluster](const auto& result) {
                                            half.ended = cluster.world.now();
                                            half.ok = result.ok();
                                          });
}

// What was not ok may prevail at any time; what was ok, until another one that began later was.
bool may_last(const std::vector<Half>& halves, bool of_reads, LevelCode shown) {
  const auto over = [&](const Half& one) {
    return std::any_of(halves.begin(), halves.end(), [&](const Half& other) {
      return other.of_reads == of_reads && other.ok && other.begun > *one.ended;
    });
  };
  return std::any_of(halves.begin(), halves.end(), [&](const Half& one) {
    return one.of_reads == of_reads && one.level == shown && !(one.ok && over(one));
  });
}

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
  cluster[4].gossiper->change_keyspace(cluster[4].gossiper->view()->keyspace("default")->id,
                                       {std::nullopt, write}, 5s,
                                       [&](const auto& result) { outcome = result; });
  REQUIRE(cluster.world.run_until([&] { return outcome.has_value(); }, 6s));
  REQUIRE(outcome->ok());
  CHECK((*outcome)->read_level == read);
  CHECK((*outcome)->write_level == write);
  cluster.all_show(read);
}

// The streams of one that was cut off are slow to recover: its record comes by way of the exchange
// of records before its members are asked.
TEST_CASE("keyspace: of two changes at one moment, of one level each, both stand",
          "[membership][keyspace]") {
  int both = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Five cluster(4, seed);
    std::vector<Half> halves{{true, 2, {}, {}, false}, {false, 3, {}, {}, false}};
    for (std::size_t i = 1; i < 4; ++i) cluster.world.cut(cluster[0].address, cluster[i].address);
    cluster.world.run_for(1s);
    cluster.world.heal_all();
    for (auto& half : halves) change_half(cluster, half.of_reads ? 0 : 1, half);
    REQUIRE(cluster.world.run_until([&] { return halves[0].ended && halves[1].ended; }, 3s));
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 10s));
    const auto* shown = cluster[0].gossiper->view()->keyspace("default");
    INFO("seed " << seed);
    if (halves[0].ok) CHECK(shown->read_level == 2);
    if (halves[1].ok) CHECK(shown->write_level == 3);
    both += halves[0].ok && halves[1].ok ? 1 : 0;
  }
  CHECK(both > 0);
}

TEST_CASE("keyspace: what was told ok stands until it is changed (levels alone, links that fail)",
          "[membership][keyspace][property]") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Five cluster(3, seed);
    std::vector<Half> halves(14);
    for (const std::size_t i : {0, 1}) {  // as it was founded
      halves[i] = {i == 0, cluster.read_level(0), Instant::min(), Instant::min(), true};
    }
    for (std::size_t i = 2; i < halves.size(); ++i) {
      const auto one = cluster.random.below(3), two = (one + 1 + cluster.random.below(2)) % 3;
      if (i % 2 == 0) cluster.world.cut_one_way(cluster[one].address, cluster[two].address);
      halves[i].of_reads = cluster.random.below(2) == 0;
      halves[i].level = static_cast<LevelCode>(100 + i);
      change_half(cluster, cluster.random.below(3), halves[i]);
      if (cluster.random.below(2) == 0)
        cluster.world.run_for(Duration(cluster.random.below(1s / 1ns)));
      if (cluster.random.below(2) == 0) cluster.world.heal_all();
    }
    cluster.world.heal_all();
    const auto ended = [](const Half& half) { return half.ended.has_value(); };
    const auto all_ended = [&] { return std::all_of(halves.begin(), halves.end(), ended); };
    REQUIRE(cluster.world.run_until(all_ended, 3s));
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 10s));
    const auto* shown = cluster[0].gossiper->view()->keyspace("default");
    INFO("seed " << seed);
    CHECK(may_last(halves, true, shown->read_level));
    CHECK(may_last(halves, false, shown->write_level));
  }
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
  if (ok.size() == outcomes.size()) CHECK(std::count(ok.begin(), ok.end(), *shown) >= 1);
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
