// What programs that drive `parley` rely on: names and types of JSON fields, the environment, and
// what a write without a context does.
#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

void check_fields(const Json& json, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    INFO(name << " in " << json.dump());
    CHECK(json.contains(name));
  }
}

}  // namespace

TEST_CASE("contract: JSON of every verb has the names it promises", "[contract]") {
  LocalClusterOptions options;
  options.nodes = 3;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  const auto put = cli_json(cluster, 0, {"put", "k", "v"}).json;
  check_fields(put,
               {"outcome", "version", "context", "level", "required", "replicas", "hint_holders"});
  check_fields(put.at("replicas").at(0), {"node", "address", "state"});
  const auto get = cli_json(cluster, 1, {"get", "k"}).json;
  check_fields(get, {"found", "values", "context", "level", "required", "asked", "answered",
                     "agreed", "repaired", "from_hint"});
  check_fields(get.at("values").at(0), {"value", "version"});
  const auto status = cli_json(cluster, 2, {"status"}).json;
  check_fields(status, {"nodes", "ring_digest", "views_agree"});
  check_fields(status.at("nodes").at(0),
               {"address", "status", "node", "rack", "load_bytes", "owns", "hints_for"});
  CHECK(status.at("views_agree") == true);
  const auto owners = cli_json(cluster, 0, {"endpoints", "k"}).json;
  REQUIRE(owners.at("replicas").size() == 3);
  check_fields(owners.at("replicas").at(0), {"address", "node"});
  REQUIRE(eventually(10s, [&] { return cluster.cli(0, {"inspect", "k"}).exit_code == 0; }));
  const auto inspect = cli_json(cluster, 0, {"inspect", "k"}).json;
  CHECK(inspect.at("diverged") == false);
  check_fields(inspect.at("replicas").at(0), {"address", "version", "context", "digest",
                                              "tombstone", "hints_pending", "reachable"});
  const auto absent = cli_json(cluster, 0, {"inspect", "nobody has this"});
  CHECK(absent.exit_code == 1);
  CHECK(absent.json.at("diverged") == false);
  for (const auto* verb : {"ring", "info", "gossip", "hints", "consistency"}) {
    CHECK(cli_json(cluster, 0, {verb}).exit_code == 0);
  }
  CHECK(cli_json(cluster, 0, {"info"}).json.at("uptime_ms") > 0);
  CHECK(cli_json(cluster, 0, {"repair", "--wait"}).json.at("finished") == true);
  CHECK(cli_json(cluster, 0, {"repair", "status"}).json.contains("pairs"));
}

TEST_CASE("contract: an empty context means nothing was seen", "[contract]") {
  LocalClusterOptions options;
  options.nodes = 1;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  CHECK(cli_json(cluster, 0, {"get", "race"}).json.at("context") == "");
  CHECK(cli_json(cluster, 0, {"put", "race", "a", "--context", ""}).exit_code == 0);
  CHECK(cli_json(cluster, 0, {"put", "race", "b", "--context", ""}).exit_code == 0);
  CHECK(values_of(cli_json(cluster, 0, {"get", "race"}).json) == std::set<std::string>{"a", "b"});
}

TEST_CASE("contract: endpoints come from the environment, and the last of two options wins",
          "[contract]") {
  LocalClusterOptions options;
  options.nodes = 1;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  const auto run = local::run({local::program_folder() + "/parley", "put", "k", "v"}, {}, 20s,
                              {"PARLEY_ENDPOINTS=" + cluster.client_endpoint(0)});
  CHECK(run.exit_code == 0);
  const auto twice = cluster.cli(0, {"-o", "json", "get", "k", "-o", "raw"});
  CHECK(twice.exit_code == 0);
  CHECK(twice.out == "v");
}

TEST_CASE("contract: a default of any keeps the store writable", "[contract]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  REQUIRE(cluster.cli(0, {"consistency", "set", "--write", "any", "--read", "one"}).exit_code == 0);
  REQUIRE(eventually(10s, [&] {
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      if (cli_json(cluster, i, {"consistency", "show"}).json.at("write") != "any") return false;
    }
    return true;
  }));
  const auto owners = cluster.owners(0, "k");
  std::size_t witness = 0;
  while (std::find(owners.begin(), owners.end(), witness) != owners.end()) ++witness;
  for (const std::size_t owner : owners) cluster.kill9(owner);
  REQUIRE(cluster.wait_settled());
  const auto put = cli_json(cluster, witness, {"put", "k", "v"});
  CHECK(put.exit_code == 0);
  CHECK(put.json.at("level") == "any");
  const auto get = cli_json(cluster, witness, {"get", "k", "-c", "any"});
  CHECK(get.json.at("from_hint") == true);
  CHECK(values_of(get.json) == std::set<std::string>{"v"});
}

TEST_CASE("contract: siblings of more than one message's worth stay readable", "[contract]") {
  LocalClusterOptions options;
  options.nodes = 3;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  // Three megabytes at each replica, each alone in its turn, so that none sees the others'.
  for (std::size_t i = 0; i < 3; ++i) cluster.kill9(i);
  for (std::size_t writer = 0; writer < 3; ++writer) {
    cluster.launch(writer);
    REQUIRE(cluster.wait_ready(writer));
    for (int i = 0; i < 3; ++i) {
      const std::string value(1'000'000, static_cast<char>('a' + 3 * static_cast<int>(writer) + i));
      CHECK(cluster.cli(writer, {"put", "fat", "-", "-c", "one", "--blind"}, value).exit_code == 0);
    }
    cluster.kill9(writer);
  }
  for (std::size_t i = 0; i < 3; ++i) cluster.launch(i);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(cluster.wait_ready(i));
  REQUIRE(cluster.wait_settled());
  const auto client = cluster.client({0}, 20s, false);
  CHECK(eventually(30s, [&] { return replicas_equal(*client, "fat"); }));
  const auto get = client->get("fat");
  INFO((get.error ? get.error->message : ""));
  CHECK(get.values.size() == 9);
}
