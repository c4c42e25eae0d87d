#include "membership/join.h"

#include "tests/catch.h"

namespace parley::membership {
namespace {

NodeId id(std::uint8_t n) {
  NodeId out;
  out.octets[0] = n;
  return out;
}
Endpoint at(std::uint8_t n) { return {"127.0.0." + std::to_string(n), 7401}; }
ClusterId cluster(std::uint8_t n = 1) {
  ClusterId out;
  out.octets[0] = n;
  return out;
}
JoinAskReply none(std::uint8_t n, bool would_found = false) {
  JoinAskReply reply;
  reply.node = id(n);
  reply.would_found = would_found;
  return reply;
}
JoinAskReply member(std::uint8_t n, const std::vector<std::uint8_t>& ring) {
  JoinAskReply reply = none(n);
  reply.has_cluster = true;
  reply.cluster = cluster();
  for (const std::uint8_t m : ring) {
    NodeRecord record;
    record.node = id(m);
    record.address = at(m).address;
    record.peer_port = 7401;
    record.ring = {id(m), 1, ring::RingStatus::Normal, "", {m}};
    reply.nodes.push_back(record);
  }
  return reply;
}
JoinOptions options(std::uint8_t self, const std::vector<std::uint8_t>& seeds) {
  JoinOptions out;
  out.self = id(self);
  out.self_at = at(self);
  for (const std::uint8_t seed : seeds) out.seeds.push_back(at(seed));
  return out;
}
const Error kUnreachable{ErrorCode::Unreachable, "connection refused"};
const JoinGrantReply kGranted{GrantVerdict::Granted, {}};

struct Bench {
  explicit Bench(JoinOptions o) : join(std::move(o)) { join.on_tick(now, out); }
  void next_round() {
    now = join.next_wake();
    out = {};
    join.on_tick(now, out);
  }
  void answer(std::uint8_t seed, const Result<JoinAskReply>& reply) {
    join.on_ask_answer(now, at(seed), reply, out);
  }
  void grant(std::uint8_t n, const Result<JoinGrantReply>& reply) {
    join.on_grant_answer(now, id(n), reply, out);
  }
  Instant now{Duration(5s)};
  JoinOutbox out;
  Join join;
};

TEST_CASE("join: founds at once without seeds, alone among them, or when told", "[membership]") {
  CHECK(Bench(options(1, {})).out.found);
  CHECK(Bench(options(1, {1, 1})).out.found);
  auto told = options(2, {1});
  told.found = true;
  CHECK(Bench(told).out.found);
  CHECK_FALSE(Bench(options(2, {1})).out.found);
}

TEST_CASE("join: the first seed founds when every other seed said that it has no cluster",
          "[membership]") {
  Bench bench(options(1, {1, 2, 3}));
  CHECK(bench.out.asks.size() == 2);
  bench.answer(2, none(2));
  CHECK_FALSE(bench.out.found);
  bench.answer(3, kUnreachable);
  CHECK_FALSE(bench.out.found);
  CHECK(bench.join.waiting_for() == "seeds that do not answer: 127.0.0.3:7401");
  bench.next_round();
  bench.answer(2, none(2));
  bench.answer(3, none(3));
  CHECK(bench.out.found);
}

TEST_CASE("join: of two first seeds only the lower id founds", "[membership]") {
  Bench low(options(1, {1, 2}));
  low.answer(2, none(2, true));
  CHECK(low.out.found);
  Bench high(options(2, {2, 1}));
  high.answer(1, none(1, true));
  CHECK_FALSE(high.out.found);
  CHECK(high.join.waiting_for().find("127.0.0.1:7401") != std::string::npos);
}

TEST_CASE("join: another node never founds", "[membership]") {
  Bench bench(options(2, {1, 2}));
  bench.answer(1, none(1));
  CHECK_FALSE(bench.out.found);
  CHECK(bench.join.waiting_for() == "the first seed to found the cluster");
}

TEST_CASE("join: every seed that does not answer is named", "[membership]") {
  for (const std::uint8_t self : std::vector<std::uint8_t>{1, 4}) {  // the first seed, or not
    Bench bench(options(self, {1, 2, 3, 4}));
    for (const std::uint8_t n : std::vector<std::uint8_t>{1, 2, 3, 4}) {
      if (n == 2 || n == 3) bench.answer(n, kUnreachable);
      if (n != 2 && n != 3 && n != self) bench.answer(n, none(n));
    }
    CHECK_FALSE(bench.out.found);
    CHECK(bench.join.waiting_for() == "seeds that do not answer: 127.0.0.2:7401, 127.0.0.3:7401");
  }
}

TEST_CASE("join: a seed that is named twice is asked once", "[membership]") {
  Bench bench(options(1, {1, 2, 3, 2}));
  CHECK(bench.out.asks == std::vector{at(2), at(3)});
}

TEST_CASE("join: it tells others whether it would found", "[membership]") {
  CHECK(Join(options(1, {})).would_found());
  CHECK(Join(options(1, {1, 2})).would_found());
  CHECK_FALSE(Join(options(2, {1, 2})).would_found());
  auto told = options(2, {1, 2});
  told.found = true;
  CHECK(Join(told).would_found());
}

TEST_CASE("join: asks again after its pause, not before", "[membership]") {
  Bench bench(options(2, {1}));
  bench.answer(1, none(1));
  bench.out = {};
  const Instant wake = bench.join.next_wake();
  CHECK(wake == bench.now + 200ms);
  bench.join.on_tick(wake - 1ms, bench.out);
  CHECK(bench.out.asks.empty());
  bench.join.on_tick(wake, bench.out);
  CHECK(bench.out.asks.size() == 1);
  CHECK(bench.join.next_wake() == Instant::max());  // an answer comes, or its failure
}

TEST_CASE("join: only other members that are on the ring are asked for consent", "[membership]") {
  Bench known(options(9, {1}));
  known.answer(1, member(1, {9, 1}));  // it crashed after it had been taken in
  REQUIRE(known.out.grants.size() == 1);
  CHECK(known.out.grants[0].node == id(1));
  known.grant(1, kGranted);
  CHECK(known.out.allocate);

  Bench nobody(options(9, {1}));
  JoinAskReply joining = member(1, {1});
  joining.nodes[0].ring.status = ring::RingStatus::Joining;
  nobody.answer(1, joining);
  CHECK(nobody.out.grants.empty());
  CHECK_FALSE(nobody.out.allocate);
  CHECK(nobody.join.waiting_for() == "a member with a place on the ring");
}

TEST_CASE("join: an answer to a question of the past changes nothing", "[membership]") {
  Bench bench(options(9, {1}));
  bench.answer(1, member(1, {1}));
  bench.grant(1, JoinGrantReply{GrantVerdict::StaleRing, {}});
  bench.out = {};
  bench.grant(1, kGranted);  // it rests
  CHECK_FALSE(bench.out.allocate);
  CHECK(bench.join.waiting_for() == "the members to agree on the ring");
  CHECK(bench.join.next_wake() == bench.now + 200ms);
}

TEST_CASE("join: what no member took note of is announced anew", "[membership]") {
  Bench bench(options(9, {1}));
  bench.answer(1, member(1, {1, 2}));
  bench.grant(1, kGranted);
  bench.grant(2, kGranted);
  bench.join.on_saved(bench.now, bench.out);
  for (const std::uint8_t n : std::vector<std::uint8_t>{1, 2}) {
    CHECK(bench.join.next_wake() == Instant::max());
    bench.join.on_done_answer(bench.now, id(n), Error{ErrorCode::NoAnswer, ""}, bench.out);
  }
  CHECK_FALSE(bench.out.member);
  CHECK(bench.join.waiting_for() == "a member to take note of this node");
  bench.next_round();
  CHECK(bench.out.asks.size() == 1);
}

TEST_CASE("join: consent of all, the lowest first, then slots, then the announcement",
          "[membership]") {
  Bench bench(options(9, {1}));
  bench.answer(1, member(1, {3, 1, 2}));
  REQUIRE(bench.out.grants.size() == 1);
  CHECK(bench.out.grants[0].node == id(1));
  bench.out = {};
  bench.grant(1, kGranted);
  REQUIRE(bench.out.grants.size() == 2);
  bench.grant(3, kGranted);
  CHECK_FALSE(bench.out.allocate);
  bench.grant(2, kGranted);
  REQUIRE(bench.out.allocate);
  bench.join.on_saved(bench.now, bench.out);
  CHECK(bench.out.dones.size() == 3);
  bench.join.on_done_answer(bench.now, id(1), Error{ErrorCode::NoAnswer, ""}, bench.out);
  CHECK_FALSE(bench.out.member);
  bench.join.on_done_answer(bench.now, id(2), Done{}, bench.out);
  CHECK(bench.out.member);
  CHECK(bench.join.waiting_for().empty());
}

TEST_CASE("join: gives consent back when one is missing, and names it", "[membership]") {
  Bench bench(options(9, {1}));
  bench.answer(1, member(1, {1, 2, 3}));
  bench.grant(1, kGranted);
  bench.grant(2, kUnreachable);
  bench.grant(3, Error{ErrorCode::NoAnswer, "no answer"});
  CHECK_FALSE(bench.out.allocate);
  REQUIRE(bench.out.releases.size() == 2);  // the silent one may have consented
  CHECK(bench.out.releases[0].node == id(1));
  CHECK(bench.join.waiting_for().find("127.0.0.2:7401 (connection refused)") != std::string::npos);
  bench.next_round();
  CHECK(bench.out.asks.size() == 1);
}

TEST_CASE("join: waits its turn, and for the members to agree", "[membership]") {
  Bench bench(options(9, {1}));
  bench.answer(1, member(1, {1}));
  bench.grant(1, JoinGrantReply{GrantVerdict::Wait, id(4)});
  CHECK(bench.join.waiting_for().find("joins first") != std::string::npos);
  bench.next_round();
  bench.answer(1, member(1, {1}));
  bench.grant(1, JoinGrantReply{GrantVerdict::StaleRing, {}});
  CHECK(bench.join.waiting_for() == "the members to agree on the ring");
}

TEST_CASE("join: refusals end it", "[membership]") {
  for (const auto code : {ErrorCode::WrongCluster, ErrorCode::Refused, ErrorCode::StaleCopy}) {
    Bench named(options(9, {1}));
    named.answer(1, Error{code, "other"});
    REQUIRE(named.out.refused.has_value());
    CHECK(named.out.refused->code == code);
    CHECK(named.join.next_wake() == Instant::max());
  }
  Bench data(options(9, {1}));
  data.answer(1, member(1, {1}));
  data.grant(1, Error{ErrorCode::Refused, "holds data"});
  REQUIRE(data.out.refused.has_value());
  CHECK(data.out.refused->message == "holds data");
  auto begun = options(9, {1});
  begun.known = cluster(7);
  Bench other(begun);
  other.answer(1, member(1, {1}));
  CHECK(other.out.refused.has_value());
}

TEST_CASE("join: a member that knows us outweighs one that refuses", "[membership]") {
  Bench bench(options(9, {1}));
  bench.answer(1, member(1, {1, 2}));
  bench.grant(1, JoinGrantReply{GrantVerdict::Already, {}});
  bench.grant(2, Error{ErrorCode::Refused, "holds data"});
  CHECK_FALSE(bench.out.refused.has_value());
}

TEST_CASE("join: consent that may have run out while saving is asked for again", "[membership]") {
  Bench bench(options(9, {1}));
  bench.answer(1, member(1, {1}));
  bench.grant(1, kGranted);
  REQUIRE(bench.out.allocate);
  bench.now += 2s;
  bench.join.on_saved(bench.now, bench.out);
  CHECK(bench.out.dones.empty());
  CHECK(bench.out.releases.size() == 1);
}

TEST_CASE("join: with a join begun earlier it never founds", "[membership]") {
  auto begun = options(9, {});
  begun.known = cluster();
  CHECK_FALSE(Bench(begun).out.found);
  auto first = options(1, {1, 2});
  first.known = cluster();
  Bench bench(first);
  bench.answer(2, none(2));
  CHECK_FALSE(bench.out.found);
}

TEST_CASE("grant desk: one at a time, who has begun, then the lowest visible", "[membership]") {
  GrantDesk desk(3s, 200ms);
  Instant now{Duration(1s)};
  CHECK(desk.ask(now, id(5), 1, 1).verdict == GrantVerdict::Granted);
  CHECK(desk.leased(now));
  CHECK(desk.ask(now, id(3), 1, 1) == JoinGrantReply{GrantVerdict::Wait, id(5)});
  CHECK(desk.ask(now, id(4), 1, 1) == JoinGrantReply{GrantVerdict::Wait, id(5)});
  CHECK(desk.ask(now, id(5), 1, 1).verdict == GrantVerdict::Granted);  // asked again
  desk.release(id(4));                                                 // is not the holder
  CHECK(desk.leased_to(now, id(5)));
  desk.ask(now, id(4), 1, 1);
  desk.release(id(5));
  CHECK_FALSE(desk.leased(now));
  CHECK(desk.ask(now, id(4), 1, 1) == JoinGrantReply{GrantVerdict::Wait, id(3)});
  now += 700ms;  // 3 has not asked for long: it is not there any more
  CHECK(desk.ask(now, id(4), 2, 1).verdict == GrantVerdict::StaleRing);
  CHECK(desk.ask(now, id(4), 1, 1).verdict == GrantVerdict::Granted);
}

TEST_CASE("grant desk: the lease is its holder's alone", "[membership]") {
  GrantDesk desk(3s, 200ms);
  const Instant now{Duration(1s)};
  CHECK_FALSE(desk.leased_to(now, id(5)));
  desk.ask(now, id(5), 1, 1);
  CHECK(desk.leased_to(now, id(5)));
  CHECK_FALSE(desk.leased_to(now, id(6)));
  CHECK_FALSE(desk.leased_to(now + 3s, id(5)));
}

TEST_CASE("grant desk: remembers a bounded number of joiners", "[membership]") {
  const auto numbered = [](std::size_t n) {
    NodeId out;
    out.octets[0] = static_cast<std::uint8_t>(n >> 8);
    out.octets[1] = static_cast<std::uint8_t>(n);
    return out;
  };
  GrantDesk desk(3s, 200ms);
  const Instant now{Duration(1s)};
  REQUIRE(desk.ask(now, numbered(5000), 1, 1).verdict == GrantVerdict::Granted);
  for (std::size_t n = 100; n < 100 + 1023; ++n) desk.ask(now, numbered(n), 1, 1);
  desk.ask(now, numbered(5), 1, 1);  // one too many: it is not waited for
  desk.release(numbered(5000));
  CHECK(desk.ask(now, numbered(200), 1, 1) == JoinGrantReply{GrantVerdict::Wait, numbered(100)});
  CHECK(desk.ask(now, numbered(50), 1, 1).verdict == GrantVerdict::Granted);
}

TEST_CASE("row 8: a failed join leaves nothing behind once its lease has ended",
          "[membership][bugs]") {
  GrantDesk desk(3s, 200ms);
  const Instant now{Duration(1s)};
  desk.ask(now, id(5), 1, 1);
  CHECK(desk.leased(now + 2999ms));
  CHECK_FALSE(desk.leased(now + 3s));
  CHECK(desk.ask(now + 3s, id(9), 1, 1).verdict == GrantVerdict::Granted);
}

}  // namespace
}  // namespace parley::membership
