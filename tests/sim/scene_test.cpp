// The checkers that ask a running cluster: one in which all is well, and the same with something
// broken that nobody mends.
#include "tests/sim/scene.h"

#include "base/hash.h"
#include "tests/catch.h"
#include "tests/sim/converge.h"
#include "tests/sim/liveness.h"

namespace parley::sim {
namespace {

RunOptions three_nodes() {
  RunOptions options;
  options.seed = 1;
  options.nodes = 3;
  options.clients = options.keys = 1;
  return options;
}

// A cluster that has formed, with one key written, and nobody who does anything.
struct Quiet {
  explicit Quiet(const RunOptions& options = three_nodes(),
                 std::optional<membership::ConflictRule> founded = std::nullopt)
      : scene(options) {
    scene.make_nodes();
    for (const auto& node : scene.nodes) {
      if (founded) node->config().conflict_rule = founded;
    }
    scene.start_nodes();
    REQUIRE(scene.form());
    scene.make_clients();
    scene.nemesis =
        std::make_unique<Nemesis>(scene.world, scene.nodes, scene.clients, NemesisOptions{});
    WriteRecord& record = scene.history.new_write(0, scene.workload.keys.front(), "all");
    client::PutItem item{record.key, value_of(record.number, 16), std::nullopt};
    record.value_hash = hash64(*item.value);
    Door& door = scene.door(*scene.nodes[0]);
    record.op = door.mint_op();
    const OpId op = record.op;
    scene.history.begin_write(0, scene.world.now());
    const Call call{scene.world.now(), Door::kTimeout};
    auto result = door.write(std::move(item), "all", op);
    REQUIRE(result.outcome == client::Outcome::Ok);
    scene.history.end_write(0, call, std::move(result), scene.world.now());
  }
  std::string found() const {
    std::string out;
    for (const auto& one : scene.report.violations) out += (out.empty() ? "" : " ") + one.rule;
    for (const auto& one : scene.history.violations()) out += " " + one.rule;
    return out;
  }
  void kill(std::size_t node) { scene.nodes[node]->die(Death::Kill); }

  Scene scene;
};

}  // namespace

TEST_CASE("scene: a cluster of which one is missing does not form", "[scene]") {
  Scene scene(three_nodes());
  scene.make_nodes();
  scene.start_nodes();
  scene.nodes[2]->die(Death::Kill);
  CHECK_FALSE(scene.form());
  REQUIRE(scene.report.violations.size() == 1);
  CHECK(scene.report.violations.front().rule == "forming");
}

TEST_CASE("scene: where nothing is broken nothing is found", "[scene]") {
  Quiet quiet;
  CHECK(converge(quiet.scene));
  CHECK(agree_on_members(quiet.scene));
  CHECK(agree_on_views(quiet.scene));
  CHECK(repair_is_quiet(quiet.scene));
  judge_values(quiet.scene);
  must_be_at_rest(quiet.scene);
  CHECK(quiet.found().empty());
}

TEST_CASE("scene: the keyspace has the rule of the run, and is judged by it", "[scene]") {
  using membership::ConflictRule;
  RunOptions options = three_nodes();
  options.rule = GENERATE(ConflictRule::Siblings, ConflictRule::LastWriterWins);
  SECTION("it has") {
    Quiet quiet(options);
    CHECK(quiet.scene.history.last_writer_wins == (*options.rule == ConflictRule::LastWriterWins));
    CHECK(agree_on_defaults(quiet.scene));
    judge_values(quiet.scene);
    CHECK(quiet.found().empty());
  }
  SECTION("it was founded with the other one") {
    const bool siblings = *options.rule == ConflictRule::Siblings;
    Quiet quiet(options, siblings ? ConflictRule::LastWriterWins : ConflictRule::Siblings);
    CHECK_FALSE(agree_on_defaults(quiet.scene));
    CHECK(quiet.found().starts_with("defaults stamp"));  // stores tell it at once
  }
}

TEST_CASE("scene: a node that stays away is found by each that needs it", "[scene]") {
  Quiet quiet;
  quiet.kill(2);
  SECTION("converge") {
    CHECK_FALSE(converge(quiet.scene));
    CHECK(quiet.found() == "converge");
  }
  SECTION("members") {
    CHECK_FALSE(agree_on_members(quiet.scene));
    CHECK(quiet.found() == "members");
  }
  SECTION("views") {
    CHECK_FALSE(agree_on_views(quiet.scene));
    CHECK(quiet.found() == "members");
  }
  SECTION("second-round") {
    CHECK_FALSE(repair_is_quiet(quiet.scene));
    CHECK(quiet.found() == "second-round");
  }
  SECTION("available") {
    judge_values(quiet.scene);
    CHECK(quiet.found() == "available");
  }
}

TEST_CASE("scene: a core serves, is of one mind and of one content", "[scene]") {
  Quiet quiet;
  Liveness liveness(quiet.scene);
  liveness.begin();
  SECTION("all of it") {
    liveness.must_serve();
    liveness.must_converge();
    liveness.must_convict();
    CHECK(quiet.found().empty());
  }
  SECTION("one of it is gone") {
    quiet.kill(0);
    if (quiet.scene.nodes[1]->running()) quiet.kill(1);
    const bool serves = GENERATE(true, false);
    serves ? liveness.must_serve() : liveness.must_converge();
    CHECK(quiet.found().starts_with(serves ? "serves" : "core-converge"));
  }
}

}  // namespace parley::sim
