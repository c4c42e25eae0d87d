// A node on an old copy of its disk must mint and serve nothing.
#include "membership/own_life.h"
#include "membership/record_codec.h"
#include "tests/catch.h"
#include "tests/unit/membership/test_cluster.h"

namespace parley::membership {
namespace {

TEST_CASE("old copy: it gives way, and says to which generation", "[membership][cluster]") {
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
  CHECK(cluster[2].later == 4);
  CHECK(cluster[2].views.empty());  // it never served
  CHECK_FALSE(cluster[2].up());
}

TEST_CASE("old copy: it is found out by the one member that is left", "[membership][cluster]") {
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
  CHECK(cluster[2].later == 2);
}

TEST_CASE("old copy: it began its life at the very generation of the one that was lost",
          "[membership][cluster]") {
  TestCluster cluster(3);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster[2].kill();
  const auto old_disk = cluster[2].journal.kept;
  REQUIRE(cluster[2].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster[2].kill();
  cluster[2].journal.kept = old_disk;
  cluster[2].generation = 1;
  cluster[2].seed = 77;  // another nonce
  cluster[2].views.clear();
  REQUIRE(cluster[2].boot({}).ok());
  // Killed now, its next life would begin above both: what it has heard is told at once.
  REQUIRE(cluster.world.run_until([&] { return cluster[2].doubted == 2; }, 2s));
  CHECK(cluster[2].refused.empty());
  // The others have not noticed the death yet: it waits until they have.
  REQUIRE(cluster.world.run_until([&] { return !cluster[2].refused.empty(); }, 15s));
  CHECK(cluster[2].later == 2);
  CHECK(cluster[2].views.empty());
}

TEST_CASE("old copy: members that were all restarted in between know it too",
          "[membership][cluster]") {
  TestCluster cluster(3);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster[2].kill();
  const auto old_disk = cluster[2].journal.kept;
  REQUIRE(cluster[2].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster.world.run_for(1s);
  for (std::size_t i = 0; i < 3; ++i) cluster[i].kill();
  cluster[2].journal.kept = old_disk;
  cluster[2].generation = 1;  // boots as 2, as the life that was lost
  cluster[2].seed = 77;
  cluster[2].views.clear();
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(cluster[i].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return !cluster[2].refused.empty(); }, 15s));
  CHECK(cluster[2].later == 2);
  CHECK(cluster[2].views.empty());
}

// Simulator seed 40002560: it served nothing until somebody restarted it.
TEST_CASE("old copy: who knows of the lost life comes back when all others hold with the copy",
          "[membership][cluster]") {
  TestCluster cluster(3);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster[1].kill();
  cluster[2].kill();
  const auto old_disk = cluster[2].journal.kept;
  REQUIRE(cluster[2].boot({}).ok());  // the life that will be lost: generation 2
  REQUIRE(cluster.world.run_until([&] { return cluster[2].up(); }, 5s));
  cluster.world.run_for(1s);  // its nonce is saved
  cluster[0].kill();
  cluster[2].kill();
  cluster[2].journal.kept = old_disk;
  cluster[2].generation = 1;
  cluster[2].seed = 77;  // another nonce
  REQUIRE(cluster[2].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[2].up(); }, 5s));  // nobody can tell
  REQUIRE(cluster[1].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[1].sees_up(cluster[2]); }, 5s));
  const bool restarted = GENERATE(false, true);  // incarnations at which the two camps differ
  if (restarted) {
    cluster.world.cut(cluster[1].address, cluster[2].address);
    cluster.world.run_for(3s);
    cluster.world.mend(cluster[1].address, cluster[2].address);
  }
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[2].doubted == 2; }, 5s));
  REQUIRE(cluster.world.run_until([&] { return !cluster[2].refused.empty(); }, 30s));
  CHECK(cluster[2].later == 2);
}

// It may be asked seldom, and the other life may run at its side.
TEST_CASE("old copy: a member that held with the other life is waited for while it is up",
          "[membership][cluster]") {
  TestCluster cluster(6);
  // Once doubted of, nobody is taken for dead within the five seconds that a doubt lasts at least.
  for (std::size_t i = 0; i < 6; ++i) {
    REQUIRE(cluster[i].options.suspicion_factor.set(16).ok());
  }
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 10s));
  for (std::size_t i = 1; i < 6; ++i) cluster[i].kill();
  const auto old_disk = cluster[5].journal.kept;
  REQUIRE(cluster[5].boot({}).ok());  // the life that will be lost, known to node 0 alone
  REQUIRE(cluster.world.run_until([&] { return cluster[5].up() && cluster[0].sees_up(cluster[5]); },
                                  5s));
  cluster.world.run_for(1s);
  cluster[0].kill();
  cluster[5].kill();
  cluster.world.run_for(100ms);  // nothing of it is on its way
  cluster[5].journal.kept = old_disk;
  cluster[5].generation = 1;
  cluster[5].seed = 77;  // another nonce
  for (std::size_t i = 1; i < 6; ++i) REQUIRE(cluster[i].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[5].up(); }, 5s));
  cluster.world.run_for(1s);  // all of them hold with the copy
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[5].doubted == 2; }, 10s));
  for (std::size_t i = 1; i < 6; ++i) cluster.world.cut(cluster[0].address, cluster[i].address);
  const bool comes_back = GENERATE(true, false);
  cluster.world.run_for(8s);
  REQUIRE(cluster[1].sees(cluster[0]) == Liveness::Suspect);
  CHECK(cluster[5].refused.empty());
  if (comes_back) {
    for (std::size_t i = 1; i < 6; ++i) cluster.world.mend(cluster[0].address, cluster[i].address);
  }
  REQUIRE(cluster.world.run_until([&] { return !cluster[5].refused.empty(); }, 200s));
  CHECK(cluster[5].later == 2);
  if (!comes_back) CHECK(cluster[1].sees(cluster[0]) == Liveness::Dead);
}

TEST_CASE("old copy: what it learned of the others is saved before it gives way",
          "[membership][cluster]") {
  TestCluster cluster(3);
  REQUIRE(cluster[0].boot({}, true).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up(); }, 5s));
  const auto old_disk = cluster[0].journal.kept;  // of a cluster of one
  REQUIRE(cluster[1].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster[2].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 10s));
  cluster[0].kill();
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster[0].kill();
  cluster[0].journal.kept = old_disk;
  cluster[0].generation = 0;
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return !cluster[0].refused.empty(); }, 15s));
  CHECK(cluster[0].later == 2);
  const auto saved = decode_state(*cluster[0].journal.kept);
  REQUIRE(saved.ok());
  CHECK(saved->nodes.size() == 3);
}

// Node 3's disk runs at two addresses: as its own, and as that of host 4.
TEST_CASE("clone: the one that the members do not hold with is refused, the other lives on",
          "[membership][cluster]") {
  for (const Generation begun : {1U, 2U}) {  // of the copy: one below, then the same
    TestCluster cluster(3);
    cluster.boot_all(1);
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
    const auto disk = cluster[2].journal.kept;
    cluster[2].kill();
    REQUIRE(cluster[2].boot({}).ok());
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
    TestNode copy(cluster.world, 4, 5);
    copy.id = cluster[2].id;
    copy.journal.kept = disk;
    copy.generation = begun - 1;
    REQUIRE(copy.boot({}).ok());
    REQUIRE(cluster.world.run_until([&] { return !copy.refused.empty(); }, 3s));
    INFO(copy.refused);
    CHECK(copy.refused.find("another process runs with this node's id") != std::string::npos);
    CHECK(copy.refused.find("wipe its data directory") != std::string::npos);
    CHECK(copy.later == 0);
    CHECK(copy.views.empty());
    copy.kill();
    cluster.world.run_for(10s);
    CHECK(cluster[2].refused.empty());
    CHECK(cluster.whole());
  }
}

TEST_CASE("old copy: of a disk whose join had not ended; elsewhere it is refused",
          "[membership][cluster]") {
  TestCluster cluster(3);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  auto begun = decode_state(*cluster[2].journal.kept);
  REQUIRE(begun.ok());
  begun->joined = false;
  std::erase_if(begun->nodes, [&](const auto& record) { return record.node == cluster[2].id; });
  for (int i = 0; i < 2; ++i) {
    cluster[2].kill();
    REQUIRE(cluster[2].boot({}).ok());
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  }
  TestNode copy(cluster.world, 4, 5);
  copy.id = cluster[2].id;
  copy.journal.kept = encode_state(*begun);
  REQUIRE(copy.boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return !copy.refused.empty(); }, 5s));
  CHECK(copy.refused.find("another process runs with this node's id") != std::string::npos);
  CHECK(copy.later == 0);
  copy.kill();
  CHECK(cluster[2].refused.empty());
  cluster[2].kill();
  cluster[2].journal.kept = encode_state(*begun);
  cluster[2].generation = 0;
  cluster[2].views.clear();
  REQUIRE(cluster[2].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return !cluster[2].refused.empty(); }, 5s));
  CHECK(cluster[2].later == 3);
  CHECK(cluster[2].views.empty());
}

TEST_CASE("clone: an older process meets a later copy of its disk and goes",
          "[membership][cluster]") {
  TestCluster cluster(3);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  TestNode copy(cluster.world, 4, 5);
  copy.id = cluster[2].id;
  copy.journal.kept = cluster[2].journal.kept;
  copy.generation = cluster[2].generation;
  REQUIRE(copy.boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return !cluster[2].refused.empty(); }, 3s));
  CHECK(cluster[2].refused.find("another process runs with this node's id") != std::string::npos);
  CHECK(cluster[2].later == 0);
  CHECK_FALSE(cluster[2].up());
  CHECK(copy.refused.empty());
  CHECK(copy.up());
  copy.kill();
}

TEST_CASE("clone: while the other life is silent but not known dead, nothing is served",
          "[membership][cluster]") {
  TestCluster cluster(3);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  const auto disk = cluster[2].journal.kept;
  cluster[2].kill();
  REQUIRE(cluster[2].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster[2].kill();
  TestNode moved(cluster.world, 4, 5);  // the old disk, at another address
  moved.id = cluster[2].id;
  moved.journal.kept = disk;
  moved.generation = 0;
  REQUIRE(moved.boot({}).ok());
  CHECK_FALSE(cluster.world.run_until([&] { return moved.up(); }, 300ms));
  REQUIRE(cluster.world.run_until([&] { return !moved.refused.empty(); }, 15s));
  CHECK(moved.later == 2);  // dead, said the others
  CHECK(moved.views.empty());
  moved.kill();
}

TEST_CASE("own life: an old copy, a clone, or not yet clear", "[membership]") {
  const Endpoint here{"127.0.0.1", 7401}, there{"127.0.0.2", 7401};
  using enum OwnLife::Verdict;
  const auto judge = [&](Generation generation, Liveness liveness, std::optional<Endpoint> where,
                         bool met = false) {
    OwnLife life(5, here);
    CHECK_FALSE(life.disputed());
    const auto verdict = life.hear({generation, liveness, where, met});
    CHECK(life.disputed());
    CHECK(life.highest() == generation);
    return verdict;
  };
  CHECK(judge(6, Liveness::Alive, here) == OldCopy);
  CHECK(judge(5, Liveness::Alive, here) == Unclear);  // may be our own record
  CHECK(judge(6, Liveness::Alive, std::nullopt) == Unclear);
  CHECK(judge(6, Liveness::Suspect, there) == Unclear);
  CHECK(judge(6, Liveness::Dead, there) == OldCopy);
  CHECK(judge(5, Liveness::Left, std::nullopt) == OldCopy);
  CHECK(judge(6, Liveness::Alive, there, true) == Clone);
  CHECK(judge(5, Liveness::Alive, there, true) == Clone);
  OwnLife life(5, here);
  CHECK_FALSE(life.elsewhere());
  life.hear({8, Liveness::Alive, there, false});
  life.hear({6, Liveness::Alive, std::nullopt, false});
  CHECK(life.highest() == 8);
  CHECK(life.elsewhere() == there);
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
