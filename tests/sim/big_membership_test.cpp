// A thousand members: what the production membership does there, and what it costs. The figures go
// into docs/simulation.md.
//
// A cluster grows by joins that every member consents to, so a thousand of them is a cubic amount
// of work in one thread: the large cluster is one that starts again, all at once, from what its
// disks remember, and takes one more node; founding and joining from nothing is run with fewer.
#include <fmt/format.h>

#include <cmath>

#include "membership/gossip_codec.h"
#include "membership/record_codec.h"
#include "tests/catch.h"
#include "tests/sim/big_cluster.h"

namespace parley::sim {
namespace {

using membership::Liveness;

// A sanitizer's build is twenty times slower.
#if defined(PARLEY_SANITIZED)
constexpr std::size_t kMembers = 200, kFewer = 50, kJoiners = 20, kVictimsApart = 3;
#else
constexpr std::size_t kMembers = 1000, kFewer = 300, kJoiners = 100, kVictimsApart = 7;
#endif
constexpr std::size_t kSeeds = 3;
constexpr std::size_t kVnodes = 4;
constexpr Duration kLook = 5s;  // how long each steady state is looked at

// Each member is probed once a second in the mean, by whoever's turn it is: with probability
// e^-7 = 0.1 % it waits longer than this. News then needs log4(N) rounds of 100 ms, and its last
// hearers a few more.
constexpr Duration kFirstProbeMost = 7s, kNewsMost = 3s;

// The kernel says that nobody listens: the probe's timeout, a second witness, the refusals' window.
Duration refused_most() { return kFirstProbeMost + 2s + kNewsMost; }
// Silence: the probe's period, and a suspicion of 4 log10 N intervals once two others confirm it.
Duration silent_most(std::size_t members) {
  const double suspicion = 4 * std::max(1.0, std::log10(static_cast<double>(members)));
  return kFirstProbeMost + 1s + Duration(static_cast<Duration::rep>(suspicion * 1e9)) + kNewsMost;
}

// What each member's disk holds of a cluster that was whole.
Bytes remembered(const BigCluster& cluster) {
  membership::SavedState state;
  state.cluster.octets.fill(7);
  state.cluster_name = "big";
  state.cluster_key = Bytes(32, 'k');
  state.joined = true;
  std::size_t number = 0;
  for (const auto& node : cluster.nodes) {
    auto record = node->record();
    record.ring = {node->id(), 1, ring::RingStatus::Normal, record.rack, {}};
    for (std::size_t i = 0; i < kVnodes; ++i) {
      record.ring.slots.push_back(static_cast<Slot>(number + i * (kSlotCount / kVnodes)));
    }
    ++number;
    state.nodes.push_back(std::move(record));
  }
  std::sort(state.nodes.begin(), state.nodes.end(),
            [](const auto& a, const auto& b) { return a.node < b.node; });
  return membership::encode_state(state);
}

class Story {
 public:
  explicit Story(std::size_t members) : cluster_(members, 1), state_(remembered(cluster_)) {
    cluster_.world.set_latency(500us, 2ms);
  }

  void start_again() {
    for (const auto& node : cluster_.nodes) node->boot(state_, {}, kVnodes);
    const auto took = cluster_.wait([&] { return cluster_.agreed(members()); }, 10s);
    REQUIRE(took);
    row(fmt::format("all {} start at once: all views agree", members()), *took);
    cluster_.world.run_for(3s);  // the last of what a start leaves behind
  }

  void one_joins() {
    BigNode& joiner = cluster_.add();
    joiner.boot(std::nullopt, {cluster_.nodes[0]->peer()}, kVnodes);
    const auto took = cluster_.wait([&] { return cluster_.agreed(members()); }, 20s);
    REQUIRE(took);
    row("one node joins: all views agree", *took);
  }

  void stay(double loss) {
    cluster_.world.set_datagram_loss(loss);
    cluster_.world.run_for(2s);
    cluster_.watch({});
    const Traffic before = cluster_.traffic;
    const std::uint64_t streams = cluster_.world.stream_bytes_sent();
    cluster_.world.run_for(kLook);
    const auto rate = [&](std::uint64_t count) {
      return static_cast<double>(count) / static_cast<double>(members()) / to_seconds(kLook);
    };
    CHECK(cluster_.accused_wrongly.empty());
    CHECK(cluster_.convicted_wrongly.empty());
    const double bytes = rate(cluster_.traffic.bytes - before.bytes);
    CHECK(bytes < 600);
    table_ += fmt::format(
        "| nobody fails, {} % loss: a node's datagrams and bytes a second; heartbeats on its "
        "streams "
        "| {:.2f}; {:.0f} B; {:.0f} B |\n",
        loss * 100, rate(cluster_.traffic.datagrams - before.datagrams), bytes,
        rate(cluster_.world.stream_bytes_sent() - streams));
  }

  // `machine`: silence; else their kernels refuse.
  void die(std::size_t count, bool machine, double loss) {
    cluster_.world.set_datagram_loss(loss);
    std::vector<NodeId> victims;
    for (std::size_t i = 0; i < count; ++i) {
      BigNode& node = *cluster_.nodes.at(next_victim_);
      next_victim_ += kVictimsApart;
      victims.push_back(node.id());
      cluster_.world.kill(node.host(), machine);
      node.stop();
      cluster_.world.bury(node.host());
    }
    cluster_.watch(victims);
    const Duration most = machine ? silent_most(members()) : refused_most();
    const bool known = cluster_.wait([&] { return cluster_.all_know(); }, most).has_value();
    INFO(count << " die, machine " << machine << ", loss " << loss);
    CHECK(known);
    CHECK(cluster_.convicted_wrongly.empty());
    const Spread spread = cluster_.knowledge();
    table_ += fmt::format(
        "| {} {} {}, {} % loss: first suspicion; known dead to the first, p50, p99, the last | "
        "{:.2f}; {:.2f}, {:.2f}, {:.2f}, {:.2f} s |\n",
        count, machine ? "vanish" : "killed", count == 1 ? "node" : "nodes", loss * 100,
        to_seconds(cluster_.first_suspicion()), to_seconds(spread.first()),
        to_seconds(spread.at(0.5)), to_seconds(spread.at(0.99)), to_seconds(spread.most()));
    cluster_.world.run_for(2s);
  }

  void one_returns() {
    cluster_.world.set_datagram_loss(0);
    BigNode& node = *cluster_.nodes[kFirstVictim];
    ++node.generation;
    node.boot(state_, {}, kVnodes);
    const auto took = cluster_.wait([&] { return cluster_.agreed(members()); }, 10s);
    REQUIRE(took);
    row("one killed node starts again: all know its new life, all views agree", *took);
  }

  // A stopped process still accepts connections: it is suspected, and refutes when it goes on.
  void one_refutes() {
    BigNode& node = *cluster_.nodes[1];
    cluster_.watch({node.id()});
    node.host().pause();
    const auto suspected =
        cluster_.wait([&] { return cluster_.first_suspicion() < Duration::max(); }, 10s);
    REQUIRE(suspected);
    cluster_.world.run_for(2s);
    node.host().resume();
    const auto took = cluster_.wait(
        [&] {
          return std::all_of(cluster_.nodes.begin(), cluster_.nodes.end(), [&](const auto& other) {
            if (!other->running()) return true;
            const auto* member = other->view()->find(node.id());
            return member->liveness == Liveness::Alive && member->incarnation > 0;
          });
        },
        kNewsMost);
    REQUIRE(took);
    CHECK(cluster_.convicted_wrongly.empty());
    CHECK(cluster_.knowledge().times.empty());
    row("a suspect goes on: its refutation is known to all", *took);
  }

  void end() {
    CHECK(cluster_.traffic.largest <= membership::kDatagramBytesMost);
    table_ += fmt::format("| largest datagram | {} B |\n", cluster_.traffic.largest);
  }
  const std::string& table() const { return table_; }

 private:
  static constexpr std::size_t kFirstVictim = 10;
  std::size_t members() const { return cluster_.nodes.size(); }
  void row(const std::string& what, Duration took) {
    table_ += fmt::format("| {} | {:.2f} s |\n", what, to_seconds(took));
  }

  BigCluster cluster_;
  const Bytes state_;
  std::size_t next_victim_ = kFirstVictim;
  std::string table_ = "\n";
};

}  // namespace

TEST_CASE("big cluster: founds from three seeds and takes in all that join", "[big_membership]") {
  BigCluster cluster(kJoiners, 1);
  cluster.world.set_latency(500us, 2ms);
  std::vector<Endpoint> seeds;
  for (std::size_t i = 0; i < kSeeds; ++i) seeds.push_back(cluster.nodes[i]->peer());
  for (const auto& node : cluster.nodes) node->boot(std::nullopt, seeds, kVnodes);
  const auto took = cluster.wait([&] { return cluster.agreed(kJoiners); }, 120s);
  REQUIRE(took);
  CHECK(cluster.traffic.largest <= membership::kDatagramBytesMost);
  WARN(
      fmt::format("\n| {} nodes without a past, {} of them seeds, start at once: one cluster, all "
                  "views agree | {:.2f} s |",
                  kJoiners, kSeeds, to_seconds(*took)));
}

TEST_CASE("big cluster: starts, grows, notices who is gone", "[big_membership]") {
  Story story(kMembers);
  story.start_again();
  story.one_joins();
  for (const double loss : {0.0, 0.01, 0.05}) story.stay(loss);
  story.die(1, false, 0);
  story.die(10, false, 0.01);
  story.end();
  WARN(story.table());
}

TEST_CASE("big cluster: loses many at once and takes one back", "[big_membership]") {
  Story story(kFewer);
  story.start_again();
  story.die(1, false, 0.05);
  story.die(1, true, 0);
  story.die(10, true, 0.01);
  story.one_returns();
  story.one_refutes();
  story.end();
  WARN(story.table());
}

// By hand: twice the minute that CI has for it.
TEST_CASE("big cluster: all of it with a thousand members", "[.big_all]") {
  Story story(1000);
  story.start_again();
  story.one_joins();
  for (const double loss : {0.0, 0.01, 0.05}) story.stay(loss);
  story.die(1, false, 0);
  story.die(10, false, 0.01);
  story.die(1, true, 0);
  story.die(10, true, 0.01);
  story.one_returns();
  story.one_refutes();
  story.end();
  WARN(story.table());
}

}  // namespace parley::sim
