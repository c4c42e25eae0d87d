// ClusterAdminService's fan-out: three nodes' services over an in-memory rpc and virtual time.
#include "api/cluster_admin_service.h"

#include "base/check.h"
#include "replication/version.h"
#include "ring/ring.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/unit/repair/memory_floor.h"

namespace parley::api {
namespace {

using repair::test::MemoryReplica;
using repair::test::MemoryRpc;
using repair::test::MemoryStore;
using repair::test::Switchboard;

NodeId id_of(std::size_t n) {
  NodeId id;
  id.octets[15] = static_cast<std::uint8_t>(n);
  return id;
}
std::string address_of(std::size_t n) { return "127.0.0." + std::to_string(n); }

membership::ViewPtr view_of(std::size_t self, const std::vector<std::size_t>& dead) {
  auto view = std::make_shared<membership::View>();
  view->self = id_of(self);
  view->cluster_name = "test";
  std::vector<ring::RingRecord> records;
  for (std::size_t n = 1; n <= 3; ++n) {
    membership::Member member;
    member.record.node = member.record.ring.node = id_of(n);
    member.record.address = address_of(n);
    member.record.peer_port = 7401;
    member.record.ring.version = 1;
    member.record.ring.status = ring::RingStatus::Normal;
    member.record.ring.slots = {static_cast<Slot>(n * 16384)};
    const bool is_dead = std::find(dead.begin(), dead.end(), n) != dead.end();
    member.liveness = is_dead ? membership::Liveness::Dead : membership::Liveness::Alive;
    records.push_back(member.record.ring);
    view->members.push_back(std::move(member));
  }
  membership::KeyspaceRecord keyspace;
  keyspace.name = "default";
  view->keyspaces = {keyspace};
  view->ring = ring::Ring::build(records);
  return view;
}

class FixedGossiper final : public membership::Gossiper {
 public:
  void serve() override {}
  void start(std::function<void(const membership::Refusal&)>) override {}
  membership::ViewPtr view() const override { return shown; }
  std::string waiting_for() const override { return "its seeds"; }
  bool accepts_writes() const override { return true; }
  void observe(membership::MembershipObserver*) override {}
  std::vector<membership::GossipRow> gossip() const override {
    std::vector<membership::GossipRow> rows(1);
    rows[0].member = shown->members[1];
    rows[0].last_heard_ms = 12;
    return rows;
  }
  bool views_agree() const override { return true; }
  std::optional<Duration> clock_off() const override { return std::nullopt; }
  void suspect_evidence(const NodeId&) override {}
  void change_keyspace(const KeyspaceId& id, const membership::KeyspaceChange& change, Duration,
                       std::function<void(Result<membership::KeyspaceRecord>)> done) override {
    if (refuse_keyspace) return done(Error{ErrorCode::Unavailable, "no majority"});
    stored = *shown->keyspace(id);
    stored->read_level = change.read_level.value_or(stored->read_level);
    stored->write_level = change.write_level.value_or(stored->write_level);
    done(*stored);
  }
  void leave(Duration, std::function<void()> done) override { done(); }

  membership::ViewPtr shown;
  std::optional<membership::KeyspaceRecord> stored;
  bool refuse_keyspace = false;
};

class CountedHints final : public replication::HintLog {
 public:
  void add(const NodeId&, const storage::RecordKey&, Bytes, bool,
           std::function<void(Status)>) override {
    PARLEY_UNREACHABLE();
  }
  void find(const storage::RecordKey&,
            std::function<void(Result<std::vector<storage::HintRow>>)>) override {
    PARLEY_UNREACHABLE();
  }
  void list(const NodeId&, std::optional<storage::HintKey>, std::size_t, std::size_t,
            std::function<void(Result<std::vector<storage::HintRow>>)>) override {
    PARLEY_UNREACHABLE();
  }
  void erase(const storage::HintKey&, std::uint64_t, std::function<void(Result<bool>)>) override {
    PARLEY_UNREACHABLE();
  }
  void drop(std::optional<NodeId> target,
            std::function<void(Result<std::uint64_t>)> done) override {
    std::uint64_t dropped = 0;
    for (auto& [node, totals] : kept) {
      if (!target || *target == node) dropped += std::exchange(totals.hints, 0);
    }
    done(dropped);
  }
  const std::map<NodeId, storage::HintTotals>& totals() const override { return kept; }

  std::map<NodeId, storage::HintTotals> kept;
};

class FixedReplication final : public replication::Replication, public replication::Coordinator {
 public:
  FixedReplication(replication::Replica& replica, replication::HintLog& hints)
      : replica_(replica), hints_(hints) {}
  replication::Replica& replica() override { return replica_; }
  replication::HintLog& hints() override { return hints_; }
  replication::Coordinator& coordinator() override { return *this; }
  replication::NodeLatencies latencies() const override { return measured; }
  void observe(replication::DivergenceObserver*) override {}
  void when_ready(std::function<void()> ready) override { ready(); }
  void trust_earlier_lives() override {}
  void write(replication::WriteRequest, std::function<void(replication::WriteReply)>) override {
    PARLEY_UNREACHABLE();
  }
  void read(replication::ReadRequest, std::function<void(replication::ReadReply)>) override {
    PARLEY_UNREACHABLE();
  }
  void inspect(KeyspaceId, Bytes, Instant,
               std::function<void(replication::InspectReply)> done) override {
    done({std::nullopt, {replication::InspectRow{}}, false});
  }
  std::size_t in_flight() const override { return 0; }

  replication::NodeLatencies measured;

 private:
  replication::Replica& replica_;
  replication::HintLog& hints_;
};

class CountedRepair final : public repair::Repair {
 public:
  void start() override {}
  void run_round(Duration, std::function<void(Result<std::uint64_t>)> done) override {
    ++rounds;
    if (hangs) return;
    done(fails ? Result<std::uint64_t>(Error{ErrorCode::Unknown, "some did not end"})
               : Result<std::uint64_t>(keys));
  }
  repair::Comparisons comparisons() const override { return {}; }
  void when_compared(std::function<void()>) override {}
  std::vector<repair::SyncRow> status() const override {
    repair::SyncRow row;
    row.peer = peer;
    row.keys_last = keys;
    row.last_sync_ms = 5;
    row.equal = true;
    return {row};
  }
  void record_changed(storage::KeyspaceNumber, Token, ByteView, std::uint64_t,
                      std::uint64_t) override {}
  void view_changed(const membership::ViewPtr&) override {}
  void member_returned(const NodeId&) override {}
  void replicas_stale(const storage::RecordKey&, const Bytes&,
                      const std::vector<NodeId>&) override {}
  void record_damaged(const storage::RecordKey&) override {}
  void hint_dropped(const NodeId&, const storage::RecordKey&) override {}

  std::size_t rounds = 0;
  std::uint64_t keys = 0;
  bool fails = false, hangs = false;
  NodeId peer;
};

struct TestNode {
  TestNode(std::size_t n, Switchboard& board, runtime::Loop& loop, FaultDesk* faults)
      : store(loop),
        replica(store),
        rpc(board, loop, id_of(n), {address_of(n), 7401}),
        replication(replica, hints) {
    gossiper.shown = view_of(n, {});
    repair.peer = id_of(n % 3 + 1);
    repair.keys = n;
    service = std::make_unique<ClusterAdminService>(
        ClusterAdminWorld{loop, rpc, store, gossiper, replication, repair,
                          [] { return client::NodeInfo{}; }, faults});
  }
  MemoryStore store;
  MemoryReplica replica;
  MemoryRpc rpc;
  FixedGossiper gossiper;
  CountedHints hints;
  FixedReplication replication;
  CountedRepair repair;
  std::unique_ptr<ClusterAdminService> service;
};

struct Three {
  Three() {
    for (std::size_t n = 1; n <= 3; ++n) {
      nodes.push_back(std::make_unique<TestNode>(n, board, loop(), n == 1 ? nullptr : &desk));
    }
    for (std::size_t n = 2; n <= 3; ++n) {
      nodes[n - 1]->hints.kept[id_of(1)] = {10 * n, n, 100 * n, WallTime{}};
    }
  }
  runtime::Loop& loop() { return world.node("127.0.0.1").loop(); }
  TestNode& first() { return *nodes[0]; }
  ClusterAdminService& service() { return *nodes[0]->service; }
  // What `ask` was answered; the answer never comes inside the call.
  template <typename T>
  Result<T> answer(const std::function<void(ClusterAdmin::Done<T>)>& ask, Duration limit = 3s) {
    std::optional<Result<T>> got;
    ask([&got](Result<T> result) { got.emplace(std::move(result)); });
    CHECK_FALSE(got.has_value());
    REQUIRE(world.run_until([&got] { return got.has_value(); }, limit));
    return std::move(*got);
  }
  Result<client::ClusterStatus> status() {
    return answer<client::ClusterStatus>(
        [this](auto done) { service().status(2s, std::move(done)); });
  }
  Result<std::uint64_t> drop(const std::string& target) {
    return answer<std::uint64_t>(
        [&](auto done) { service().drop_hints(target, 2s, std::move(done)); });
  }
  Result<std::uint64_t> repair(bool wait, Duration timeout = 2s) {
    return answer<std::uint64_t>(
        [&](auto done) { service().repair(wait, timeout, std::move(done)); });
  }

  fake::World world{1};
  MetricRegistry metrics;
  FaultDesk desk{loop(),         world.node("127.0.0.1").network(), Random(1), Logger{}, metrics,
                 [](Duration) {}};  // the second's and the third's
  Switchboard board;
  std::vector<std::unique_ptr<TestNode>> nodes;
};

TEST_CASE("admin service: status sums what all up nodes say", "[api][admin]") {
  Three three;
  const auto status = three.status();
  REQUIRE(status.ok());
  REQUIRE(status->nodes.size() == 3);
  CHECK(status->nodes[0].address == "127.0.0.1");
  CHECK(status->nodes[0].hints_for == 50);  // 20 at the second, 30 at the third
  CHECK(status->nodes[1].hints_for == 0);
  CHECK(status->views_agree);
  CHECK(three.board.calls[runtime::Verb::PeerLoad] == 2);
  CHECK(three.board.calls[runtime::Verb::PeerHints] == 2);
}

TEST_CASE("admin service: conflicts are those of every node that is up", "[api][admin]") {
  Three three;
  const auto keep = [&](std::size_t n, const Bytes& key, std::vector<std::uint8_t> actors) {
    replication::VersionSet set;
    for (const std::uint8_t actor : actors) {
      replication::Dot dot;
      dot.actor.storage.octets[0] = actor;
      dot.counter = 1;
      set.write({}, {dot, false, {}, "v"});
    }
    bool done = false;
    three.nodes[n - 1]->store.update(
        {storage::kDefaultKeyspace, ring::token_of(key), key},
        [set](const storage::Found&) { return std::optional(set.encode()); },
        storage::Durability::Fsync, [&done](const auto&) { done = true; });
    REQUIRE(three.world.run_until([&done] { return done; }, 1s));
  };
  keep(1, "own", {1, 2});
  keep(1, "shared", {1, 2});
  keep(2, "shared", {2, 3});
  keep(2, "plain", {1});
  keep(3, "third", {1, 2});
  const auto ask = [&](const std::string& keyspace, std::size_t limit) {
    return three.answer<client::ConflictPage>(
        [&](auto done) { three.service().conflicts(keyspace, {}, limit, 2s, std::move(done)); });
  };
  const auto versions_of = [](const client::ConflictPage& page) {
    std::map<Bytes, std::size_t> out;
    for (const auto& row : page.rows) out[row.key] = row.versions.size();
    return out;
  };
  auto page = ask("default", 0);
  REQUIRE(page.ok());
  CHECK(versions_of(*page) ==
        std::map<Bytes, std::size_t>{{"own", 2}, {"shared", 3}, {"third", 2}});
  CHECK(page->next.empty());
  CHECK(page->no_answer.empty());
  CHECK_FALSE(ask("default", 1)->next.empty());
  CHECK(ask("nope", 0).error().code == ErrorCode::NotFound);
  // A silent node is named, and what it alone holds is missing; a dead one is not asked.
  three.board.down = {{address_of(3), 7401}};
  page = ask("default", 0);
  CHECK(versions_of(*page) == std::map<Bytes, std::size_t>{{"own", 2}, {"shared", 3}});
  CHECK(page->no_answer == std::vector<std::string>{"127.0.0.3"});
  three.first().gossiper.shown = view_of(1, {2, 3});
  page = ask("default", 0);
  CHECK(versions_of(*page) == std::map<Bytes, std::size_t>{{"own", 2}, {"shared", 2}});
  CHECK(page->no_answer.empty());
}

TEST_CASE("admin service: a silent node is left out, a dead one is not asked", "[api][admin]") {
  Three three;
  three.board.down = {{address_of(2), 7401}};
  auto status = three.status();
  REQUIRE(status.ok());
  CHECK(status->nodes[0].hints_for == 30);
  CHECK(status->no_answer == std::vector<std::string>{"127.0.0.2"});
  three.board.forget();
  three.first().gossiper.shown = view_of(1, {2});
  status = three.status();
  REQUIRE(status.ok());
  CHECK(status->nodes[1].status == "DN");
  CHECK(status->no_answer.empty());  // nobody waited for it
  CHECK(three.board.calls[runtime::Verb::PeerHints] == 1);
  // Alone: no peer at all to ask.
  three.first().gossiper.shown = view_of(1, {2, 3});
  CHECK(three.status().ok());
}

TEST_CASE("admin service: an answer that is no message counts as none", "[api][admin]") {
  Three three;
  three.nodes[1]->rpc.serve(
      runtime::Verb::PeerHints, runtime::Admission::Members,
      [](const runtime::RpcRequest&, const runtime::Responder& respond) { respond(Bytes("no")); });
  const auto hints = three.answer<client::Gathered<client::HintRow>>(
      [&](auto done) { three.service().hints(2s, std::move(done)); });
  REQUIRE(hints.ok());
  CHECK(hints->no_answer == std::vector<std::string>{"127.0.0.2"});
  const auto* rows = &hints->rows;
  REQUIRE(rows->size() == 1);
  CHECK(rows->at(0).holder == "127.0.0.3");
  CHECK(rows->at(0).target == "127.0.0.1");
  CHECK(rows->at(0).hints == 30);
  CHECK(rows->at(0).sole_hints == 3);
  CHECK(rows->at(0).bytes == 300);
}

TEST_CASE("admin service: hints are dropped on every node, or for one target", "[api][admin]") {
  Three three;
  three.first().hints.kept[id_of(2)] = {7, 0, 0, WallTime{}};
  CHECK(three.drop("127.0.0.9").error().code == ErrorCode::NotFound);
  CHECK(*three.drop("127.0.0.2") == 7);
  CHECK(three.nodes[1]->hints.kept[id_of(1)].hints == 20);
  CHECK(*three.drop("") == 50);
  CHECK(three.nodes[2]->hints.kept[id_of(1)].hints == 0);
}

TEST_CASE("admin service: a repair runs on every node, waited for or not", "[api][admin]") {
  Three three;
  CHECK(*three.repair(true) == 6);
  CHECK(*three.repair(false) == 0);
  for (const auto& node : three.nodes) CHECK(node->repair.rounds == 2);
  three.nodes[2]->repair.fails = true;
  CHECK(three.repair(true).error().code == ErrorCode::Unknown);
  three.nodes[2]->repair.fails = false;
  three.nodes[2]->repair.hangs = true;
  const Instant begun = three.loop().now();
  CHECK(three.repair(true, 1s).error().code == ErrorCode::Unknown);
  CHECK(three.loop().now() - begun <= 1s);  // the operator still hears it
  CHECK(*three.repair(false) == 0);
}

TEST_CASE("admin service: repair status names every holder", "[api][admin]") {
  Three three;
  auto report = three.answer<client::Gathered<client::RepairRow>>(
      [&](auto done) { three.service().repair_status(2s, std::move(done)); });
  REQUIRE(report.ok());
  CHECK(report->no_answer.empty());
  const auto* rows = &report->rows;
  REQUIRE(rows->size() == 3);
  for (std::size_t n = 1; n <= 3; ++n) {
    CHECK(rows->at(n - 1).holder == address_of(n));
    CHECK(rows->at(n - 1).peer == address_of(n % 3 + 1));
    CHECK(rows->at(n - 1).keys_last == n);
  }
  three.board.down = {{address_of(3), 7401}};
  report = three.answer<client::Gathered<client::RepairRow>>(
      [&](auto done) { three.service().repair_status(2s, std::move(done)); });
  REQUIRE(report.ok());
  CHECK(report->rows.size() == 2);
  CHECK(report->no_answer == std::vector<std::string>{"127.0.0.3"});
}

TEST_CASE("admin service: default levels are changed by membership", "[api][admin]") {
  Three three;
  const auto set = [&](const std::string& name, const std::string& read) {
    std::optional<Result<client::KeyspaceInfo>> got;
    three.service().set_consistency(name, read, "", 1s, [&](auto result) { got = result; });
    REQUIRE(three.world.run_until([&] { return got.has_value(); }, 1s));
    return *got;
  };
  CHECK(set("default", "one")->read_level == "one");
  CHECK(three.first().gossiper.stored->write_level ==
        three.first().gossiper.shown->keyspace("default")->write_level);
  CHECK(set("nowhere", "one").error().code == ErrorCode::NotFound);
  CHECK(set("default", "9").error().code == ErrorCode::InvalidArgument);
  three.first().gossiper.refuse_keyspace = true;
  CHECK(set("default", "one").error().code == ErrorCode::Unavailable);
}

TEST_CASE("admin service: before membership everything is not ready", "[api][admin]") {
  Three three;
  three.first().gossiper.shown = nullptr;
  CHECK(three.status().error().code == ErrorCode::NotReady);
  CHECK(three.drop("").error().code == ErrorCode::NotReady);
  CHECK(three.repair(true).error().code == ErrorCode::NotReady);
  CHECK(three.service().ring().error().code == ErrorCode::NotReady);
  CHECK(three.service().keyspace("default").error().code == ErrorCode::NotReady);
  CHECK(three.service().endpoints("default", "k").error().code == ErrorCode::NotReady);
}

TEST_CASE("admin service: faults are for nodes that allow them, and status counts them",
          "[api][admin]") {
  Three three;
  client::FaultSpec cut;
  cut.cut = true;
  CHECK(three.service().inject_fault(cut).error().code == ErrorCode::Refused);
  CHECK(three.service().faults().error().code == ErrorCode::Refused);
  CHECK(three.service().heal_faults(0, "", "").error().code == ErrorCode::Refused);
  auto& second = *three.nodes[1]->service;
  CHECK(*second.inject_fault(cut) == 1);
  CHECK(second.faults()->size() == 1);
  const auto status = three.status();
  CHECK(status->nodes[0].faults == 0);
  CHECK(status->nodes[1].faults == 1);
  CHECK(*second.heal_faults(1, "", "") == 1);
  CHECK(second.heal_faults(1, "", "").error().code == ErrorCode::NotFound);
}

TEST_CASE("admin service: latencies are those of this node, of members by address",
          "[api][admin]") {
  Three three;
  auto& measured = three.first().replication.measured;
  measured.mint = {{1, 2, 3}};
  measured.peers = {{id_of(2), {{4, 5, 6}}, {}, {}, {{7, 8, 9}}}, {id_of(9), {}, {}, {}, {}}};
  const auto out = three.service().latencies();
  REQUIRE(out);
  CHECK(out->node == to_text(id_of(1)));
  CHECK(out->address == address_of(1));
  REQUIRE(out->mint.size() == 1);
  CHECK(out->mint[0].to_ms == 2);
  REQUIRE(out->peers.size() == 2);
  CHECK(out->peers[0].address == address_of(2));
  CHECK(out->peers[0].write_out.at(0).weight == 6);
  CHECK(out->peers[0].read_back.at(0).from_ms == 7);
  CHECK(out->peers[1].address.empty());
  three.first().gossiper.shown = nullptr;
  CHECK(three.service().latencies().error().code == ErrorCode::NotReady);
}

TEST_CASE("admin service: a malformed request of a peer is refused", "[api][admin]") {
  Three three;
  for (const auto verb : {runtime::Verb::PeerDropHints, runtime::Verb::PeerRepair}) {
    std::optional<Result<Bytes>> got;
    const auto call = three.nodes[1]->rpc.call({address_of(1), 7401}, verb, Bytes("\xff\xff"), {},
                                               [&](Result<Bytes> reply) { got = reply; });
    REQUIRE(three.world.run_until([&] { return got.has_value(); }, 3s));
    CHECK(got->error().code == ErrorCode::InvalidArgument);
  }
  CHECK(three.first().repair.rounds == 0);
}

TEST_CASE("admin service: destroyed with questions outstanding, nothing comes", "[api][admin]") {
  Three three;
  bool came = false;
  three.service().status(2s, [&](auto) { came = true; });
  three.service().hints(2s, [&](auto) { came = true; });
  three.first().service.reset();
  three.world.run_for(3s);
  CHECK_FALSE(came);
}

}  // namespace
}  // namespace parley::api
