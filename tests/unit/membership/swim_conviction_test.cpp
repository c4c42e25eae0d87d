// Whoever convicts has asked the suspect just before, whatever the suspicion went through.
#include "tests/catch.h"
#include "tests/unit/membership/swim_bench.h"

namespace parley::membership {
namespace {

constexpr Duration kTimeout = SwimOptions{}.probe_timeout;

// In a round of 30 and more a suspect is seldom asked by chance.
struct Suspecting : Bench {
  explicit Suspecting(std::uint8_t peers = 30) : Bench(peers) {
    while (belief(3).liveness == Liveness::Alive) run(100ms, {3});
    out = {};
    begun = now;
  }
  // One tick at its time; notes a ping that tells the suspect of its suspicion.
  void step(const std::vector<std::uint8_t>& silent = {3}) {
    now = std::max(now, swim.next_wake());
    swim.on_tick(now, Duration(0), out);
    note_question();
    answer_all(silent);
  }
  void note_question() {
    if (!suspected()) return;
    for (const auto& send : out.sends) {
      if (send.to != at(3) || send.datagram.kind != DatagramKind::Ping) continue;
      const auto& updates = send.datagram.updates;
      if (std::find(updates.begin(), updates.end(), belief(3)) != updates.end()) {
        asked.push_back(now);
      }
    }
  }
  // Since `after`, and with time left for the answer.
  bool asked_just_before(Instant after = {}) const {
    return std::any_of(asked.begin(), asked.end(), [&](Instant at) {
      return at >= after && now - at >= kTimeout && now - at <= kTimeout * 2;
    });
  }
  bool suspected() const { return belief(3).liveness == Liveness::Suspect; }
  // From another, independently.
  void confirm(std::uint8_t accuser) {
    hear(from(accuser, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, accuser)}));
  }

  Instant begun{};
  std::vector<Instant> asked;
};

// Simulator seed 50001395: it had suspected while it was cut off, told nobody, and asked nobody
// since.
TEST_CASE("swim: whoever convicts has asked just before (a long round)", "[membership]") {
  Suspecting bench;
  while (bench.suspected()) bench.step();
  CHECK(bench.asked_just_before());
}

TEST_CASE("swim: whoever convicts has asked just before (a stall after the last question)",
          "[membership]") {
  Suspecting bench;
  const Duration lasts = suspicion_least(4, 31, 1s) * 6;                // nobody confirms
  const Instant question = bench.begun + lasts - kTimeout * 2 - 100ms;  // or just after
  while (bench.asked.empty() || bench.asked.back() < question) {
    bench.step();
    REQUIRE(bench.suspected());
  }
  bench.now += 15s;  // the suspect gets them back
  while (bench.suspected()) bench.step();
  CHECK(bench.now - bench.begun >= lasts + 14s);
  CHECK(bench.asked_just_before());
}

TEST_CASE("swim: whoever convicts has asked just before (it was late itself)", "[membership]") {
  Suspecting bench;
  const Duration lasts = suspicion_least(4, 31, 1s) * 6;
  while (bench.now - bench.begun < lasts - 300ms) bench.step();
  const Instant late_until = bench.now + 5s;
  while (bench.suspected()) {
    bench.now = std::max(bench.now, bench.swim.next_wake());
    bench.swim.on_tick(bench.now, bench.now < late_until ? 600ms : 0ms, bench.out);
    bench.note_question();
    bench.answer_all({3});
  }
  CHECK(bench.now >= late_until);
  CHECK(bench.asked_just_before());
}

// Two confirmations are waited for while so many are alive, and none while fewer are.
TEST_CASE("swim: whoever convicts has asked just before (an end that moved off and came back)",
          "[membership]") {
  Suspecting bench(3);
  REQUIRE(bench.swim.peers().size() == 3);
  const auto say = [&](Liveness liveness, Incarnation incarnation) {
    bench.hear(bench.from(4, DatagramKind::Gossip, {claim(4, liveness, incarnation, 1, 4)}));
  };
  say(Liveness::Left, 0);  // one is alive
  while (bench.now - bench.begun < 3500ms) bench.step();
  REQUIRE(!bench.asked.empty());
  Datagram back = bench.from(4);
  back.generation = 2;
  bench.hear(back);  // two: the end is 20 s away
  // Nobody asks by turns any more: both are in bad health.
  while (bench.now - bench.begun < 15s) bench.step();
  REQUIRE(bench.suspected());
  bench.asked.clear();
  back.updates = {claim(4, Liveness::Left, 0, 2, 4)};
  const Instant again = bench.now;
  bench.hear(back);  // one, and the end was eleven seconds ago
  while (bench.suspected()) bench.step();
  CHECK(bench.asked_just_before(again));
}

TEST_CASE("swim: an end that comes sooner leaves the suspect the time to answer", "[membership]") {
  Suspecting bench;
  while (bench.now - bench.begun < 10s) bench.step();
  // Together they would have ended it six seconds ago.
  bench.confirm(4);
  bench.confirm(5);
  const Instant confirmed = bench.now;
  bench.note_question();
  bench.out = {};
  SECTION("it is silent") {
    while (bench.suspected()) bench.step();
    CHECK(bench.asked_just_before(confirmed));
  }
  SECTION("it answers") {
    bench.step();
    REQUIRE(!bench.asked.empty());
    REQUIRE(bench.asked.back() == bench.now);
    REQUIRE(bench.suspected());
    bench.now += kTimeout - 1ms;
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
    REQUIRE(bench.suspected());
    Datagram answer = bench.from(3);
    answer.incarnation = 1;
    bench.hear(answer);
    CHECK(bench.belief(3).liveness == Liveness::Alive);
  }
}

TEST_CASE("swim: with too many probes under way the last question is asked all the same",
          "[membership]") {
  Suspecting bench(80);
  std::vector<std::uint8_t> silent{3};
  for (std::uint8_t n = 42; n < 82; ++n) silent.push_back(n);
  // Calls to forty others fail: as many probes as may be are under way until the end.
  const auto fill = [&] {
    for (std::uint8_t n = 42; n < 82; ++n) bench.swim.on_evidence(bench.now, id(n), bench.out);
    bench.answer_all(silent);
  };
  while (bench.suspected()) {
    const Instant next = std::max(bench.now, bench.swim.next_wake());
    if (bench.now - bench.begun > 20s) fill();
    bench.now = next;
    if (bench.now - bench.begun > 20s) fill();
    bench.step(silent);
  }
  CHECK(bench.asked_just_before());
}

}  // namespace
}  // namespace parley::membership
