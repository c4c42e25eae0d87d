// Writes on virtual time whose coordinator cannot mint, because of its disk or a damaged record.
#include "tests/unit/replication/test_cluster.h"

#include "replication/replica_plan.h"

namespace parley::replication {
namespace {

using runtime::Verb;
using test::Cluster;
using test::state_of;

std::size_t count_of(const WriteReply& reply, ReplicaState state) {
  return static_cast<std::size_t>(std::count_if(reply.replicas.begin(), reply.replicas.end(),
                                                [&](const auto& r) { return r.state == state; }));
}
void warm(Cluster& cluster, std::size_t at, const std::string& key) {
  REQUIRE(cluster.put(at, key, "warm", "all").outcome == Outcome::Ok);
  cluster.world.run_for(1s);
}
OpId op_of(std::uint8_t n) {
  OpId id;
  id.octets[0] = n;
  return id;
}

}  // namespace

TEST_CASE("write: an owner that cannot mint passes it on", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  warm(cluster, owners[0], "k");
  auto at = owners[0];
  SECTION("its record is damaged") { cluster.damage(owners[0], "k"); }
  SECTION("its disk is full") { cluster.fill_disk(owners[0]); }
  SECTION("it was passed to it, and its record is damaged") {
    cluster.damage(owners[0], "k");
    at = cluster.others("k")[0];
  }
  SECTION("it was passed to it, and its disk is full") {
    cluster.fill_disk(owners[0]);
    at = cluster.others("k")[0];
  }
  WriteRequest request = cluster.request("k", "v", "quorum");
  request.op = op_of(7);
  const auto reply = cluster.write(at, request);
  CHECK(reply.outcome == Outcome::Ok);
  CHECK_FALSE(reply.version.empty());
  CHECK(state_of(reply, cluster.id(owners[0])) == ReplicaState::Hinted);
  CHECK(count_of(reply, ReplicaState::Durable) == 2);
  CHECK(reply.hint_holders == std::vector<std::string>{Cluster::address(owners[1])});
  CHECK(cluster.hints_at(owners[0]) == 0);
  const auto got = cluster.get(owners[1], "k", "quorum");
  CHECK(got.values.size() == 2);
  cluster.world.run_for(3s);
  for (const std::size_t node : {at, owners[0], owners[1]}) {
    CHECK(cluster.coordinator(node).in_flight() == 0);
  }
}

TEST_CASE("write: an owner that cannot mint and finds no other says why",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  warm(cluster, owners[0], "k");
  SECTION("all are damaged") {
    for (const std::size_t owner : owners) cluster.damage(owner, "k");
    const auto reply = cluster.put(owners[0], "k", "v", "quorum");
    CHECK(reply.outcome == Outcome::NotWritten);
    CHECK(reply.error->code == ErrorCode::Damaged);
    CHECK(count_of(reply, ReplicaState::Failed) == 3);
    const auto any = cluster.put(owners[0], "k", "v", "any");
    CHECK(any.outcome == Outcome::Ok);
    CHECK(count_of(any, ReplicaState::Hinted) == 3);
  }
  SECTION("the others are down") {
    cluster.dead = {owners[1], owners[2]};
    cluster.publish();
    cluster.damage(owners[0], "k");
    const auto one = cluster.put(owners[0], "k", "v", "one");
    CHECK(one.outcome == Outcome::NotWritten);
    CHECK(one.error->code == ErrorCode::Damaged);
    const auto any = cluster.put(owners[0], "k", "v", "any");
    CHECK(any.outcome == Outcome::Ok);
    CHECK(count_of(any, ReplicaState::Hinted) == 3);
    CHECK(any.hint_holders.size() == 2);
    CHECK(cluster.get(owners[0], "k", "any").from_hint);
  }
  SECTION("the others are down, and its disk is full") {
    cluster.dead = {owners[1], owners[2]};
    cluster.publish();
    cluster.fill_disk(owners[0]);
    const auto one = cluster.put(owners[0], "k", "v", "one");
    CHECK(one.outcome == Outcome::NotWritten);
    CHECK(one.error->code == ErrorCode::DiskFull);
  }
  SECTION("the others are silent") {
    for (const std::size_t i : {1, 2}) cluster.nodes[owners[i]].host->pause();
    cluster.damage(owners[0], "k");
    const auto reply = cluster.put(owners[0], "k", "v", "quorum");
    CHECK(reply.outcome == Outcome::Unknown);  // one of them may do it yet
    CHECK(count_of(reply, ReplicaState::NoAnswer) == 3);
  }
}

TEST_CASE("write: an owner whose queue is full says so and asks nobody else",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  warm(cluster, owners[0], "k");
  const int calls = cluster.calls_of_all();
  for (std::uint64_t i = 0; i < 8192; ++i) {
    cluster.nodes[owners[0]].store->get().erase_hint(
        {cluster.id(owners[0]), cluster.record_key("k")}, 1, [](const Result<bool>&) {});
  }
  const auto reply = cluster.put(owners[0], "k", "v", "quorum");
  CHECK(reply.outcome == Outcome::NotWritten);
  REQUIRE(reply.error);
  CHECK(reply.error->code == ErrorCode::Overloaded);
  CHECK(reply.error->retry_after_ms > 0);
  CHECK(cluster.calls_of_all() == calls);
}

TEST_CASE("write: at any, a node whose disk is full leaves the hints to the next node",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto others = cluster.others("k");
  warm(cluster, owners[0], "k");
  cluster.put(others[0], "k", "warm too", "all");
  cluster.dead = {owners[1], owners[2]};
  auto at = owners[0];
  SECTION("an owner") {}
  SECTION("no owner") {
    at = others[0];
    cluster.dead.insert(owners[0]);
  }
  cluster.publish();
  cluster.fill_disk(at);
  // Who keeps them: the first live node after the owners that is not the one asked.
  const auto plan =
      plan_replicas(*cluster.nodes[at].view, cluster.keyspace(), "k", *parse_level("any"));
  const std::size_t keeper = plan->stand_in->node.octets[0] - std::size_t{1};
  SECTION("it keeps one for each owner") {
    const auto reply = cluster.put(at, "k", "v", "any");
    CHECK(reply.outcome == Outcome::Ok);
    CHECK(count_of(reply, ReplicaState::Hinted) == 3);
    CHECK(reply.hint_holders == std::vector<std::string>{Cluster::address(keeper)});
    CHECK(reply.replicas[0].hint_holder == Cluster::address(keeper));
    CHECK_FALSE(reply.version.empty());
    CHECK(cluster.hints_at(at) == 0);
    const auto hints = cluster.hints_of(keeper, "k");
    CHECK(hints.size() == 3);
    for (const auto& hint : hints) CHECK(hint.sole);
    // Another dot for another write, although none is held here.
    const auto second = cluster.put(at, "k", "w", "any");
    CHECK(second.outcome == Outcome::Ok);
    CHECK(second.version != reply.version);
    CHECK(VersionSet::decode(cluster.hints_of(keeper, "k")[0].value)->siblings().size() == 2);
  }
  SECTION("its disk is full too: not written") {
    cluster.fill_disk(keeper);
    const auto reply = cluster.put(at, "k", "v", "any");
    CHECK(reply.outcome == Outcome::NotWritten);
    CHECK(reply.error->code == ErrorCode::DiskFull);
    CHECK(count_of(reply, ReplicaState::Failed) == 3);
  }
  SECTION("it is silent: unknown") {
    cluster.refuse(keeper, Verb::StoreHint, std::nullopt);
    const auto reply = cluster.put(at, "k", "v", "any");
    CHECK(reply.outcome == Outcome::Unknown);
    CHECK(count_of(reply, ReplicaState::NoAnswer) == 3);
  }
}

}  // namespace parley::replication
