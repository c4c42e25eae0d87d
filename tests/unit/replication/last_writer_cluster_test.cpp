// Writes on virtual time in a keyspace where the last writer wins.
#include "tests/unit/replication/test_cluster.h"

namespace parley::replication {
namespace {

using test::Cluster;
using test::state_of;

struct LastWriterCluster : Cluster {
  LastWriterCluster() { let_the_last_writer_win(); }
  double metric(std::size_t at, const std::string& name) {
    const std::string text = nodes[at].metrics->render();
    const std::size_t found = text.find("\nparley_" + name + " ");
    REQUIRE(found != std::string::npos);
    return std::stod(text.substr(text.find(' ', found) + 1));
  }
};

}  // namespace

TEST_CASE("last writer: concurrent writes leave one value, and the loss is counted",
          "[replication][cluster][lww]") {
  LastWriterCluster cluster;
  const auto owners = cluster.owners("k");
  // Each owner takes a write of its own that no other hears of.
  for (const std::size_t to : owners)
    cluster.refuse(to, runtime::Verb::StoreCopy, ErrorCode::Overloaded);
  CHECK(cluster.put(owners[0], "k", "first", "one").outcome == Outcome::Ok);
  cluster.world.run_for(10ms);
  CHECK(cluster.put(owners[1], "k", "second", "one").outcome == Outcome::Ok);
  cluster.restart_all();
  const auto got = cluster.get(owners[2], "k", "all");
  REQUIRE(got.values.size() == 1);
  CHECK(got.values[0].value == "second");
  CHECK(cluster.metric(owners[2], "read_discarded_total") == 1);
  for (const std::size_t at : owners) {
    CHECK(cluster.get(at, "k", "one").values[0].value == "second");
  }
}

TEST_CASE("last writer: a replica counts what its own copy loses", "[replication][cluster][lww]") {
  LastWriterCluster cluster;
  const auto owners = cluster.owners("k");
  cluster.refuse(owners[1], runtime::Verb::StoreCopy, ErrorCode::Overloaded);
  cluster.refuse(owners[2], runtime::Verb::StoreCopy, ErrorCode::Overloaded);
  CHECK(cluster.put(owners[0], "k", "first", "one").outcome == Outcome::Ok);
  cluster.world.run_for(10ms);
  CHECK(cluster.put(owners[1], "k", "second", "one").outcome == Outcome::Ok);
  cluster.world.run_for(1s);
  CHECK(cluster.metric(owners[0], "replica_discarded_total") == 1);
  CHECK(cluster.metric(owners[1], "replica_discarded_total") == 0);
}

TEST_CASE("last writer: a write replaces what its minter has, with no context and a slow clock",
          "[replication][cluster][lww]") {
  LastWriterCluster cluster;
  const auto owners = cluster.owners("k");
  REQUIRE(cluster.put(owners[0], "k", "first", "all").outcome == Outcome::Ok);
  cluster.nodes[owners[1]].host->loop().set_wall_skew(-1h);
  REQUIRE(cluster.put(owners[1], "k", "second", "quorum").outcome == Outcome::Ok);
  CHECK(cluster.get(owners[2], "k", "all").values[0].value == "second");
  // A client that has seen a value overwrites it even through a minter that lacks it.
  const auto seen = cluster.get(owners[0], "k", "all");
  cluster.kill(owners[1]);
  cluster.nodes[owners[1]].store.reset();
  cluster.start(owners[1]);
  cluster.world.run_for(100ms);
  cluster.nodes[owners[1]].host->loop().set_wall_skew(-2h);
  REQUIRE(cluster.put(owners[1], "k", "third", "quorum", seen.context).outcome == Outcome::Ok);
  cluster.world.run_for(1s);
  CHECK(cluster.get(owners[0], "k", "all").values[0].value == "third");
}

TEST_CASE("last writer: an owner whose clock is off passes the write on; only stamps need clocks",
          "[replication][cluster][lww]") {
  LastWriterCluster cluster;
  const auto owners = cluster.owners("k");
  cluster.nodes[owners[0]].clock_is_off = true;
  auto at = owners[0];
  SECTION("asked itself") {}
  SECTION("it was passed to it") { at = cluster.others("k")[0]; }
  const auto reply = cluster.put(at, "k", "v", "all");
  CHECK(reply.outcome == Outcome::Ok);
  CHECK(state_of(reply, cluster.id(owners[0])) == ReplicaState::Durable);
  const auto minted_by = [&](std::size_t node) {
    const StorageId own = cluster.nodes[node].replication->replica().storage_id();
    return reply.version.starts_with(to_hex(own.view()));
  };
  CHECK_FALSE(minted_by(owners[0]));
  CHECK(minted_by(owners[1]));
  cluster.base.keyspaces[0].conflict_rule = membership::ConflictRule::Siblings;
  cluster.publish();
  CHECK(cluster.put(owners[0], "other", "v", "quorum").outcome == Outcome::Ok);
}

TEST_CASE("last writer: with every clock off nothing is written, at any level",
          "[replication][cluster][lww]") {
  LastWriterCluster cluster;
  for (auto& node : cluster.nodes) node.clock_is_off = true;
  for (const std::size_t at : {cluster.owners("k")[0], cluster.others("k")[0]}) {
    for (const char* const level : {"one", "quorum", "any"}) {
      const auto reply = cluster.put(at, "k", "v", level);
      CHECK(reply.outcome == Outcome::NotWritten);
      CHECK(reply.error->code == ErrorCode::ClockSkew);
    }
  }
  for (auto& node : cluster.nodes) node.clock_is_off = false;
  CHECK_FALSE(cluster.get(0, "k", "all").found);
}

TEST_CASE("last writer: a hint at any is later than the hint before it (a slow clock)",
          "[replication][cluster][lww]") {
  LastWriterCluster cluster;
  const auto at = cluster.others("k")[0];
  for (const std::size_t owner : cluster.owners("k")) cluster.kill(owner);
  cluster.publish();
  REQUIRE(cluster.put(at, "k", "first", "any").outcome == Outcome::Ok);
  cluster.nodes[at].host->loop().set_wall_skew(-1h);
  REQUIRE(cluster.put(at, "k", "second", "any").outcome == Outcome::Ok);
  const auto got = cluster.get(at, "k", "any");
  REQUIRE(got.values.size() == 1);
  CHECK(got.values[0].value == "second");
  CHECK(got.from_hint);
}

TEST_CASE("last writer: at any, one whose clock is off waits for the owners that it asked",
          "[replication][cluster][lww]") {
  LastWriterCluster cluster;
  const auto at = cluster.others("k")[0];
  cluster.nodes[at].clock_is_off = true;
  // Too slow for the passer's patience, and in time for the client's.
  cluster.world.set_latency(500ms, 500ms);
  const auto reply = cluster.write(at, cluster.request("k", "v", "any", 10s));
  CHECK(reply.outcome == Outcome::Ok);
  CHECK(reply.hint_holders.empty());
}

}  // namespace parley::replication
