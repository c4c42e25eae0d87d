// `parley consistency explain KEY`: what it says of each level is what each level does.
#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;
using namespace std::chrono_literals;

namespace {

// Asks node i what would happen, then does it.
void check_forecast(LocalCluster& cluster, std::size_t i, const std::string& key) {
  const auto said = cli_json(cluster, i, {"consistency", "explain", key});
  REQUIRE(said.exit_code == 0);
  REQUIRE(said.json.at("levels").size() == 7);
  for (const auto& one : said.json.at("levels")) {
    const auto level = one.at("level").is_number() ? std::to_string(one.at("level").get<int>())
                                                   : one.at("level").get<std::string>();
    INFO("level " << level << ": " << one.dump());
    const int get = cluster.cli(i, {"get", key, "-c", level}).exit_code;
    CHECK((one.at("get").at("outcome") == "ok") == (get == 0 || get == 6));
    const int put = cluster.cli(i, {"put", key, "value", "-c", level, "--blind"}).exit_code;
    CHECK((one.at("put").at("outcome") == "ok") == (put == 0));
    if (one.at("put").at("outcome") == "unavailable") CHECK(put == 4);
  }
}

std::string state_of(const Json& explained, const std::string& address) {
  for (const auto& row : explained.at("replicas")) {
    if (row.at("address") == address) return row.at("state");
  }
  return "no replica";
}

}  // namespace

TEST_CASE("explain: what it says of each level is what the level does, as replicas die",
          "[explain]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  const std::string key = "explained";
  REQUIRE(cluster.cli(0, {"put", key, "value", "-c", "all"}).exit_code == 0);
  const auto owners = cluster.owners(0, key);
  std::size_t witness = 0;
  while (std::find(owners.begin(), owners.end(), witness) != owners.end()) ++witness;
  check_forecast(cluster, witness, key);
  for (std::size_t dead = 0; dead < owners.size(); ++dead) {
    cluster.kill9(owners[dead]);
    REQUIRE(cluster.wait_settled(30s));
    const auto said = cli_json(cluster, witness, {"consistency", "explain", key});
    CHECK(state_of(said.json, cluster.address(owners[dead])) == "no answer");
    check_forecast(cluster, witness, key);
  }
}

TEST_CASE("explain: replicas that differ, or are up and do not answer, are told apart",
          "[explain]") {
  LocalClusterOptions options;
  options.flags = {"--allow-faults", "--set", "repair.sync_interval=1h"};
  LocalCluster cluster(std::move(options));
  REQUIRE(cluster.start());
  const std::string key = "explained";
  const auto owners = cluster.owners(0, key);
  std::size_t witness = 0;
  while (std::find(owners.begin(), owners.end(), witness) != owners.end()) ++witness;
  REQUIRE(cluster.cli(witness, {"put", key, "old", "-c", "all"}).exit_code == 0);
  cluster.stop(owners[2]);
  const auto silent = cli_json(cluster, witness, {"consistency", "explain", key});
  CHECK(silent.json.at("levels")[0].at("put").at("outcome") == "doubtful");
  CHECK(silent.json.at("levels")[1].at("put").at("outcome") == "ok");
  cluster.resume(owners[2]);
  REQUIRE(cluster.wait_settled(30s));
  check_forecast(cluster, witness, key);
}

TEST_CASE("explain: a key that nobody has, and bad words", "[explain]") {
  LocalClusterOptions options;
  options.nodes = 1;
  LocalCluster cluster(std::move(options));
  REQUIRE(cluster.start());
  const auto said = cli_json(cluster, 0, {"consistency", "explain", "nothing"});
  CHECK(said.exit_code == 0);
  CHECK(said.json.at("replicas")[0].at("state") == "has nothing");
  CHECK(said.json.at("default_read") == "quorum");
  CHECK(cluster.cli(0, {"consistency", "explain", ""}).exit_code == 2);
  CHECK(cluster.cli(0, {"consistency", "explain"}).exit_code == 2);
  CHECK(cluster.cli(0, {"consistency", "explain", "k", "-k", "nowhere"}).exit_code == 2);
  const auto table = cluster.cli(0, {"consistency", "explain", "nothing"});
  CHECK(table.out.find("LEVEL") != std::string::npos);
}
