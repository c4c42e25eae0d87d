// What counts against this node itself, what it tells to nobody, and whose word kills.
#include "tests/catch.h"
#include "tests/unit/membership/swim_bench.h"

namespace parley::membership {
namespace {

bool sent_to(const Bench& bench, std::uint8_t whom, DatagramKind kind) {
  return std::any_of(bench.out.sends.begin(), bench.out.sends.end(), [&](const auto& send) {
    return send.to == at(whom) && send.datagram.kind == kind;
  });
}

TEST_CASE("swim: timers that are a little late are no stall", "[membership]") {
  Bench bench;
  const Instant end = bench.now + 60s;
  while (bench.now < end) {
    bench.now = std::max(bench.now, bench.swim.next_wake()) + 1us;
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
    REQUIRE(bench.swim.health() == 0);  // an answer hides one step
    bench.now += 1us;
    bench.answer_all();
  }
}

TEST_CASE("swim: a stall is seen by whichever event ends it", "[membership]") {
  Bench bench;
  bench.run(10s);
  REQUIRE(bench.swim.health() == 0);
  bench.now += 5s;
  bench.hear(bench.from(2));
  CHECK(bench.swim.health() == 1);
  bench.swim.on_tick(bench.now, Duration(0), bench.out);
  CHECK(bench.swim.health() == 1);  // once
}

TEST_CASE("swim: a probe that fails costs one step of health, whatever failed", "[membership]") {
  const bool all_sends_fail = GENERATE(true, false);
  Bench bench;
  bench.out = {};
  while (bench.count(DatagramKind::Ping) == 0) {
    bench.now = std::max(bench.now, bench.swim.next_wake());
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
  }
  const auto subject = bench.out.sends.back().datagram.target.octets[0];
  bench.swim.on_send_failed(bench.now, at(subject), bench.out);
  for (std::uint8_t n = 2; n < 6; ++n) {
    if (n != subject && all_sends_fail) bench.swim.on_send_failed(bench.now, at(n), bench.out);
  }
  REQUIRE(bench.swim.health() == 1);
  bench.out.probe_failures = 0;
  while (bench.out.probe_failures == 0) {
    bench.out.sends.clear();
    bench.now = std::max(bench.now, bench.swim.next_wake());
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
  }
  CHECK(bench.swim.health() == 1);
}

TEST_CASE("swim: a helper that could not be asked owes no nack", "[membership]") {
  const bool told = GENERATE(true, false);
  Bench bench;
  bench.out = {};
  bench.swim.on_evidence(bench.now, id(3), bench.out);
  REQUIRE(bench.count(DatagramKind::PingReq) == 3);
  const auto sequence = bench.out.sends.front().datagram.sequence;
  bench.now += 1ms;
  for (const std::uint8_t n : {std::uint8_t{2}, std::uint8_t{4}}) {
    Datagram nack = bench.from(n, DatagramKind::Nack);
    nack.sequence = sequence;
    nack.target = id(3);
    bench.hear(nack);
  }
  if (told) bench.swim.on_send_failed(bench.now, at(5), bench.out);
  bench.run(520ms, {3});
  CHECK(bench.out.probe_failures == 1);
  CHECK(bench.swim.health() == (told ? 0 : 1));
}

TEST_CASE("swim: a helper that vouches for another life has answered, and clears nobody",
          "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.on_evidence(bench.now, id(3), bench.out);
  REQUIRE(bench.count(DatagramKind::PingReq) == 3);
  const auto sequence = bench.out.sends.front().datagram.sequence;
  bench.now += 1ms;
  for (const std::uint8_t n : {std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{5}}) {
    Claim copy = bench.belief(3);
    copy.nonce += 1;
    Datagram ack = bench.from(n, DatagramKind::Ack, {copy});
    ack.sequence = sequence;
    ack.target = id(3);
    bench.hear(ack);
  }
  bench.run(520ms, {3});
  CHECK(bench.out.probe_failures == 1);
  CHECK(bench.belief(3).liveness == Liveness::Suspect);
  CHECK(bench.swim.health() == 0);
}

TEST_CASE("swim: a third party's word alone kills nobody whom this node has heard",
          "[membership]") {
  const Claim dead = claim(3, Liveness::Dead);
  SECTION("the member answers: it lives on") {
    Bench bench;
    bench.out = {};
    if (GENERATE(true, false)) {
      bench.swim.on_claims(bench.now, id(2), {dead}, bench.out);  // the summary of a sync
    } else {
      bench.hear(bench.from(2, DatagramKind::Gossip, {dead}));
    }
    CHECK(bench.belief(3).liveness == Liveness::Alive);
    CHECK(sent_to(bench, 3, DatagramKind::Ping));
    CHECK_FALSE(bench.told(4, dead));
    bench.run(10s);
    CHECK(bench.belief(3).liveness == Liveness::Alive);
  }
  SECTION("it is silent: dead as soon as the probe has ended") {
    Bench bench;
    bench.swim.on_claims(bench.now, id(2), {dead}, bench.out);
    bench.out.sends.clear();
    bench.run(520ms, {3});
    CHECK(bench.belief(3).liveness == Liveness::Dead);
  }
  SECTION("another's suspicion does not cover the word") {
    Bench bench;
    bench.swim.on_claims(bench.now, id(2), {dead}, bench.out);
    bench.hear(bench.from(4, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, 4)}));
    CHECK(bench.belief(3).liveness == Liveness::Suspect);
    bench.out.sends.clear();
    bench.run(520ms, {3});
    CHECK(bench.belief(3).liveness == Liveness::Dead);
  }
  SECTION("its kernel refuses: dead at once") {
    Bench bench;
    bench.swim.on_claims(bench.now, id(2), {dead}, bench.out);
    REQUIRE(bench.out.knocks.size() == 1);
    bench.swim.on_refused(bench.now, bench.out.knocks[0], bench.out);
    CHECK(bench.belief(3).liveness == Liveness::Dead);
  }
  SECTION("a refusal was told before: believed at once") {
    Bench bench;
    Claim refused = claim(3, Liveness::Suspect, 0, 1, 2);
    refused.refused = true;
    bench.hear(bench.from(2, DatagramKind::Gossip, {refused}));
    bench.hear(bench.from(4, DatagramKind::Gossip, {dead}));
    CHECK(bench.belief(3).liveness == Liveness::Dead);
  }
  SECTION("asked in vain, whoever accused it first: believed at once") {
    Bench bench;
    bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, 2)}));
    bench.run(1100ms, {3});  // the ping that went with the suspicion has failed
    REQUIRE(bench.belief(3).liveness == Liveness::Suspect);
    bench.swim.on_claims(bench.now, id(2), {dead}, bench.out);
    CHECK(bench.belief(3).liveness == Liveness::Dead);
  }
  SECTION("never heard itself in this life of it: believed at once") {
    Bench bench;
    bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Alive, 0, 2)}));
    bench.swim.on_claims(bench.now, id(2), {claim(3, Liveness::Dead, 0, 2)}, bench.out);
    CHECK(bench.belief(3).liveness == Liveness::Dead);
  }
  SECTION("of a later incarnation than is known: believed at once") {
    Bench bench;
    bench.swim.on_claims(bench.now, id(2), {claim(3, Liveness::Dead, 1)}, bench.out);
    CHECK(bench.belief(3).liveness == Liveness::Dead);
  }
}

// A node that was alone comes back and tells what it had made of that: 20028951.
TEST_CASE("swim: long silence of a member that nobody asked is no evidence", "[membership]") {
  Bench bench(40);
  bench.run(10s);
  const Claim dead = claim(30, Liveness::Dead);
  // A round of 40 lasts 40 s: it was not asked, and had no reason to speak.
  while (*bench.swim.peers().at(id(30)).last_heard + 5s > bench.now) bench.run(1s, {30});
  REQUIRE(bench.belief(30).liveness == Liveness::Alive);
  bench.out.sends.clear();
  bench.hear(bench.from(2, DatagramKind::Gossip, {dead}));
  CHECK(bench.belief(30).liveness == Liveness::Alive);
  CHECK(sent_to(bench, 30, DatagramKind::Ping));
  CHECK_FALSE(bench.told(4, dead));
  SECTION("it answers: it lives on") {
    bench.run(10s);
    CHECK(bench.belief(30).liveness == Liveness::Alive);
  }
  SECTION("it does not: dead as soon as the probe has ended") {
    bench.out.sends.clear();
    bench.run(520ms, {30});
    CHECK(bench.belief(30).liveness == Liveness::Dead);
  }
}

TEST_CASE("swim: a datagram that would say nothing is not sent", "[membership]") {
  const std::uint8_t peers = GENERATE(std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4});
  Bench bench(peers);
  bench.run(30s);
  Datagram refuted = bench.from(2);
  refuted.incarnation = 1;
  bench.hear(refuted);  // news of 2, whose only other hearer it may be
  std::size_t ticks = 0;
  const Instant end = bench.now + 30s;
  while (bench.now < end) {
    bench.now = std::max(bench.now, bench.swim.next_wake());
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
    ++ticks;
    const bool empty =
        std::any_of(bench.out.sends.begin(), bench.out.sends.end(), [](const auto& send) {
          return send.datagram.kind == DatagramKind::Gossip && send.datagram.updates.empty();
        });
    REQUIRE_FALSE(empty);
    bench.answer_all();
  }
  CHECK(ticks < 100);
}

}  // namespace
}  // namespace parley::membership
