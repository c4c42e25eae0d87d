// Whole nodes of membership (Gossiper, real Rpc, remembered disk) in a fake world.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "membership/gossiper.h"
#include "tests/fake/fake_world.h"

namespace parley::membership {

class MemoryJournal final : public Journal {
 public:
  explicit MemoryJournal(runtime::Loop& loop) : loop_(loop) {}
  void save(Bytes state, std::function<void()> done) override {
    ++saves;
    // A real disk answers later, after the fsync.
    loop_.start_timer(loop_.now() + delay, [this, state = std::move(state), done] {
      kept = state;
      done();
    });
  }
  std::optional<Bytes> kept;
  Duration delay = 2ms;
  int saves = 0;

 private:
  runtime::Loop& loop_;
};

struct TestNode : MembershipObserver {
  TestNode(fake::World& world_, int number_, std::uint64_t seed_)
      : world(world_),
        number(number_),
        seed(seed_),
        address("127.0.0." + std::to_string(number_)),
        host(world_.node(address)),
        journal(host.loop()) {
    id.octets[0] = static_cast<std::uint8_t>(number);
    id.octets[15] = static_cast<std::uint8_t>(number);
  }

  // Error: what make_gossiper said.
  Status boot(std::vector<Endpoint> seeds, bool found = false, std::string cluster = "test") {
    ++generation;
    metrics = std::make_unique<MetricRegistry>();
    const Endpoint at{address, 7401};
    auto made = runtime::make_rpc(rpc_options, {id, generation, {}, cluster}, at, host.loop(),
                                  host.network(), Logger(), *metrics);
    if (!made.ok()) return made.error();
    rpc = std::move(*made);
    GossiperStart start;
    start.self.node = id;
    start.self.generation = generation;
    start.self.address = address;
    start.self.client_port = 7400;
    start.self.peer_port = 7401;
    start.self.http_port = 7402;
    start.state = journal.kept;
    start.cluster_name = cluster;
    start.seeds = std::move(seeds);
    start.found = found;
    start.vnodes = 16;
    start.conflict_rule = conflict_rule;
    start.has_records = [this] { return holds_data; };
    start.writes_under_way = [this] { return writes; };
    start.in_doubt = [this](Generation other) { doubted = other; };
    auto gossiper_made = make_gossiper(
        options, std::move(start), host.loop(), host.network(), *rpc, journal,
        Random(seed * 1000 + static_cast<std::uint64_t>(number) * 100 + generation), log, *metrics);
    if (!gossiper_made.ok()) {
      rpc.reset();
      return gossiper_made.error();
    }
    gossiper = std::move(*gossiper_made);
    gossiper->observe(this);
    refused.clear();
    later = doubted = 0;
    gossiper->start([this](const Refusal& refusal) {
      refused = refusal.error.message;
      later = refusal.later;
    });
    return Done{};
  }
  // As kill -9: the kernel closes its sockets.
  void kill() {
    gossiper.reset();
    rpc.reset();
  }
  bool up() const { return gossiper != nullptr && gossiper->view() != nullptr; }
  std::size_t members() const { return up() ? gossiper->view()->members.size() : 0; }
  Liveness sees(const TestNode& other) const { return gossiper->view()->find(other.id)->liveness; }
  bool sees_up(const TestNode& other) const {
    const Member* member = up() ? gossiper->view()->find(other.id) : nullptr;
    return member != nullptr && member->liveness == Liveness::Alive;
  }

  void view_changed(const ViewPtr& view) override {
    views.push_back(view);
    for (const Member& member : view->members) {
      if (member.liveness == Liveness::Dead) ever_dead.push_back(member.record.node);
    }
  }
  void member_returned(const NodeId& node) override { returned.push_back(node); }

  fake::World& world;
  int number;
  std::uint64_t seed;
  std::string address;
  fake::Node& host;
  NodeId id;
  Generation generation = 0;
  bool holds_data = false, writes = false;
  std::optional<ConflictRule> conflict_rule;
  MembershipOptions options;
  runtime::RpcOptions rpc_options;
  Logger log;  // its gossiper's
  MemoryJournal journal;
  std::string refused;
  Generation later = 0, doubted = 0;  // of the refusal
  std::vector<ViewPtr> views;
  std::vector<NodeId> returned, ever_dead;
  std::unique_ptr<MetricRegistry> metrics;
  std::unique_ptr<runtime::Rpc> rpc;
  std::unique_ptr<Gossiper> gossiper;
};

struct TestCluster {
  explicit TestCluster(int count, std::uint64_t seed = 1) : world(seed), random(seed) {
    for (int i = 1; i <= count; ++i) nodes.push_back(std::make_unique<TestNode>(world, i, seed));
  }
  ~TestCluster() {
    for (auto& node : nodes) node->kill();
  }
  TestNode& operator[](std::size_t i) { return *nodes[i]; }
  std::vector<Endpoint> seeds(std::size_t count) const {
    std::vector<Endpoint> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back({nodes[i]->address, 7401});
    return out;
  }
  // Every running node sees every node of the cluster up, and all say the same digests.
  bool whole() const {
    for (const auto& node : nodes) {
      if (node->members() != nodes.size() || !node->gossiper->views_agree()) return false;
      for (const auto& other : nodes) {
        if (!node->sees_up(*other)) return false;
      }
    }
    return true;
  }
  void boot_all(std::size_t seed_count) {
    for (auto& node : nodes) (void)node->boot(seeds(seed_count));
  }
  bool all_see(const TestNode& subject, Liveness liveness) const {
    for (const auto& node : nodes) {
      if (node.get() == &subject || !node->up()) continue;
      if (node->sees(subject) != liveness) return false;
    }
    return true;
  }

  fake::World world;
  Random random;
  std::vector<std::unique_ptr<TestNode>> nodes;
};

}  // namespace parley::membership
