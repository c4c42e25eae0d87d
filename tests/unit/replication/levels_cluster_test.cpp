// Scenario a in virtual time: five nodes with real stores and real rpc; every level, write and
// read, with 0 to 3 of a key's replicas gone.
#include <map>
#include <memory>
#include <set>

#include "replication/coordinator.h"
#include "ring/ring.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/fake/temp_store.h"

using namespace parley;
using namespace parley::replication;

namespace {

struct ClusterNode {
  fake::Node* host = nullptr;
  std::unique_ptr<fake::TempStore> store;
  std::unique_ptr<MetricRegistry> metrics;
  std::unique_ptr<runtime::Rpc> rpc;
  std::unique_ptr<Replication> replication;
  membership::ViewPtr view;
};

struct Cluster {
  fake::World world{7};
  runtime::RpcOptions rpc_options;
  ReplicationOptions options;
  membership::View base;
  std::vector<ClusterNode> nodes{5};
  std::set<std::size_t> dead;

  Cluster() {
    Random random(std::uint64_t{11});
    base.cluster = random.id<ClusterId>();
    base.cluster_name = "test";
    base.cluster_key = Bytes(32, 'k');
    membership::KeyspaceRecord keyspace;
    keyspace.id = random.id<KeyspaceId>();
    keyspace.name = "default";
    base.keyspaces = {keyspace};
    std::vector<ring::RingRecord> records;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      membership::Member member;
      member.record.node.octets[0] = static_cast<std::uint8_t>(i + 1);
      member.record.address = address(i);
      member.record.peer_port = 7401;
      ring::RingRecord record{member.record.node, 1, ring::RingStatus::Normal, "default", {}};
      record.slots = ring::allocate_slots(*ring::Ring::build(records), record.node, 32);
      records.push_back(record);
      base.members.push_back(member);
    }
    base.ring = ring::Ring::build(records);
    publish();
    for (std::size_t i = 0; i < nodes.size(); ++i) start(i);
    world.run_for(100ms);
  }
  ~Cluster() {
    for (ClusterNode& node : nodes) {
      node.replication.reset();
      node.rpc.reset();
    }
  }

  static std::string address(std::size_t i) { return "127.0.0." + std::to_string(i + 1); }
  KeyspaceId keyspace() const { return base.keyspaces[0].id; }

  void start(std::size_t i) {
    ClusterNode& node = nodes[i];
    node.host = &world.node(address(i));
    if (!node.store) node.store = std::make_unique<fake::TempStore>(node.host->loop());
    node.metrics = std::make_unique<MetricRegistry>();
    auto rpc = runtime::make_rpc(
        rpc_options, {base.members[i].record.node, 1, base.cluster, "test"}, {address(i), 7401},
        node.host->loop(), node.host->network(), Logger{}, *node.metrics);
    REQUIRE(rpc.ok());
    node.rpc = std::move(*rpc);
    auto made = make_replication(
        {options, node.host->loop(), *node.rpc, node.store->get(), [&node] { return node.view; },
         [] { return true; }, [](const NodeId&) {}, Logger{}, *node.metrics},
        Random(std::uint64_t{100 + i}));
    REQUIRE(made.ok());
    node.replication = std::move(*made);
  }
  // As a kill: at whatever moment, with whatever under way.
  void kill(std::size_t i) {
    nodes[i].replication.reset();
    nodes[i].rpc.reset();
    dead.insert(i);
  }
  void publish() {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      auto view = std::make_shared<membership::View>(base);
      view->self = base.members[i].record.node;
      for (const std::size_t d : dead) view->members[d].liveness = membership::Liveness::Dead;
      nodes[i].view = view;
    }
  }
  std::vector<std::size_t> owners(const std::string& key) const {
    std::vector<std::size_t> out;
    for (const NodeId& id : base.ring->preference_list(slot_of(ring::token_of(key)), 3)) {
      out.push_back(id.octets[0] - std::size_t{1});
    }
    return out;
  }

  WriteReply put(std::size_t at, const std::string& key, const std::string& value,
                 const std::string& level, std::optional<Bytes> context = {}) {
    std::optional<WriteReply> got;
    WriteRequest request;
    request.keyspace = keyspace();
    request.key = key;
    request.value = value;
    request.level = *parse_level(level);
    request.context = std::move(context);
    request.deadline = world.now() + 2s;
    nodes[at].replication->coordinator().write(request, [&](WriteReply reply) { got = reply; });
    CHECK_FALSE(got.has_value());
    REQUIRE(world.run_until([&] { return got.has_value(); }, 3s));
    return *got;
  }
  ReadReply get(std::size_t at, const std::string& key, const std::string& level) {
    std::optional<ReadReply> got;
    nodes[at].replication->coordinator().read(
        {keyspace(), key, *parse_level(level), world.now() + 2s},
        [&](ReadReply reply) { got = reply; });
    REQUIRE(world.run_until([&] { return got.has_value(); }, 3s));
    return *got;
  }
  InspectReply inspect(std::size_t at, const std::string& key) {
    std::optional<InspectReply> got;
    nodes[at].replication->coordinator().inspect(keyspace(), key, world.now() + 2s,
                                                 [&](InspectReply reply) { got = reply; });
    REQUIRE(world.run_until([&] { return got.has_value(); }, 3s));
    return *got;
  }
};

const std::vector<std::string> kLevels = {"all", "quorum", "one", "any", "1", "2", "3"};

std::size_t required_of(const std::string& level) {
  if (level == "all" || level == "3") return 3;
  return level == "quorum" || level == "2" ? 2 : 1;
}

void check_read(const ReadReply& got, const std::string& level, std::size_t up,
                const std::string& value) {
  if (required_of(level) > up && level != "any") {
    CHECK(got.outcome == Outcome::NotWritten);
    REQUIRE(got.error.has_value());
    CHECK(got.error->code == ErrorCode::Unavailable);
    return;
  }
  CHECK(got.outcome == Outcome::Ok);
  CHECK(got.from_hint == (up == 0));
  REQUIRE(got.values.size() == 1);
  CHECK(got.values[0].value == value);
}

void check_write(const WriteReply& put, const std::string& level, std::size_t up) {
  if (required_of(level) > up && level != "any") {
    CHECK(put.outcome == Outcome::NotWritten);
    REQUIRE(put.error.has_value());
    CHECK(put.error->code == ErrorCode::Unavailable);
    return;
  }
  CHECK(put.outcome == Outcome::Ok);
  CHECK_FALSE(put.version.empty());
  CHECK_FALSE(put.context.empty());
  std::size_t durable = 0, hinted = 0;
  for (const ReplicaReceipt& replica : put.replicas) {
    durable += replica.state == ReplicaState::Durable ? 1U : 0U;
    hinted += replica.state == ReplicaState::Hinted ? 1U : 0U;
  }
  CHECK(hinted == 3 - up);
  CHECK(durable >= std::min(up, required_of(level)));
  if (up == 0) CHECK(put.hint_holders.size() == 2);
}

}  // namespace

TEST_CASE("cluster: every level with 0 to 3 replicas gone", "[replication][cluster]") {
  for (const bool through_owner : {false, true}) {
    Cluster cluster;
    const std::string key = "levels";
    const auto owners = cluster.owners(key);
    std::size_t other = 0;
    while (std::find(owners.begin(), owners.end(), other) != owners.end()) ++other;
    std::map<std::string, Bytes> context;
    for (std::size_t killed = 0; killed <= 3; ++killed) {
      if (killed > 0) {
        cluster.kill(owners[killed - 1]);
        cluster.publish();
      }
      if (killed == 3 && through_owner) continue;
      const std::size_t at = through_owner ? owners[2] : other;
      std::string last;
      std::optional<Bytes> seen;
      if (killed > 0 && killed < 3) seen = cluster.get(at, key, "any").context;
      for (const auto& level : kLevels) {
        INFO(level << " with " << killed << " killed");
        const Instant begun = cluster.world.now();
        const auto put = cluster.put(at, key, level + std::to_string(killed), level, seen);
        check_write(put, level, 3 - killed);
        if (put.outcome != Outcome::Ok) {
          CHECK(cluster.world.now() - begun < 100ms);
          if (!last.empty()) check_read(cluster.get(at, key, "any"), "any", 3 - killed, last);
          continue;
        }
        last = level + std::to_string(killed);
        seen = put.context;
        cluster.world.run_for(700ms);
        for (const auto& read : kLevels) {
          INFO("read " << read);
          check_read(cluster.get(at, key, read), read, 3 - killed, last);
        }
      }
    }
  }
}

TEST_CASE("cluster: a replica that missed a write is repaired before a quorum read answers",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  cluster.kill(owners[0]);
  cluster.publish();
  const auto put = cluster.put(owners[1], "k", "v", "2");
  REQUIRE(put.outcome == Outcome::Ok);
  cluster.dead.clear();
  cluster.start(owners[0]);
  cluster.publish();
  auto state = cluster.inspect(owners[1], "k");
  CHECK(state.diverged);
  CHECK(state.replicas[0].hints_pending == 1);
  CHECK_FALSE(state.replicas[0].holds_record);
  const auto got = cluster.get(owners[0], "k", "all");
  CHECK(got.outcome == Outcome::Ok);
  CHECK(got.agreed == 2);
  CHECK(got.repaired == 1);
  REQUIRE(got.values.size() == 1);
  state = cluster.inspect(owners[1], "k");
  CHECK_FALSE(state.diverged);
}

TEST_CASE("cluster: a coordinator destroyed at any moment leaves nothing behind",
          "[replication][cluster]") {
  for (int events = 0; events < 60; events += 4) {
    Cluster cluster;
    const auto owners = cluster.owners("k");
    bool told = false;
    WriteRequest request;
    request.keyspace = cluster.keyspace();
    request.key = "k";
    request.value = "v";
    request.level = *parse_level("all");
    request.deadline = cluster.world.now() + 2s;
    cluster.nodes[owners[0]].replication->coordinator().write(request,
                                                              [&](WriteReply) { told = true; });
    int seen = 0;
    cluster.world.run_until([&] { return ++seen > events; }, 1s);
    const bool before = told;
    cluster.kill(owners[0]);
    cluster.world.run_for(3s);
    CHECK(told == before);
  }
}

TEST_CASE("cluster: a paused replica is hinted and a quorum write does not wait for it",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  cluster.nodes[owners[2]].host->pause();
  const Instant begun = cluster.world.now();
  const auto put = cluster.put(owners[0], "k", "v", "quorum");
  CHECK(put.outcome == Outcome::Ok);
  CHECK(cluster.world.now() - begun < 100ms);
  CHECK(put.replicas[2].state == ReplicaState::Pending);
  cluster.world.run_for(1s);
  CHECK(cluster.nodes[owners[0]].replication->hints().totals().size() == 1);
  const auto all = cluster.put(owners[0], "k", "w", "all");
  CHECK(all.outcome == Outcome::Unknown);
  CHECK(all.replicas[2].state == ReplicaState::Hinted);
  cluster.nodes[owners[2]].host->resume();
}
