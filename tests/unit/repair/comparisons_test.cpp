// With whom all was compared since the start: what a node that rebuilds itself waits for.
#include "tests/catch.h"
#include "tests/unit/repair/repair_cluster.h"

namespace parley::repair::test {
namespace {

TEST_CASE("comparisons: over when every co-owner's copies were taken, the down ones' too",
          "[repair][comparisons]") {
  Cluster cluster(3);
  for (std::size_t i = 0; i < 200; ++i) {
    cluster.nodes[1].store->put(key_name(i), "b");
    cluster.nodes[2].store->put(key_name(i), "c");
  }
  cluster.set_up(2, false);
  cluster.start(0);
  cluster.start(1);
  bool over = false;
  Repair& repair = *cluster.nodes[0].repair;
  repair.when_compared([&] { over = true; });
  REQUIRE_FALSE(cluster.soon([&] { return over; }, 10s));
  const auto waiting = repair.comparisons();
  REQUIRE((waiting.known && waiting.co_owners == 2));
  REQUIRE(waiting.missing == std::vector{cluster.nodes[2].id});
  REQUIRE(cluster.nodes[0].store->value(key_name(7)) == "b");
  cluster.set_up(2, true);
  cluster.start(2);
  REQUIRE(cluster.soon([&] { return over; }, 10s));
  REQUIRE(repair.comparisons().missing.empty());
  for (std::size_t i = 0; i < 200; ++i) {
    REQUIRE(cluster.nodes[0].store->value(key_name(i)) == "bc");
  }
}

TEST_CASE(
    "comparisons: what could not be stored was not taken, what could not be sent does not "
    "matter",
    "[repair][comparisons]") {
  for (const std::size_t full : {0U, 1U}) {
    Cluster cluster(2);
    cluster.nodes[0].store->put("mine", "a");
    cluster.nodes[1].store->put("theirs", "b");
    cluster.nodes[full].store->disk_full = true;
    cluster.start();
    bool over = false;
    cluster.nodes[0].repair->when_compared([&] { over = true; });
    REQUIRE(cluster.soon([&] { return over; }, 10s) == (full == 1));
    if (full == 1) REQUIRE(cluster.nodes[0].store->value("theirs") == "b");
    cluster.nodes[full].store->disk_full = false;
    REQUIRE(cluster.soon([&] { return over; }, 10s));
    REQUIRE(cluster.nodes[0].store->value("theirs") == "b");
  }
}

TEST_CASE("comparisons: under another ring they begin anew; alone there is nobody to wait for",
          "[repair][comparisons]") {
  Cluster cluster(3);
  cluster.start();
  bool over = false;
  cluster.nodes[0].repair->when_compared([&] { over = true; });
  REQUIRE(cluster.soon([&] { return over; }, 10s));
  cluster.set_up(2, false);
  cluster.take_off_ring(1);
  const auto left = cluster.nodes[0].repair->comparisons();
  REQUIRE(left.co_owners == 1);
  REQUIRE(left.missing == std::vector{cluster.nodes[2].id});
  cluster.take_off_ring(2);
  over = false;
  cluster.nodes[0].repair->when_compared([&] { over = true; });
  REQUIRE(cluster.soon([&] { return over; }, 1s));
}

TEST_CASE("comparisons: a copy that is found damaged when it is fetched is counted",
          "[repair][comparisons]") {
  Cluster cluster(2);
  cluster.nodes[1].store->put("theirs", "b");
  cluster.start();
  bool over = false;
  Repair& repair = *cluster.nodes[0].repair;
  repair.when_compared([&] { over = true; });
  auto& calls = cluster.board.calls;
  REQUIRE(cluster.world.run_until([&] { return calls[runtime::Verb::SyncFetch] == 1; }, 10s));
  cluster.nodes[1].store->rot("theirs");
  REQUIRE(cluster.world.run_until([&] { return over; }, 10s));
  REQUIRE(repair.comparisons().damaged_there == 1);
}

TEST_CASE("comparisons: keys whose copies are damaged at a co-owner are counted, not waited for",
          "[repair][comparisons]") {
  Cluster cluster(2);
  for (std::size_t i = 0; i < 5; ++i) {
    cluster.nodes[0].store->put(key_name(i), "a");
    cluster.nodes[1].store->put(key_name(i), "b");
  }
  cluster.nodes[1].store->put("theirs", "b");
  cluster.nodes[1].store->damage(key_name(0));
  cluster.nodes[1].store->rot(key_name(1));
  cluster.nodes[1].store->rot("theirs");  // nothing to hold against it here: it goes unmet
  cluster.start();
  bool over = false;
  Repair& repair = *cluster.nodes[0].repair;
  repair.when_compared([&] { over = true; });
  REQUIRE(cluster.soon([&] { return over; }, 10s));
  REQUIRE(repair.comparisons().damaged_there == 2);
  REQUIRE(cluster.nodes[0].store->value(key_name(4)) == "ab");
  // Counted by the last comparison only: what was mended since is no loss.
  for (const Bytes& key : {key_name(0), key_name(1), Bytes("theirs")}) {
    cluster.nodes[1].store->put(key, "c");
  }
  cluster.round();
  REQUIRE(repair.comparisons().damaged_there == 0);
}

// A record of a newer version, or one whose bytes rotted with its checksum.
TEST_CASE("anti-entropy: sets that cannot be read stay, and hold no other up",
          "[repair][comparisons]") {
  Cluster cluster(3);
  std::map<Bytes, Bytes> good;
  for (std::size_t i = 0; i < 40; ++i) {
    const bool bad = i % 4 != 3;
    cluster.nodes[0].store->put(key_name(i), bad ? "UNREADABLE" : "abc");
    if (!bad) good[key_name(i)] = "abc";
  }
  cluster.start();
  REQUIRE(cluster.soon([&] { return cluster.nodes[1].store->size() == good.size(); }, 20s));
  cluster.world.run_for(10s);
  REQUIRE(cluster.nodes[0].store->size() == 40);
  for (std::size_t i = 0; i < 40; ++i) {
    const auto found = good.find(key_name(i));
    for (const std::size_t node : {1U, 2U}) {
      INFO("key " << i << " on node " << node);
      REQUIRE(cluster.nodes[node].store->value(key_name(i)) ==
              (found == good.end() ? std::nullopt : std::optional(found->second)));
    }
  }
}

}  // namespace
}  // namespace parley::repair::test
