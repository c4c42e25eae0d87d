#include "ring/ring.h"

#include <algorithm>
#include <set>

#include "base/hash.h"
#include "base/random.h"
#include "tests/catch.h"

namespace parley::ring {
namespace {

NodeId node(std::uint8_t n) {
  NodeId id;
  id.octets[0] = n;
  id.octets[15] = n;
  return id;
}

RingRecord normal(const NodeId& id, std::vector<Slot> slots, std::uint64_t version = 1) {
  return {id, version, RingStatus::Normal, "default", std::move(slots)};
}

std::vector<RingRecord> cluster(Random& random, std::size_t nodes, std::size_t vnodes) {
  std::vector<RingRecord> records;
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto ring = Ring::build(records);
    const auto id = random.id<NodeId>();
    records.push_back(normal(id, allocate_slots(*ring, id, vnodes)));
  }
  return records;
}

// The obvious way, to judge the quick one by.
std::vector<NodeId> slow_walk(const Ring& ring, Slot slot) {
  std::vector<NodeId> out;
  for (std::size_t i = 0; i < kSlotCount; ++i) {
    const Slot at = static_cast<Slot>(slot + i);
    for (const auto& vnode : ring.vnodes()) {
      if (vnode.slot == at && std::find(out.begin(), out.end(), vnode.node) == out.end()) {
        out.push_back(vnode.node);
      }
    }
    if (out.size() == ring.nodes().size()) break;
  }
  return out;
}

TEST_CASE("ring: tokens are frozen", "[ring][golden]") {
  CHECK(token_of("") == 0x2d06800538d394c2ULL);
  CHECK(token_of("a") == 0xe6c632b61e964e1fULL);
  CHECK(token_of("parley") == 0x209cba81e5c23680ULL);
}

TEST_CASE("ring: the digest is frozen", "[ring][golden]") {
  const auto ring = Ring::build(std::vector{normal(node(1), {1, 100}), normal(node(2), {50})});
  CHECK(ring->digest() == 0x72b5e7aa79c5d106ULL);
}

TEST_CASE("ring: empty without records, or without Normal ones", "[ring]") {
  const auto empty = Ring::build({});
  CHECK(empty->digest() == 0);
  CHECK(empty->nodes().empty());
  CHECK(empty->preference_list(7, 3).empty());
  CHECK(empty->walk(7).empty());
  CHECK_FALSE(empty->owns(node(1), 7, 3));
  CHECK(empty->owned_share(node(1), 3) == 0);
  CHECK(empty->common_slots(node(1), node(2), 3).empty());
  for (const auto status :
       {RingStatus::Joining, RingStatus::Leaving, RingStatus::Left, RingStatus::Removed}) {
    auto record = normal(node(1), {5});
    record.status = status;
    CHECK(Ring::build(std::vector{record})->nodes().empty());
  }
}

TEST_CASE("ring: a lone vnode owns every slot", "[ring]") {
  const auto ring = Ring::build(std::vector{normal(node(1), {9})});
  CHECK(ring->preference_list(9, 3) == std::vector{node(1)});
  CHECK(ring->preference_list(10, 3) == std::vector{node(1)});
  CHECK(ring->owned_share(node(1), 3) == 1.0);
  SlotSet all;
  all.add_range(0, kSlotCount);
  CHECK(ring->common_slots(node(1), node(1), 1) == all);
}

TEST_CASE("ring: a token owns up to and including its slot, and wraps", "[ring]") {
  const auto ring = Ring::build(std::vector{normal(node(1), {100}), normal(node(2), {60000})});
  CHECK(ring->preference_list(100, 1) == std::vector{node(1)});
  CHECK(ring->preference_list(101, 1) == std::vector{node(2)});
  CHECK(ring->preference_list(60000, 1) == std::vector{node(2)});
  CHECK(ring->preference_list(60001, 1) == std::vector{node(1)});
  CHECK(ring->preference_list(65535, 1) == std::vector{node(1)});
  CHECK(ring->preference_list(0, 2) == std::vector{node(1), node(2)});
}

TEST_CASE("ring: equal tokens belong to the lower node id", "[ring]") {
  const std::vector forward{normal(node(2), {5, 9}), normal(node(1), {5})};
  const std::vector backward{forward[1], forward[0]};
  const auto ring = Ring::build(forward);
  CHECK(ring->preference_list(5, 1) == std::vector{node(1)});
  CHECK(ring->vnodes().size() == 2);
  CHECK(Ring::build(backward)->digest() == ring->digest());
}

TEST_CASE("ring: of one node's records the highest version counts", "[ring]") {
  auto left = normal(node(1), {5}, 3);
  left.status = RingStatus::Left;
  const std::vector records{left, normal(node(1), {5}, 2), normal(node(2), {8})};
  CHECK(Ring::build(records)->nodes() == std::vector{node(2)});
  std::vector backward = records;
  std::reverse(backward.begin(), backward.end());
  CHECK(Ring::build(backward)->nodes() == std::vector{node(2)});
}

TEST_CASE("ring: who is not on it owns and shares nothing, and no copies have no owner", "[ring]") {
  const auto ring = Ring::build(std::vector{normal(node(2), {100}), normal(node(4), {60000})});
  for (const std::uint8_t n : std::vector<std::uint8_t>{1, 3, 5}) {  // before, between, behind
    CHECK_FALSE(ring->owns(node(n), 100, 2));
    CHECK(ring->owned_share(node(n), 2) == 0);
    CHECK(ring->common_slots(node(n), node(2), 2).empty());
    CHECK(ring->common_slots(node(2), node(n), 2).empty());
  }
  CHECK_FALSE(ring->owns(node(2), 100, 0));
  CHECK(ring->owned_share(node(2), 0) == 0);
  CHECK(ring->common_slots(node(2), node(4), 0).empty());
  CHECK(ring->preference_list(100, 0).empty());
}

TEST_CASE("ring: the digest tells rings apart, whatever the order", "[ring][property]") {
  Random random(1);
  for (int i = 0; i < 10; ++i) {
    auto records = cluster(random, 4, 16);
    const auto digest = Ring::build(records)->digest();
    std::reverse(records.begin(), records.end());
    CHECK(Ring::build(records)->digest() == digest);
    std::swap(records[0], records[2]);
    CHECK(Ring::build(records)->digest() == digest);
    auto moved = records;
    moved[1].slots.back() = static_cast<Slot>(moved[1].slots.back() ^ 1U);
    CHECK(Ring::build(moved)->digest() != digest);
    auto racked = records;
    racked[1].rack = "other";
    CHECK(Ring::build(racked)->digest() != digest);
    moved = records;
    moved.pop_back();
    CHECK(Ring::build(moved)->digest() != digest);
  }
}

TEST_CASE("ring: quick answers equal the obvious walk", "[ring][property]") {
  Random random(2);
  const auto ring = Ring::build(cluster(random, 12, 4));  // more nodes than are kept ready
  for (int i = 0; i < 100; ++i) {
    const auto slot = static_cast<Slot>(random.below(kSlotCount));
    const auto expected = slow_walk(*ring, slot);
    REQUIRE(ring->walk(slot) == expected);
    for (const std::size_t count : {1, 3, 8, 9, 12, 40}) {
      auto some = expected;
      some.resize(std::min(count, some.size()));
      REQUIRE(ring->preference_list(slot, count) == some);
      for (const NodeId& id : ring->nodes()) {
        REQUIRE(ring->owns(id, slot, count) ==
                (std::find(some.begin(), some.end(), id) != some.end()));
      }
    }
  }
}

TEST_CASE("ring: shares and common slots agree with ownership", "[ring][property]") {
  Random random(3);
  const auto ring = Ring::build(cluster(random, 12, 4));  // more nodes than are kept ready
  const NodeId a = ring->nodes()[0], b = ring->nodes()[3];
  for (const std::size_t count : {std::size_t{3}, std::size_t{9}}) {
    std::size_t owned = 0;
    SlotSet common;
    for (std::size_t s = 0; s < kSlotCount; ++s) {
      const auto slot = static_cast<Slot>(s);
      const bool by_a = ring->owns(a, slot, count);
      owned += by_a ? 1 : 0;
      if (by_a && ring->owns(b, slot, count)) common.add(slot);
    }
    CHECK(owned > 0);
    CHECK(owned < kSlotCount);
    CHECK(ring->owned_share(a, count) * kSlotCount == static_cast<double>(owned));
    CHECK(ring->common_slots(a, b, count) == common);
    CHECK(ring->common_slots(b, a, count) == common);
  }
}

TEST_CASE("allocate_slots: distinct, sorted, free and deterministic", "[ring][property]") {
  Random random(4);
  const auto records = cluster(random, 6, 32);
  const auto ring = Ring::build(records);
  std::set<Slot> claimed;
  for (const auto& vnode : ring->vnodes()) claimed.insert(vnode.slot);
  CHECK(claimed.size() == 6 * 32);
  const auto slots = allocate_slots(*ring, node(9), 32);
  CHECK(slots.size() == 32);
  CHECK(std::is_sorted(slots.begin(), slots.end()));
  CHECK(std::set<Slot>(slots.begin(), slots.end()).size() == 32);
  for (const Slot slot : slots) CHECK(claimed.count(slot) == 0);
  CHECK(slots == allocate_slots(*ring, node(9), 32));
  CHECK(slots != allocate_slots(*ring, node(8), 32));
  // Asked again after its record is out, a joiner gets the same answer.
  auto with = records;
  with.push_back(normal(node(9), slots));
  CHECK(slots == allocate_slots(*Ring::build(with), node(9), 32));
}

TEST_CASE("allocate_slots: the first node takes as many as it wants", "[ring]") {
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{64}}) {
    CHECK(allocate_slots(*Ring::build({}), node(1), count).size() == count);
  }
}

// Frozen: how candidates are judged may become quicker, not other. Seven nodes join one after the
// other, the first ones while there are fewer than are judged.
TEST_CASE("allocate_slots: chooses as ever", "[ring]") {
  const auto [vnodes, digest] = GENERATE(table<std::size_t, std::uint64_t>(
      {{1, 0xa633385891cd250dULL}, {8, 0x4cb4271ce393fde3ULL}, {32, 0xddd2c4d0a333997eULL}}));
  Random random(11);
  Bytes all;
  for (const RingRecord& record : cluster(random, 7, vnodes)) {
    for (const Slot slot : record.slots) all += std::to_string(slot) + " ";
  }
  CHECK(hash64(all) == digest);
}

TEST_CASE("allocate_slots: a full grid gives nothing", "[ring]") {
  std::vector<Slot> all;
  for (std::size_t s = 0; s < kSlotCount; ++s) all.push_back(static_cast<Slot>(s));
  const auto ring = Ring::build(std::vector{normal(node(1), all)});
  CHECK(allocate_slots(*ring, node(2), 4).empty());
}

TEST_CASE("allocate_slots: shares are even within ten percent (five nodes)", "[ring][property]") {
  Random random(5);
  for (int i = 0; i < 10; ++i) {
    const auto ring = Ring::build(cluster(random, 5, 64));
    for (const NodeId& id : ring->nodes()) {
      const double share = ring->owned_share(id, 3) / 0.6;
      CHECK(share > 0.9);
      CHECK(share < 1.1);
    }
  }
}

TEST_CASE("allocate_slots: only what the joiner takes moves", "[ring][property]") {
  Random random(6);
  auto records = cluster(random, 5, 16);
  const auto before = Ring::build(records);
  const auto id = random.id<NodeId>();
  records.push_back(normal(id, allocate_slots(*before, id, 16)));
  const auto after = Ring::build(records);
  std::size_t moved = 0;
  for (std::size_t s = 0; s < kSlotCount; ++s) {
    const auto slot = static_cast<Slot>(s);
    const auto old_owners = before->preference_list(slot, 3);
    const auto new_owners = after->preference_list(slot, 3);
    const bool joined = after->owns(id, slot, 3);
    moved += joined ? 1 : 0;
    if (!joined) REQUIRE(new_owners == old_owners);
    for (const NodeId& owner : new_owners) {
      if (owner == id) continue;
      REQUIRE(std::find(old_owners.begin(), old_owners.end(), owner) != old_owners.end());
    }
  }
  const double share = static_cast<double>(moved) / kSlotCount;  // even: 3 of 6
  CHECK(share > 0.42);
  CHECK(share < 0.58);
}

}  // namespace
}  // namespace parley::ring
