// Five whole nodes in virtual time: founding, joining, dying, returning, splitting, healing.
#include <algorithm>

#include "base/hash.h"
#include "membership/gossip_codec.h"
#include "tests/catch.h"
#include "tests/unit/membership/test_cluster.h"

namespace parley::membership {
namespace {

TEST_CASE("founding: a node without seeds is a cluster of one", "[membership][cluster]") {
  TestCluster cluster(1);
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up(); }, 1s));
  const auto view = cluster[0].gossiper->view();
  CHECK(view->ring->nodes() == std::vector{cluster[0].id});
  CHECK(view->keyspace("default")->replication_factor == 3);
  CHECK(view->cluster_key.size() == 32);
  CHECK(cluster[0].journal.kept.has_value());
}

TEST_CASE("founding: five nodes with the same seeds form one cluster", "[membership][cluster]") {
  for (std::size_t seeds = 1; seeds <= 5; ++seeds) {
    for (std::uint64_t order = 0; order < 4; ++order) {
      TestCluster cluster(5, seeds * 10 + order);
      std::vector<std::size_t> at{0, 1, 2, 3, 4};
      std::rotate(at.begin(), at.begin() + static_cast<long>(order), at.end());
      if (order == 3) std::reverse(at.begin(), at.end());
      for (const std::size_t i : at) {
        REQUIRE(cluster[i].boot(cluster.seeds(seeds)).ok());
        cluster.world.run_for(Duration(cluster.random.below(200'000'000)));
      }
      INFO("seeds " << seeds << " order " << order);
      REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 3s));
    }
  }
}

TEST_CASE("detection: a killed node is known dead to all within 8 s", "[membership][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(5);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster.world.run_for(5s);
  cluster[3].kill();
  REQUIRE(cluster.world.run_until([&] { return cluster.all_see(cluster[3], Liveness::Dead); }, 8s));
  for (auto& node : cluster.nodes) {
    for (const NodeId& dead : node->ever_dead) CHECK(dead == cluster[3].id);
  }
  CHECK(cluster[0].gossiper->view()->ring->nodes().size() == 5);  // a dead node stays on the ring
}

TEST_CASE("detection: refused connections tell a dead process within 2 s",
          "[membership][cluster]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    TestCluster cluster(5, seed);
    cluster.boot_all(5);
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
    // One after another; each survivor, the last one too, finds out by itself if need be.
    for (std::size_t dead = 4; dead > 0; --dead) {
      cluster[dead].kill();
      INFO("seed " << seed << " dead " << dead);
      REQUIRE(cluster.world.run_until(
          [&] { return cluster.all_see(cluster[dead], Liveness::Dead); }, 2s));
    }
  }
}

TEST_CASE("detection: kills while every node is late now and then stay below 8 s",
          "[membership][cluster]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    TestCluster cluster(5, seed);
    cluster.boot_all(5);
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
    for (std::size_t dead = 4; dead > 1; --dead) {
      cluster[dead].kill();
      const Instant killed = cluster.world.now();
      INFO("seed " << seed << " dead " << dead);
      while (!cluster.all_see(cluster[dead], Liveness::Dead)) {
        REQUIRE(cluster.world.now() - killed < 8s);
        auto& late = cluster[cluster.random.below(dead)].host;  // a starved machine
        late.pause();
        cluster.world.run_for(100ms + Duration(cluster.random.below(700'000'000)));
        late.resume();
        cluster.world.run_for(Duration(cluster.random.below(500'000'000)));
      }
    }
    for (std::size_t i = 0; i < 2; ++i) {
      for (const NodeId& dead : cluster[i].ever_dead) {
        CHECK(dead != cluster[0].id);
        CHECK(dead != cluster[1].id);
      }
    }
  }
}

TEST_CASE("detection: a restart within the refusals' window is no death", "[membership][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(5);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster[2].kill();
  cluster.world.run_for(200ms);
  REQUIRE(cluster[2].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 3s));
  for (auto& node : cluster.nodes) CHECK(node->ever_dead.empty());
}

TEST_CASE("detection: the last survivor of four kills knows within 10 s", "[membership][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(5);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  for (std::size_t i = 1; i < 5; ++i) cluster[i].kill();
  REQUIRE(cluster.world.run_until(
      [&] {
        return std::all_of(cluster.nodes.begin() + 1, cluster.nodes.end(), [&](const auto& node) {
          return cluster[0].sees(*node) == Liveness::Dead;
        });
      },
      10s));
}

TEST_CASE("restart: a quick one is noticed by its generation (row 20)", "[membership][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(5);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  for (auto& node : cluster.nodes) node->returned.clear();
  cluster[2].kill();
  REQUIRE(cluster[2].boot({}).ok());
  CHECK(cluster.world.run_until(
      [&] {
        return std::all_of(cluster.nodes.begin(), cluster.nodes.end(), [&](const auto& node) {
          const bool told =
              std::count(node->returned.begin(), node->returned.end(), cluster[2].id) == 1;
          return node->number == 3 || (told && node->sees_up(cluster[2]));
        });
      },
      2s));
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 3s));
  CHECK(cluster[0].gossiper->view()->find(cluster[2].id)->record.generation == 2);
}

TEST_CASE("restart: a whole cluster finds itself from what it remembers", "[membership][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(3);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  const auto ring = cluster[0].gossiper->view()->ring->digest();
  for (auto& node : cluster.nodes) node->kill();
  cluster.world.run_for(1s);
  for (std::size_t i = 5; i-- > 0;) {
    REQUIRE(cluster[i].boot({}).ok());  // no seeds
    // Nobody answers the first ones, so they serve from what they remember.
    CHECK(cluster.world.run_until([&] { return cluster[i].up(); }, 1100ms));
    cluster.world.run_for(Duration(cluster.random.below(700'000'000)));
  }
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  CHECK(cluster[0].gossiper->view()->ring->digest() == ring);
}

TEST_CASE("pause: no other node is declared dead, and it returns by itself (rows 1, 3)",
          "[membership][cluster]") {
  for (const Duration pause : {Duration(5s), Duration(30s)}) {
    TestCluster cluster(5);
    cluster.boot_all(5);
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
    cluster[1].host.pause();
    cluster.world.run_for(pause);
    cluster[1].host.resume();
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
    cluster.world.run_for(10s);
    CHECK(cluster.whole());
    for (auto& node : cluster.nodes) {
      for (const NodeId& dead : node->ever_dead) CHECK(dead == cluster[1].id);
    }
  }
}

TEST_CASE("partition: two and three nodes heal after 60 s (row 10)", "[membership][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(5);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  for (std::size_t a = 0; a < 2; ++a) {
    for (std::size_t b = 2; b < 5; ++b) cluster.world.cut(cluster[a].address, cluster[b].address);
  }
  const auto split = [&] {
    for (std::size_t a = 0; a < 2; ++a) {
      for (std::size_t b = 2; b < 5; ++b) {
        if (cluster[a].sees(cluster[b]) != Liveness::Dead) return false;
        if (cluster[b].sees(cluster[a]) != Liveness::Dead) return false;
      }
    }
    return true;
  };
  REQUIRE(cluster.world.run_until(split, 15s));
  cluster.world.run_for(60s);
  CHECK(cluster[0].sees(cluster[1]) == Liveness::Alive);
  CHECK(cluster[2].sees(cluster[4]) == Liveness::Alive);
  cluster.world.heal_all();
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
}

TEST_CASE("loss: one datagram in five lost convicts nobody", "[membership][cluster]") {
  TestCluster cluster(5, 7);
  cluster.boot_all(5);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster.world.set_datagram_loss(0.2);
  cluster.world.run_for(60s);
  for (auto& node : cluster.nodes) CHECK(node->ever_dead.empty());
}

TEST_CASE("leave: all know without suspicion, and it may return (row 11)",
          "[membership][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(5);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  bool left = false;
  cluster[4].gossiper->leave(1s, [&] { left = true; });
  REQUIRE(cluster.world.run_until([&] { return left; }, 1s));
  REQUIRE(
      cluster.world.run_until([&] { return cluster.all_see(cluster[4], Liveness::Left); }, 500ms));
  cluster[4].kill();
  cluster.world.run_for(10s);
  CHECK(cluster.all_see(cluster[4], Liveness::Left));
  REQUIRE(cluster[4].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 3s));
}

TEST_CASE("join: a node of another cluster name is refused with a clear line (row 12)",
          "[membership][cluster]") {
  TestCluster cluster(2);
  REQUIRE(cluster[0].boot({}, false, "a").ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up(); }, 1s));
  REQUIRE(cluster[1].boot(cluster.seeds(1), false, "b").ok());
  REQUIRE(cluster.world.run_until([&] { return !cluster[1].refused.empty(); }, 3s));
  CHECK(cluster[1].refused == "127.0.0.1:7401 is a node of cluster 'a', --cluster says 'b'");
  CHECK_FALSE(cluster[1].up());
}

TEST_CASE("restart: under another cluster name is refused", "[membership][cluster]") {
  TestCluster cluster(1);
  REQUIRE(cluster[0].boot({}, false, "a").ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up(); }, 1s));
  cluster[0].kill();
  const auto booted = cluster[0].boot({}, false, "b");
  REQUIRE_FALSE(booted.ok());
  CHECK(booted.error().code == ErrorCode::InvalidArgument);
  CHECK(booted.error().message == "the data directory belongs to cluster 'a', --cluster says 'b'");
}

TEST_CASE("join: a cluster that holds data refuses", "[membership][cluster]") {
  TestCluster cluster(2);
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up(); }, 1s));
  cluster[0].holds_data = true;
  REQUIRE(cluster[1].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster.world.run_until([&] { return !cluster[1].refused.empty(); }, 3s));
  CHECK(cluster[1].refused ==
        "cluster 'test' holds data; joining a cluster with data is not supported yet");
}

TEST_CASE("join: waits while a member of the ring is down, and says for whom",
          "[membership][cluster]") {
  TestCluster cluster(3);
  REQUIRE(cluster[0].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster[1].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[1].up(); }, 3s));
  cluster[1].kill();
  REQUIRE(cluster[2].boot(cluster.seeds(1)).ok());
  cluster.world.run_for(10s);
  CHECK_FALSE(cluster[2].up());
  CHECK(cluster[2].gossiper->waiting_for().find("127.0.0.2:7401") != std::string::npos);
  REQUIRE(cluster[1].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
}

TEST_CASE("founding: the first seed waits for every other seed", "[membership][cluster]") {
  TestCluster cluster(3);
  REQUIRE(cluster[0].boot(cluster.seeds(3)).ok());
  REQUIRE(cluster[1].boot(cluster.seeds(3)).ok());
  cluster.world.run_for(60s);
  CHECK_FALSE(cluster[0].up());
  CHECK(cluster[0].gossiper->waiting_for() == "seeds that do not answer: 127.0.0.3:7401");
  REQUIRE(cluster[2].boot(cluster.seeds(3)).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 3s));
}

TEST_CASE("join: a crash between saving and announcing is resumed with the same id",
          "[membership][cluster]") {
  TestCluster cluster(2);
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up(); }, 1s));
  REQUIRE(cluster[1].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[1].journal.kept.has_value(); }, 3s));
  cluster[1].kill();  // before the turn in which it would announce itself ends
  CHECK_FALSE(cluster[1].up());
  REQUIRE(cluster[1].boot({}).ok());  // needs no seed any more
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 10s));
  CHECK(cluster[0].gossiper->view()->ring->nodes().size() == 2);
}

TEST_CASE("join: a lease holds writes back and ends", "[membership][cluster]") {
  TestCluster cluster(2);
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up(); }, 1s));
  cluster[1].journal.delay = 1s;
  REQUIRE(cluster[1].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster.world.run_until([&] { return !cluster[0].gossiper->accepts_writes(); }, 3s));
  cluster[1].kill();
  CHECK(cluster.world.run_until([&] { return cluster[0].gossiper->accepts_writes(); }, 4s));
}

TEST_CASE("join: consent waits for the writes under way, and then looks at the data",
          "[membership][cluster]") {
  for (const bool wrote : {false, true}) {
    TestCluster cluster(3);
    REQUIRE(cluster[0].boot({}).ok());
    REQUIRE(cluster[1].boot(cluster.seeds(1)).ok());
    REQUIRE(cluster.world.run_until([&] { return cluster[1].up(); }, 3s));
    cluster[1].writes = true;
    REQUIRE(cluster[2].boot(cluster.seeds(1)).ok());
    cluster.world.run_for(5s);
    CHECK_FALSE(cluster[2].up());
    REQUIRE(cluster.world.run_until([&] { return !cluster[1].gossiper->accepts_writes(); }, 3s));
    cluster[1].writes = false;
    cluster[1].holds_data = wrote;
    if (wrote) {
      REQUIRE(cluster.world.run_until([&] { return !cluster[2].refused.empty(); }, 3s));
      CHECK(cluster[2].refused.find("holds data") != std::string::npos);
      CHECK(cluster.world.run_until([&] { return cluster[1].gossiper->accepts_writes(); }, 4s));
    } else {
      REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 3s));
      CHECK(cluster[1].gossiper->accepts_writes());
    }
  }
}

TEST_CASE("join: a member refuses writes until it knows the joiner", "[membership][cluster]") {
  TestCluster cluster(4);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(cluster[i].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster.world.run_until(
      [&] { return cluster[0].members() == 3 && cluster[2].members() == 3; }, 5s));
  cluster.world.run_for(2s);
  cluster[3].journal.delay = 300ms;
  REQUIRE(cluster[3].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[3].journal.saves > 0; }, 3s));
  REQUIRE_FALSE(cluster[2].gossiper->accepts_writes());
  // The news of the joiner reaches the third member by way of the others only.
  cluster.world.cut(cluster[3].address, cluster[2].address);
  while (cluster[2].members() == 3) {
    REQUIRE_FALSE(cluster[2].gossiper->accepts_writes());
    REQUIRE(cluster.world.run_until(
        [&, at = cluster.world.now()] { return cluster.world.now() > at; }, 3s));
  }
  CHECK(cluster[2].gossiper->accepts_writes());
  cluster.world.heal_all();
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
}

TEST_CASE("gossip: a foreign cluster's and damaged datagrams are counted",
          "[membership][cluster]") {
  TestCluster cluster(2);
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster[1].boot({}).ok());  // a cluster of its own, of the same name
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up() && cluster[1].up(); }, 1s));
  Datagram datagram;
  datagram.sender = cluster[1].id;
  datagram.nonce = 5;
  auto socket = cluster[1].host.network().bind_datagrams({cluster[1].address, 9999},
                                                         [](const Endpoint&, ByteView) {});
  Bytes bytes = encode_datagram({cluster[1].gossiper->view()->cluster, hash64("test")}, datagram);
  (*socket)->send({cluster[0].address, 7401}, bytes);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  (*socket)->send({cluster[0].address, 7401}, bytes);
  (*socket)->send({cluster[0].address, 7401}, "garbage");
  cluster.world.run_for(100ms);
  const std::string metrics = cluster[0].metrics->render();
  CHECK(metrics.find("parley_gossip_foreign_total 1\n") != std::string::npos);
  CHECK(metrics.find("parley_gossip_damaged_total 1\n") != std::string::npos);
  CHECK(metrics.find("parley_gossip_malformed_total 1\n") != std::string::npos);
  CHECK(metrics.find("parley_members{state=\"alive\"} 1\n") != std::string::npos);
}

std::uint64_t metric(const TestNode& node, const std::string& name) {
  const std::string text = node.metrics->render();
  const auto found = text.find("\n" + name + " ");
  REQUIRE(found != std::string::npos);
  return std::stoull(text.substr(found + name.size() + 2));
}

TEST_CASE("row 16: nothing is exchanged once views agree", "[membership][bugs][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(5);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster.world.run_for(5s);
  const auto before = metric(cluster[0], "parley_member_syncs_total");
  cluster.world.run_for(60s);
  CHECK(metric(cluster[0], "parley_member_syncs_total") == before);
}

TEST_CASE("row 18: heartbeats publish nothing and touch no ring", "[membership][bugs][cluster]") {
  TestCluster cluster(5);
  cluster.boot_all(5);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  cluster.world.run_for(5s);
  const auto view = cluster[0].gossiper->view();
  const auto received = metric(cluster[0], "parley_gossip_datagrams_total{direction=\"received\"}");
  cluster.world.run_for(60s);
  CHECK(cluster[0].gossiper->view() == view);
  const auto after = metric(cluster[0], "parley_gossip_datagrams_total{direction=\"received\"}");
  CHECK(after - received > 60);
  CHECK(after - received < 300);  // two a second: idle is cheap
}

}  // namespace
}  // namespace parley::membership
