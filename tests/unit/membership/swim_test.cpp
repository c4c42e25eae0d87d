#include "membership/swim.h"

#include <algorithm>
#include <set>

#include "membership/gossip_codec.h"
#include "tests/catch.h"
#include "tests/unit/membership/swim_bench.h"

namespace parley::membership {
namespace {

TEST_CASE("member: generation, then incarnation, then the worse news wins", "[membership]") {
  const std::vector<Claim> ascending{
      claim(2, Liveness::Alive, 0, 1), claim(2, Liveness::Suspect, 0, 1),
      claim(2, Liveness::Dead, 0, 1),  claim(2, Liveness::Left, 0, 1),
      claim(2, Liveness::Alive, 1, 1), claim(2, Liveness::Dead, 9, 1),
      claim(2, Liveness::Alive, 0, 2)};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      CHECK(supersedes(ascending[i], ascending[j]) == (i > j));
    }
  }
}

TEST_CASE("swim: a silent member is suspected, then dead, and others are asked first",
          "[membership]") {
  Bench bench;
  bench.out = {};
  std::set<Endpoint> asked_of;
  while (bench.belief(3).liveness == Liveness::Alive) {
    bench.now = std::max(bench.now, bench.swim.next_wake());
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
    for (const auto& send : bench.out.sends) {
      if (send.datagram.kind == DatagramKind::PingReq) asked_of.insert(send.to);
    }
    bench.answer_all({3});
  }
  CHECK(asked_of == std::set<Endpoint>{at(2), at(4), at(5)});
  bench.run(60s, {3});  // nobody confirms here, so the longest suspicion
  CHECK(bench.belief(3).liveness == Liveness::Dead);
  CHECK(bench.belief(2).liveness == Liveness::Alive);
  CHECK(bench.out.probe_failures >= 1);
  CHECK(bench.swim.peers().size() == 4);
}

TEST_CASE("swim: evidence probes at once and asks three others", "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.on_evidence(bench.now, id(3), bench.out);
  CHECK(bench.count(DatagramKind::Ping) == 1);
  CHECK(bench.count(DatagramKind::PingReq) == 3);
  CHECK(bench.out.stream_probes.size() == 1);
  bench.swim.on_evidence(bench.now, id(3), bench.out);  // not twice within a probe timeout
  CHECK(bench.count(DatagramKind::Ping) == 1);
  bench.swim.on_stream_answer(bench.now, bench.out.stream_probes[0].probe,
                              claim(3, Liveness::Alive), bench.out);
  bench.run(600ms);
  CHECK(bench.belief(3).liveness == Liveness::Alive);
}

TEST_CASE("swim: refutes a suspicion with a higher incarnation", "[membership]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Ping, {claim(kMe, Liveness::Suspect, 0, 7, 3)}));
  CHECK(bench.swim.self_claim().incarnation == 1);
  CHECK(bench.swim.health() == 1);
  bench.hear(bench.from(2, DatagramKind::Ping, {claim(kMe, Liveness::Dead, 0, 7, 3)}));
  CHECK(bench.swim.self_claim().incarnation == 1);  // that one is refuted already
}

TEST_CASE("swim: probes on behalf of others, with nack", "[membership]") {
  Bench bench;
  bench.out = {};
  Datagram request = bench.from(2, DatagramKind::PingReq);
  request.target = id(3);
  request.sequence = 55;
  bench.hear(request);
  REQUIRE(bench.count(DatagramKind::Ping) == 1);
  bench.answer_all();
  REQUIRE(bench.count(DatagramKind::Ack) == 1);
  CHECK(bench.out.sends.back().datagram.sequence == 55);
  CHECK(bench.out.sends.back().datagram.target == id(3));
  bench.out = {};
  bench.hear(request);
  bench.out.sends.clear();  // the ping is lost
  bench.now += 401ms;
  bench.swim.on_tick(bench.now, Duration(0), bench.out);
  CHECK(bench.count(DatagramKind::Nack) == 1);
  bench.out = {};
  request.target = id(77);
  bench.hear(request);
  CHECK(bench.count(DatagramKind::Nack) == 1);  // unknown target
}

TEST_CASE("row 1: a node that was slow itself convicts nobody", "[membership][bugs]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, 2)}));
  bench.run(1ms);
  bench.out = {};
  bench.now += 60s;  // this process stood still
  bench.swim.on_tick(bench.now, Duration(0), bench.out);
  CHECK(bench.belief(3).liveness == Liveness::Suspect);
  for (const std::uint8_t n : std::vector<std::uint8_t>{2, 4, 5})
    CHECK(bench.belief(n).liveness == Liveness::Alive);
  CHECK(bench.swim.health() > 0);
  bench.run(500ms);
  CHECK(bench.belief(3).liveness != Liveness::Dead);
}

TEST_CASE("row 2: a loop that lags suspends convictions", "[membership][bugs]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, 2)}));
  for (int i = 0; i < 100; ++i) {
    bench.now += 100ms;
    bench.swim.on_tick(bench.now, 900ms, bench.out);
  }
  CHECK(bench.belief(3).liveness == Liveness::Suspect);
}

TEST_CASE("row 3: a refutation beats a backlog of accusations, and goes out first",
          "[membership][bugs]") {
  Bench bench;
  bench.hear(bench.from(3, DatagramKind::Gossip));
  Datagram refuted = bench.from(3);
  refuted.incarnation = 1;
  bench.hear(refuted);
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, 2)}));
  CHECK(bench.belief(3).liveness == Liveness::Alive);

  Dissemination news;
  news.add(claim(4, Liveness::Dead));
  news.add(claim(5, Liveness::Suspect));
  news.add(claim(6, Liveness::Alive));
  news.add(claim(5, Liveness::Alive, 1));  // replaces: one slot per subject
  CHECK(news.size() == 3);
  const auto first = news.take(2, 5, id(2));
  REQUIRE(first.size() == 2);
  CHECK(first[0].liveness == Liveness::Alive);
  CHECK(first[1].liveness == Liveness::Alive);
}

TEST_CASE("row 4: a stale claim is answered with the higher one", "[membership][bugs]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Dead, 100)}));
  bench.run(600ms, {3});
  bench.out = {};
  Datagram stale = bench.from(3, DatagramKind::Ping);
  stale.target = id(kMe);
  bench.hear(stale);  // alive(0) while dead(100) is believed
  REQUIRE(bench.count(DatagramKind::Ack) == 1);
  REQUIRE_FALSE(bench.out.sends.back().datagram.updates.empty());
  CHECK(bench.out.sends.back().datagram.updates[0].incarnation == 100);
  // Of an earlier life it is told the later one.
  Datagram reborn = bench.from(3);
  reborn.generation = 5;
  bench.hear(reborn);
  bench.out = {};
  bench.hear(stale);
  REQUIRE(bench.count(DatagramKind::Ack) == 1);
  CHECK(bench.out.sends.back().datagram.updates.at(0).generation == 5);
}

TEST_CASE("row 5: second-hand life is not believed until checked", "[membership][bugs]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Dead, 1)}));
  bench.out = {};
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Alive, 2)}));
  CHECK(bench.belief(3).liveness == Liveness::Dead);
  CHECK(bench.count(DatagramKind::Ping) == 1);
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(77, Liveness::Alive)}));
  CHECK(bench.swim.peers().count(id(77)) == 0);
  REQUIRE_FALSE(bench.out.syncs.empty());
  CHECK(bench.out.syncs.back().node == id(2));
  bench.out = {};
  bench.hear(bench.from(78));  // itself, but without a record
  CHECK(bench.swim.peers().count(id(78)) == 0);
  CHECK(bench.out.syncs.back().at == at(78));
}

TEST_CASE("row 9: a new life moves the address at once", "[membership][bugs]") {
  Bench bench;
  Datagram moved = bench.from(3);
  moved.generation = 2;
  bench.swim.on_datagram(bench.now, at(200), moved, bench.out);
  CHECK(bench.swim.peers().at(id(3)).endpoint == at(200));
}

TEST_CASE("row 10: dead members are never forgotten and probed for ever", "[membership][bugs]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Dead, 1)}));
  for (int hour = 0; hour < 48; ++hour) {
    bench.now += 1h;
    bench.out = {};
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
    const bool probed = std::any_of(bench.out.sends.begin(), bench.out.sends.end(),
                                    [](const auto& s) { return s.datagram.target == id(3); });
    REQUIRE(probed);
  }
  CHECK(bench.belief(3).liveness == Liveness::Dead);
}

TEST_CASE("row 11: who left returns with a new generation", "[membership][bugs]") {
  Bench bench;
  bench.hear(bench.from(3, DatagramKind::Gossip, {claim(3, Liveness::Left)}));
  CHECK(bench.belief(3).liveness == Liveness::Left);
  bench.out = {};
  Datagram back = bench.from(3);
  back.generation = 2;
  bench.hear(back);
  CHECK(bench.belief(3).liveness == Liveness::Alive);
  CHECK(bench.out.returned == std::vector{id(3)});
}

TEST_CASE("row 14: corrections are rate-limited and do not answer each other",
          "[membership][bugs]") {
  Bench bench;
  bench.hear(bench.from(3, DatagramKind::Gossip));
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Dead, 5)}));
  bench.out = {};
  const auto corrections = [&] {
    for (int i = 0; i < 100; ++i) bench.hear(bench.from(3, DatagramKind::Gossip));
    REQUIRE(bench.count(DatagramKind::Gossip) == bench.out.sends.size());
    return std::exchange(bench.out, {}).sends.size();
  };
  bench.now += 500ms;
  CHECK(corrections() == 1);
  bench.now += 499ms;
  CHECK(corrections() == 0);
  bench.now += 1ms;
  CHECK(corrections() == 1);
}

TEST_CASE("row 15: a datagram with all the news fits 1,200 bytes", "[membership][bugs]") {
  Bench bench(100);
  std::vector<Claim> all;
  for (std::uint8_t n = 2; n < 100; ++n) all.push_back(claim(n, Liveness::Suspect, 3, 1, 101));
  bench.out = {};
  bench.swim.on_claims(bench.now, id(101), all, bench.out);
  for (int i = 0; i < 50; ++i) {
    bench.now += 100ms;
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
  }
  REQUIRE_FALSE(bench.out.sends.empty());
  std::size_t most = 0;
  for (const auto& send : bench.out.sends) {
    most = std::max(most, encode_datagram({}, send.datagram).size());
  }
  CHECK(most > 800);
  CHECK(most <= kDatagramBytesMost);
}

TEST_CASE("row 17: a refused send is a failed probe and evidence against us",
          "[membership][bugs]") {
  Bench bench;
  bench.out = {};
  while (bench.count(DatagramKind::Ping) == 0) {
    bench.now = std::max(bench.now, bench.swim.next_wake());
    bench.swim.on_tick(bench.now, Duration(0), bench.out);
  }
  const Endpoint to = bench.out.sends.back().to;
  bench.out = {};
  bench.swim.on_send_failed(bench.now, to, bench.out);
  CHECK(bench.count(DatagramKind::PingReq) == 3);
  CHECK(bench.swim.health() == 1);
}

TEST_CASE("row 19: no generation is too far in the future", "[membership][bugs]") {
  Bench bench;
  Datagram far = bench.from(3);
  far.generation = ~0ULL;
  bench.hear(far);
  CHECK(bench.belief(3).generation == ~0ULL);
}

TEST_CASE("row 20: a quick restart is noticed by one datagram", "[membership][bugs]") {
  Bench bench;
  bench.out = {};
  Datagram reborn = bench.from(3);
  reborn.generation = 2;
  bench.hear(reborn);
  CHECK(bench.out.returned == std::vector{id(3)});
}

TEST_CASE("row 21: what an earlier life sent is dropped", "[membership][bugs]") {
  Bench bench;
  Datagram reborn = bench.from(3);
  reborn.generation = 2;
  bench.hear(reborn);
  bench.hear(
      bench.from(3, DatagramKind::Gossip, {claim(3, Liveness::Left), claim(4, Liveness::Dead)}));
  CHECK(bench.belief(3).liveness == Liveness::Alive);
  CHECK(bench.belief(4).liveness == Liveness::Alive);  // nothing it said counts
}

TEST_CASE("swim: its own id elsewhere is met, another life of it is told of", "[membership]") {
  {
    Bench bench;
    Datagram twin = bench.from(kMe);
    twin.generation = 7;
    bench.swim.on_datagram(bench.now, at(9), twin, bench.out);
    REQUIRE(bench.out.other_lives.size() == 1);
    CHECK(bench.out.other_lives.front().met);
    CHECK(bench.out.other_lives.front().generation == 7);
    CHECK(bench.out.other_lives.front().at == at(9));
  }
  for (const auto liveness : {Liveness::Alive, Liveness::Dead}) {
    Bench bench;
    bench.hear(bench.from(2, DatagramKind::Gossip, {claim(kMe, liveness, 0, 8)}));
    REQUIRE(bench.out.other_lives.size() == 1);
    CHECK_FALSE(bench.out.other_lives.front().met);
    CHECK(bench.out.other_lives.front().liveness == liveness);
    CHECK(bench.out.other_lives.front().generation == 8);
  }
  Bench bench;
  Datagram old = bench.from(kMe);
  old.generation = 6;
  bench.hear(old);
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(kMe, Liveness::Dead, 9, 6)}));
  // This very life, called dead: that is refuted.
  Claim mine = claim(kMe, Liveness::Dead, 0, 7);
  mine.nonce = 99;
  bench.hear(bench.from(2, DatagramKind::Gossip, {mine}));
  CHECK(bench.out.other_lives.empty());
}

TEST_CASE("swim: who is asked whether it runs with our id answers, unless it has to go itself",
          "[membership]") {
  const auto heard = [](Generation asker) {
    Bench bench;
    bench.out = {};
    Datagram question = bench.from(kMe, DatagramKind::Ping);
    question.target = id(kMe);
    question.generation = asker;
    bench.swim.on_datagram(bench.now, at(9), question, bench.out);
    return std::pair(bench.count(DatagramKind::Ack), bench.out.other_lives.size());
  };
  CHECK(heard(6) == std::pair<std::size_t, std::size_t>(1, 0));
  CHECK(heard(7) == std::pair<std::size_t, std::size_t>(1, 0));  // the asker hears our answer
  CHECK(heard(8) == std::pair<std::size_t, std::size_t>(0, 1));
  Bench bench;
  bench.out = {};
  bench.swim.ask_other_life(at(9), bench.out);
  REQUIRE(bench.out.sends.size() == 1);
  CHECK(bench.out.sends.front().to == at(9));
  CHECK(bench.out.sends.front().datagram.target == id(kMe));
}

TEST_CASE("swim: two refusals of one life kill after a short window", "[membership]") {
  const auto dies = [](bool own, bool anothers, Generation generation) {
    Bench bench;
    bench.out = {};
    const Instant begun = bench.now;
    if (anothers) {
      Claim said = claim(3, Liveness::Suspect, 0, 1, 2);
      said.refused = true;
      bench.hear(bench.from(2, DatagramKind::Gossip, {said}));
      CHECK(bench.out.knocks.size() == 1);  // it looks for itself
    }
    if (own) bench.swim.on_refused(bench.now, {id(3), at(3), generation}, bench.out);
    bench.run(3s, {3});
    if (bench.belief(3).liveness == Liveness::Dead) return true;
    // By silence then; never by one refusal alone.
    bench.run(60s, {3});
    CHECK(bench.belief(3).liveness == Liveness::Dead);
    CHECK(bench.now - begun > 3s);
    return false;
  };
  CHECK(dies(true, true, 1));
  CHECK_FALSE(dies(true, false, 1));
  CHECK_FALSE(dies(false, true, 1));
  CHECK_FALSE(dies(true, true, 0));  // an earlier life's
}

TEST_CASE("swim: a refusal is told with its evidence, and a live member refutes it",
          "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.on_refused(bench.now, {id(3), at(3), 1}, bench.out);
  bench.run(10ms, {3});
  Claim said = claim(3, Liveness::Suspect, 0, 1, kMe);
  said.refused = true;
  said.nonce = 3;
  CHECK(bench.belief(3) == said);
  Datagram refuted = bench.from(3);
  refuted.incarnation = 1;
  bench.hear(refuted);
  CHECK(bench.belief(3).liveness == Liveness::Alive);
  bench.run(3s);
  CHECK(bench.belief(3).liveness == Liveness::Alive);
}

TEST_CASE("swim: knocks again, since a dying process may close its listener last", "[membership]") {
  Bench bench;
  bench.out = {};
  bench.swim.on_evidence(bench.now, id(3), bench.out);
  CHECK(bench.out.knocks.size() == 1);
  bench.run(150ms, {3});
  CHECK(bench.out.knocks.size() == 2);
  bench.swim.on_refused(bench.now, bench.out.knocks.back(), bench.out);
  bench.run(300ms, {3});
  CHECK(bench.out.knocks.size() == 2);  // told once is enough
}

TEST_CASE("swim: where nobody else can see it, one's own refusal is enough", "[membership]") {
  Bench bench(1);
  bench.out = {};
  bench.swim.on_evidence(bench.now, id(2), bench.out);
  REQUIRE(bench.out.knocks.size() == 1);
  CHECK(bench.out.knocks[0].at == at(2));
  bench.swim.on_refused(bench.now, bench.out.knocks[0], bench.out);
  bench.run(600ms, {2});
  CHECK(bench.belief(2).liveness == Liveness::Dead);
}

TEST_CASE("swim: a probe that failed while this node was late is repeated at once",
          "[membership]") {
  Bench bench;
  bench.hear(bench.from(2, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, 2)}));
  bench.out = {};
  // Late ticks until the probe of the suspect has ended: its silence proves nothing.
  const Instant begun = bench.now;
  while (bench.now - begun < 1s) {
    bench.now += 100ms;
    bench.swim.on_tick(bench.now, 600ms, bench.out);
    bench.answer_all({3});
  }
  CHECK(bench.belief(3).accuser == id(2));
  bench.run(2500ms, {3});
  // Its own word about the suspect follows soon, without which the accusation waits for long.
  bench.out = {};
  bench.hear(bench.from(4, DatagramKind::Gossip, {claim(3, Liveness::Suspect, 0, 1, 4)}));
  bench.run(2s, {3});
  CHECK(bench.belief(3).liveness == Liveness::Dead);
}

TEST_CASE("suspicion: confirmations shorten it, the same accuser counts once", "[membership]") {
  const Instant begun{Duration(10s)};
  Suspicion suspicion(begun, id(2), 4s, 24s);
  CHECK(suspicion.deadline(2) == begun + 24s);
  CHECK(suspicion.deadline(0) == begun + 4s);
  CHECK_FALSE(suspicion.confirm(id(2)));
  CHECK(suspicion.confirm(id(3)));
  const Instant one = suspicion.deadline(2);
  CHECK(one < begun + 24s);
  CHECK(one > begun + 4s);
  CHECK(suspicion.confirm(id(4)));
  CHECK(suspicion.deadline(2) == begun + 4s);
  suspicion.extend(7s);
  CHECK(suspicion.deadline(2) == begun + 11s);
  CHECK(suspicion_least(4, 5, 1s) == 4s);
  CHECK(suspicion_least(4, 1000, 1s) == 12s);
}

TEST_CASE("awareness: clamps and scales", "[membership]") {
  Awareness awareness(8);
  awareness.add(-3);
  CHECK(awareness.score() == 0);
  awareness.add(100);
  CHECK(awareness.score() == 7);
  CHECK(awareness.scaled(1s) == 8s);
}

TEST_CASE("dissemination: a claim leaves after its copies", "[membership]") {
  Dissemination news;
  news.add(claim(4, Liveness::Dead));
  std::size_t copies = 0;
  while (!news.empty()) copies += news.take(3, 48, id(2)).size();
  CHECK(copies == Dissemination::copies_for(48));
  CHECK(copies == 18);
  news.add(claim(4, Liveness::Alive));
  CHECK(news.take(3, 48, id(4)).empty());  // it knows that it lives
}

}  // namespace
}  // namespace parley::membership
