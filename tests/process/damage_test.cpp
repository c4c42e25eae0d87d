// A record that rots on the disk of one replica: a majority that counts it never goes backwards,
// and it is mended from the others without anti-entropy.
#include "base/bytes.h"
#include "tests/process/harness.h"
#include "tests/process/metrics.h"
#include "tests/unit/storage/raw_database.h"

using namespace parley;
using namespace parley::process_test;
using storage_test::raw_sql;

namespace {

std::string database(LocalCluster& cluster, std::size_t i) {
  return cluster.data_dir(i) + "/parley.db";
}

std::string where_key(const std::string& key) { return " WHERE key=x'" + to_hex(key) + "'"; }

double mended_at(LocalCluster& cluster, std::size_t i) {
  return metric(http_get(cluster.address(i), 7402, "/metrics").body,
                "parley_damaged_records_total{result=\"mended\"}");
}

}  // namespace

TEST_CASE("damage: quorum reads keep the newest, and the record is mended by asking", "[damage]") {
  LocalClusterOptions options;
  options.nodes = 3;
  options.flags = {"--set", "repair.sync_interval=3600s"};
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  REQUIRE(cluster.cli(0, {"put", "k", "old", "-c", "all"}).exit_code == 0);
  REQUIRE(cluster.terminate(2) == 0);
  REQUIRE(cluster.wait_settled());
  REQUIRE(cluster.cli(0, {"put", "k", "new", "-c", "quorum"}).exit_code == 0);
  REQUIRE(cluster.cli(0, {"hints", "drop", "--target", cluster.address(2), "-y"}).exit_code == 0);
  REQUIRE(cluster.cli(1, {"hints", "drop", "--target", cluster.address(2), "-y"}).exit_code == 0);
  REQUIRE(cluster.terminate(0) == 0);
  REQUIRE(cluster.terminate(1) == 0);

  // The newest is on 0 and 1; on 0 it rots.
  raw_sql(database(cluster, 0), "UPDATE records SET value=substr(value, 2)" + where_key("k"));
  cluster.launch(0);
  cluster.launch(2);
  REQUIRE(cluster.wait_ready(0));
  REQUIRE(cluster.wait_ready(2));
  REQUIRE(cluster.wait_sees_up(0, {0, 2}));
  REQUIRE(cluster.wait_sees_up(2, {0, 2}));
  for (const std::size_t at : {std::size_t{0}, std::size_t{2}}) {
    const auto got = cli_json(cluster, at, {"get", "k", "-c", "quorum"});
    INFO(got.json.dump());
    CHECK(got.exit_code == 4);  // a majority cannot know, so it does not answer
  }
  // What the stale replica sends cannot make the damaged one count again.
  const auto put = cli_json(cluster, 2, {"put", "k", "beside", "--blind", "-c", "quorum"});
  CHECK(put.exit_code == 5);
  CHECK(cli_json(cluster, 0, {"get", "k", "-c", "quorum"}).exit_code == 4);
  CHECK(mended_at(cluster, 0) == 0);

  cluster.launch(1);
  REQUIRE(cluster.wait_ready(1));
  CHECK(eventually(10s, [&] { return mended_at(cluster, 0) == 1; }));
  REQUIRE(cluster.terminate(1) == 0);
  REQUIRE(cluster.wait_settled());
  const auto got = cli_json(cluster, 2, {"get", "k", "-c", "quorum"});
  INFO(got.json.dump());
  CHECK(got.json.at("found") == true);
  CHECK(values_of(got.json).contains("new"));
  CHECK_FALSE(values_of(got.json).contains("old"));
  CHECK(cluster.log(0).find("store.damaged") != std::string::npos);
}

TEST_CASE("damage: alone, a node says that the record is lost and takes the next write",
          "[damage]") {
  LocalClusterOptions options;
  options.nodes = 1;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  REQUIRE(cluster.cli(0, {"put", "k", "v"}).exit_code == 0);
  REQUIRE(cluster.terminate(0) == 0);
  raw_sql(database(cluster, 0), "UPDATE records SET digest=digest+1" + where_key("k"));
  cluster.launch(0);
  REQUIRE(cluster.wait_ready(0));
  CHECK(cli_json(cluster, 0, {"get", "k"}).exit_code == 4);  // never "not found"
  CHECK(eventually(5s, [&] { return cluster.log(0).find("damage.lost") != std::string::npos; }));
  CHECK(cli_json(cluster, 0, {"get", "k"}).exit_code == 4);
  CHECK(cluster.cli(0, {"put", "k", "again", "--blind"}).exit_code == 0);
  CHECK(values_of(cli_json(cluster, 0, {"get", "k"}).json) == std::set<std::string>{"again"});
}
