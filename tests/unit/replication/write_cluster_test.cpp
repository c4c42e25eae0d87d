// Writes on virtual time: what a coordinator does when rings differ, owners are silent or refuse,
// and the network breaks; and that what it says is true.
#include "tests/unit/replication/test_cluster.h"

namespace parley::replication {
namespace {

using runtime::Verb;
using test::Cluster;
using test::state_of;

std::size_t count_of(const WriteReply& reply, ReplicaState state) {
  return static_cast<std::size_t>(std::count_if(reply.replicas.begin(), reply.replicas.end(),
                                                [&](const auto& r) { return r.state == state; }));
}
bool someone_has(Cluster& cluster, const std::string& key) {
  for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
    if (cluster.record(i, key).condition != storage::Condition::Missing) return true;
    if (!cluster.hints_of(i, key).empty()) return true;
  }
  return false;
}
// Connections are open from here on.
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

TEST_CASE("write: what is refused before it is planned sends nothing", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  REQUIRE(cluster.options.value_bytes_most.set(100));
  const Bytes foreign = cluster.put(owners[0], "other", "v", "all").context;
  cluster.world.run_for(1s);
  const int calls = cluster.calls_of_all();
  for (const std::size_t at : {owners[0], cluster.others("k")[0]}) {
    const auto refused = [&](WriteRequest request, ErrorCode code) {
      const Instant begun = cluster.world.now();
      const auto reply = cluster.write(at, std::move(request));
      CHECK(reply.outcome == Outcome::NotWritten);
      REQUIRE(reply.error);
      CHECK(reply.error->code == code);
      CHECK(reply.version.empty());
      CHECK(reply.context.empty());
      CHECK(cluster.world.now() - begun < 100ms);
      CHECK(cluster.calls_of_all() == calls);
    };
    refused(cluster.request("", "v", "one"), ErrorCode::InvalidArgument);
    refused(cluster.request(std::string(4097, 'k'), "v", "one"), ErrorCode::TooLarge);
    refused(cluster.request("k", std::string(101, 'v'), "any"), ErrorCode::TooLarge);
    refused(cluster.request("k", "v", "4"), ErrorCode::InvalidArgument);
    WriteRequest request = cluster.request("k", "v", "one");
    request.context = foreign;
    refused(request, ErrorCode::BadContext);
    request.context = Bytes("junk");
    refused(request, ErrorCode::BadContext);
    request = cluster.request("k", "v", "one");
    request.keyspace = {};
    refused(request, ErrorCode::NotFound);
    cluster.nodes[at].takes_writes = false;
    refused(cluster.request("k", "v", "one"), ErrorCode::NotReady);
    cluster.nodes[at].takes_writes = true;
    const auto view = std::exchange(cluster.nodes[at].view, nullptr);
    refused(cluster.request("k", "v", "any"), ErrorCode::NotReady);
    cluster.nodes[at].view = view;
  }
  CHECK_FALSE(someone_has(cluster, "k"));
}

TEST_CASE("write: too few owners up is said at once, with the owners as failed",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  cluster.dead = {owners[1], owners[2]};
  cluster.publish();
  for (const std::size_t at : {owners[0], cluster.others("k")[0]}) {
    const auto reply = cluster.put(at, "k", "v", "quorum");
    CHECK(reply.outcome == Outcome::NotWritten);
    CHECK(reply.error->code == ErrorCode::Unavailable);
    CHECK(reply.required == 2);
    CHECK(count_of(reply, ReplicaState::Failed) == 3);
  }
  CHECK(cluster.calls_of_all() == 0);
  CHECK_FALSE(someone_has(cluster, "k"));
}

TEST_CASE("write: too many at once are overloaded", "[replication][cluster]") {
  Cluster cluster;
  REQUIRE(cluster.options.in_flight_most.set(1));
  const auto at = cluster.owners("k")[0];
  std::vector<WriteReply> replies;
  std::optional<ReadReply> read;
  for (int i = 0; i < 2; ++i) {
    cluster.coordinator(at).write(cluster.request("k", "v", "all"),
                                  [&](WriteReply reply) { replies.push_back(reply); });
  }
  cluster.coordinator(at).read({cluster.keyspace(), "k", {}, cluster.world.now() + 1s},
                               [&](ReadReply reply) { read = reply; });
  CHECK(cluster.coordinator(at).in_flight() == 1);
  CHECK(replies.empty());
  cluster.world.run_for(1s);
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].outcome == Outcome::NotWritten);
  CHECK(replies[0].error->code == ErrorCode::Overloaded);
  CHECK(replies[0].error->retry_after_ms > 0);
  CHECK(read->error->code == ErrorCode::Overloaded);
  CHECK(replies[1].outcome == Outcome::Ok);
  CHECK(cluster.coordinator(at).in_flight() == 0);
}

TEST_CASE("write: the minter's own refusal is the last word, and nothing is sent",
          "[replication][cluster]") {
  Cluster cluster;
  REQUIRE(cluster.options.siblings_most.set(1));
  cluster.restart_all();
  const auto at = cluster.owners("k")[0];
  warm(cluster, at, "k");
  const int copies = cluster.nodes[at].rpc->calls[Verb::StoreCopy];
  for (const std::size_t from : {at, cluster.others("k")[0]}) {
    const auto reply = cluster.put(from, "k", "second", "quorum");
    CHECK(reply.outcome == Outcome::NotWritten);
    CHECK(reply.error->code == ErrorCode::SiblingCap);
    CHECK(count_of(reply, ReplicaState::Failed) == 3);
  }
  CHECK(cluster.nodes[at].rpc->calls[Verb::StoreCopy] == copies);
  CHECK(cluster.get(at, "k", "all").values[0].value == "warm");
}

TEST_CASE("write: memory durability is told by every replica", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  WriteRequest request = cluster.request("k", "v", "all");
  request.durability = storage::Durability::Memory;
  const auto reply = cluster.write(cluster.others("k")[0], request);
  CHECK(reply.outcome == Outcome::Ok);
  CHECK(count_of(reply, ReplicaState::Memory) == 3);
  CHECK(cluster.get(owners[1], "k", "all").values[0].value == "v");
}

TEST_CASE("write: a delete is a version, read as not found with a context",
          "[replication][cluster]") {
  Cluster cluster;
  const auto at = cluster.others("k")[0];
  WriteRequest request = cluster.request("k", "", "quorum");
  request.context = cluster.put(at, "k", "v", "all").context;
  request.value.reset();
  REQUIRE(cluster.write(at, request).outcome == Outcome::Ok);
  const auto got = cluster.get(at, "k", "quorum");
  CHECK(got.outcome == Outcome::Ok);
  CHECK_FALSE(got.found);
  CHECK_FALSE(got.context.empty());
}

TEST_CASE("write: a coordinator with an old ring plans anew", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto old = cluster.ring_without(owners[1]);
  for (const std::size_t at : {owners[0], cluster.others("k")[0]}) {
    cluster.publish_to(at, old);
    std::optional<WriteReply> got;
    cluster.coordinator(at).write(cluster.request("k", "v", "all"),
                                  [&](WriteReply reply) { got = std::move(reply); });
    cluster.world.run_for(100ms);
    CHECK_FALSE(got);
    cluster.publish();
    REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 2s));
    CHECK(got->outcome == Outcome::Ok);
    REQUIRE(got->replicas.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(got->replicas[i].node == cluster.id(owners[i]));
    CHECK(count_of(*got, ReplicaState::Durable) == 3);
  }
}

TEST_CASE("write: an owner with an old ring is asked again", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  cluster.publish_to(owners[1], cluster.ring_without(owners[2]));
  std::optional<WriteReply> got;
  cluster.coordinator(owners[0]).write(cluster.request("k", "v", "all"),
                                       [&](WriteReply reply) { got = std::move(reply); });
  cluster.world.run_for(200ms);
  CHECK_FALSE(got);
  SECTION("it learns the ring") {
    cluster.publish();
    REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 2s));
    CHECK(got->outcome == Outcome::Ok);
    CHECK(count_of(*got, ReplicaState::Durable) == 3);
  }
  SECTION("it never does: unknown by the patience, and it gets a hint") {
    REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 500ms));
    CHECK(got->outcome == Outcome::Unknown);
    CHECK(state_of(*got, cluster.id(owners[1])) == ReplicaState::Hinted);
    CHECK(got->error->message.find(Cluster::address(owners[0])) != std::string::npos);
    CHECK(got->error->message.find(Cluster::address(owners[2])) != std::string::npos);
    cluster.world.run_for(2s);
    CHECK(cluster.hints_at(owners[0]) == 1);
  }
}

TEST_CASE("write: a node that leaves the cluster under a write awaits nobody for ever",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  cluster.publish_to(owners[1], cluster.ring_without(owners[2]));
  std::optional<WriteReply> got;
  cluster.coordinator(owners[0]).write(cluster.request("k", "v", "all"),
                                       [&](WriteReply reply) { got = std::move(reply); });
  cluster.world.run_for(10ms);
  SECTION("it has no view any more") { cluster.nodes[owners[0]].view = nullptr; }
  SECTION("its view has no ring any more") { cluster.publish_to(owners[0], nullptr); }
  REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 500ms));
  CHECK(got->outcome == Outcome::Unknown);
  CHECK(state_of(*got, cluster.id(owners[1])) == ReplicaState::Hinted);
  CHECK(count_of(*got, ReplicaState::Durable) == 2);
  cluster.world.run_for(1s);
  CHECK(cluster.hints_at(owners[0]) == 1);
}

TEST_CASE("write: at any, hints after a change of the ring may be the only copies",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  cluster.publish_to(owners[1], cluster.ring_without(owners[2]));
  std::optional<WriteReply> got;
  cluster.coordinator(owners[0]).write(cluster.request("k", "v", "any"),
                                       [&](WriteReply reply) { got = std::move(reply); });
  cluster.world.run_for(10ms);
  // The minter owns the key no more, and nobody who does can be reached.
  for (const std::size_t node :
       {owners[1], owners[2], cluster.others("k")[0], cluster.others("k")[1]}) {
    cluster.kill(node);
  }
  cluster.base.ring = cluster.ring_without(owners[0]);
  cluster.publish();
  cluster.world.run_for(3s);
  REQUIRE(got);
  CHECK(got->outcome == Outcome::Ok);
  const auto hints = cluster.hints_of(owners[0], "k");
  CHECK(hints.size() == 3);
  for (const auto& hint : hints) CHECK(hint.sole);
}

TEST_CASE("write: rings that stay different end in a refusal, not in doubt",
          "[replication][cluster]") {
  Cluster cluster;
  const auto at = cluster.others("k")[0];
  cluster.publish_to(at, cluster.ring_without(cluster.owners("k")[0]));
  const auto reply = cluster.put(at, "k", "v", "quorum");
  CHECK(reply.outcome != Outcome::Ok);
  cluster.world.run_for(2s);
  if (reply.outcome == Outcome::NotWritten) CHECK_FALSE(someone_has(cluster, "k"));
}

TEST_CASE("write: passed on to a second owner when the first is silent; the two mints collapse",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  warm(cluster, at, "k");
  cluster.nodes[owners[0]].host->pause();
  const Instant begun = cluster.world.now();
  WriteRequest request = cluster.request("k", "v", "quorum");
  request.op = op_of(7);
  request.context = cluster.get(at, "k", "quorum").context;
  const auto reply = cluster.write(at, request);
  CHECK(reply.outcome == Outcome::Ok);
  CHECK(cluster.world.now() - begun >= cluster.options.pass_hedge());
  CHECK(cluster.world.now() - begun < 1s);
  cluster.nodes[owners[0]].host->resume();
  cluster.world.run_for(3s);
  const auto set = VersionSet::decode(cluster.record(owners[1], "k").value);
  REQUIRE(set);
  CHECK(set->siblings().size() == 2);
  const auto got = cluster.get(at, "k", "all");
  REQUIRE(got.values.size() == 1);
  CHECK(got.values[0].value == "v");
  REQUIRE(cluster.put(at, "k", "w", "all", got.context).outcome == Outcome::Ok);
  CHECK(VersionSet::decode(cluster.record(owners[1], "k").value)->siblings().size() == 1);
}

TEST_CASE("write: passed on to a second owner when the first is cut off from the others",
          "[replication][cluster]") {
  Cluster cluster;
  REQUIRE(cluster.options.pass_hedge.set(1500ms));  // it knows that it reaches nobody before that
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  warm(cluster, at, "k");
  for (const std::size_t i : {1U, 2U}) {
    cluster.world.cut(Cluster::address(owners[0]), Cluster::address(owners[i]));
  }
  cluster.world.run_for(10s);  // the connections are gone; the views still say that all are up
  WriteRequest request = cluster.request("k", "v", "quorum", 4s);
  request.op = op_of(7);
  request.context = cluster.get(at, "k", "quorum").context;
  const Instant begun = cluster.world.now();
  const auto reply = cluster.write(at, request);
  CHECK(reply.outcome == Outcome::Ok);
  CHECK(state_of(reply, cluster.id(owners[1])) == ReplicaState::Durable);
  CHECK(state_of(reply, cluster.id(owners[2])) == ReplicaState::Durable);
  CHECK(cluster.world.now() - begun >= cluster.options.pass_hedge());
  for (const std::size_t i : {1U, 2U}) {
    cluster.world.heal(Cluster::address(owners[0]), Cluster::address(owners[i]));
  }
  cluster.world.run_for(1min);
  const auto got = cluster.get(at, "k", "all");
  REQUIRE(got.values.size() == 1);  // two mints under one op-id
  CHECK(got.values[0].value == "v");
}

TEST_CASE("write: an owner that cannot take it leaves it to the next", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  SECTION("its process refuses the call") {
    cluster.refuse(owners[0], Verb::CoordinatePut, ErrorCode::Overloaded);
  }
  SECTION("it takes no writes now") { cluster.nodes[owners[0]].takes_writes = false; }
  SECTION("it is gone, and nobody has noticed") { cluster.kill(owners[0]); }
  const auto reply = cluster.put(at, "k", "v", "quorum");
  CHECK(reply.outcome == Outcome::Ok);
  CHECK(state_of(reply, cluster.id(owners[1])) == ReplicaState::Durable);
}

TEST_CASE("write: all owners refuse", "[replication][cluster]") {
  Cluster cluster;
  const auto at = cluster.others("k")[0];
  for (const std::size_t owner : cluster.owners("k")) cluster.nodes[owner].takes_writes = false;
  const auto quorum = cluster.put(at, "k", "v", "quorum");
  CHECK(quorum.outcome == Outcome::NotWritten);
  CHECK(quorum.error->code == ErrorCode::NotReady);
  CHECK(count_of(quorum, ReplicaState::Failed) == 3);
  CHECK_FALSE(someone_has(cluster, "k"));
  const auto any = cluster.put(at, "k", "v", "any");
  CHECK(any.outcome == Outcome::Ok);
  CHECK(count_of(any, ReplicaState::Hinted) == 3);
  CHECK(any.hint_holders.size() == 2);
}

TEST_CASE("write: all owners look up and are silent", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  warm(cluster, at, "k");
  for (const std::size_t owner : owners) cluster.nodes[owner].host->pause();
  SECTION("at any the hints answer") {
    const auto reply = cluster.put(at, "k", "v", "any");
    CHECK(reply.outcome == Outcome::Ok);
    CHECK(count_of(reply, ReplicaState::Hinted) == 3);
    CHECK(reply.hint_holders ==
          std::vector<std::string>{Cluster::address(at), Cluster::address(cluster.others("k")[1])});
  }
  SECTION("at quorum it is unknown, and a late reply changes nothing") {
    const auto reply = cluster.put(at, "k", "v", "quorum");
    CHECK(reply.outcome == Outcome::Unknown);
    CHECK(count_of(reply, ReplicaState::NoAnswer) == 3);
  }
  // Callbacks of calls that are over would write through dead references here.
  for (const std::size_t owner : owners) cluster.nodes[owner].host->resume();
  cluster.world.run_for(5s);
  CHECK(cluster.coordinator(at).in_flight() == 0);
}

TEST_CASE("write: the coordinator is cut off", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  const auto cut = [&](std::size_t node) {
    for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
      if (i != node) cluster.world.cut(Cluster::address(i), Cluster::address(node));
    }
  };
  SECTION("no owner: never sent, so not written") {
    cut(at);
    const auto reply = cluster.write(at, cluster.request("k", "v", "quorum", 10s));
    CHECK(reply.outcome == Outcome::NotWritten);
    CHECK(reply.error->code == ErrorCode::Unavailable);
    CHECK(count_of(reply, ReplicaState::Failed) == 3);
    cluster.world.heal_all();
    cluster.world.run_for(5s);
    CHECK_FALSE(someone_has(cluster, "k"));
    CHECK(cluster.nodes[at].silent.size() == 3);
  }
  SECTION("no owner, after it was sent: unknown") {
    warm(cluster, at, "k");
    cut(at);
    const auto reply = cluster.write(at, cluster.request("k", "v", "quorum", 10s));
    CHECK(reply.outcome == Outcome::Unknown);
    CHECK(count_of(reply, ReplicaState::NoAnswer) == 3);
  }
  SECTION("no owner, at any: a hint here alone") {
    cut(at);
    const auto reply = cluster.write(at, cluster.request("k", "v", "any", 10s));
    CHECK(reply.outcome == Outcome::Ok);
    CHECK(reply.hint_holders == std::vector<std::string>{Cluster::address(at)});
    CHECK(cluster.hints_at(at) == 3);
    CHECK(cluster.get(at, "k", "any").from_hint);
  }
  SECTION("an owner: unknown, naming itself") {
    cut(owners[0]);
    const auto reply = cluster.put(owners[0], "k", "v", "quorum");
    CHECK(reply.outcome == Outcome::Unknown);
    CHECK(reply.error->message.find("(" + Cluster::address(owners[0]) + ")") != std::string::npos);
    CHECK_FALSE(reply.version.empty());
    CHECK(state_of(reply, cluster.id(owners[0])) == ReplicaState::Durable);
    CHECK(cluster.hints_at(owners[0]) == 2);
  }
}

TEST_CASE("write: with hardly any time it is never wrongly called not written",
          "[replication][cluster]") {
  Cluster cluster;
  int refused = 0, in_doubt = 0;
  for (int step = 0; step < 60; ++step) {
    const std::string key = "hasty" + std::to_string(step);
    const auto at = step % 2 == 0 ? cluster.owners(key)[0] : cluster.others(key)[0];
    const char* const level = step % 3 == 0 ? "any" : step % 3 == 1 ? "all" : "quorum";
    const auto reply = cluster.write(at, cluster.request(key, "v", level, (step / 6) * 1ms));
    cluster.world.run_for(1500ms);
    INFO(key << " at " << level);
    if (reply.outcome == Outcome::NotWritten) {
      ++refused;
      CHECK_FALSE(someone_has(cluster, key));
    } else if (reply.outcome == Outcome::Unknown) {
      ++in_doubt;
      CHECK(reply.error->code == ErrorCode::Unknown);
    } else {
      CHECK(someone_has(cluster, key));
    }
  }
  CHECK(in_doubt > 0);
  CHECK(refused + in_doubt < 60);
}

}  // namespace parley::replication
