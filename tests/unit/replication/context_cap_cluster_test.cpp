// A key for which very many actors have minted, on virtual time: it stays writable.
#include "replication/context_token.h"
#include "tests/unit/replication/test_cluster.h"

namespace parley::replication {
namespace {

using test::Cluster;

Bytes token_of(const Cluster& cluster, std::size_t actors) {
  VersionVector seen;
  for (std::uint64_t i = 1; i <= actors; ++i) {
    Actor actor;
    actor.storage.octets[0] = 99;
    actor.epoch = 2 * i;
    seen.add({actor, 1});
  }
  return seal_context(cluster.base.cluster_key, cluster.keyspace(), "k", seen);
}

}  // namespace

TEST_CASE("context: hints stop at half of a token, and an owner that is back writes on",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  cluster.dead = {owners[0], owners[1], owners[2]};
  cluster.publish();
  const auto last =
      cluster.put(at, "k", "v", "any", token_of(cluster, kHintContextEntriesMost - 1));
  REQUIRE(last.outcome == Outcome::Ok);
  const auto refused = cluster.put(at, "k", "w", "any", last.context);
  CHECK(refused.outcome == Outcome::NotWritten);
  REQUIRE(refused.error);
  CHECK(refused.error->code == ErrorCode::TooLarge);
  CHECK(refused.error->message.find("when an owner of the key is up") != std::string::npos);
  cluster.dead.clear();
  cluster.publish();
  const auto back = cluster.put(at, "k", "w", "any", last.context);
  REQUIRE(back.outcome == Outcome::Ok);
  const auto got = cluster.get(at, "k", "quorum");
  REQUIRE(got.values.size() == 1);
  CHECK(got.values[0].value == "w");
}

TEST_CASE("context: a key with more actors than a token holds is read, overwritten and deleted",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  // Hints of several nodes, each within its cap, meet at the owners.
  VersionSet set;
  VersionVector seen;
  for (std::uint64_t i = 1; i <= 2 * kContextEntriesMost; ++i) {
    Actor actor;
    actor.storage.octets[0] = static_cast<std::uint8_t>(90 + i % 4);
    actor.epoch = 2 * i;
    set.write(seen, {Dot{actor, 1}, false, {}, "v"});
    seen.add({actor, 1});
  }
  std::size_t merged = 0;
  for (const std::size_t owner : owners) {
    cluster.nodes[owner].replication->replica().merge(
        cluster.record_key("k"), set.encode(), storage::Durability::Fsync,
        [&](const Result<storage::Updated>& done) { merged += done.ok() ? 1 : 0; });
  }
  REQUIRE(cluster.world.run_until([&] { return merged == 3; }, 1s));
  // Each owner in turn: none has minted for the key before.
  for (const std::size_t owner : owners) {
    const auto got = cluster.get(owner, "k", "quorum");
    REQUIRE(got.outcome == Outcome::Ok);
    const auto put = cluster.put(owner, "k", "w" + std::to_string(owner), "quorum", got.context);
    REQUIRE(put.outcome == Outcome::Ok);
    const auto now = cluster.get(owners[0], "k", "all");
    REQUIRE(now.values.size() == 1);
    CHECK(now.values[0].value == "w" + std::to_string(owner));
  }
  WriteRequest gone = cluster.request("k", "", "quorum");
  gone.value.reset();
  gone.context = cluster.get(owners[0], "k", "quorum").context;
  REQUIRE(cluster.write(owners[0], gone).outcome == Outcome::Ok);
  CHECK_FALSE(cluster.get(owners[1], "k", "quorum").found);
}

}  // namespace parley::replication
