#include "replication/mint.h"

#include <limits>

#include "replication/context_token.h"
#include "replication/epoch_range.h"
#include "replication/write_context.h"
#include "tests/catch.h"

namespace parley::replication {
namespace {

using storage::Condition;

StorageId storage_of(std::uint8_t n) {
  StorageId id;
  id.octets[15] = n;
  return id;
}
const StorageId kOwn = storage_of(1);
const MintLimits kLimits{3, 10};

VersionVector seen_of(const Dot& dot) {
  VersionVector out;
  out.add(dot);
  return out;
}
Dot dot(std::uint64_t draw, bool fleeting, std::uint64_t counter) {
  return {Actor{kOwn, make_epoch(draw, fleeting)}, counter};
}
LocalState local_with(const Dot& held, OpId op = {}) {
  LocalState local{Condition::Sound, {}};
  local.set.write({}, {held, false, op, "v"});
  return local;
}
MintRequest put(Bytes value) {
  MintRequest out;
  out.value = std::move(value);
  return out;
}

// What `actors` writes at `any` leave that no owner could take: each has an actor of its own, and
// has seen all before it. `seen`: all of them.
LocalState crowd(std::size_t actors, VersionVector& seen) {
  LocalState local{Condition::Sound, {}};
  for (std::uint64_t i = 1; i <= actors; ++i) {
    const Dot one{Actor{storage_of(2), i}, 1};
    local.set.write(seen, {one, false, {}, "v"});
    seen.add(one);
  }
  return local;
}

// Draws 10 to 19 are leased, 10 is the first of this start, below 5 all are dead.
struct Epochs {
  EpochRange range{EpochMark{10, 5}, 10};
  Epochs() { range.confirm(range.mark()); }
};

}  // namespace

TEST_CASE("mint: a new epoch where nothing sound is known", "[mint]") {
  Epochs epochs;
  // A damaged record that was given up is as one that is missing.
  for (const LocalState& local :
       {LocalState{}, local_state({Condition::Damaged, "", 0}, OnDamage::Replace)}) {
    const auto minted = decide_mint(local, put("a"), kOwn, epochs.range, kLimits);
    REQUIRE(minted);
    CHECK(minted->dot.counter == 1);
    CHECK(draw_of(minted->dot.actor.epoch) == epochs.range.bounds().next - 1);
  }
  const auto foreign = local_with(Dot{Actor{storage_of(2), 20}, 4});
  CHECK(decide_mint(foreign, put("a"), kOwn, epochs.range, kLimits)->dot == dot(12, false, 1));
}

TEST_CASE("mint: epochs of earlier lives wait until their dots are known (an old copy)", "[mint]") {
  EpochRange range(EpochMark{10, 5}, 10);
  range.doubt_earlier_lives(1000);
  CHECK_FALSE(range.draw());
  range.confirm(range.mark());
  const auto earlier = local_with(Dot{Actor{kOwn, make_epoch(7, false)}, 4});
  const auto doubted = decide_mint(earlier, put("a"), kOwn, range, kLimits);
  REQUIRE(doubted);
  CHECK(doubted->dot == dot(1010, false, 1));
  const LocalState own{Condition::Sound, doubted->set};
  CHECK(decide_mint(own, put("b"), kOwn, range, kLimits)->dot == dot(1010, false, 2));
  // What the lost days minted arrives: it must count as forgotten although it was not continued.
  const auto lost = local_with(Dot{Actor{kOwn, make_epoch(7, false)}, 9});
  CHECK(decide_merge(earlier, lost.set, kOwn, range.bounds())->forgotten == 7);
  range.trust_earlier_lives();
  CHECK(decide_mint(earlier, put("a"), kOwn, range, kLimits)->dot == dot(7, false, 5));
}

TEST_CASE("damage: nothing is minted or merged onto a damaged record", "[mint]") {
  Epochs epochs;
  const LocalState damaged{Condition::Damaged, {}};
  const auto minted = decide_mint(damaged, put("a"), kOwn, epochs.range, kLimits);
  REQUIRE_FALSE(minted);
  CHECK(minted.error().code == ErrorCode::Damaged);
  CHECK(epochs.range.bounds().next == 10);
  const VersionSet foreign = local_with(Dot{Actor{storage_of(2), 20}, 4}).set;
  const auto merged = decide_merge(damaged, foreign, kOwn, epochs.range.bounds());
  REQUIRE_FALSE(merged);
  CHECK(merged.error().code == ErrorCode::Damaged);
}

TEST_CASE("mint: which epochs are continued", "[mint]") {
  Epochs epochs;
  const auto next = [&](const Dot& held, storage::Durability durability) {
    MintRequest request = put("a");
    request.durability = durability;
    return decide_mint(local_with(held), request, kOwn, epochs.range, kLimits)->dot;
  };
  using enum storage::Durability;
  CHECK(next(dot(7, false, 1), Fsync) == dot(7, false, 2));
  CHECK(next(dot(4, false, 1), Fsync) == dot(10, false, 1));  // below the floor
  CHECK(next(dot(7, true, 1), Fsync) == dot(11, false, 1));   // fleeting, of an earlier start
  CHECK(next(dot(7, false, 1), Memory) == dot(12, true, 1));  // steady never serves memory
  CHECK(next(dot(12, true, 1), Memory) == dot(12, true, 2));
  CHECK(next(dot(12, true, 1), Fsync) == dot(12, true, 2));
  CHECK(next(dot(50, false, 1), Fsync) == dot(13, false, 1));  // never drawn here
}

TEST_CASE("mint: a context that knows more of this actor means a new epoch", "[mint]") {
  Epochs epochs;
  MintRequest request = put("a");
  request.seen = seen_of(dot(7, false, 5));
  const auto minted =
      decide_mint(local_with(dot(7, false, 3)), request, kOwn, epochs.range, kLimits);
  REQUIRE(minted);
  CHECK(minted->dot == dot(10, false, 1));
  CHECK(minted->set.context().counter(dot(7, false, 1).actor) == 5);
  CHECK(minted->set.siblings().size() == 1);
}

TEST_CASE("mint: a counter that is used up means a new epoch", "[mint]") {
  Epochs epochs;
  const auto full = local_with(dot(7, false, std::numeric_limits<std::uint64_t>::max()));
  CHECK(decide_mint(full, put("a"), kOwn, epochs.range, kLimits)->dot == dot(10, false, 1));
}

TEST_CASE("mint: an epoch that a clone of the disk used is skipped", "[mint]") {
  Epochs epochs, others;
  // known by the record alone, and of the other kind of the same storage id
  LocalState cloned = local_with(dot(10, false, 5));
  cloned.set.write({}, {dot(12, true, 1), false, {}, "w"});
  CHECK(decide_mint(cloned, put("a"), kOwn, others.range, kLimits)->dot == dot(11, false, 1));
  MintRequest request = put("a");
  request.seen = seen_of(dot(10, false, 5));
  CHECK(decide_mint({}, request, kOwn, epochs.range, kLimits)->dot == dot(11, false, 1));
}

TEST_CASE("mint: an op-id that is live is minted once", "[mint]") {
  Epochs epochs;
  OpId op;
  op.octets[0] = 7;
  MintRequest request = put("v");
  request.op = op;
  const LocalState local = local_with(dot(7, false, 3), op);
  const auto again = decide_mint(local, request, kOwn, epochs.range, kLimits);
  REQUIRE(again);
  CHECK(again->again);
  CHECK(again->dot == dot(7, false, 3));
  CHECK(again->set == local.set);
}

TEST_CASE("mint: caps hold for what would result", "[mint]") {
  Epochs epochs;
  LocalState local = local_with(dot(7, false, 1));
  local.set.write({}, {dot(7, false, 2), false, {}, "v"});
  local.set.write({}, {dot(7, false, 3), false, {}, "v"});
  MintRequest request = put("v");
  auto refused = decide_mint(local, request, kOwn, epochs.range, kLimits);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::SiblingCap);
  request.seen = seen_of(dot(7, false, 1));
  CHECK(decide_mint(local, request, kOwn, epochs.range, kLimits));
  request.value = "123456789";
  refused = decide_mint(local, request, kOwn, epochs.range, kLimits);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::SiblingCap);
  LocalState nothing;
  refused = decide_mint(nothing, put("12345678901"), kOwn, epochs.range, kLimits);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::TooLarge);  // alone, whatever is there
  request.value = "12345678";
  CHECK(decide_mint(local, request, kOwn, epochs.range, kLimits));
  CHECK(epochs.range.bounds().next == 10);  // nothing was drawn for what was refused
}

TEST_CASE("mint: hints stop adding actors early, an owner goes on", "[mint]") {
  Epochs epochs;
  MintLimits hint = kLimits;
  hint.minter = Minter::Hint;
  MintRequest request = put("v");
  LocalState local = crowd(kHintContextEntriesMost - 1, request.seen);
  const auto last = decide_mint(local, request, kOwn, epochs.range, hint);
  REQUIRE(last);
  CHECK(last->set.context().entries().size() == kHintContextEntriesMost);
  SECTION("by what the hints know") { local.set = last->set; }
  SECTION("by what the client has seen") { request.seen.add(Dot{Actor{storage_of(3), 1}, 1}); }
  const auto next = epochs.range.bounds().next;
  // A stranger's epochs, as every hint mint has: nothing there is continued.
  const auto refused = decide_mint(local, request, storage_of(4), epochs.range, hint);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::TooLarge);
  CHECK(refused.error().message.find("when an owner of the key is up") != std::string::npos);
  CHECK(epochs.range.bounds().next == next);
  CHECK(decide_mint(local, request, storage_of(4), epochs.range, kLimits));
}

TEST_CASE("mint: an owner overwrites whatever merges have brought (more actors than a token holds)",
          "[mint]") {
  Epochs epochs;
  MintRequest request = put("v");
  const LocalState local = crowd(2 * kContextEntriesMost, request.seen);
  request.seen = context_of_read(local.set);
  const auto first = decide_mint(local, request, kOwn, epochs.range, kLimits);
  REQUIRE(first);
  CHECK(first->set.siblings().size() == 1);
  request.seen = context_of_read(first->set);
  const auto next =
      decide_mint({Condition::Sound, first->set}, request, kOwn, epochs.range, kLimits);
  REQUIRE(next);
  CHECK(next->dot == Dot{first->dot.actor, 2});
  CHECK(next->set.siblings().size() == 1);
}

TEST_CASE("mint: refused when no token could name what was seen and the write", "[mint]") {
  Epochs epochs;
  MintRequest request = put("v");
  const LocalState local = crowd(kContextEntriesMost - 1, request.seen);
  const auto last = decide_mint(local, request, kOwn, epochs.range, kLimits);
  REQUIRE(last);
  request.seen.add(Dot{Actor{storage_of(3), 1}, 1});
  const auto next = epochs.range.bounds().next;
  const auto refused = decide_mint(local, request, kOwn, epochs.range, kLimits);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::TooLarge);
  CHECK(refused.error().message.find("context") != std::string::npos);
  CHECK(epochs.range.bounds().next == next);
  // One that goes on and was seen needs no more room.
  request.seen = last->set.context();
  CHECK(decide_mint({Condition::Sound, last->set}, request, kOwn, epochs.range, kLimits));
}

TEST_CASE("mint: not ready while no epoch is leased; a delete has no value", "[mint]") {
  EpochRange empty(EpochMark{10, 0}, 1);
  const auto refused = decide_mint({}, put("v"), kOwn, empty, kLimits);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::NotReady);
  CHECK(refused.error().retry_after_ms > 0);
  empty.confirm(empty.mark());
  const auto minted = decide_mint({}, MintRequest{}, kOwn, empty, kLimits);
  REQUIRE(minted);
  CHECK(minted->set.siblings()[0].tombstone);
  CHECK_FALSE(decide_mint({}, put("v"), kOwn, empty, kLimits));  // a block of one is used up
}

TEST_CASE("merge: proof of a forgotten record comes before the merge", "[mint]") {
  Epochs epochs;
  const EpochBounds bounds = epochs.range.bounds();
  const VersionSet incoming = local_with(dot(7, false, 3)).set;
  CHECK(decide_merge({}, incoming, kOwn, bounds)->forgotten == 7);
  CHECK(decide_merge(local_with(dot(7, false, 2)), incoming, kOwn, bounds)->forgotten == 7);
  CHECK_FALSE(decide_merge(local_with(dot(7, false, 3)), incoming, kOwn, bounds)->changed);
  const auto dead = decide_merge({}, local_with(dot(4, false, 3)).set, kOwn, bounds);
  CHECK(dead->changed);
  CHECK_FALSE(dead->forgotten);
  CHECK_FALSE(decide_merge({}, local_with(dot(7, true, 3)).set, kOwn, bounds)->forgotten);
  CHECK(decide_merge({}, incoming, storage_of(2), bounds)->changed);
  const Dot absurd = dot(kEpochDrawMost + 1, false, 1);
  CHECK_FALSE(decide_merge({}, local_with(absurd).set, kOwn, bounds)->forgotten);
  CHECK_FALSE(decide_merge({}, VersionSet{}, kOwn, bounds)->changed);
  epochs.range.raise_floor(7);
  CHECK(decide_merge({}, incoming, kOwn, epochs.range.bounds())->changed);
}

TEST_CASE("local state: bytes that are no version set are damage", "[mint]") {
  CHECK(local_state({Condition::Sound, "junk", 1}).condition == Condition::Damaged);
  CHECK(local_state({Condition::Damaged, "", 0}).condition == Condition::Damaged);
  for (const Condition condition : {Condition::Sound, Condition::Damaged}) {
    CHECK(local_state({condition, "junk", 1}, OnDamage::Replace).condition == Condition::Missing);
  }
  CHECK(local_state({}).condition == Condition::Missing);
  const VersionSet set = local_with(dot(7, false, 1)).set;
  const LocalState sound = local_state({Condition::Sound, set.encode(), 1});
  CHECK(sound.condition == Condition::Sound);
  CHECK(sound.set == set);
}

TEST_CASE("epoch range: never at or above the durable end, never twice", "[mint]") {
  EpochRange range(EpochMark{}, 4);
  CHECK_FALSE(range.draw());
  const EpochMark first = range.mark();
  CHECK_FALSE(range.draw());  // asked for is not durable
  range.confirm(first);
  CHECK(range.durable_end() == 5);
  CHECK_FALSE(range.wants_refill());
  CHECK(range.draw() == 1);
  CHECK(range.draw() == 2);
  CHECK(range.wants_refill());
  const EpochMark second = range.mark();
  CHECK_FALSE(range.wants_refill());
  range.refused();
  CHECK(range.wants_refill());
  range.raise_floor(100);
  CHECK_FALSE(range.draw());
  const EpochMark third = range.mark();
  CHECK((third.floor == 101 && third.end == 105 && second.end < third.end));
  range.confirm(third);
  range.confirm(second);  // late: changes nothing
  CHECK(range.draw() == 101);
  EpochRange restarted(third, 4);
  restarted.confirm(restarted.mark());
  CHECK(restarted.draw() == 105);
  CHECK(restarted.bounds().floor == 101);
}

TEST_CASE("epoch mark: golden bytes and strict decoding", "[mint][golden]") {
  const Bytes bytes = encode_epoch_mark({4097, 3});
  CHECK(to_hex(bytes) == "0101100000000000000300000000000000");
  CHECK(*decode_epoch_mark(bytes) == EpochMark{4097, 3});
  CHECK_FALSE(decode_epoch_mark(bytes + "x"));
  CHECK_FALSE(decode_epoch_mark(Bytes("\x02") + bytes.substr(1)));
  CHECK_FALSE(decode_epoch_mark(encode_epoch_mark({3, 4})));
  CHECK_FALSE(decode_epoch_mark(encode_epoch_mark({0, 0})));
  CHECK_FALSE(decode_epoch_mark(encode_epoch_mark({UINT64_MAX, 0})));
}

}  // namespace parley::replication
