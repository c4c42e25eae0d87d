// Where the last writer wins: stamps, the merge of stamped sets, minting, and what tokens carry.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "replication/context_token.h"
#include "replication/epoch_range.h"
#include "replication/mint.h"
#include "replication/read_merge.h"
#include "replication/write_context.h"
#include "tests/catch.h"

namespace parley::replication {
namespace {

StorageId storage(std::uint8_t n) {
  StorageId id;
  id.octets[15] = n;
  return id;
}
Dot dot(std::uint8_t actor, std::uint64_t counter) { return {{storage(actor), 2}, counter}; }
VersionSet written(const Dot& at, Stamp stamp, const Bytes& value) {
  VersionSet set;
  set.write({}, {at, false, {}, value, stamp});
  return set;
}
VersionSet join(VersionSet a, const VersionSet& b) {
  a.merge(b);
  return a;
}
constexpr Stamp at_ms(std::int64_t millis, Stamp count = 0) {
  return static_cast<Stamp>(millis) << 16 | count;
}

struct Epochs {
  EpochRange range{EpochMark{10, 5}, 10};
  Epochs() { range.confirm(range.mark()); }
};
const MintLimits kLimits{1, 10};

MintRequest put(const Bytes& value, std::int64_t millis, Stamp seen = 0) {
  MintRequest out;
  out.value = value;
  out.last_writer = LastWriter{{millis}, seen};
  return out;
}

// Three minters whose clocks are wrong, each in its way, and every write that they made.
struct Histories {
  std::vector<VersionSet> sets{3};
  std::map<Dot, Stamp> writes;

  explicit Histories(Random& random) {
    for (int i = 0; i < 12; ++i) {
      const auto at = random.below(3);
      VersionSet& set = sets[at];
      if (random.below(3) == 0) {
        set.merge(sets[random.below(3)]);
        continue;
      }
      // The client has read somewhere, or nowhere.
      const VersionSet read = random.below(2) == 0 ? sets[random.below(3)] : VersionSet{};
      const Actor actor{storage(static_cast<std::uint8_t>(at + 1)), 2};
      if (read.context().counter(actor) > set.context().counter(actor)) continue;
      const Dot one{actor, set.context().counter(actor) + 1};
      const WallTime wall{static_cast<std::int64_t>(random.below(3))};
      const Stamp stamp = next_stamp(wall, std::max(read.stamp(), set.stamp()));
      set.write(read.context(), {one, false, {}, "v", stamp});
      writes[one] = stamp;
    }
  }
  // The greatest of all that a context covers.
  Dot latest_in(const VersionVector& context) const {
    std::pair<Stamp, Dot> latest;
    for (const auto& [one, stamp] : writes) {
      if (context.covers(one)) latest = std::max(latest, {stamp, one});
    }
    return latest.second;
  }
};

}  // namespace

TEST_CASE("stamp: the wall clock's time, but later than what was seen", "[lww]") {
  CHECK(next_stamp({1000}, 0) == at_ms(1000));
  CHECK(next_stamp({1000}, at_ms(999, 65535)) == at_ms(1000));
  CHECK(next_stamp({1000}, at_ms(1000)) == at_ms(1000, 1));
  CHECK(next_stamp({1000}, at_ms(2000, 7)) == at_ms(2000, 8));
  CHECK(next_stamp({1000}, at_ms(1000, 65535)) == at_ms(1001));
  CHECK(wall_of(at_ms(1000, 5)).millis == 1000);
  // A clock before 1970, or far beyond, makes no impossible stamp.
  CHECK(next_stamp({-5}, 0) == 1);
  CHECK(next_stamp({std::numeric_limits<std::int64_t>::max()}, 0) <= kStampMost);
}

TEST_CASE("last writer: the merge is commutative, associative, idempotent; the latest stays",
          "[lww]") {
  Random random(7);
  for (int i = 0; i < 3000; ++i) {
    const Histories h(random);
    const VersionSet &a = h.sets[0], &b = h.sets[1], &c = h.sets[2];
    REQUIRE(join(a, b) == join(b, a));
    REQUIRE(join(join(a, b), c) == join(a, join(b, c)));
    REQUIRE(join(a, a) == a);
    REQUIRE(join(join(a, b), b) == join(a, b));
    for (const VersionSet& set : {a, b, c, join(a, b), join(join(a, b), c)}) {
      if (set.empty()) continue;
      REQUIRE(set.siblings().size() == 1);
      REQUIRE(set.siblings()[0].dot == h.latest_in(set.context()));
      REQUIRE(VersionSet::decode(set.encode()).value() == set);
    }
  }
}

TEST_CASE("last writer: equal stamps go by the dot", "[lww]") {
  const VersionSet a = written(dot(1, 1), 7, "a"), b = written(dot(2, 1), 7, "b");
  CHECK(join(a, b).siblings()[0].value == "b");
  CHECK(join(b, a) == join(a, b));
}

TEST_CASE("last writer: a merge says when one is lost that the other had not seen", "[lww]") {
  VersionSet a = written(dot(1, 1), at_ms(1), "a");
  const VersionSet b = written(dot(2, 1), at_ms(2), "b");
  VersionSet after_a = a;
  after_a.write({}, {dot(2, 1), false, {}, "seen", at_ms(2)});
  CHECK(after_a.siblings().size() == 1);  // a new write replaces what its minter has
  CHECK_FALSE(VersionSet(a).merge(after_a));
  CHECK_FALSE(VersionSet(after_a).merge(a));
  CHECK_FALSE(VersionSet{}.merge(a));
  CHECK_FALSE(VersionSet(a).merge(VersionSet{}));
  CHECK(VersionSet(b).merge(a));  // whichever way round
  REQUIRE(a.merge(b));
  CHECK_FALSE(a.merge(b));  // once
  CHECK(a.siblings()[0].value == "b");
}

TEST_CASE("last writer: golden bytes, and what cannot have been minted", "[lww][golden]") {
  const VersionSet set = written(dot(1, 3), 0x0102030405060708, "ab");
  const Bytes bytes = set.encode();
  CHECK(to_hex(bytes) ==
        "01"
        "01000000"
        "00000000000000000000000000000001"
        "0200000000000000"
        "0300000000000000"
        "01000000"
        "00000000"
        "0300000000000000"
        "04"
        "0807060504030201"
        "0000"
        "02000000"
        "6162");
  const std::size_t stamp_at = bytes.size() - 16;
  Bytes none = bytes, beyond = bytes;
  none.replace(stamp_at, 8, Bytes(8, '\0'));
  beyond.replace(stamp_at, 8, Bytes(8, '\xff'));
  CHECK_FALSE(VersionSet::decode(none));
  CHECK_FALSE(VersionSet::decode(beyond));
  // Two siblings, the second of which is given a stamp by hand.
  VersionSet two;
  two.write({}, {dot(1, 1), false, {}, "a"});
  two.write({}, {dot(2, 1), false, {}, "b"});
  Bytes mixed = two.encode();
  const std::size_t flags_at = mixed.size() - 1 - 4 - 2 - 1;
  mixed[flags_at] = '\x04';
  mixed.insert(flags_at + 1, Bytes("\x01\0\0\0\0\0\0\0", 8));
  const auto refused = VersionSet::decode(mixed);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("beside one with a stamp") != std::string::npos);
}

TEST_CASE("last writer: a mint replaces what is there and is later than it and its context",
          "[lww]") {
  Epochs epochs;
  LocalState local{storage::Condition::Sound, written(dot(2, 1), at_ms(2000), "old")};
  // no context, and a clock that is behind; one sibling at most is no hindrance
  auto minted = decide_mint(local, put("a", 1000), storage(1), epochs.range, kLimits);
  REQUIRE(minted);
  REQUIRE(minted->set.siblings().size() == 1);
  CHECK(minted->set.siblings()[0].value == "a");
  CHECK(minted->set.stamp() == at_ms(2000, 1));
  CHECK(minted->set.context().covers(dot(2, 1)));
  // The client saw something that never came here.
  minted = decide_mint(local, put("b", 1000, at_ms(9000)), storage(1), epochs.range, kLimits);
  CHECK(minted->set.stamp() == at_ms(9000, 1));
  minted = decide_mint({}, put("c", 3000), storage(1), epochs.range, kLimits);
  CHECK(minted->set.stamp() == at_ms(3000));
  // Only a stamp that no clock made can be the last one: what would follow could not be read.
  const LocalState at_the_end{storage::Condition::Sound, written(dot(2, 1), kStampMost, "old")};
  CHECK(VersionSet::decode(at_the_end.set.encode()));
  for (const auto& refused :
       {decide_mint(at_the_end, put("d", 1), storage(1), epochs.range, kLimits),
        decide_mint(local, put("d", 1, kStampMost), storage(1), epochs.range, kLimits)}) {
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::TooLarge);
  }
  // A delete is a write; an op-id that is live is minted once; too large is too large.
  MintRequest gone = put("", 3000);
  gone.value.reset();
  gone.op.octets[0] = 7;
  minted = decide_mint(local, gone, storage(1), epochs.range, kLimits);
  CHECK(minted->set.siblings()[0].tombstone);
  const LocalState after{storage::Condition::Sound, minted->set};
  CHECK(decide_mint(after, gone, storage(1), epochs.range, kLimits)->again);
  const auto large = decide_mint(local, put(Bytes(11, 'x'), 1), storage(1), epochs.range, kLimits);
  REQUIRE_FALSE(large);
  CHECK(large.error().code == ErrorCode::TooLarge);
}

TEST_CASE("last writer: the token carries the stamp", "[lww][token][golden]") {
  const Bytes key(32, 'k');
  VersionVector seen;
  seen.add(dot(1, 3));
  const CausalContext context{seen, 0x0102030405060708};
  const Bytes token = seal_context(key, {}, "key", context);
  const auto opened = open_context(key, {}, "key", token);
  REQUIRE(opened);
  CHECK(*opened == context);
  CHECK(to_hex(encode_context(context)) ==
        "02"
        "0807060504030201"
        "01000000"
        "00000000000000000000000000000001"
        "0200000000000000"
        "0300000000000000");
  Bytes none = encode_context(context);
  none.replace(1, 8, Bytes(8, '\0'));
  CHECK_FALSE(decode_context(none));
  // After a write it is that of the write, or of what the client had seen if that is later.
  const VersionSet set = written(dot(2, 1), 50, "v");
  CHECK(context_after_write({seen, 40}, dot(2, 1), set).stamp == 50);
  CHECK(context_after_write({seen, 60}, dot(2, 1), set).stamp == 60);
}

TEST_CASE("read merge: counts last writers that a read finds lost", "[lww]") {
  const auto answer = [](const VersionSet& set) {
    const Bytes bytes = set.encode();
    return ReadAnswer{storage::record_digest("k", bytes), bytes, std::nullopt};
  };
  ReadMerge merge("k", 3, {0, 1, 2}, 3, 2);
  merge.to_ask();
  REQUIRE(merge.answered(0, answer(written(dot(1, 1), 1, "a"))));
  REQUIRE(merge.answered(1, answer(written(dot(2, 1), 2, "b"))));
  CHECK(merge.discarded() == 1);
  REQUIRE(merge.answered(2, answer(join(written(dot(1, 1), 1, "a"), written(dot(2, 1), 2, "b")))));
  CHECK(merge.discarded() == 1);
  CHECK(merge.merged().siblings()[0].value == "b");
}

}  // namespace parley::replication
