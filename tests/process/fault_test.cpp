// Faults that an operator puts on running nodes: `parley fault`, from real process to real process.
#include <regex>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;
using namespace std::chrono_literals;

namespace {

LocalClusterOptions breakable(std::size_t nodes) {
  LocalClusterOptions options;
  options.nodes = nodes;
  options.flags = {"--allow-faults"};
  return options;
}

std::size_t faults_listed(LocalCluster& cluster) {
  const auto list = cli_json(cluster, 0, {"fault", "list"});
  REQUIRE(list.exit_code == 0);
  std::size_t count = 0;
  for (const auto& node : list.json.at("nodes")) {
    CHECK(node.at("answered"));
    CHECK(node.at("allowed"));
    count += node.at("faults").size();
  }
  return count;
}

void run_ok(LocalCluster& cluster, std::vector<std::string> words) {
  const auto result = cluster.cli(0, std::move(words));
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
}

}  // namespace

TEST_CASE("fault: a partition cuts two sides, shows everywhere, and heals", "[fault]") {
  LocalCluster cluster(breakable(5));
  REQUIRE(cluster.start());
  run_ok(cluster, {"fault", "partition", "1,2", "/", "3,4,5"});
  CHECK(faults_listed(cluster) == 12);
  const std::vector<std::size_t> small = {0, 1}, large = {2, 3, 4};
  CHECK(cluster.wait_sees_up(0, small, 30s));
  CHECK(cluster.wait_sees_up(4, large, 30s));
  // Both sides take writes at any, and only the majority of a key's owners at quorum.
  const auto keys = keys_owned_by(cluster, 0, {0, 2, 3}, 1, "cut-");
  CHECK(cluster.cli(0, {"put", keys[0], "small", "-c", "any", "--blind"}).exit_code == 0);
  CHECK(cluster.cli(0, {"put", keys[0], "x", "-c", "quorum", "--blind"}).exit_code == 4);
  CHECK(cluster.cli(4, {"put", keys[0], "large", "-c", "quorum", "--blind"}).exit_code == 0);
  const auto status = cluster.cli(0, {"status"});
  CHECK(status.err.find(cluster.address(0) + " has 3 faults put on it") != std::string::npos);
  CHECK(cluster.log(0).find("fault.injected") != std::string::npos);

  run_ok(cluster, {"fault", "heal"});
  CHECK(faults_listed(cluster) == 0);
  CHECK(cluster.wait_settled(30s));
  const auto client = cluster.client({0}, 5s, false);
  CHECK(eventually(30s, [&] { return replicas_equal(*client, keys[0]); }));
  CHECK(values_of(cli_json(cluster, 4, {"get", keys[0]}).json) ==
        std::set<std::string>{"small", "large"});
}

TEST_CASE("fault: one that has an end heals by itself", "[fault]") {
  LocalCluster cluster(breakable(3));
  REQUIRE(cluster.start());
  run_ok(cluster, {"fault", "drop", "1", "all", "--for", "6s"});
  CHECK(faults_listed(cluster) == 8);
  CHECK(cluster.cli(0, {"put", "key", "value", "-c", "all", "--blind"}).exit_code != 0);
  CHECK(eventually(20s, [&] { return faults_listed(cluster) == 0; }));
  CHECK(cluster.wait_settled(30s));
  CHECK(cluster.log(0).find("fault.over") != std::string::npos);
}

TEST_CASE("fault: one way, delay, disk, clock and pause do what they say", "[fault]") {
  LocalCluster cluster(breakable(3));
  REQUIRE(cluster.start());
  const auto client = cluster.client({0}, 5s, false);
  const auto put_takes = [&](const char* level) {
    client::WriteOptions options;
    options.level = level;
    const auto begun = std::chrono::steady_clock::now();
    CHECK(client->put("key", "value", options).outcome == client::Outcome::Ok);
    return std::chrono::steady_clock::now() - begun;
  };
  SECTION("delay: the level that needs the far node waits, the others do not") {
    run_ok(cluster, {"fault", "delay", "1", "3", "300ms"});
    CHECK(put_takes("all") >= 600ms);
    CHECK(put_takes("quorum") < 600ms);
  }
  SECTION("slow disk: an ack from it takes that long") {
    run_ok(cluster, {"fault", "slow-disk", "2,3", "200ms"});
    CHECK(put_takes("quorum") >= 200ms);
  }
  SECTION("one way: what 1 sends to 2 is lost, so 1 has no ack of it") {
    run_ok(cluster, {"fault", "oneway", "1", "2"});
    CHECK(faults_listed(cluster) == 2);
    client::WriteOptions options;
    options.level = "all";
    options.timeout = 1500ms;
    CHECK(client->put("key", "value", options).outcome != client::Outcome::Ok);
    put_takes("quorum");
  }
  SECTION("skew: a hint is an hour older to clocks that are an hour ahead, until they heal") {
    cluster.kill9(2);
    put_takes("quorum");
    const auto oldest = [&] {
      std::int64_t most = -1;
      const auto hints = cli_json(cluster, 0, {"hints"});
      for (const auto& row : hints.json.at("hints")) {
        most = std::max(most, row.at("oldest_ms").get<std::int64_t>());
      }
      return most;
    };
    REQUIRE(eventually(20s, [&] { return oldest() >= 0; }));
    CHECK(oldest() < 3'600'000);
    run_ok(cluster, {"fault", "skew", "1,2", "1h"});
    CHECK(oldest() >= 3'600'000);
    run_ok(cluster, {"fault", "heal", "1,2"});
    CHECK(oldest() >= 0);
    CHECK(oldest() < 3'600'000);
    cluster.launch(2);
    REQUIRE(cluster.wait_ready(2));
  }
  SECTION("pause: the node is silent and goes on") {
    run_ok(cluster, {"fault", "pause", "3", "5s"});
    CHECK(eventually(3s, [&] {
      return cluster.cli(2, {"info", "--timeout", "300ms"}).exit_code != 0;
    }));
    CHECK(eventually(20s, [&] { return cluster.cli(2, {"info"}).exit_code == 0; }));
    CHECK(cluster.running(2));
  }
  run_ok(cluster, {"fault", "heal", "all"});
  CHECK(faults_listed(cluster) == 0);
}

TEST_CASE("fault: what cannot be done is one clear line, and leaves nothing behind", "[fault]") {
  LocalCluster cluster(breakable(2));
  REQUIRE(cluster.start());
  const auto refused = [&](std::vector<std::string> words, const std::string& why) {
    words.insert(words.begin(), "fault");
    const auto result = cluster.cli(0, words);
    INFO(words[1] << ": " << result.err);
    CHECK(result.exit_code == 2);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.err.find(why) != std::string::npos);
  };
  refused({"drop", "1", "9"}, "there is no node '9'; there are: 1 = ");
  refused({"drop", "1", "1"}, "has no link to itself");
  refused({"partition", "1"}, "two sides");
  refused({"partition", "1,2", "/", "2"}, "cannot be on two sides");
  refused({"drop", "1", "2", "140%"}, "a share is above 0");
  refused({"drop", "1", "2", "lots"}, "no share");
  refused({"delay", "1", "2"}, "wants FROM TO and how much");
  refused({"delay", "1", "2", "2h"}, "between 0 and 1 min");
  refused({"limit", "1", "2", "5"}, "1024 bytes a second");
  refused({"limit", "1", "2", "-5"}, "no rate");
  refused({"slow-disk", "1", "soon"}, "slow-disk:");
  refused({"pause", "1", "1h"}, "5 min");
  refused({"skew", "1"}, "wants NODES and a time");
  refused({"drop", "1", "2", "--for", "-1s"}, "--for");
  refused({"drop", "1", "2", "--for", "48h"}, "a day at most");
  refused({"drop", "1", "2", "--traffic", "some"}, "no traffic 'some'");
  refused({"heal", "1", "--id", "77"}, "no fault 77");
  refused({"heal", "--id", "7"}, "--id wants the one node");
  refused({"explode"}, "");
  CHECK(faults_listed(cluster) == 0);
}

TEST_CASE("fault: a node that does not answer may have taken it, and nobody else keeps it",
          "[fault]") {
  LocalCluster cluster(breakable(3));
  REQUIRE(cluster.start());
  cluster.stop(2);
  const auto result = cluster.cli(0, {"fault", "oneway", "1", "2,3"});
  INFO(result.err);
  CHECK(result.exit_code == 5);
  CHECK(result.err.find("may be in force on " + cluster.address(2)) != std::string::npos);
  CHECK(result.err.find("may be in force on " + cluster.address(0)) == std::string::npos);
  const auto list = cluster.cli(0, {"fault", "list"});
  CHECK(list.exit_code == 5);
  CHECK(list.err.find("no faults on the nodes that answered") != std::string::npos);
  CHECK(cluster.cli(0, {"fault", "heal", "3"}).exit_code == 5);
  cluster.resume(2);
  CHECK(eventually(20s, [&] { return cluster.cli(2, {"info"}).exit_code == 0; }));
  run_ok(cluster, {"fault", "heal"});
  CHECK(faults_listed(cluster) == 0);
}

TEST_CASE("fault: a node without --allow-faults takes none, and then nobody has one", "[fault]") {
  LocalClusterOptions options;
  options.nodes = 2;
  options.node_flags = {{"--allow-faults"}, {}};
  LocalCluster cluster(std::move(options));
  REQUIRE(cluster.start());
  const auto result = cluster.cli(0, {"fault", "drop", "1", "2"});
  CHECK(result.exit_code == 8);
  CHECK(result.err.find("was not started with --allow-faults") != std::string::npos);
  const auto list = cli_json(cluster, 0, {"fault", "list"});
  CHECK(list.json.at("nodes")[0].at("faults").empty());
  CHECK_FALSE(list.json.at("nodes")[1].at("allowed"));
  CHECK(cluster.wait_settled(20s));
}
