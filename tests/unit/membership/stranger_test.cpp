// What strangers and forged senders may not do to a cluster.
#include <algorithm>

#include "base/hash.h"
#include "membership/gossip_codec.h"
#include "membership/membership_codec.h"
#include "membership/record_codec.h"
#include "tests/catch.h"
#include "tests/unit/membership/test_cluster.h"

namespace parley::membership {
namespace {

// Calls JoinDone as somebody who only knows the cluster's name.
Result<Bytes> say_done(TestCluster& cluster, const JoinDone& done) {
  fake::Node& host = cluster.world.node("127.0.0.99");
  MetricRegistry metrics;
  NodeId stranger;
  stranger.octets[0] = 99;
  const runtime::RpcOptions options;  // outlives the Rpc
  auto rpc = runtime::make_rpc(options, {stranger, 1, {}, "test"}, {"127.0.0.99", 7401},
                               host.loop(), host.network(), Logger(), metrics);
  REQUIRE(rpc.ok());
  std::optional<Result<Bytes>> answer;
  const auto call =
      (*rpc)->call({cluster[0].address, 7401}, runtime::Verb::JoinDone, encode_join_done(done), {},
                   [&](Result<Bytes> said) { answer = std::move(said); });
  cluster.world.run_until([&] { return answer.has_value(); }, 3s);
  REQUIRE(answer.has_value());
  return *answer;
}

TEST_CASE("join: a stranger changes no member's record and ends no node", "[membership][cluster]") {
  TestCluster cluster(3);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  const View view = *cluster[0].gossiper->view();

  SECTION("the victim's own id, of a later life") {
    NodeRecord self = view.find(cluster[0].id)->record;
    ++self.generation;
    const auto answer = say_done(cluster, {self.node, view.cluster, {self}});
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().code == ErrorCode::Refused);
  }
  SECTION("the same under another name") {
    NodeRecord self = view.find(cluster[0].id)->record;
    ++self.generation;
    NodeId stranger;
    stranger.octets[0] = 99;
    const auto answer = say_done(cluster, {stranger, view.cluster, {self}});
    CHECK_FALSE(answer.ok());
  }
  SECTION("another member's, moved elsewhere") {
    NodeRecord other = view.find(cluster[1].id)->record;
    ++other.version;
    other.address = "127.0.0.99";
    (void)say_done(cluster, {other.node, view.cluster, {other}});
  }
  SECTION("another member's, with other slots") {
    NodeRecord other = view.find(cluster[1].id)->record;
    ++other.version;
    ++other.ring.version;
    other.ring.slots.pop_back();
    const auto answer = say_done(cluster, {other.node, view.cluster, {other}});
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().code == ErrorCode::Refused);
  }
  SECTION("what is held already, which costs the disk nothing") {
    cluster.world.run_for(1s);
    const int saves = cluster[0].journal.saves;
    const NodeRecord other = view.find(cluster[1].id)->record;
    for (int i = 0; i < 3; ++i) CHECK(say_done(cluster, {other.node, view.cluster, {other}}).ok());
    CHECK(cluster[0].journal.saves == saves);
  }
  cluster.world.run_for(5s);
  for (const auto& node : cluster.nodes) CHECK(node->refused.empty());
  CHECK(cluster.whole());
  for (const Member& member : view.members) {
    CHECK(cluster[0].gossiper->view()->find(member.record.node)->record == member.record);
  }
}

TEST_CASE("join: who crashed before it heard that it was taken in is let in again",
          "[membership][cluster]") {
  TestCluster cluster(2);
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up(); }, 1s));
  REQUIRE(cluster[1].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].members() == 2; }, 3s));
  const auto not_joined = cluster[1].journal.kept;
  REQUIRE(not_joined.has_value());
  cluster[1].kill();
  cluster.world.run_for(10ms);
  cluster[1].journal.kept = not_joined;
  REQUIRE(cluster[1].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 10s));
  CHECK(cluster[0].gossiper->view()->find(cluster[1].id)->record.generation == 2);
}

TEST_CASE("join: a member confirms a new one only when its disk holds it",
          "[membership][cluster]") {
  TestCluster cluster(2);
  REQUIRE(cluster[0].boot({}).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].up(); }, 1s));
  cluster[0].journal.delay = 500ms;
  REQUIRE(cluster[1].boot(cluster.seeds(1)).ok());
  REQUIRE(cluster.world.run_until([&] { return cluster[0].members() == 2; }, 3s));
  const NodeRecord joiner = cluster[0].gossiper->view()->find(cluster[1].id)->record;
  const auto on_disk = [&] {
    const auto kept = decode_state(*cluster[0].journal.kept);
    REQUIRE(kept.ok());
    return std::find(kept->nodes.begin(), kept->nodes.end(), joiner) != kept->nodes.end();
  };
  REQUIRE_FALSE(on_disk());
  // The joiner asks again before it was answered.
  CHECK(say_done(cluster, {joiner.node, cluster[0].gossiper->view()->cluster, {joiner}}).ok());
  CHECK(on_disk());
}

TEST_CASE("gossip: senders that nobody knows are asked one at a time", "[membership][cluster]") {
  TestCluster cluster(2);
  cluster.boot_all(1);
  REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
  const auto syncs = [&] {
    const std::string text = cluster[0].metrics->render();
    const std::string name = "\nparley_member_syncs_total ";
    const auto found = text.find(name);
    REQUIRE(found != std::string::npos);
    return std::stoull(text.substr(found + name.size()));
  };
  auto socket = cluster.world.node("127.0.0.99")
                    .network()
                    .bind_datagrams({"127.0.0.99", 7401}, [](const Endpoint&, ByteView) {});
  REQUIRE(socket.ok());
  const auto before = syncs();
  for (int i = 0; i < 400; ++i) {
    Datagram datagram;
    datagram.sender = cluster.random.id<NodeId>();
    datagram.generation = 1;
    datagram.nonce = 5;
    (*socket)->send(
        {cluster[0].address, 7401},
        encode_datagram({cluster[0].gossiper->view()->cluster, hash64("test")}, datagram));
    cluster.world.run_for(10ms);
  }
  CHECK(syncs() > before);
  CHECK(syncs() - before <= 9);  // 4 s, one in 500 ms
  CHECK(cluster.whole());
}

}  // namespace
}  // namespace parley::membership
