// Membership alone in large clusters: the production driver, deciders, codecs and RPC of every
// node (make_gossiper over make_rpc) on the fake world's network, in virtual time. What is left out
// is the rest of a node: no storage, and a disk that forgets what it saves at once.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "membership/gossiper.h"
#include "tests/fake/fake_world.h"

namespace parley::sim {

// What the datagram sockets of all nodes sent.
struct Traffic {
  std::uint64_t datagrams = 0, bytes = 0;
  std::size_t largest = 0;
};

class CountingSocket final : public runtime::DatagramSocket {
 public:
  CountingSocket(std::unique_ptr<runtime::DatagramSocket> inner, Traffic& traffic)
      : inner_(std::move(inner)), traffic_(traffic) {}
  bool send(const Endpoint& to, ByteView payload) override {
    ++traffic_.datagrams;
    traffic_.bytes += payload.size();
    traffic_.largest = std::max(traffic_.largest, payload.size());
    return inner_->send(to, payload);
  }

 private:
  std::unique_ptr<runtime::DatagramSocket> inner_;
  Traffic& traffic_;
};

class CountingNetwork final : public runtime::Network {
 public:
  CountingNetwork(runtime::Network& inner, Traffic& traffic) : inner_(inner), traffic_(traffic) {}
  Result<std::unique_ptr<runtime::Listener>> listen(
      const Endpoint& at,
      std::function<void(std::unique_ptr<runtime::Connection>)> on_accept) override {
    return inner_.listen(at, std::move(on_accept));
  }
  void connect(const std::string& local_address, const Endpoint& to, Duration timeout,
               std::function<void(Result<std::unique_ptr<runtime::Connection>>)> done) override {
    inner_.connect(local_address, to, timeout, std::move(done));
  }
  Result<std::unique_ptr<runtime::DatagramSocket>> bind_datagrams(
      const Endpoint& at,
      std::function<void(const Endpoint& from, ByteView)> on_datagram) override {
    auto bound = inner_.bind_datagrams(at, std::move(on_datagram));
    if (!bound.ok()) return bound.error();
    return std::unique_ptr<runtime::DatagramSocket>(
        std::make_unique<CountingSocket>(std::move(*bound), traffic_));
  }

 private:
  runtime::Network& inner_;
  Traffic& traffic_;
};

class ForgetfulJournal final : public membership::Journal {
 public:
  explicit ForgetfulJournal(runtime::Loop& loop) : loop_(loop) {}
  void save(Bytes, std::function<void()> done) override {
    loop_.start_timer(loop_.now() + 2ms, std::move(done));
  }

 private:
  runtime::Loop& loop_;
};

class BigNode final : public membership::MembershipObserver {
 public:
  BigNode(fake::World& world, Traffic& traffic, std::size_t number)
      : number_(number),
        address_("10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1)),
        host_(world.node(address_)),
        network_(host_.network(), traffic),
        journal_(host_.loop()) {
    // In no order that the addresses have.
    id_.octets[0] = static_cast<std::uint8_t>(number * 167 % 251);
    id_.octets[1] = static_cast<std::uint8_t>(number >> 8);
    id_.octets[2] = static_cast<std::uint8_t>(number);
    id_.octets[15] = 1;  // never nil
  }

  membership::NodeRecord record() const {
    membership::NodeRecord record;
    record.node = id_;
    record.generation = generation;
    record.version = 1;
    record.address = address_;
    record.client_port = 7400;
    record.peer_port = 7401;
    record.http_port = 7402;
    return record;
  }
  void boot(const std::optional<Bytes>& state, const std::vector<Endpoint>& seeds,
            std::size_t vnodes) {
    metrics_ = std::make_unique<MetricRegistry>();
    auto rpc = runtime::make_rpc(rpc_options_, {id_, generation, {}, "big"}, {address_, 7401},
                                 host_.loop(), network_, Logger(), *metrics_);
    PARLEY_CHECK(rpc.ok());
    rpc_ = std::move(*rpc);
    membership::GossiperStart start;
    start.self = record();
    start.state = state;
    start.cluster_name = "big";
    start.seeds = seeds;
    start.vnodes = vnodes;
    auto made = membership::make_gossiper(options_, std::move(start), host_.loop(), network_, *rpc_,
                                          journal_, Random(number_ * 1000 + generation), Logger(),
                                          *metrics_);
    PARLEY_CHECK(made.ok());
    gossiper_ = std::move(*made);
    gossiper_->observe(this);
    gossiper_->start([](const membership::Refusal&) {});
  }
  void stop() {
    gossiper_.reset();
    rpc_.reset();
    view_ = nullptr;
  }
  void view_changed(const membership::ViewPtr& view) override {
    view_ = view;
    if (on_view) on_view(*this);
  }
  void member_returned(const NodeId&) override {}

  bool running() const { return gossiper_ != nullptr; }
  const membership::ViewPtr& view() const { return view_; }
  const NodeId& id() const { return id_; }
  Endpoint peer() const { return {address_, 7401}; }
  fake::Node& host() { return host_; }

  Generation generation = 1;
  std::function<void(BigNode&)> on_view;

 private:
  const std::size_t number_;
  const std::string address_;
  NodeId id_;
  fake::Node& host_;
  CountingNetwork network_;
  ForgetfulJournal journal_;
  membership::MembershipOptions options_;
  runtime::RpcOptions rpc_options_;
  std::unique_ptr<MetricRegistry> metrics_;
  std::unique_ptr<runtime::Rpc> rpc_;
  std::unique_ptr<membership::Gossiper> gossiper_;
  membership::ViewPtr view_;
};

// When each live node first believed something.
struct Spread {
  std::vector<Duration> times;  // sorted by sort()
  void sort() { std::sort(times.begin(), times.end()); }
  Duration at(double share) const {
    if (times.empty()) return Duration{0};
    const auto last = static_cast<double>(times.size() - 1);
    return times[static_cast<std::size_t>(last * share)];
  }
  Duration first() const { return at(0); }
  Duration most() const { return at(1); }
};

class BigCluster {
 public:
  BigCluster(std::size_t count, std::uint64_t seed) : world(seed) {
    for (std::size_t i = 0; i < count; ++i) add();
  }
  ~BigCluster() {
    for (auto& node : nodes) node->stop();
  }
  BigNode& add() {
    nodes.push_back(std::make_unique<BigNode>(world, traffic, nodes.size()));
    nodes.back()->on_view = [this](BigNode& node) { look(node); };
    return *nodes.back();
  }
  std::size_t live() const {
    return static_cast<std::size_t>(std::count_if(
        nodes.begin(), nodes.end(), [](const auto& node) { return node->running(); }));
  }
  // Every running node shows all `members` by the same records, and believes all alive but those
  // that do not run.
  bool agreed(std::size_t members) const {
    const std::size_t down = members - live();
    std::uint64_t digest = 0;
    for (const auto& node : nodes) {
      if (!node->running()) continue;
      const auto& view = node->view();
      if (!view || view->members.size() != members) return false;
      if (digest == 0) digest = view->view_digest;
      if (view->view_digest != digest) return false;
      if (not_alive_.at(node.get()) != down) return false;
    }
    return true;
  }
  // Virtual time until it holds; nullopt: not within `limit`.
  std::optional<Duration> wait(const std::function<bool()>& done, Duration limit) {
    const Instant begun = world.now();
    while (!done()) {
      if (world.now() - begun >= limit) return std::nullopt;
      world.run_for(10ms);
    }
    return world.now() - begun;
  }

  // From now on: which of the victims each node believes suspect or dead, and who else is accused
  // that was not a victim before.
  void watch(std::vector<NodeId> victims) {
    victims_before_.insert(victims_.begin(), victims_.end());
    victims_ = std::move(victims);
    begun_ = world.now();
    suspected_.clear();
    dead_.clear();
    accused_wrongly.clear();
    convicted_wrongly.clear();
  }
  bool all_know() const { return dead_.size() == victims_.size() * live(); }
  Duration first_suspicion() const {
    Duration first = Duration::max();
    for (const auto& [who, when] : suspected_) first = std::min(first, when);
    return first;
  }
  Spread knowledge() const {
    Spread spread;
    for (const auto& [who, when] : dead_) spread.times.push_back(when);
    spread.sort();
    return spread;
  }

  fake::World world;
  Traffic traffic;
  std::vector<std::unique_ptr<BigNode>> nodes;
  std::set<NodeId> accused_wrongly, convicted_wrongly;

 private:
  using Who = std::pair<const BigNode*, NodeId>;  // who believes it of whom

  void look(BigNode& node) {
    using membership::Liveness;
    std::size_t not_alive = 0;
    for (const auto& member : node.view()->members) {
      if (member.liveness == Liveness::Alive) continue;
      ++not_alive;
      const NodeId& about = member.record.node;
      const Who who{&node, about};
      const Duration when = world.now() - begun_;
      const bool dead = member.liveness == Liveness::Dead;
      if (std::find(victims_.begin(), victims_.end(), about) != victims_.end()) {
        (dead ? dead_ : suspected_).emplace(who, when);
      } else if (!victims_before_.contains(about)) {
        (dead ? convicted_wrongly : accused_wrongly).insert(about);
      }
    }
    not_alive_[&node] = not_alive;
  }

  std::vector<NodeId> victims_;
  std::set<NodeId> victims_before_;
  Instant begun_{};
  std::map<Who, Duration> suspected_, dead_;
  std::map<const BigNode*, std::size_t> not_alive_;
};

}  // namespace parley::sim
