// What a node measures: histograms, the two ways of a round trip, and the book of them.
#include <cmath>

#include "base/random.h"
#include "replication/latency_book.h"
#include "tests/catch.h"

namespace parley::replication {
namespace {

Instant at(Duration since_start) { return Instant{since_start}; }

double weight_of(const LatencyBuckets& buckets) {
  double sum = 0;
  for (const auto& one : buckets) sum += one.weight;
  return sum;
}

double mean_of(const LatencyBuckets& buckets) {
  double sum = 0;
  for (const auto& one : buckets) sum += one.weight * (one.from_ms + one.to_ms) / 2;
  return sum / weight_of(buckets);
}

// The peer's clock is `ahead` of ours.
RoundTrip trip(Duration sent, Duration out, Duration service, Duration back, Duration ahead) {
  return {at(sent), at(sent + out + service + back), sent + out + ahead,
          sent + out + service + ahead};
}

NodeId node(std::uint16_t n) {
  NodeId id;
  id.octets[0] = static_cast<std::uint8_t>(n >> 8);
  id.octets[1] = static_cast<std::uint8_t>(n & 0xff);
  id.octets[15] = 1;
  return id;
}

}  // namespace

TEST_CASE("latency histogram: what was recorded is in a bucket 5 % wide", "[replication]") {
  for (const Duration elapsed : std::vector<Duration>{1us, 37us, 1ms, 40ms, 3s, 60s}) {
    LatencyHistogram histogram(60s);
    histogram.record(elapsed, at(1s));
    const auto buckets = histogram.buckets();
    REQUIRE(buckets.size() == 1);
    const double ms = to_seconds(elapsed) * 1e3;
    CHECK(buckets[0].from_ms <= ms * 1.000001);
    CHECK(buckets[0].to_ms >= ms * 0.999999);
    CHECK(buckets[0].to_ms <= ms * 1.1);
    CHECK(buckets[0].weight == 1);
  }
}

TEST_CASE("latency histogram: what is out of range is in the first or the last bucket",
          "[replication]") {
  LatencyHistogram histogram(60s);
  for (const Duration elapsed : std::vector<Duration>{-5ms, 0s, 1ns, 3600s, Duration::max()}) {
    histogram.record(elapsed, at(1s));
  }
  const auto buckets = histogram.buckets();
  REQUIRE(buckets.size() == 2);
  CHECK(buckets[0].from_ms == 0);
  CHECK(buckets[0].weight == 3);
  CHECK(buckets[1].from_ms > 60'000);
  CHECK(buckets[1].weight == 2);
}

TEST_CASE("latency histogram: a half-life halves what was there, and in the end it is gone",
          "[replication]") {
  LatencyHistogram histogram(10s);
  for (int i = 0; i < 64; ++i) histogram.record(1ms, at(1s));
  histogram.record(100ms, at(1s + 20s));
  auto buckets = histogram.buckets();
  REQUIRE(buckets.size() == 2);
  CHECK(buckets[0].weight == 16);
  CHECK(buckets[1].weight == 1);
  histogram.record(100ms, at(1s + 600s));
  buckets = histogram.buckets();
  REQUIRE(buckets.size() == 1);
  CHECK(buckets[0].weight == 1);
}

TEST_CASE("clock offset: even ways are told exactly, whatever the peer's clock says",
          "[replication]") {
  for (const Duration ahead : std::vector<Duration>{0s, 7h, 400 * 24h}) {
    ClockOffset clock;
    const Legs legs = clock.split(trip(1s, 5ms, 2ms, 5ms, ahead));
    CHECK(legs.out == 5ms);
    CHECK(legs.back == 5ms);
  }
}

TEST_CASE("clock offset: what a way takes longer is put to that way", "[replication]") {
  ClockOffset clock;
  const Duration ahead = 3h;
  clock.split(trip(1s, 2ms, 1ms, 2ms, ahead));
  const Legs slow_out = clock.split(trip(2s, 30ms, 9ms, 2ms, ahead));
  CHECK(slow_out.out == 30ms);
  CHECK(slow_out.back == 2ms);
  const Legs slow_back = clock.split(trip(3s, 3ms, 0ms, 50ms, ahead));
  CHECK(slow_back.out == 3ms);
  CHECK(slow_back.back == 50ms);
}

// The documented limit: nobody can see it without clocks that agree.
TEST_CASE("clock offset: a way that is always slower looks like half of both", "[replication]") {
  ClockOffset clock;
  clock.split(trip(1s, 10ms, 1ms, 2ms, 1h));
  const Legs legs = clock.split(trip(2s, 10ms, 1ms, 2ms, 1h));
  CHECK(legs.out == 6ms);
  CHECK(legs.back == 6ms);
}

TEST_CASE("clock offset: another clock is noticed, and old round trips are forgotten",
          "[replication]") {
  ClockOffset clock;
  clock.split(trip(1s, 1ms, 0ms, 1ms, 0s));
  for (const Duration ahead : std::vector<Duration>{5s, 2s}) {
    const Legs legs = clock.split(trip(2s, 4ms, 0ms, 4ms, ahead));
    CHECK(legs.out == 4ms);
    CHECK(legs.back == 4ms);
  }
  // A drift of 50 us a second within a network that has become slower.
  for (int second = 3; second < 300; ++second) {
    const Legs legs = clock.split(trip(second * 1s, 20ms, 0ms, 20ms, 2s + second * Duration(50us)));
    if (second < 60) continue;
    CHECK(legs.out <= 22ms);
    CHECK(legs.out >= 18ms);
  }
}

TEST_CASE("clock offset: both ways of random round trips come back as they were", "[replication]") {
  ClockOffset clock;
  Random random(std::uint64_t{7});
  double out = 0, back = 0, most = 0;
  constexpr int kTrips = 4000;
  for (int i = 0; i < kTrips; ++i) {
    const Duration way_out{static_cast<std::int64_t>(random.unit() * 20e6)};
    const Duration way_back{static_cast<std::int64_t>(random.unit() * 60e6)};
    const Legs legs = clock.split(trip(1s + i * Duration(10ms), way_out, 3ms, way_back, 9h));
    CHECK(legs.out + legs.back == way_out + way_back);
    if (i < 200) continue;  // while it learns
    out += to_seconds(legs.out) * 1e3;
    back += to_seconds(legs.back) * 1e3;
    most = std::max(most, std::abs(to_seconds(legs.out - way_out)) * 1e3);
  }
  CHECK(std::abs(out / (kTrips - 200) - 10) < 1);
  CHECK(std::abs(back / (kTrips - 200) - 30) < 1);
  CHECK(most < 1);
}

TEST_CASE("latency book: what a peer took for its disk is no way", "[replication]") {
  LatencyBook book(60s);
  book.asked(node(2), LatencyBook::Question::Write, trip(1s, 5ms, 80ms, 5ms, 1h));
  book.asked(node(2), LatencyBook::Question::Read, trip(2s, 5ms, 1ms, 9ms, 1h));
  book.served(LatencyBook::Own::Mint, 3ms, at(2s));
  book.served(LatencyBook::Own::Merge, 4ms, at(2s));
  book.served(LatencyBook::Own::Read, 200us, at(2s));
  const NodeLatencies out = book.latencies();
  CHECK(mean_of(out.mint) == Approx(3).epsilon(0.05));
  CHECK(mean_of(out.merge) == Approx(4).epsilon(0.05));
  CHECK(mean_of(out.read) == Approx(0.2).epsilon(0.05));
  REQUIRE(out.peers.size() == 1);
  CHECK(out.peers[0].peer == node(2));
  CHECK(mean_of(out.peers[0].write_out) == Approx(5).epsilon(0.05));
  CHECK(mean_of(out.peers[0].write_back) == Approx(5).epsilon(0.05));
  CHECK(mean_of(out.peers[0].read_out) == Approx(5).epsilon(0.05));
  CHECK(mean_of(out.peers[0].read_back) == Approx(9).epsilon(0.05));
}

TEST_CASE("latency book: what no honest peer could say is left out", "[replication]") {
  LatencyBook book(60s);
  const auto lie = [&](Duration received, Duration answered) {
    book.asked(node(2), LatencyBook::Question::Write, {at(1s), at(2s), received, answered});
  };
  lie(5s, 4s);   // answered before it was asked
  lie(1s, 9s);   // worked for longer than we waited
  lie(-1s, 1s);  // before its clock began
  lie(Duration::min(), Duration::max());
  lie(Duration::max() - 1s, Duration::max());
  lie(0s, 0s);  // an older node, which does not say
  CHECK(book.latencies().peers.empty());
}

TEST_CASE("latency book: of too many peers the one that was silent longest gives way",
          "[replication]") {
  LatencyBook book(60s);
  for (std::uint16_t n = 0; n < LatencyBook::kPeersMost + 5; ++n) {
    const Duration sent = 1s + Duration(n * 1ms);
    book.asked(node(n), LatencyBook::Question::Read, trip(sent, 1ms, 0ms, 1ms, 0s));
  }
  const auto peers = book.latencies().peers;
  CHECK(peers.size() == LatencyBook::kPeersMost);
  for (const auto& peer : peers) CHECK(peer.peer.octets[0] * 256 + peer.peer.octets[1] >= 5);
}

}  // namespace parley::replication
