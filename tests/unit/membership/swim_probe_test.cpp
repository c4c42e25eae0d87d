// Probes: who may answer them, who may ask for them, and which are begun.
#include "tests/catch.h"
#include "tests/unit/membership/swim_bench.h"

namespace parley::membership {
namespace {

// Who sends from a life that is over, or from a copy of this one's disk.
Datagram outdated(const Bench& bench, std::uint8_t n, bool copy) {
  Datagram d = bench.from(n);
  d.generation = copy ? 2 : 1;
  d.nonce = copy ? 77 : n;
  return d;
}
Bench with_a_second_life_of_2() {
  Bench bench;
  Datagram reborn = bench.from(2);
  reborn.generation = 2;
  bench.hear(reborn);
  bench.out = {};
  return bench;
}

TEST_CASE("swim: an earlier life and a copy of a node get nothing done", "[membership]") {
  const bool copy = GENERATE(false, true);
  Bench bench = with_a_second_life_of_2();
  Datagram d = outdated(bench, 2, copy);
  SECTION("a request to probe") {
    d.kind = DatagramKind::PingReq;
    d.target = id(3);
    bench.hear(d);
    CHECK(bench.count(DatagramKind::Ping) == 0);
    REQUIRE(bench.out.sends.size() == 1);  // it is told of the true one
    CHECK(bench.told(2, bench.belief(2)));
    CHECK(bench.belief(2).nonce == 2);
  }
  SECTION("an answer to a probe") {
    bench.swim.on_evidence(bench.now, id(2), bench.out);
    d.kind = DatagramKind::Ack;
    d.sequence = bench.out.sends.front().datagram.sequence;
    bench.hear(d);
    bench.run(520ms, {2});
    CHECK(bench.out.probe_failures == 1);
  }
  SECTION("a nack") {
    bench.swim.on_evidence(bench.now, id(3), bench.out);
    const auto sequence = bench.out.sends.front().datagram.sequence;
    for (const std::uint8_t n : std::vector<std::uint8_t>{4, 5}) {
      Datagram nack = bench.from(n, DatagramKind::Nack);
      nack.sequence = sequence;
      nack.target = id(3);
      bench.hear(nack);
    }
    d.kind = DatagramKind::Nack;
    d.sequence = sequence;
    d.target = id(3);
    bench.hear(d);
    bench.run(520ms, {3});
    CHECK(bench.swim.health() == 1);  // 2 itself owes it still
  }
  SECTION("a ping: answered with what is believed") {
    d.kind = DatagramKind::Ping;
    d.target = id(kMe);
    bench.hear(d);
    REQUIRE(bench.count(DatagramKind::Ack) == 1);
    CHECK(bench.out.sends.back().datagram.updates.at(0) == bench.belief(2));
  }
}

TEST_CASE("swim: a member's own answer to a ping of ours has a round trip", "[membership]") {
  Bench bench;
  bench.swim.on_evidence(bench.now, id(3), bench.out);
  const auto sequence = bench.out.sends.front().datagram.sequence;
  bench.now += 120ms;
  Datagram ack = bench.from(3, DatagramKind::Ack);
  ack.sequence = sequence;
  const auto round_trip = [&](const Datagram& d) {
    bench.out = {};
    bench.hear(d);
    return bench.out.round_trip;
  };
  SECTION("once") {
    CHECK(round_trip(ack) == 120ms);
    CHECK_FALSE(round_trip(ack));
  }
  SECTION("not to another question") {
    ++ack.sequence;
    CHECK_FALSE(round_trip(ack));
  }
  SECTION("not from whoever passes it on") {
    Datagram passed = bench.from(4, DatagramKind::Ack);
    passed.sequence = sequence;
    passed.target = id(3);
    CHECK_FALSE(round_trip(passed));
  }
  SECTION("not from a stranger, nor from a copy of its disk") {
    Datagram stranger = ack;
    stranger.sender = id(77);
    CHECK_FALSE(round_trip(stranger));
    ack.nonce = 77;
    CHECK_FALSE(round_trip(ack));
  }
  SECTION("nothing else has") {
    CHECK_FALSE(round_trip(bench.from(3)));
    Datagram ping = bench.from(3, DatagramKind::Ping);
    ping.target = id(kMe);
    ping.sequence = sequence;
    CHECK_FALSE(round_trip(ping));
  }
}

TEST_CASE("swim: a nack counts for its own probe only", "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.on_evidence(bench.now, id(3), bench.out);
  const auto sequence = bench.out.sends.front().datagram.sequence;
  const auto nack = [&](std::uint8_t from, std::uint64_t number, std::uint8_t target) {
    Datagram d = bench.from(from, DatagramKind::Nack);
    d.sequence = number;
    d.target = id(target);
    bench.hear(d);
  };
  nack(2, sequence, 3);
  nack(4, sequence, 3);
  int our_fault = 1;
  SECTION("the last one: all helpers failed as we did") {
    nack(5, sequence, 3);
    our_fault = 0;
  }
  SECTION("of another target") { nack(5, sequence, 4); }
  SECTION("of another probe") { nack(5, sequence + 1, 3); }
  bench.run(520ms, {3});
  CHECK(bench.out.probe_failures == 1);
  CHECK(bench.swim.health() == our_fault);
}

TEST_CASE("swim: a node without a record is answered, and its record asked for", "[membership]") {
  Bench bench;
  bench.out = {};
  Datagram ping = bench.from(78, DatagramKind::Ping);
  ping.target = id(kMe);
  ping.sequence = 5;
  bench.hear(ping);
  REQUIRE(bench.out.sends.size() == 1);
  CHECK(bench.out.sends[0].to == at(78));
  CHECK(bench.out.sends[0].datagram.kind == DatagramKind::Ack);
  CHECK(bench.out.sends[0].datagram.sequence == 5);
  REQUIRE(bench.out.syncs.size() == 1);
  CHECK(bench.out.syncs[0].node == id(78));
}

TEST_CASE("swim: probes on behalf of others are bounded", "[membership]") {
  Bench bench;
  bench.out = {};
  Datagram request = bench.from(2, DatagramKind::PingReq);
  request.target = id(3);
  for (request.sequence = 1; request.sequence <= 1025; ++request.sequence) bench.hear(request);
  CHECK(bench.count(DatagramKind::Ping) == 1024);
  REQUIRE(bench.count(DatagramKind::Nack) == 1);
  CHECK(bench.out.sends.back().datagram.sequence == 1025);
  bench.answer_all();  // there is room again
  bench.hear(request);
  CHECK(bench.count(DatagramKind::Ping) == 1);
}

TEST_CASE("swim: only the probed itself answers a probe on behalf of another", "[membership]") {
  Bench bench;
  bench.out = {};
  Datagram request = bench.from(2, DatagramKind::PingReq);
  request.target = id(3);
  request.sequence = 55;
  bench.hear(request);
  Datagram ack = bench.from(4, DatagramKind::Ack);
  ack.sequence = bench.out.sends.front().datagram.sequence;
  bench.hear(ack);
  CHECK(bench.count(DatagramKind::Ack) == 0);
  ack = bench.from(3, DatagramKind::Ack);
  ack.sequence = bench.out.sends.front().datagram.sequence;
  bench.hear(ack);
  REQUIRE(bench.count(DatagramKind::Ack) == 1);
  CHECK(bench.told(2, bench.belief(3)));
}

TEST_CASE("swim: who may answer for the probed", "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.on_evidence(bench.now, id(3), bench.out);
  Datagram ack = bench.from(4, DatagramKind::Ack);
  ack.sequence = bench.out.sends.front().datagram.sequence;
  bool proves = false;
  SECTION("a helper that names it") {
    ack.target = id(3);
    proves = true;
  }
  SECTION("a helper that names it, and repeats what others say") {
    ack.target = id(3);
    ack.updates = {claim(3, Liveness::Dead)};
    proves = true;
  }
  SECTION("a helper that names another") { ack.target = id(5); }
  SECTION("a helper that names nobody") {}
  SECTION("a helper that names another probe") {
    ack.target = id(3);
    ++ack.sequence;
  }
  bench.hear(ack);
  CHECK(bench.belief(3).liveness == Liveness::Alive);
  bench.run(520ms, {3});
  CHECK(bench.out.probe_failures == (proves ? 0 : 1));
  CHECK(bench.belief(3).liveness == (proves ? Liveness::Alive : Liveness::Suspect));
}

TEST_CASE("swim: over a stream too only the probed itself answers, and is believed",
          "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.on_evidence(bench.now, id(3), bench.out);
  const auto probe = bench.out.stream_probes.at(0).probe;
  bench.swim.on_stream_answer(bench.now, probe, claim(4, Liveness::Alive, 7), bench.out);
  bench.swim.on_stream_answer(bench.now, probe + 99, claim(3, Liveness::Alive, 7), bench.out);
  CHECK(bench.belief(4).incarnation == 0);
  CHECK(bench.belief(3).incarnation == 0);
  bench.swim.on_stream_answer(bench.now, probe, claim(3, Liveness::Alive, 7), bench.out);
  CHECK(bench.belief(3).incarnation == 7);
  bench.run(520ms, {3});
  CHECK(bench.out.probe_failures == 0);
}

TEST_CASE("swim: a helper's word brings a dead member back when the member answered it",
          "[membership]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Dead, 1)}));
  bench.out = {};
  // Second-hand life: the member is asked, and others are asked to ask it.
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Alive, 0, 2)}));
  REQUIRE(bench.count(DatagramKind::PingReq) == 3);
  REQUIRE(bench.belief(3).liveness == Liveness::Dead);
  Datagram ack = bench.from(4, DatagramKind::Ack);
  ack.sequence = bench.out.sends.front().datagram.sequence;
  ack.target = id(3);
  SECTION("in the life that it names") {
    ack.updates = {claim(5, Liveness::Alive), claim(3, Liveness::Alive, 0, 2)};
    bench.hear(ack);
    CHECK(bench.belief(3) == claim(3, Liveness::Alive, 0, 2));
    CHECK(bench.swim.peers().at(id(3)).verified);
    CHECK(bench.out.returned == std::vector{id(3)});
  }
  SECTION("but not in a life that was believed dead") {
    ack.updates = {claim(3, Liveness::Dead, 1), claim(3, Liveness::Alive, 1)};
    bench.hear(ack);
    CHECK(bench.belief(3).liveness == Liveness::Dead);
    CHECK(bench.out.returned.empty());
  }
}

TEST_CASE("swim: evidence against a stranger begins nothing", "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.on_evidence(bench.now, id(99), bench.out);
  CHECK(bench.out.sends.empty());
}

TEST_CASE("swim: a refused send accuses the way to that member alone", "[membership]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Dead, 1)}));
  bench.run(2100ms, {3});  // the dead one is being looked in on
  REQUIRE(bench.swim.health() == 0);
  for (const std::uint8_t n : std::vector<std::uint8_t>{20, 21}) {
    bench.swim.learn(bench.now, at(n), claim(n, Liveness::Alive), bench.out);
  }
  bench.out = {};
  bench.swim.on_send_failed(bench.now, at(3), bench.out);
  CHECK(bench.swim.health() == 0);
  CHECK(bench.out.sends.empty());
  bench.swim.on_send_failed(bench.now, at(21), bench.out);
  CHECK(bench.swim.health() == 1);
  REQUIRE(bench.count(DatagramKind::PingReq) == 3);
  for (const auto& send : bench.out.sends) CHECK(send.datagram.target == id(21));
}

TEST_CASE("swim: who came back is not looked in on among the dead", "[membership]") {
  Bench bench(9);
  std::vector<Claim> dead;
  for (std::uint8_t n = 3; n <= 10; ++n) dead.push_back(claim(n, Liveness::Dead, 1));
  bench.hear(bench.from(2, DatagramKind::Gossip, dead));
  const auto looked_in_on = [&] {
    std::vector<std::uint8_t> out;
    const Instant begun = bench.now;
    bench.out = {};
    while (out.empty() && bench.now - begun < 2s) {
      bench.now = std::max(bench.now, bench.swim.next_wake());
      bench.swim.on_tick(bench.now, Duration(0), bench.out);
      for (const auto& send : std::exchange(bench.out.sends, {})) {
        const std::uint8_t n = send.datagram.target.octets[0];
        if (send.datagram.kind != DatagramKind::Ping) continue;
        if (bench.belief(n).liveness == Liveness::Dead) out.push_back(n);
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  };
  const auto first = looked_in_on();  // half of the round
  REQUIRE(first.size() == 4);
  for (std::uint8_t n = 3; n <= 10; ++n) {
    if (std::find(first.begin(), first.end(), n) != first.end()) continue;
    Datagram back = bench.from(n);
    back.incarnation = 2;
    bench.hear(back);
  }
  CHECK(looked_in_on() == first);
}

}  // namespace
}  // namespace parley::membership
