#include "repair/merkle.h"

#include <map>
#include <set>
#include <string>

#include "base/random.h"
#include "repair/key_join.h"
#include "repair/sync_codec.h"
#include "ring/ring.h"
#include "tests/catch.h"

namespace parley::repair {
namespace {

constexpr storage::KeyspaceNumber kSpace = storage::kDefaultKeyspace;

const KeyspaceId kId = [] {
  KeyspaceId id;
  id.octets.fill(7);
  return id;
}();

SlotSet all_slots() {
  SlotSet all;
  all.add_range(0, kSlotCount);
  return all;
}

// One replica's keys and digests, with the index that a store would have told.
struct Copy {
  SlotIndex index;
  std::map<std::pair<Token, Bytes>, std::uint64_t> keys;

  void set(const Bytes& key, std::uint64_t digest) {
    const Token token = ring::token_of(key);
    std::uint64_t& at = keys[{token, key}];
    index.change(kSpace, token, key, at, digest);
    at = digest;
  }
  std::vector<storage::ListedKey> list(const std::vector<Slot>& slots, const Bytes& after,
                                       std::size_t most, bool& last) const {
    std::vector<storage::ListedKey> out;
    last = true;
    for (const Slot slot : slots) {
      std::pair<Token, Bytes> from{static_cast<Token>(slot) << 48, {}};
      if (!after.empty()) from = std::max(from, {ring::token_of(after), after + '\0'});
      for (auto at = keys.lower_bound(from); at != keys.end(); ++at) {
        if (slot_of(at->first.first) != slot) break;
        if (out.size() == most) {
          last = false;
          return out;
        }
        out.push_back({at->first.second, at->second});
      }
    }
    return out;
  }
};

struct Exchange {
  std::uint64_t bytes = 0;
  std::size_t messages = 0;
  bool equal = false;
  std::vector<KeyDifference> differences;
};

template <typename T>
T taken(Exchange& exchange, const Bytes& bytes, Result<T> (*decode)(ByteView)) {
  exchange.bytes += bytes.size();
  ++exchange.messages;
  auto out = decode(bytes);
  REQUIRE(out.ok());
  return std::move(*out);
}

// A whole comparison with every message encoded and decoded.
Exchange compare(Copy& mine, SharedSlots& my_slots, Copy& theirs, SharedSlots& their_slots,
                 std::uint32_t page = 1024) {
  Exchange out;
  SyncSession session(my_slots, mine.index, kId);
  while (session.step() != SyncSession::Step::Ended) {
    if (session.step() == SyncSession::Step::Compare) {
      const auto request =
          taken(out, encode_compare_request(session.compare()), decode_compare_request);
      const auto reply = answer_compare(request, their_slots, theirs.index);
      REQUIRE(reply.ok());
      const auto heard = taken(out, encode_compare_reply(*reply), decode_compare_reply);
      REQUIRE(session.on_reply(heard).ok());
      continue;
    }
    const auto slots = session.take_slots();
    KeyJoin join;
    while (!join.ended()) {
      bool last = false;
      if (join.wants_mine()) {
        const auto keys = mine.list(slots, join.mine_after(), page, last);
        REQUIRE(join.add_mine(keys, last).ok());
      }
      if (join.wants_theirs()) {
        const auto request =
            taken(out, encode_list_request({kId, slots, join.theirs_after(), page, 65536}),
                  decode_list_request);
        const auto keys = theirs.list(request.slots, request.after, request.keys_most, last);
        const auto reply = taken(out, encode_list_reply({keys, last}), decode_list_reply);
        REQUIRE(join.add_theirs(reply.keys, reply.last).ok());
      }
      for (auto& difference : join.take()) out.differences.push_back(std::move(difference));
    }
  }
  out.equal = session.equal();
  return out;
}

std::string key_name(std::uint64_t i) { return "key-" + std::to_string(i); }

TEST_CASE("merkle: one differing key of a million costs at most 64 KiB on the wire", "[repair]") {
  Copy mine, theirs;
  // Only the sums of a million keys matter, and the whole of the one slot that differs.
  const Slot odd = slot_of(ring::token_of(key_name(77)));
  for (std::uint64_t i = 0; i < 1'000'000; ++i) {
    const std::string key = key_name(i);
    const Token token = ring::token_of(key);
    mine.index.change(kSpace, token, key, 0, i + 1);
    theirs.index.change(kSpace, token, key, 0, i + 1);
    if (slot_of(token) == odd) mine.keys[{token, key}] = theirs.keys[{token, key}] = i + 1;
  }
  SharedSlots a(kSpace, all_slots()), b(kSpace, all_slots());
  REQUIRE(compare(mine, a, theirs, b).equal);

  theirs.set(key_name(77), 5);
  const Exchange one = compare(mine, a, theirs, b);
  REQUIRE(one.differences == std::vector<KeyDifference>{{key_name(77), KeyDifference::Want::Both}});
  WARN("one differing key of 10^6: " << one.bytes << " bytes in " << one.messages << " messages");
  REQUIRE(one.bytes <= 64_KiB);

  mine.set(key_name(77), 5);
  const Exchange again = compare(mine, a, theirs, b);
  REQUIRE(again.equal);
  REQUIRE(again.messages == 2);
  REQUIRE(again.bytes < 256);
}

TEST_CASE("merkle: exactly the differing keys are found (random divergences, any page size)",
          "[repair]") {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    Random random(seed);
    Copy mine, theirs;
    SlotSet shared;
    for (std::size_t i = 0; i < kSlotCount; ++i) {
      if (random.below(3) > 0) shared.add(static_cast<Slot>(i));
    }
    SharedSlots a(kSpace, shared), b(kSpace, shared);
    std::map<Bytes, KeyDifference::Want> expected;
    const std::uint64_t keys = 1 + random.below(3000);
    const std::uint64_t odds = 1 + random.below(200);
    for (std::uint64_t i = 0; i < keys; ++i) {
      const Bytes key = key_name(i);
      const std::uint64_t my_digest = random.below(odds) == 0 ? random.below(3) : 9;
      const std::uint64_t their_digest = random.below(odds) == 0 ? random.below(3) : 9;
      if (my_digest != 0 || random.below(2) == 0) mine.set(key, my_digest);
      if (their_digest != 0 || random.below(2) == 0) theirs.set(key, their_digest);
      if (my_digest == their_digest || !a.contains(slot_of(ring::token_of(key)))) continue;
      expected[key] = my_digest == 0      ? KeyDifference::Want::Pull
                      : their_digest == 0 ? KeyDifference::Want::Push
                                          : KeyDifference::Want::Both;
    }
    const auto page = static_cast<std::uint32_t>(1 + random.below(40));
    const Exchange found = compare(mine, a, theirs, b, page);
    std::map<Bytes, KeyDifference::Want> got;
    for (const auto& one : found.differences) got[one.key] = one.want;
    REQUIRE(got == expected);
    REQUIRE(found.differences.size() == expected.size());
    REQUIRE(found.equal == expected.empty());

    for (const auto& [key, want] : expected) {
      mine.set(key, 100);
      theirs.set(key, 100);
    }
    const Exchange second = compare(mine, a, theirs, b, page);
    REQUIRE(second.equal);
    REQUIRE(second.messages == 2);
  }
}

TEST_CASE("merkle: slots that are not shared do not count", "[repair]") {
  Copy mine, theirs;
  const Bytes key = key_name(1);
  const Slot slot = slot_of(ring::token_of(key));
  SlotSet others;
  others.add_range(static_cast<Slot>(slot + 1), kSlotCount - 1);
  SharedSlots a(kSpace, others), b(kSpace, others);
  mine.set(key, 5);
  REQUIRE(compare(mine, a, theirs, b).equal);
  REQUIRE(SharedSlots(kSpace, {}).empty());
  REQUIRE(a.slots_of(group_of(slot)).size() == kGroupSlots - 1);
}

TEST_CASE("merkle: a group whose sums changed since is digested anew", "[repair]") {
  SlotIndex index;
  SharedSlots shared(kSpace, all_slots());
  const auto before = shared.groups(index);
  index.change(kSpace, ring::token_of("k"), "k", 0, 4);
  const auto after = shared.groups(index);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < kGroupCount; ++i) changed += before[i] != after[i] ? 1 : 0;
  REQUIRE(changed == 1);
  index.change(kSpace, ring::token_of("k"), "k", 4, 0);
  REQUIRE(shared.groups(index) == before);
}

TEST_CASE("merkle: an answer refuses unsorted and too many groups", "[repair]") {
  SlotIndex index;
  SharedSlots shared(kSpace, all_slots());
  REQUIRE_FALSE(answer_compare({kId, 0, {3, 3}}, shared, index).ok());
  REQUIRE_FALSE(answer_compare({kId, 0, {4, 3}}, shared, index).ok());
  std::vector<std::uint8_t> many;
  for (std::uint8_t i = 0; i <= kCompareGroupsMost; ++i) many.push_back(i);
  REQUIRE_FALSE(answer_compare({kId, 0, many}, shared, index).ok());
  many.pop_back();
  REQUIRE(answer_compare({kId, 0, many}, shared, index)->sums.size() ==
          kCompareGroupsMost * kGroupSlots);
}

TEST_CASE("merkle: a session refuses replies that do not fit", "[repair]") {
  SlotIndex index;
  SharedSlots shared(kSpace, all_slots());
  SECTION("too few groups") {
    SyncSession session(shared, index, kId);
    session.compare();
    REQUIRE_FALSE(session.on_reply({false, {1, 2, 3}}).ok());
    REQUIRE(session.step() == SyncSession::Step::Ended);
    REQUIRE_FALSE(session.equal());
  }
  SECTION("too many sums") {
    SyncSession session(shared, index, kId);
    session.compare();
    std::vector<std::uint64_t> groups(kGroupCount, 1);
    REQUIRE(session.on_reply({false, groups}).ok());
    REQUIRE(session.compare().groups.size() == kCompareGroupsMost);
    REQUIRE_FALSE(session.on_reply({false, {1}}).ok());
    REQUIRE(session.step() == SyncSession::Step::Ended);
  }
  SECTION("the difference went away between two messages") {
    SyncSession session(shared, index, kId);
    session.compare();
    const auto groups = shared.groups(index);
    REQUIRE(session.on_reply({false, {groups.begin(), groups.end()}}).ok());
    REQUIRE(session.step() == SyncSession::Step::Ended);
    REQUIRE_FALSE(session.equal());
  }
}

TEST_CASE("slot index: sums follow changes, whatever their order", "[repair]") {
  SlotIndex one, two;
  for (const char* key : {"a", "b", "c"}) one.change(kSpace, 42, key, 0, 7);
  for (const char* key : {"c", "a", "b"}) two.change(kSpace, 42, key, 0, 9);
  REQUIRE(one.sum(kSpace, 0) != two.sum(kSpace, 0));
  for (const char* key : {"b", "c", "a"}) two.change(kSpace, 42, key, 9, 7);
  REQUIRE(one.sum(kSpace, 0) == two.sum(kSpace, 0));
  for (const char* key : {"a", "b", "c"}) one.change(kSpace, 42, key, 7, 0);
  REQUIRE(one.sum(kSpace, 0) == 0);
  REQUIRE(one.sum(99, 0) == 0);
  REQUIRE(one.slot_changes(99, 0) == 0);
  REQUIRE(one.group_changes(99).empty());
  REQUIRE(one.slot_changes(kSpace, 0) == 6);
  REQUIRE(one.group_changes(kSpace)[0] == 6);
  one.change(kSpace, 42, "a", 0, 0);  // damaged and absent are one
  REQUIRE(one.slot_changes(kSpace, 0) == 6);
}

TEST_CASE("slot index: begins with what the store scanned", "[repair]") {
  // Slot 7 twice, as a scan of a damaged file may tell it.
  const std::vector<storage::SlotDigest> sums{
      {3, index_term(Token{3} << 48, "k", 5)}, {7, 10}, {9, 1}, {7, 20}};
  SlotIndex index;
  index.load(kSpace, {});  // a store without records
  REQUIRE(index.group_changes(kSpace).empty());
  index.load(kSpace, sums);
  REQUIRE(index.group_changes(kSpace)[0] == 1);
  REQUIRE(index.group_changes(kSpace)[1] == 0);
  index.change(kSpace, Token{3} << 48, "k", 5, 0);
  REQUIRE(index.sum(kSpace, 3) == 0);
  REQUIRE(index.sum(kSpace, 7) == 30);
  // Of a group in which there is nothing.
  const Slot far = 300;
  REQUIRE(index.group_sums(kSpace, group_of(far)).empty());
  REQUIRE(index.sum(kSpace, far) == 0);
  REQUIRE(index.slot_changes(kSpace, far) == 0);
  REQUIRE_FALSE(index.recount(kSpace, far, 0, 0));
  REQUIRE_FALSE(index.recount(kSpace, far, 5, 0));
  REQUIRE(index.recount(kSpace, far, 5, 0));
  REQUIRE(index.group_sums(kSpace, group_of(far))[far % kGroupSlots] == 5);
}

TEST_CASE("slot index: a sum is replaced when two listings contradict it alike", "[repair]") {
  SlotIndex index;
  index.change(kSpace, 0, "k", 0, 5);
  const auto seen = index.slot_changes(kSpace, 0);
  const auto right = index.sum(kSpace, 0);
  SECTION("twice the same") {
    REQUIRE_FALSE(index.recount(kSpace, 0, 11, seen));
    REQUIRE(index.sum(kSpace, 0) == right);
    REQUIRE(index.recount(kSpace, 0, 11, seen));
    REQUIRE(index.sum(kSpace, 0) == 11);
  }
  SECTION("not with an agreeing one between") {
    REQUIRE_FALSE(index.recount(kSpace, 0, 11, seen));
    REQUIRE_FALSE(index.recount(kSpace, 0, right, seen));
    REQUIRE_FALSE(index.recount(kSpace, 0, 11, seen));
  }
  SECTION("not with a change between") {
    REQUIRE_FALSE(index.recount(kSpace, 0, 11, seen));
    index.change(kSpace, 0, "other", 0, 6);
    REQUIRE_FALSE(index.recount(kSpace, 0, 11, seen));
    REQUIRE_FALSE(index.recount(kSpace, 0, 11, index.slot_changes(kSpace, 0)));
  }
  SECTION("not when they differ") {
    REQUIRE_FALSE(index.recount(kSpace, 0, 11, seen));
    REQUIRE_FALSE(index.recount(kSpace, 0, 12, seen));
    REQUIRE_FALSE(index.recount(kSpace, 0, 11, seen));
  }
}

TEST_CASE("slot index: doubts are bounded; those forgotten begin anew", "[repair]") {
  SlotIndex index;
  for (Slot slot = 0; slot < 4096; ++slot) REQUIRE_FALSE(index.recount(kSpace, slot, 11, 0));
  REQUIRE(index.recount(kSpace, 7, 11, 0));  // all of them are remembered
  REQUIRE_FALSE(index.recount(kSpace, 5000, 11, 0));
  REQUIRE_FALSE(index.recount(kSpace, 5001, 11, 0));  // one too many
  REQUIRE_FALSE(index.recount(kSpace, 8, 11, 0));
  REQUIRE(index.recount(kSpace, 8, 11, 0));
  REQUIRE(index.recount(kSpace, 5001, 11, 0));
}

TEST_CASE("key join: refuses listings out of order", "[repair]") {
  std::vector<storage::ListedKey> keys = {{"a", 1}, {"b", 1}};
  if (ring::token_of("a") < ring::token_of("b")) std::swap(keys[0], keys[1]);
  KeyJoin join;
  REQUIRE_FALSE(join.add_mine(keys, true).ok());
  REQUIRE_FALSE(join.add_theirs({{"", 1}}, true).ok());
  REQUIRE(join.wants_mine());
  REQUIRE(join.add_theirs({{"a", 1}}, false).ok());
  REQUIRE_FALSE(join.add_theirs({{"a", 1}}, false).ok());
}

TEST_CASE("key join: an empty page ends its side", "[repair]") {
  KeyJoin join;
  REQUIRE(join.add_mine({{"a", 1}}, true).ok());
  REQUIRE(join.take().empty());  // the peer may still list it
  REQUIRE(join.add_theirs({}, false).ok());
  REQUIRE(join.take() == std::vector<KeyDifference>{{"a", KeyDifference::Want::Push}});
  REQUIRE(join.ended());
}

TEST_CASE("key join: two damaged copies are no difference", "[repair]") {
  KeyJoin join;
  REQUIRE(join.add_mine({{"a", 0}}, true).ok());
  REQUIRE(join.add_theirs({{"a", 0}}, true).ok());
  REQUIRE(join.take().empty());
  REQUIRE(join.ended());
}

}  // namespace
}  // namespace parley::repair
