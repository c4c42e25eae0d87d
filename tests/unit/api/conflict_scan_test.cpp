// Which keys have several live values: pages of one node's records, and of several nodes' parts.
#include "api/conflict_scan.h"

#include <algorithm>

#include "replication/version.h"
#include "ring/ring.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/unit/repair/memory_floor.h"

namespace parley::api {
namespace {

using replication::Dot;
using replication::VersionSet;
using replication::VersionVector;

Dot dot(std::uint8_t actor, std::uint64_t counter) {
  Dot out;
  out.actor.storage.octets[0] = actor;
  out.actor.epoch = 1;
  out.counter = counter;
  return out;
}

// One value of each actor, concurrent with the others.
VersionSet siblings(const std::vector<std::uint8_t>& actors, std::uint64_t counter = 1) {
  VersionSet set;
  for (const std::uint8_t actor : actors) set.write({}, {dot(actor, counter), false, {}, "value"});
  return set;
}

FoundConflict found(const Bytes& key, const VersionSet& set) {
  return {key, set.without_values().encode()};
}

// The keys in the order of pages.
std::vector<Bytes> in_order(std::vector<Bytes> keys) {
  std::sort(keys.begin(), keys.end(), [](const Bytes& a, const Bytes& b) {
    return std::pair(ring::token_of(a), a) < std::pair(ring::token_of(b), b);
  });
  return keys;
}

std::vector<Bytes> keys_of(const client::ConflictPage& page) {
  std::vector<Bytes> out;
  for (const auto& row : page.rows) out.push_back(row.key);
  return out;
}

struct Scanned {
  fake::World world{1};
  runtime::Loop& loop = world.node("127.0.0.1").loop();
  repair::test::MemoryStore store{loop};
  Lifetime alive;

  void keep(const Bytes& key, const Bytes& value) {
    bool done = false;
    store.update(
        {storage::kDefaultKeyspace, ring::token_of(key), key},
        [value](const storage::Found&) { return std::optional(value); }, storage::Durability::Fsync,
        [&done](const auto&) { done = true; });
    REQUIRE(world.run_until([&done] { return done; }, 1s));
  }
  ConflictPart scan(const Bytes& after, std::size_t rows_most, Duration time_most = 1s) {
    std::optional<Result<ConflictPart>> got;
    scan_conflicts(store, loop, alive, storage::kDefaultKeyspace,
                   {KeyspaceId{}, after, rows_most, time_most},
                   [&got](Result<ConflictPart> part) { got = std::move(part); });
    CHECK_FALSE(got.has_value());
    REQUIRE(world.run_until([&got] { return got.has_value(); }, 5s));
    REQUIRE(got->ok());
    return std::move(**got);
  }
};

}  // namespace

TEST_CASE("conflicts: a scan finds keys with several values, and no others", "[api][conflicts]") {
  Scanned node;
  node.keep("one", siblings({1}).encode());
  node.keep("two", siblings({1, 2}).encode());
  node.keep("three", siblings({1, 2, 3}).encode());
  node.keep("damaged", "no version set");
  VersionSet beside_delete = siblings({1});
  beside_delete.write({}, {dot(2, 1), true, {}, {}});
  node.keep("beside-delete", beside_delete.encode());  // a read gives one value
  VersionSet retried = siblings({});
  OpId op;
  op.octets[0] = 7;
  retried.write({}, {dot(1, 1), false, op, "v"});
  retried.write({}, {dot(2, 1), false, op, "v"});
  node.keep("retried", retried.encode());  // so does a write that was minted twice
  const auto part = node.scan({}, 100);
  CHECK(part.ended);
  std::vector<Bytes> keys;
  for (const auto& row : part.rows) {
    keys.push_back(row.key);
    CHECK(VersionSet::decode(row.set)->value_bytes() == 0);
  }
  CHECK(keys == in_order({"two", "three"}));
}

TEST_CASE("conflicts: pages of one node meet without a gap or a double", "[api][conflicts]") {
  Scanned node;
  std::vector<Bytes> all;
  for (int i = 0; i < 1500; ++i) {  // three slices
    const Bytes key = "key" + std::to_string(i);
    const bool conflict = i % 10 == 0;
    node.keep(key,
              siblings(conflict ? std::vector<std::uint8_t>{1, 2} : std::vector<std::uint8_t>{1})
                  .encode());
    if (conflict) all.push_back(key);
  }
  std::vector<Bytes> seen;
  Bytes after;
  for (int page = 0; page < 100; ++page) {
    const auto part = node.scan(after, 7);
    CHECK(part.rows.size() <= 7);
    for (const auto& row : part.rows) seen.push_back(row.key);
    if (part.ended) break;
    after = part.scanned_to;
  }
  CHECK(seen == in_order(all));
  // Without time one slice is looked at in any case.
  const auto hurried = node.scan({}, 256, 0ms);
  CHECK_FALSE(hurried.ended);
  CHECK_FALSE(hurried.scanned_to.empty());
}

TEST_CASE("conflicts: what several nodes say of a key is merged", "[api][conflicts]") {
  // The second replica lacks a write that replaced both values, the third has one more.
  VersionVector both;
  both.add(dot(1, 1));
  both.add(dot(2, 1));
  VersionSet newer = siblings({1, 2});
  newer.write(both, {dot(3, 1), false, {}, "resolved"});
  newer.write({}, {dot(4, 1), false, {}, "late"});
  const ConflictPart ahead{{found("k", newer)}, "k", true};
  const ConflictPart behind{{found("k", siblings({1, 2}))}, "k", true};
  auto page = conflict_page({ahead, behind}, {{}, {}, 100, {}});
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].versions == std::vector<std::string>{to_text(dot(3, 1)), to_text(dot(4, 1))});
  CHECK(page.next.empty());
  // Where together they have one value there is no conflict.
  VersionSet resolved = siblings({1, 2});
  resolved.write(both, {dot(3, 1), false, {}, "resolved"});
  page = conflict_page({{{found("k", resolved)}, "k", true}, behind}, {{}, {}, 100, {}});
  CHECK(page.rows.empty());
  // Bytes that are no set are left out.
  page = conflict_page({{{{"k", "junk"}}, "k", true}}, {{}, {}, 100, {}});
  CHECK(page.rows.empty());
}

TEST_CASE("conflicts: a page ends where a node has looked no further", "[api][conflicts]") {
  const auto keys = in_order({"a", "b", "c", "d", "e"});
  const VersionSet set = siblings({1, 2});
  const ConflictPart all{
      {found(keys[0], set), found(keys[2], set), found(keys[4], set)}, keys[4], true};
  const ConflictPart slow{{found(keys[1], set)}, keys[2], false};
  auto page = conflict_page({all, slow}, {{}, {}, 100, {}});
  CHECK(keys_of(page) == std::vector<Bytes>{keys[0], keys[1], keys[2]});
  CHECK(page.next == keys[2]);
  // A full page goes on behind its last row; one that is just full is the end.
  page = conflict_page({all, slow}, {{}, {}, 2, {}});
  CHECK(keys_of(page) == std::vector<Bytes>{keys[0], keys[1]});
  CHECK(page.next == keys[1]);
  page = conflict_page({all}, {{}, {}, 3, {}});
  CHECK(page.next.empty());
  // Nothing found, but not at the end.
  page = conflict_page({{{}, keys[3], false}}, {{}, {}, 3, {}});
  CHECK(page.rows.empty());
  CHECK(page.next == keys[3]);
}

}  // namespace parley::api
