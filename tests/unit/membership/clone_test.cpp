// A node on an old copy of its disk must mint and serve nothing.
#include "tests/catch.h"
#include "tests/unit/membership/test_cluster.h"

namespace parley::membership {
namespace {

TEST_CASE("clone: an old copy of the disk is refused", "[membership][cluster]") {
  TestCluster cluster(3);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  const auto old_disk = cluster[2].journal.kept;
  for (int i = 0; i < 3; ++i) {
    cluster[2].kill();
    REQUIRE(cluster[2].boot({}).ok());
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  }
  cluster[2].kill();
  cluster[2].journal.kept = old_disk;
  cluster[2].generation = 1;
  cluster[2].views.clear();
  REQUIRE(cluster[2].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return !cluster[2].refused.empty(); }, 500ms));
  CHECK(cluster[2].refused.find("an old copy of its disk came back") != std::string::npos);
  CHECK(cluster[2].refused.find("wipe its data directory") != std::string::npos);
  CHECK(cluster[2].views.empty());  // it never served
  CHECK_FALSE(cluster[2].up());
}

TEST_CASE("clone: an old copy is found out by the one member that is left",
          "[membership][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  const auto old_disk = cluster[2].journal.kept;
  cluster[2].kill();
  REQUIRE(cluster[2].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  for (std::size_t i = 1; i < 5; ++i) cluster[i].kill();
  cluster[2].journal.kept = old_disk;
  cluster[2].generation = 0;  // boots as generation 1; the cluster knows 2
  cluster[2].views.clear();
  REQUIRE(cluster[2].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return !cluster[2].refused.empty(); }, 900ms));
  CHECK(cluster[2].views.empty());
}

TEST_CASE("restart: a node shows no view before a majority has accepted its life",
          "[membership][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster[2].kill();
  cluster[2].views.clear();
  REQUIRE(cluster[2].boot({}).ok());
  CHECK_FALSE(cluster[2].up());
  CHECK(cluster[2].gossiper->waiting_for() == "the other members to accept this node's new life");
  REQUIRE(cluster.world.run_until([&] { return cluster[2].up(); }, 100ms));
  CHECK(cluster[2].gossiper->waiting_for().empty());
  // Two of four is no majority: the grace must pass.
  cluster[2].kill();
  cluster[3].kill();
  cluster[4].kill();
  REQUIRE(cluster[2].boot({}).ok());
  CHECK_FALSE(cluster.world.run_until([&] { return cluster[2].up(); }, 900ms));
  CHECK(cluster.world.run_until([&] { return cluster[2].up(); }, 200ms));
}

}  // namespace
}  // namespace parley::membership
