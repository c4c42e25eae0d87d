// Five nodes with real stores and real rpc on virtual time: the whole replication floor, but no
// membership. Views are published by the test.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replication/coordinator.h"
#include "ring/ring.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/fake/temp_store.h"

namespace parley::replication::test {

// Counts what is asked of peers, by verb.
class CountingRpc final : public runtime::Rpc {
 public:
  explicit CountingRpc(std::unique_ptr<runtime::Rpc> real) : real_(std::move(real)) {}
  runtime::CallHandle call(const Endpoint& to, runtime::Verb verb, Bytes body,
                           const runtime::CallOptions& options,
                           std::function<void(Result<Bytes>)> done) override {
    ++calls[verb];
    return real_->call(to, verb, std::move(body), options, std::move(done));
  }
  void serve(runtime::Verb verb, runtime::Admission admission,
             runtime::RpcHandler handler) override {
    served_[verb] = handler;
    real_->serve(verb, admission, std::move(handler));
  }
  void set_identity(const runtime::RpcIdentity& identity) override {
    real_->set_identity(identity);
  }
  void peer_recovered(const Endpoint& peer) override { real_->peer_recovered(peer); }
  void on_peer_broken(std::function<void(NodeId, const Endpoint&)> observer) override {
    real_->on_peer_broken(std::move(observer));
  }

  // What this node answers to `verb` from now on instead of serving it; nullopt: nothing, ever.
  void refuse(runtime::Verb verb, std::optional<ErrorCode> code) {
    real_->serve(verb, runtime::Admission::Members,
                 [code](const runtime::RpcRequest&, const runtime::Responder& respond) {
                   if (code) respond(Error{*code, "refused by the test"});
                 });
  }
  // It serves `verb` as ever, but its answers come so much later.
  void delay(runtime::Verb verb, runtime::Loop& loop, Duration by) {
    real_->serve(verb, runtime::Admission::Members,
                 [handler = served_.at(verb), &loop, by](const runtime::RpcRequest& request,
                                                         const runtime::Responder& respond) {
                   handler(request, [&loop, by, respond](const Result<Bytes>& answer) {
                     loop.start_timer(loop.now() + by, [respond, answer] { respond(answer); });
                   });
                 });
  }
  int total() const {
    int sum = 0;
    for (const auto& [verb, count] : calls) sum += count;
    return sum;
  }

  std::map<runtime::Verb, int> calls;

 private:
  std::unique_ptr<runtime::Rpc> real_;
  std::map<runtime::Verb, runtime::RpcHandler> served_;
};

struct ClusterNode {
  fake::Node* host = nullptr;
  std::unique_ptr<fake::TempStore> store;
  std::unique_ptr<MetricRegistry> metrics;
  std::unique_ptr<CountingRpc> rpc;
  std::unique_ptr<Replication> replication;
  membership::ViewPtr view;
  bool takes_writes = true;
  bool clock_is_off = false;
  std::uint64_t free_bytes = 1ULL << 40;  // of its disk; looked at every 100 ms
  std::set<NodeId> silent;                // whose calls failed without an answer
};

struct Cluster {
  fake::World world{7};
  runtime::RpcOptions rpc_options;
  ReplicationOptions options;
  membership::View base;
  std::vector<ring::RingRecord> records;
  std::vector<ClusterNode> nodes{5};
  std::set<std::size_t> dead, suspect;

  Cluster() {
    Random random(std::uint64_t{11});
    base.cluster = random.id<ClusterId>();
    base.cluster_name = "test";
    base.cluster_key = Bytes(32, 'k');
    membership::KeyspaceRecord keyspace_record;
    keyspace_record.id = random.id<KeyspaceId>();
    keyspace_record.name = "default";
    base.keyspaces = {keyspace_record};
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

  static std::optional<Error> clock_trouble(const ClusterNode& node) {
    if (!node.clock_is_off) return std::nullopt;
    return Error{ErrorCode::ClockSkew, "the test says that the clock is off"};
  }
  void let_the_last_writer_win() {
    base.keyspaces[0].conflict_rule = membership::ConflictRule::LastWriterWins;
    publish();
  }
  static std::string address(std::size_t i) { return "127.0.0." + std::to_string(i + 1); }
  KeyspaceId keyspace() const { return base.keyspaces[0].id; }
  NodeId id(std::size_t i) const { return base.members[i].record.node; }

  void start(std::size_t i) {
    ClusterNode& node = nodes[i];
    node.host = &world.node(address(i));
    if (!node.store) {
      auto settings = fake::inline_settings();
      settings.free_bytes = [&node](const std::string&) { return node.free_bytes; };
      node.store = std::make_unique<fake::TempStore>(node.host->loop(), settings);
    }
    node.metrics = std::make_unique<MetricRegistry>();
    auto rpc = runtime::make_rpc(rpc_options, {id(i), 1, base.cluster, "test"}, {address(i), 7401},
                                 node.host->loop(), node.host->network(), Logger{}, *node.metrics);
    REQUIRE(rpc.ok());
    node.rpc = std::make_unique<CountingRpc>(std::move(*rpc));
    auto made =
        make_replication({options, node.host->loop(), *node.rpc, node.store->get(),
                          [&node] { return node.view; }, [&node] { return node.takes_writes; },
                          [&node](const NodeId& peer) { node.silent.insert(peer); }, Logger{},
                          *node.metrics, [&node] { return clock_trouble(node); }},
                         Random(std::uint64_t{100 + i}));
    REQUIRE(made.ok());
    node.replication = std::move(*made);
    dead.erase(i);
  }
  // As a kill: at whatever moment, with whatever under way.
  void kill(std::size_t i) {
    nodes[i].replication.reset();
    nodes[i].rpc.reset();
    dead.insert(i);
  }
  // Options that are read at the start hold from here on.
  void restart_all() {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      kill(i);
      start(i);
    }
    world.run_for(100ms);
  }
  void publish() {
    for (std::size_t i = 0; i < nodes.size(); ++i) publish_to(i, base.ring);
  }
  void publish_to(std::size_t i, std::shared_ptr<const ring::Ring> ring) {
    auto view = std::make_shared<membership::View>(base);
    view->self = id(i);
    view->ring = std::move(ring);
    for (const std::size_t s : suspect) view->members[s].liveness = membership::Liveness::Suspect;
    for (const std::size_t d : dead) view->members[d].liveness = membership::Liveness::Dead;
    nodes[i].view = view;
  }
  std::shared_ptr<const ring::Ring> ring_without(std::size_t i) const {
    auto fewer = records;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    return ring::Ring::build(fewer);
  }
  std::vector<std::size_t> owners(const std::string& key) const {
    std::vector<std::size_t> out;
    for (const NodeId& node : base.ring->preference_list(slot_of(ring::token_of(key)), 3)) {
      out.push_back(node.octets[0] - std::size_t{1});
    }
    return out;
  }
  // The nodes that do not own it.
  std::vector<std::size_t> others(const std::string& key) const {
    const auto own = owners(key);
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (std::find(own.begin(), own.end(), i) == own.end()) out.push_back(i);
    }
    return out;
  }
  storage::RecordKey record_key(const std::string& key) const {
    return {storage::kDefaultKeyspace, ring::token_of(key), key};
  }
  Coordinator& coordinator(std::size_t at) { return nodes[at].replication->coordinator(); }
  int calls_of_all() const {
    int sum = 0;
    for (const ClusterNode& node : nodes) sum += node.rpc ? node.rpc->total() : 0;
    return sum;
  }
  void refuse(std::size_t at, runtime::Verb verb, std::optional<ErrorCode> code) {
    nodes[at].rpc->refuse(verb, code);
  }
  void delay(std::size_t at, runtime::Verb verb, Duration by) {
    nodes[at].rpc->delay(verb, nodes[at].host->loop(), by);
  }
  std::uint64_t hints_at(std::size_t at) const {
    std::uint64_t sum = 0;
    for (const auto& [target, totals] : nodes[at].replication->hints().totals()) {
      sum += totals.hints;
    }
    return sum;
  }

  std::vector<storage::HintRow> hints_of(std::size_t at, const std::string& key) {
    std::optional<std::vector<storage::HintRow>> got;
    nodes[at].store->get().find_hints(
        record_key(key), [&](Result<std::vector<storage::HintRow>> rows) { got = *rows; });
    REQUIRE(world.run_until([&] { return got.has_value(); }, 1s));
    return *got;
  }

  WriteRequest request(const std::string& key, const std::string& value, const std::string& level,
                       Duration timeout = 2s) const {
    WriteRequest request;
    request.keyspace = keyspace();
    request.key = key;
    request.value = value;
    request.level = *parse_level(level);
    request.deadline = world.now() + timeout;
    return request;
  }
  WriteReply write(std::size_t at, WriteRequest request) {
    std::optional<WriteReply> got;
    const Duration left = request.deadline - world.now();
    coordinator(at).write(std::move(request), [&](WriteReply reply) {
      CHECK_FALSE(got.has_value());
      got = std::move(reply);
    });
    CHECK_FALSE(got.has_value());
    REQUIRE(world.run_until([&] { return got.has_value(); }, left + 100ms));
    return *got;
  }
  WriteReply put(std::size_t at, const std::string& key, const std::string& value,
                 const std::string& level, std::optional<Bytes> context = {}) {
    WriteRequest one = request(key, value, level);
    one.context = std::move(context);
    return write(at, std::move(one));
  }
  ReadReply get(std::size_t at, const std::string& key, const std::string& level,
                Duration timeout = 2s) {
    std::optional<ReadReply> got;
    coordinator(at).read({keyspace(), key, *parse_level(level), world.now() + timeout},
                         [&](ReadReply reply) {
                           CHECK_FALSE(got.has_value());
                           got = std::move(reply);
                         });
    CHECK_FALSE(got.has_value());
    REQUIRE(world.run_until([&] { return got.has_value(); }, timeout + 100ms));
    return *got;
  }
  InspectReply inspect(std::size_t at, const std::string& key, Duration timeout = 2s) {
    std::optional<InspectReply> got;
    coordinator(at).inspect(keyspace(), key, world.now() + timeout,
                            [&](InspectReply reply) { got = std::move(reply); });
    REQUIRE(world.run_until([&] { return got.has_value(); }, timeout + 100ms));
    return *got;
  }
  // The record itself, as the store of `at` has it.
  storage::Found record(std::size_t at, const std::string& key) {
    std::optional<storage::Found> got;
    nodes[at].store->get().get(record_key(key),
                               [&](Result<storage::Found> found) { got = *found; });
    REQUIRE(world.run_until([&] { return got.has_value(); }, 1s));
    return *got;
  }
  void fill_disk(std::size_t at) {
    nodes[at].free_bytes = 0;
    world.run_for(200ms);
  }
  // Overwrites the record with bytes that are no version set: as damaged as a failed checksum.
  void damage(std::size_t at, const std::string& key) {
    bool done = false;
    nodes[at].store->get().update(
        record_key(key),
        [](const storage::Found&) { return std::optional<Bytes>("no version set"); },
        storage::Durability::Fsync, [&](const Result<storage::Updated>&) { done = true; });
    REQUIRE(world.run_until([&] { return done; }, 1s));
  }
};

inline ReplicaState state_of(const WriteReply& reply, const NodeId& node) {
  for (const ReplicaReceipt& receipt : reply.replicas) {
    if (receipt.node == node) return receipt.state;
  }
  FAIL("the node is not in the receipt");
  return ReplicaState::Failed;
}

}  // namespace parley::replication::test
