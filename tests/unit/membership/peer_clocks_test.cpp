// How far the own wall clock is off: the median by tables, then whole nodes in virtual time.
#include "membership/peer_clocks.h"

#include <algorithm>
#include <utility>

#include "tests/catch.h"
#include "tests/unit/membership/test_cluster.h"

namespace parley::membership {
namespace {

constexpr std::int64_t kNoon = 1'780'000'000'000;

NodeId peer(std::size_t n) {
  NodeId out;
  out.octets[0] = static_cast<std::uint8_t>(n + 1);
  return out;
}

// One node's clocks: its wall clock is at noon when its monotonic one is at 100 s.
struct Own {
  WallTime wall() const { return {kNoon + to_millis(now - start + jumped)}; }
  void hear(std::size_t n, Duration its_lead, Duration round_trip = 0ms) {
    // Read half-way, and it does not jump with ours.
    const Duration then = now - start - round_trip / 2;
    clocks.heard(peer(n), {kNoon + to_millis(then + its_lead)}, now, round_trip);
  }
  std::optional<Duration> off(std::size_t members = 0) const {
    return clocks.off(now, wall(), members);
  }

  const Instant start{Duration(100s)};
  Instant now = start;
  Duration jumped{0};
  PeerClocks clocks;
};

TEST_CASE("peer clocks: off is the distance from the median, the own clock among them",
          "[membership]") {
  struct Row {
    const char* what;
    std::vector<Duration> peers;  // so far ahead of ours
    Duration off;
  };
  const Row rows[] = {
      {"two, alike", {0s}, 0s},
      {"two: neither is right", {1h}, 0s},
      {"three, ours is bad", {-60s, -60s}, 60s},
      {"three, ours is bad the other way", {60s, 61s}, -60s},
      {"three, another one is bad", {0s, 60s}, 0s},
      {"three, all differ, ours between", {-60s, 60s}, 0s},
      {"four, two and two: both halves are right", {0s, 60s, 60s}, 0s},
      {"four, two and two, slower", {-60s, 0s, -60s}, 0s},
      {"four, ours alone: the nearer of the middle ones", {10s, 12s, 14s}, -10s},
      {"four, ours alone, ahead", {-14s, -12s, -10s}, 10s},
      {"four, one bad", {0s, 0s, -1h}, 0s},
      {"five, two bad", {1h, 1h, 20ms, -20ms}, -20ms},
      {"five, ours is of the two bad ones", {-1h, -1h, -1h, 0s}, 1h},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    Own own;
    for (std::size_t n = 0; n < row.peers.size(); ++n) own.hear(n, row.peers[n]);
    CHECK(own.off() == row.off);
  }
}

TEST_CASE("peer clocks: not known until a majority was heard", "[membership]") {
  Own own;
  CHECK_FALSE(own.off(1));
  CHECK_FALSE(own.off(5));
  own.hear(0, -60s);
  CHECK_FALSE(own.off(5));
  CHECK(own.off(2) == 0s);  // of two neither is right
  own.hear(1, -60s);
  CHECK(own.off(5) == 60s);
  // Of very many those that are remembered.
  Own one_of_many;
  for (std::size_t n = 0; n < PeerClocks::kSamplesMost / 2; ++n) one_of_many.hear(n, 1h);
  CHECK(one_of_many.off(1000) == -1h);
}

TEST_CASE("peer clocks: a wrong one is not right again because the others fall silent",
          "[membership]") {
  Own own;
  own.hear(0, -1h);
  own.hear(1, -1h);
  CHECK(own.off(3) == 1h);
  own.now += Duration(24h);
  CHECK(own.off(3) == 1h);
  own.hear(0, -1h);  // the other one is dead
  CHECK(own.off(3) == 1h);
  own.jumped = -1h;  // it is set right
  CHECK(own.off(3) == 0s);
}

TEST_CASE("peer clocks: a clock that was not told counts for nothing", "[membership]") {
  Own own;
  own.clocks.heard(peer(0), WallTime{}, own.now, 0ms);
  CHECK_FALSE(own.off());
}

TEST_CASE("peer clocks: a jump of the own clock is seen at once, and its return too",
          "[membership]") {
  for (const Duration jump : {Duration(1h), Duration(-1h)}) {
    Own own;
    for (std::size_t n = 0; n < 4; ++n) own.hear(n, 0s);
    own.jumped = jump;
    CHECK(own.off() == jump);
    own.hear(0, 0s);
    CHECK(own.off() == jump);
    own.jumped = 0s;
    CHECK(own.off() == 0s);
  }
}

TEST_CASE("peer clocks: what a peer said last counts", "[membership]") {
  Own own;
  own.hear(0, 0s);
  own.hear(1, 0s);
  own.hear(0, 1h);
  own.hear(1, 1h);
  CHECK(own.off() == -1h);
}

TEST_CASE("peer clocks: an answer that came late says nothing", "[membership]") {
  Own own;
  own.hear(0, 0s, 500ms);
  own.hear(1, 20ms, 500ms);
  CHECK(own.off() == 0s);
  own.now += 1s;
  // Either process stood still: the clock in the answer was read up to 10 s ago.
  own.hear(0, -10s, 10s);
  own.hear(1, -10s, 501ms);
  CHECK(own.off() == 0s);
}

TEST_CASE("peer clocks: of very many members those heard last count", "[membership]") {
  Own own;
  for (std::size_t n = 0; n < 200; ++n) own.hear(n, 1h);
  CHECK(own.off() == -1h);
  // More than half of a bounded number.
  for (std::size_t n = 0; n < PeerClocks::kSamplesMost / 2 + 1; ++n) own.hear(n, 0s);
  CHECK(own.off() == 0s);
}

class Lines final : public LogSink {
 public:
  bool wants(LogLevel level) const override { return level >= LogLevel::Info; }
  void write(LogLevel, std::string_view, std::string_view event,
             const std::vector<LogField>&) override {
    if (event.starts_with("membership.clock")) events.emplace_back(event);
  }
  std::vector<std::string> events;
};

struct Clocks {
  // `busy`: each has several questions under way at once.
  explicit Clocks(int count, bool busy = false)
      : cluster(count), lines(static_cast<std::size_t>(count)) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      cluster[i].log = Logger(lines[i], "membership");
      if (!busy) continue;
      cluster.world.set_latency(60ms, 80ms);
      REQUIRE(cluster[i].options.probe_interval.set(100ms).ok());
      REQUIRE(cluster[i].options.probe_timeout.set(90ms).ok());
    }
    cluster.boot_all(lines.size());
    REQUIRE(cluster.world.run_until([&] { return cluster.whole(); }, 5s));
    run(kRound);
  }
  // Says so of every node that can be asked, at every moment.
  void run(Duration span, Duration most = Duration::max()) {
    const Instant end = cluster.world.now() + span;
    while (cluster.world.now() < end) {
      cluster.world.run_for(10ms);
      for (std::size_t i = 0; i < lines.size(); ++i) {
        if (!cluster[i].host.paused() && off(i)) CHECK(std::chrono::abs(*off(i)) <= most);
      }
    }
  }
  std::optional<Duration> off(std::size_t i) { return cluster[i].gossiper->clock_off(); }
  bool near(std::size_t i, Duration wanted) {
    return off(i) && std::chrono::abs(*off(i) - wanted) <= 50ms;
  }
  std::optional<double> gauge(std::size_t i) {
    return cluster[i].metrics->total("membership_clock_off_milliseconds");
  }
  static constexpr Duration kRound = 5s;  // in which each of five probes each other one

  TestCluster cluster;
  std::vector<Lines> lines;
};

TEST_CASE("clock: a skewed one of five knows, and the others know that they are right",
          "[membership][cluster]") {
  for (const Duration skew : {Duration(7s), Duration(-2h)}) {
    Clocks five(5);
    for (std::size_t i = 0; i < 5; ++i) CHECK(five.near(i, 0s));
    five.cluster[2].host.loop().set_wall_skew(skew);
    CHECK(five.near(2, skew));  // at once
    five.run(Clocks::kRound);
    for (std::size_t i = 0; i < 5; ++i) CHECK(five.near(i, i == 2 ? skew : 0s));
    CHECK(five.gauge(2) == static_cast<double>(to_millis(*five.off(2))));
    five.cluster[2].host.loop().set_wall_skew(0s);
    five.run(Clocks::kRound);
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(five.near(i, 0s));
      const std::vector<std::string> once{"membership.clock_off", "membership.clock_agrees"};
      CHECK(five.lines[i].events == (i == 2 ? once : std::vector<std::string>{}));
    }
  }
}

TEST_CASE("clock: what is near enough is said nothing of", "[membership][cluster]") {
  Clocks three(3);
  three.cluster[0].host.loop().set_wall_skew(4s);
  three.run(Clocks::kRound);
  CHECK(three.near(0, 4s));
  CHECK(three.lines[0].events.empty());
}

TEST_CASE("clock: a process that stood still for 10 s takes nobody's clock for wrong",
          "[membership][cluster]") {
  Clocks three(3, true);
  for (std::size_t round = 0; round < 20; ++round) {
    INFO("round " << round);
    three.run(500ms + Duration(three.cluster.random.below(200'000'000)), 500ms);
    auto& host = three.cluster[round % 3].host;
    host.pause();
    three.run(10s, 500ms);
    host.resume();
    three.run(3s, 500ms);
  }
}

TEST_CASE("clock: a node that is cut off knows what it knew", "[membership][cluster]") {
  Clocks three(3);
  three.cluster[0].host.loop().set_wall_skew(1h);
  CHECK(three.near(0, 1h));
  for (const std::size_t i : {1, 2}) {
    three.cluster.world.cut(three.cluster[0].address, three.cluster[i].address);
  }
  three.cluster.world.run_for(10min);
  CHECK(three.near(0, 1h));
  CHECK(three.near(1, 0s));
  CHECK(three.cluster[0].metrics->total("membership_clocks_heard") == 2);
  three.cluster[0].host.loop().set_wall_skew(0s);
  CHECK(three.near(0, 0s));
}

TEST_CASE("clock: one that starts alone does not know", "[membership][cluster]") {
  Clocks three(3);
  for (std::size_t i = 0; i < 3; ++i) three.cluster[i].kill();
  REQUIRE(three.cluster[0].boot({}).ok());
  three.cluster.world.run_for(10s);
  REQUIRE(three.cluster[0].gossiper->view() != nullptr);
  CHECK_FALSE(three.off(0));
  CHECK(three.gauge(0) == 0);
  REQUIRE(three.cluster[1].boot({}).ok());
  CHECK(three.cluster.world.run_until([&] { return three.near(0, 0s); }, 10s));
}

}  // namespace
}  // namespace parley::membership
