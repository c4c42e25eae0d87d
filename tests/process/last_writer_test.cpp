// A cluster of real daemons where the last writer wins.
#include "tests/process/harness.h"
#include "tests/process/metrics.h"

using namespace parley;
using namespace parley::process_test;

namespace {

LocalClusterOptions lww(std::size_t nodes) {
  LocalClusterOptions options;
  options.nodes = nodes;
  options.flags = {"--conflict-rule", "lww", "--allow-faults"};
  return options;
}

double clock_off(LocalCluster& cluster, std::size_t i) {
  return metric(http_get(cluster.address(i), 7402, "/metrics").body,
                "parley_membership_clock_off_milliseconds");
}

}  // namespace

TEST_CASE("last writer: put and del overwrite without reading; there are no siblings",
          "[last_writer]") {
  LocalCluster cluster(lww(3));
  REQUIRE(cluster.start());
  const auto shown = cli_json(cluster, 0, {"consistency", "show"});
  CHECK(shown.json.at("conflict_rule") == "lww");
  for (const std::string value : {"a", "b", "c"}) {
    const auto put = cli_json(cluster, 1, {"put", "k", value, "-c", "all", "--trace"});
    REQUIRE(put.exit_code == 0);
    CHECK_FALSE(put.json.contains("read_trace"));
  }
  const auto got = cli_json(cluster, 2, {"get", "k"});
  CHECK(got.exit_code == 0);
  CHECK(values_of(got.json) == std::set<std::string>{"c"});
  CHECK(cli_json(cluster, 0, {"conflicts"}).json.at("conflicts").empty());
  REQUIRE(cluster.cli(0, {"del", "k"}).exit_code == 0);
  CHECK(cluster.cli(1, {"get", "k"}).exit_code == 1);
}

TEST_CASE("last writer: both sides of a cut say ok, the later one stays, and the loss is counted",
          "[last_writer]") {
  LocalCluster cluster(lww(3));
  REQUIRE(cluster.start());
  const auto name = [&](std::size_t i) { return cluster.address(i); };
  REQUIRE(cluster.cli(0, {"put", "k", "before", "-c", "all"}).exit_code == 0);
  REQUIRE(cluster.cli(0, {"fault", "partition", name(0), "|", name(1) + "," + name(2)}).exit_code ==
          0);
  REQUIRE(cluster.cli(0, {"put", "k", "small", "-c", "one"}).exit_code == 0);
  REQUIRE(cluster.cli(1, {"put", "k", "large", "-c", "quorum"}).exit_code == 0);
  REQUIRE(cluster.cli(0, {"fault", "heal"}).exit_code == 0);
  REQUIRE(cluster.wait_settled(std::chrono::seconds(40)));
  const auto client = cluster.client({}, std::chrono::seconds(5));
  REQUIRE(eventually(std::chrono::seconds(30), [&] { return replicas_equal(*client, "k"); }));
  for (std::size_t i = 0; i < 3; ++i) {
    const auto got = cli_json(cluster, i, {"get", "k", "-c", "one"});
    CHECK(values_of(got.json) == std::set<std::string>{"large"});
  }
  CHECK(metric_of_all(cluster, "parley_replica_discarded_total") +
            metric_of_all(cluster, "parley_read_discarded_total") >=
        1);
}

TEST_CASE("last writer: a node whose clock is off passes its writes on", "[last_writer]") {
  LocalCluster cluster(lww(3));
  REQUIRE(cluster.start());
  REQUIRE(cluster.cli(0, {"put", "k", "first", "-c", "all"}).exit_code == 0);
  REQUIRE(cluster.cli(0, {"fault", "skew", cluster.address(0), "1h"}).exit_code == 0);
  // It learns of it from its next probes.
  REQUIRE(eventually(std::chrono::seconds(20), [&] { return clock_off(cluster, 0) > 3'000'000; }));
  const auto put = cli_json(cluster, 0, {"put", "k", "second", "-c", "all", "--trace"});
  CHECK(put.exit_code == 0);
  CHECK(put.json.dump().find("pass on") != std::string::npos);
  CHECK(values_of(cli_json(cluster, 1, {"get", "k"}).json) == std::set<std::string>{"second"});
}

TEST_CASE("last writer: with all clocks apart nothing is written, and that is said",
          "[last_writer]") {
  LocalCluster cluster(lww(5));
  REQUIRE(cluster.start());
  // The one in the middle owns none of these keys.
  const std::string key = keys_owned_by(cluster, 0, {0, 1, 3}, 1, "key")[0];
  REQUIRE(cluster.cli(0, {"put", key, "first", "-c", "all"}).exit_code == 0);
  for (const auto& [node, time] :
       {std::pair<std::size_t, std::string>{0, "3h"}, {1, "2h"}, {3, "1h"}, {4, "4h"}}) {
    std::vector<std::string> words = {"fault", "skew", cluster.address(node), time};
    if (node < 2) words.push_back("--behind");
    REQUIRE(cluster.cli(0, words).exit_code == 0);
  }
  for (const std::size_t node : {0, 1, 3, 4}) {
    REQUIRE(eventually(std::chrono::seconds(20),
                       [&] { return std::abs(clock_off(cluster, node)) > 3'000'000; }));
  }
  for (const std::size_t node : {0, 4}) {
    const auto put = cli_json(cluster, node, {"put", key, "second", "-c", "quorum"});
    CHECK(put.exit_code == 4);
    CHECK(put.json.at("error").at("code") == "clock_skew");
  }
  REQUIRE(cluster.cli(0, {"fault", "heal"}).exit_code == 0);
  CHECK(values_of(cli_json(cluster, 2, {"get", key, "-c", "all"}).json) ==
        std::set<std::string>{"first"});
}

TEST_CASE("last writer: a rule that does not exist is refused", "[last_writer]") {
  const auto bad = local::run({local::program_folder() + "/parleyd", "--conflict-rule", "newest"});
  CHECK(bad.exit_code == 2);
  CHECK(bad.err.find("--conflict-rule must be siblings or lww") != std::string::npos);
}
