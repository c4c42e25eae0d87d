// What this node believes of what others say, and whom it asks before it does.
#include "tests/catch.h"
#include "tests/unit/membership/swim_bench.h"

namespace parley::membership {
namespace {

// Whether anybody but the member itself is told something of it.
bool spoken_of(const Bench& bench, std::uint8_t subject) {
  return std::any_of(bench.out.sends.begin(), bench.out.sends.end(), [&](const auto& send) {
    const auto& updates = send.datagram.updates;
    return send.to != at(subject) &&
           std::any_of(updates.begin(), updates.end(),
                       [&](const auto& c) { return c.node == id(subject); });
  });
}

// What it wants to tell leaves; nobody answers.
void gossip_out(Bench& bench) {
  for (int i = 0; i < 2; ++i) {
    bench.now += 10ms;
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
  }
}

TEST_CASE("swim: its own record makes it no peer of itself", "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.learn(bench.now, at(9), claim(kMe, Liveness::Alive, 0, 9), bench.out);
  CHECK(bench.swim.peers().count(id(kMe)) == 0);
  CHECK(bench.out.sends.empty());
}

TEST_CASE("swim: a record that is learned again moves the member and no belief", "[membership]") {
  Bench bench;
  bench.out = {};
  const Claim before = bench.belief(3);
  bench.swim.learn(bench.now, at(200), claim(3, Liveness::Dead, 9, 9), bench.out);
  CHECK(bench.belief(3) == before);
  CHECK(bench.swim.peers().at(id(3)).endpoint == at(200));
  CHECK(bench.out.sends.empty());
}

TEST_CASE("swim: a suspicion that comes with a record is nobody's, and checked", "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.learn(bench.now, at(50), claim(50, Liveness::Suspect, 2), bench.out);
  CHECK(bench.belief(50).liveness == Liveness::Alive);
  CHECK(bench.count(DatagramKind::Ping) == 1);
}

TEST_CASE("swim: a new ring digest alone is told soon", "[membership]") {
  Bench bench;
  bench.swim.set_digests(bench.now, 5, 5);
  bench.run(1s);
  const auto told_within = [&](std::uint64_t ring) {
    bench.swim.set_digests(bench.now, 5, ring);
    bench.out = {};
    bench.now += 10ms;
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
    return bench.out.sends.size() == 4 && bench.out.sends[0].datagram.ring_digest == ring;
  };
  CHECK_FALSE(told_within(5));
  CHECK(told_within(6));
}

TEST_CASE("swim: after its goodbye it answers, believes and plans nothing", "[membership]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(5, Liveness::Dead, 1)}));
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, 2)}));
  bench.swim.on_evidence(bench.now, id(4), bench.out);
  const auto stream_probe = bench.out.stream_probes.back();
  bench.out = {};
  bench.swim.leave(bench.now, bench.out);
  const Claim goodbye{id(kMe), 7, 0, Liveness::Left, {}, 99};
  CHECK(bench.swim.self_claim() == goodbye);
  CHECK(bench.out.sends.size() == 3);  // the dead are not told
  for (const std::uint8_t n : std::vector<std::uint8_t>{2, 3, 4}) CHECK(bench.told(n, goodbye));
  bench.out = {};
  Datagram ping = bench.from(2, DatagramKind::Ping, {claim(3, Liveness::Dead, 1)});
  ping.target = id(kMe);
  bench.hear(ping);
  bench.swim.on_claims(bench.now, id(2), {claim(3, Liveness::Dead, 1)}, bench.out);
  bench.swim.on_evidence(bench.now, id(3), bench.out);
  bench.swim.on_refused(bench.now, {id(3), at(3), 1}, bench.out);
  bench.swim.on_stream_answer(bench.now, stream_probe.probe, claim(4, Liveness::Alive, 8),
                              bench.out);
  bench.now += 60s;
  bench.swim.on_tick(bench.now, Duration(0), bench.out);
  CHECK(bench.out.sends.empty());
  CHECK_FALSE(bench.out.changed);
  CHECK(bench.belief(3).liveness == Liveness::Suspect);
  CHECK(bench.belief(4).incarnation == 0);
  CHECK(bench.swim.next_wake() == Instant::max());
}

TEST_CASE("swim: claims of a stranger are neither asked about nor corrected", "[membership]") {
  Bench bench;
  Datagram refuted = bench.from(3);
  refuted.incarnation = 1;
  bench.hear(refuted);
  bench.out = {};
  const std::vector<Claim> said{claim(77, Liveness::Alive), claim(3, Liveness::Dead)};
  bench.swim.on_claims(bench.now, id(99), said, bench.out);
  CHECK(bench.out.syncs.empty());
  CHECK(bench.out.sends.empty());
  bench.swim.on_claims(bench.now, id(2), said, bench.out);  // of a member both
  CHECK(bench.out.syncs.size() == 1);
  CHECK(bench.told(2, bench.belief(3)));
}

TEST_CASE("swim: an accusation is passed on once for each accuser", "[membership]") {
  Bench bench;
  const auto accused_by = [&](std::uint8_t accuser, bool refused) {
    Claim said = claim(3, Liveness::Suspect, 0, 1, accuser);
    said.refused = refused;
    bench.out = {};
    bench.hear(bench.from(accuser, DatagramKind::Gossip, {said}));
    gossip_out(bench);
    const bool spoken = spoken_of(bench, 3);
    bench.run(2s, {3});  // until its copies are out
    REQUIRE(bench.belief(3).liveness == Liveness::Suspect);
    return spoken;
  };
  CHECK(accused_by(2, false));
  bench.run(2s, {3});  // with this node's own
  CHECK_FALSE(accused_by(2, false));
  CHECK(accused_by(2, true));  // it knows more now
  CHECK_FALSE(accused_by(2, true));
}

TEST_CASE("swim: its own refusal is told once", "[membership]") {
  Bench bench;
  const auto told = [&] {
    bench.out = {};
    bench.swim.on_refused(bench.now, {id(3), at(3), 1}, bench.out);
    gossip_out(bench);
    const bool spoken = spoken_of(bench, 3);
    bench.run(2s, {3});
    REQUIRE(bench.belief(3).liveness == Liveness::Suspect);
    return spoken;
  };
  SECTION("after it failed to answer us: told again, for it says more") {
    bench.swim.on_evidence(bench.now, id(3), bench.out);
    bench.run(4s, {3});
    REQUIRE(bench.belief(3).accuser == id(kMe));
    REQUIRE_FALSE(bench.belief(3).refused);
  }
  SECTION("of one that seemed well") {}
  CHECK(told());
  bench.run(2s, {3});
  CHECK_FALSE(told());
}

TEST_CASE("swim: a refusal of a stranger's or a former address proves nothing", "[membership]") {
  Bench bench;
  bench.swim.on_refused(bench.now, {id(99), at(99), 1}, bench.out);
  bench.swim.on_refused(bench.now, {id(3), at(200), 1}, bench.out);
  CHECK(bench.belief(3).liveness == Liveness::Alive);
  bench.swim.on_refused(bench.now, {id(3), at(3), 1}, bench.out);
  CHECK(bench.belief(3).liveness == Liveness::Suspect);
}

TEST_CASE("swim: what a member says of itself over a stream needs no check", "[membership]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Dead, 1)}));
  bench.out = {};
  bench.swim.on_claims(bench.now, id(3), {claim(3, Liveness::Alive, 2)}, bench.out);
  CHECK(bench.belief(3).liveness == Liveness::Alive);
  CHECK(bench.out.returned == std::vector{id(3)});
  CHECK(bench.out.sends.empty());
}

TEST_CASE("swim: whose word of a death is checked, and when there is nothing to check",
          "[membership]") {
  Bench bench;
  bench.out = {};
  const auto hear_of_death = [&](Incarnation incarnation, Generation generation) {
    bench.swim.on_claims(bench.now, id(4), {claim(3, Liveness::Dead, incarnation, generation)},
                         bench.out);
  };
  SECTION("suspected by another only: asked first") {
    bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, 2)}));
    hear_of_death(0, 1);
    CHECK(bench.belief(3).liveness == Liveness::Suspect);
    bench.answer_all();  // the ping that went with the suspicion
    hear_of_death(0, 1);
    CHECK(bench.belief(3).liveness != Liveness::Dead);
  }
  SECTION("this node could not reach it either: believed") {
    bench.swim.on_evidence(bench.now, id(3), bench.out);
    bench.run(520ms, {3});
    REQUIRE(bench.belief(3).accuser == id(kMe));
    hear_of_death(0, 1);
    CHECK(bench.belief(3).liveness == Liveness::Dead);
  }
  SECTION("of a later life than was heard: believed") {
    hear_of_death(0, 2);
    CHECK(bench.belief(3).liveness == Liveness::Dead);
  }
  SECTION("dead already: the later claim replaces the earlier") {
    hear_of_death(1, 1);
    REQUIRE(bench.belief(3).liveness == Liveness::Dead);
    bench.out = {};
    hear_of_death(2, 1);
    CHECK(bench.belief(3).incarnation == 2);
    CHECK(bench.out.sends.empty());
  }
}

TEST_CASE("swim: with too many probes under way a death is believed unchecked", "[membership]") {
  Bench bench(40);
  bench.out = {};
  const auto probed = [&](std::uint8_t count) {
    for (std::uint8_t n = 2; n < 2 + count; ++n) {
      bench.swim.on_evidence(bench.now, id(n), bench.out);
    }
    return bench.count(DatagramKind::Ping);
  };
  REQUIRE(probed(31) == 31);
  bench.swim.on_claims(bench.now, id(2), {claim(40, Liveness::Dead)}, bench.out);
  CHECK(bench.belief(40).liveness == Liveness::Alive);  // its probe is the 32nd
  bench.swim.on_claims(bench.now, id(2), {claim(41, Liveness::Dead)}, bench.out);
  CHECK(bench.belief(41).liveness == Liveness::Dead);
  CHECK(probed(38) == 32);
}

TEST_CASE("row 5: a second-hand suspicion of a later life lifts no death before it is checked",
          "[membership][bugs]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Dead, 1)}));
  bench.out = {};
  const auto later = GENERATE(claim(3, Liveness::Suspect, 2, 1, 2),  // incarnation
                              claim(3, Liveness::Suspect, 0, 2, 2));
  bench.hear(bench.from(2, DatagramKind::Gossip, {later}));
  CHECK(bench.belief(3).liveness == Liveness::Dead);
  CHECK(bench.out.returned.empty());
  CHECK(bench.count(DatagramKind::Ping) == 1);
  SECTION("it answers in that life: it is back") {
    Datagram answer = bench.from(3);
    answer.generation = later.generation;
    answer.incarnation = later.incarnation;
    bench.hear(answer);
    CHECK(bench.belief(3).liveness == Liveness::Alive);
    CHECK(bench.out.returned == std::vector{id(3)});
  }
  SECTION("it does not: whoever convicts it is believed") {
    bench.run(60s, {3});
    CHECK(bench.belief(3).incarnation == 1);
    Claim dead = later;
    dead.liveness = Liveness::Dead;
    bench.hear(bench.from(2, DatagramKind::Gossip, {dead}));
    CHECK(bench.belief(3).generation == later.generation);
    CHECK(bench.belief(3).incarnation == later.incarnation);
    CHECK(bench.belief(3).liveness == Liveness::Dead);
    CHECK(bench.out.returned.empty());
  }
}

}  // namespace
}  // namespace parley::membership
