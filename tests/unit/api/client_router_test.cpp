#include "api/client_router.h"

#include <set>

#include "api/call_gate.h"
#include "api/client_batch.h"
#include "tests/catch.h"

namespace parley::client {
namespace {

const Instant kNow = Instant{} + 100s;

Endpoint node_at(std::uint8_t n) { return {"127.0.0." + std::to_string(n), 7400}; }

// Node n has one vnode at slot 1000 * n; three replicas.
Topology five_nodes(std::set<int> down = {}) {
  Topology out;
  out.ring_digest = 1;
  out.replication_factor = 3;
  for (std::uint8_t n = 1; n <= 5; ++n) {
    Topology::Node node;
    node.node.octets[15] = n;
    node.client = node_at(n);
    node.up = down.count(n) == 0;
    node.slots = {static_cast<Slot>(1000 * n)};
    out.nodes.push_back(node);
  }
  return out;
}

using Order = std::vector<Endpoint>;

TEST_CASE("router: without a topology the given endpoints, in order", "[api][router]") {
  ClientRouter router({node_at(9), node_at(8)}, true);
  CHECK(router.order(Purpose::Read, Slot{5}, kNow) == Order{node_at(9), node_at(8)});
  CHECK_FALSE(router.home(Slot{5}, kNow).has_value());
}

TEST_CASE("router: up replicas first; writes to the first, reads in turn", "[api][router]") {
  ClientRouter router({node_at(1)}, true);
  router.learned(five_nodes({3}), kNow);
  // Slot 1500 belongs to 2, 3, 4; 3 is down.
  const Order writes{node_at(2), node_at(4), node_at(1), node_at(5), node_at(3)};
  CHECK(router.order(Purpose::Write, Slot{1500}, kNow) == writes);
  CHECK(router.order(Purpose::Write, Slot{1500}, kNow) == writes);
  std::set<Endpoint> firsts;
  for (int i = 0; i < 2; ++i) firsts.insert(router.order(Purpose::Read, Slot{1500}, kNow).front());
  CHECK(firsts == std::set<Endpoint>{node_at(2), node_at(4)});
  CHECK(router.home(Slot{1500}, kNow) == node_at(2));
  CHECK(router.order(Purpose::Admin, std::nullopt, kNow) == Order{node_at(1)});
}

TEST_CASE("router: with no key, or no replica up, the other nodes that are up come first",
          "[api][router]") {
  ClientRouter router({node_at(9)}, true);
  router.learned(five_nodes({2, 3, 4}), kNow);
  const Order all{node_at(1), node_at(5), node_at(2), node_at(3), node_at(4), node_at(9)};
  for (const Purpose purpose : {Purpose::Read, Purpose::Write}) {
    CHECK(router.order(purpose, std::nullopt, kNow) == all);
    CHECK(router.order(purpose, Slot{1500}, kNow) == all);
  }
  CHECK_FALSE(router.home(Slot{1500}, kNow).has_value());
}

TEST_CASE("router: a node without slots is known and replica of nothing", "[api][router]") {
  ClientRouter router({node_at(1)}, true);
  Topology topology = five_nodes();
  topology.nodes[1].slots.clear();  // node 2 is joining
  router.learned(topology, kNow);
  const Order writes{node_at(3), node_at(4), node_at(5), node_at(1), node_at(2)};
  CHECK(router.order(Purpose::Write, Slot{1500}, kNow) == writes);
}

TEST_CASE("router: equal digests are one ring, whoever is named with it", "[api][router]") {
  Topology topology = five_nodes();
  topology.ring_digest = 4711;  // covers racks, which no topology carries
  ClientRouter router({node_at(1)}, true);
  router.learned(topology, kNow);
  topology.nodes.erase(topology.nodes.begin() + 1);  // node 2 cannot be dialled
  router.learned(topology, kNow);
  // Slot 1500 belongs to 2, 3, 4 all the same, and not to 3, 4, 5.
  const Order writes{node_at(3), node_at(4), node_at(1), node_at(5)};
  CHECK(router.order(Purpose::Write, Slot{1500}, kNow) == writes);
}

TEST_CASE("router: home is the first replica that is not kept away from", "[api][router]") {
  ClientRouter router({node_at(1)}, true);
  router.learned(five_nodes(), kNow);
  CHECK(router.home(Slot{1500}, kNow) == node_at(2));
  router.failed(node_at(2), kNow);
  CHECK(router.home(Slot{1500}, kNow) == node_at(3));
  CHECK(router.home(Slot{1500}, kNow + 999ms) == node_at(3));
  CHECK(router.home(Slot{1500}, kNow + 1s) == node_at(2));
  router.failed(node_at(3), kNow);
  router.failed(node_at(4), kNow);
  CHECK_FALSE(router.home(Slot{1500}, kNow).has_value());
  ClientRouter blind({node_at(1)}, false);
  blind.learned(five_nodes(), kNow);
  CHECK_FALSE(blind.home(Slot{1500}, kNow).has_value());
}

TEST_CASE("router: what failed is not tried anew while a better one stands before it",
          "[api][router]") {
  ClientRouter router({node_at(1), node_at(2)}, true);
  router.failed(node_at(2), kNow);
  const Order normal{node_at(1), node_at(2)}, turned{node_at(2), node_at(1)};
  CHECK(router.order(Purpose::Write, Slot{1}, kNow + 2s) == normal);
  router.failed(node_at(1), kNow + 2s);
  CHECK(router.order(Purpose::Write, Slot{1}, kNow + 2s) == turned);  // its turn was not spent
}

TEST_CASE("router: with learning off only the given endpoints, ever", "[api][router]") {
  ClientRouter router({node_at(1)}, false);
  CHECK_FALSE(router.should_learn(kNow));
  router.learned(five_nodes(), kNow);
  CHECK(router.order(Purpose::Write, Slot{1500}, kNow) == Order{node_at(1)});
}

TEST_CASE("router: what failed comes last until its penalty is over, then one tries it",
          "[api][router]") {
  ClientRouter router({node_at(1), node_at(2)}, true);
  router.failed(node_at(1), kNow);
  const Order away{node_at(2), node_at(1)}, normal{node_at(1), node_at(2)};
  CHECK(router.order(Purpose::Write, Slot{1}, kNow) == away);
  CHECK(router.order(Purpose::Write, Slot{1}, kNow + 999ms) == away);
  CHECK(router.order(Purpose::Write, Slot{1}, kNow + 1s) == normal);  // this one tries
  CHECK(router.order(Purpose::Write, Slot{1}, kNow + 1s) == away);    // the others wait
  router.answered(node_at(1));
  CHECK(router.order(Purpose::Write, Slot{1}, kNow + 1s) == normal);
}

TEST_CASE("router: penalties double to a bound; failures of one moment count once",
          "[api][router]") {
  ClientRouter router({node_at(1), node_at(2)}, true);
  Instant now = kNow;
  for (const Duration length : {1s, 2s, 4s, 8s, 8s}) {
    router.failed(node_at(1), now);
    router.failed(node_at(1), now);
    CHECK(router.order(Purpose::Write, Slot{1}, now + length - 1ms).front() == node_at(2));
    now += length;
    CHECK(router.order(Purpose::Write, Slot{1}, now).front() == node_at(1));
    now += length;
  }
}

TEST_CASE("router: learns at once, when old, and after trouble, at most once a second",
          "[api][router]") {
  ClientRouter router({node_at(1)}, true);
  CHECK(router.should_learn(kNow));
  CHECK_FALSE(router.should_learn(kNow + 500ms));
  router.learned(five_nodes(), kNow);
  CHECK_FALSE(router.should_learn(kNow + 4s));
  CHECK(router.should_learn(kNow + 5s));
  router.learned(five_nodes(), kNow + 5s);
  router.failed(node_at(2), kNow + 6s);
  CHECK(router.should_learn(kNow + 6s));
  CHECK_FALSE(router.should_learn(kNow + 6s));
}

TEST_CASE("router: a topology without a ring is no news", "[api][router]") {
  ClientRouter router({node_at(1)}, true);
  router.learned({}, kNow);
  Topology no_factor = five_nodes();
  no_factor.replication_factor = 0;
  router.learned(no_factor, kNow);
  Topology no_slots = five_nodes();
  for (auto& node : no_slots.nodes) node.slots.clear();
  router.learned(no_slots, kNow);
  CHECK_FALSE(router.has_ring());
  CHECK(router.order(Purpose::Write, std::nullopt, kNow) == Order{node_at(1)});
}

TEST_CASE("batch: cut by home, by count and by bytes; each item once, in order", "[api][batch]") {
  std::vector<BatchItem> items;
  for (std::size_t i = 0; i < 100; ++i) {
    items.push_back({i % 3 == 0 ? std::nullopt : std::optional(node_at(i % 3 == 1 ? 1 : 2)),
                     i == 50 ? 5000u : 10u});
  }
  std::set<std::size_t> seen;
  for (const auto& group : cut_batch(items, 8, 60)) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < group.size(); ++i) {
      CHECK(seen.insert(group[i]).second);
      CHECK(items[group[i]].home == items[group[0]].home);
      if (i > 0) CHECK(group[i - 1] < group[i]);
      bytes += items[group[i]].bytes;
    }
    CHECK(group.size() <= 8);
    CHECK((bytes <= 60 || group.size() == 1));
  }
  CHECK(seen.size() == items.size());
  CHECK(cut_batch({}, 8, 60).empty());
}

TEST_CASE("call gate: bounds per connection, in all and in bytes; tickets give back",
          "[api][gate]") {
  api::CallGate gate({2, 3, 100});
  const auto a = std::make_shared<api::CallGate::ConnectionCalls>();
  const auto b = std::make_shared<api::CallGate::ConnectionCalls>();
  auto two = gate.enter(a, 2, 10);
  REQUIRE(two.ok());
  CHECK(gate.enter(a, 1, 0).error().code == ErrorCode::Overloaded);
  CHECK(gate.enter(b, 2, 0).error().retry_after_ms > 0);
  CHECK(gate.enter(b, 1, 91).error().code == ErrorCode::Overloaded);
  auto one = gate.enter(b, 1, 90);
  REQUIRE(one.ok());
  CHECK(gate.calls() == 3);
  two->reset();
  one->reset();
  CHECK(gate.calls() == 0);
  CHECK(gate.enter(a, 2, 100).ok());
  gate.close();
  CHECK(gate.enter(a, 1, 0).error().code == ErrorCode::NotReady);
}

TEST_CASE("call gate: answers left unread are bounded, for those who leave them", "[api][gate]") {
  api::CallGate gate({2, 3, 100, 50, 70});
  api::CallGate::ConnectionCalls a, b, c, d;
  const Instant now = Instant{} + 1000s;
  CHECK(gate.admit_answer(a, 1000, now).ok());  // one that reads may get anything
  CHECK(gate.admit_answer(a, 1, now).error().code == ErrorCode::Overloaded);  // not there yet
  gate.note_output(a, 1010, 40);
  CHECK(gate.admit_answer(a, 11, now).error().code == ErrorCode::Overloaded);
  CHECK(gate.admit_answer(a, 11, now).error().retry_after_ms > 0);
  CHECK(gate.admit_answer(a, 10, now).ok());
  CHECK(gate.admit_answer(a, 1, now).error().code == ErrorCode::Overloaded);
  gate.note_output(b, 0, 25);
  CHECK(gate.unread() == 65);
  CHECK(gate.admit_answer(b, 6, now).error().code == ErrorCode::Overloaded);  // in all
  CHECK(gate.admit_answer(b, 5, now).ok());
  // One that leaves nothing unread gets all its answers, whatever others do.
  CHECK(gate.admit_answer(c, 6, now).ok());
  CHECK(gate.admit_answer(c, 6, now).ok());
  gate.note_output(a, 10, 0);
  gate.note_output(b, 5, 0);
  CHECK(gate.unread() == 0);
  CHECK(gate.admit_answer(b, 50, now).ok());
  // An answer that was cancelled on its way is forgotten after a while.
  CHECK(gate.admit_answer(d, 50, now).ok());
  CHECK(gate.admit_answer(d, 50, now + 1s).error().code == ErrorCode::Overloaded);
  CHECK(gate.admit_answer(d, 50, now + 1001ms).ok());
}

TEST_CASE("batch pace: bounded, and refilled by halves", "[api][client]") {
  BatchPace pace;
  CHECK(pace.room(10) == 10);
  CHECK(pace.room(100000) == BatchPace::kItemsMost);
  for (std::size_t i = 0; i < BatchPace::kItemsMost; ++i) pace.begin(1);
  CHECK(pace.room(1) == 0);
  for (std::size_t i = 0; i + 1 < BatchPace::kItemsMost / 2; ++i) pace.end(1);
  CHECK(pace.room(100000) == 0);  // less than half is free, and more than that waits
  CHECK(pace.room(5) == 5);
  pace.end(1);
  CHECK(pace.room(100000) == BatchPace::kItemsMost / 2);
  CHECK(pace.room(100000, 8) == 0);
  CHECK(BatchPace().room(100000, 0) == 1);
}

TEST_CASE("batch pace: bytes are bounded, but one item always goes", "[api][client]") {
  BatchPace pace;
  CHECK(pace.fits(BatchPace::kBytesMost * 2));
  pace.begin(BatchPace::kBytesMost - 10);
  CHECK(pace.fits(10));
  CHECK_FALSE(pace.fits(11));
  pace.end(BatchPace::kBytesMost - 10);
  CHECK(pace.bytes() == 0);
  CHECK(pace.items() == 0);
}

}  // namespace
}  // namespace parley::client
