#include "replication/version.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "tests/catch.h"

namespace parley::replication {
namespace {

StorageId storage(std::uint8_t n) {
  StorageId id;
  id.octets[15] = n;
  return id;
}
Dot dot(std::uint8_t s, std::uint64_t epoch, std::uint64_t counter) {
  return {Actor{storage(s), epoch}, counter};
}
OpId op(std::uint8_t n) {
  OpId id;
  id.octets[0] = n;
  return id;
}
VersionVector seen(const std::vector<Dot>& dots) {
  VersionVector out;
  for (const Dot& d : dots) out.add(d);
  return out;
}
VersionSet sample() {
  VersionSet set;
  set.write({}, {dot(1, 2, 1), false, {}, "old"});
  set.write(seen({dot(1, 2, 1)}), {dot(1, 2, 2), false, op(7), "ab"});
  set.write({}, {dot(2, 4, 1), true, {}, ""});
  return set;
}
const char* const kSampleHex =
    "01"
    "02000000"
    "00000000000000000000000000000001"
    "0200000000000000"
    "0200000000000000"
    "00000000000000000000000000000002"
    "0400000000000000"
    "0100000000000000"
    "02000000"
    "00000000"
    "0200000000000000"
    "02"
    "07000000000000000000000000000000"
    "0000"
    "02000000"
    "6162"
    "01000000"
    "0100000000000000"
    "01"
    "0000"
    "00000000";

VersionSet join(VersionSet a, const VersionSet& b) {
  a.merge(b);
  return a;
}

// Sets as real histories make them: minters continue their own counters, clients carry contexts.
std::vector<VersionSet> reachable(Random& random) {
  std::vector<VersionSet> sets(3);
  for (int i = 0; i < 12; ++i) {
    const auto at = static_cast<std::uint8_t>(random.below(3));
    VersionSet& set = sets[at];
    if (random.below(3) == 0) {
      set.merge(sets[random.below(3)]);
      continue;
    }
    const VersionVector from = random.below(2) == 0 ? set.context() : VersionVector{};
    const Actor actor{storage(static_cast<std::uint8_t>(at + 1)), 2};
    set.write(from, {Dot{actor, set.context().counter(actor) + 1}, false,
                     op(static_cast<std::uint8_t>(random.below(3))), "v"});
  }
  return sets;
}

}  // namespace

TEST_CASE("version vector: raises, joins and covers", "[version]") {
  VersionVector a = seen({dot(1, 2, 3), dot(1, 2, 1)});
  CHECK(a.counter(dot(1, 2, 1).actor) == 3);
  CHECK(a.covers(dot(1, 2, 3)));
  CHECK_FALSE(a.covers(dot(1, 2, 4)));
  CHECK_FALSE(a.covers(dot(1, 4, 1)));
  VersionVector b = seen({dot(2, 2, 1)});
  CHECK_FALSE(a.covers(b));
  a.merge(b);
  CHECK(a.covers(b));
  CHECK(a.covers(VersionVector{}));
  a.add(dot(9, 9, 0));
  CHECK(a.entries().size() == 2);
  CHECK(to_text(dot(0xab, 2, 3)) == "000000000000000000000000000000ab:2:3");
}

TEST_CASE("version set: a write replaces exactly what it saw", "[version]") {
  VersionSet set;
  CHECK(set.empty());
  set.write({}, {dot(1, 2, 1), false, {}, "a"});
  const VersionVector first = set.context();
  set.write({}, {dot(1, 2, 2), false, {}, "bb"});
  REQUIRE(set.siblings().size() == 2);
  CHECK(set.value_bytes() == 3);
  set.write(first, {dot(1, 2, 3), false, {}, "c"});
  REQUIRE(set.siblings().size() == 2);
  CHECK(set.siblings()[0].value == "bb");
  CHECK(set.siblings()[1].value == "c");
}

TEST_CASE("version set: retries of one op-id collapse for readers only", "[version]") {
  VersionSet a, b;
  a.write({}, {dot(1, 2, 1), false, op(7), "v"});
  b.write({}, {dot(2, 2, 1), false, op(7), "v"});
  b.write({}, {dot(2, 2, 2), false, {}, "w"});
  b.write({}, {dot(2, 2, 3), false, {}, "w"});
  const VersionSet both = join(b, a);
  CHECK(both.siblings().size() == 4);
  const auto shown = both.visible();
  REQUIRE(shown.size() == 3);
  CHECK(shown[0].dot == dot(1, 2, 1));
  VersionSet after = both;
  after.write(both.context(), {dot(1, 2, 2), false, {}, "x"});
  REQUIRE(after.siblings().size() == 1);
  CHECK(join(after, b) == after);
}

TEST_CASE("merge: commutative, associative, idempotent and monotone", "[version]") {
  Random random(7);
  for (int i = 0; i < 3000; ++i) {
    const auto sets = reachable(random);
    const VersionSet &a = sets[0], &b = sets[1], &c = sets[2];
    REQUIRE(join(a, b) == join(b, a));
    REQUIRE(join(join(a, b), c) == join(a, join(b, c)));
    REQUIRE(join(a, a) == a);
    REQUIRE(join(join(a, b), b) == join(a, b));
    REQUIRE(join(a, b).context().covers(a.context()));
    if (a.empty()) continue;
    const auto back = VersionSet::decode(a.encode());
    REQUIRE(back);
    REQUIRE(*back == a);
  }
}

TEST_CASE("merge: two contents of one dot merge the same way round", "[version]") {
  VersionSet a, b;
  a.write({}, {dot(1, 2, 1), false, {}, "a"});
  b.write({}, {dot(1, 2, 1), false, {}, "b"});
  CHECK(join(a, b) == join(b, a));
}

TEST_CASE("version set: golden bytes", "[version][golden]") {
  CHECK(to_hex(sample().encode()) == kSampleHex);
  const auto back = VersionSet::decode(*from_hex(kSampleHex));
  REQUIRE(back);
  CHECK(*back == sample());
  CHECK(to_hex(VersionSet{}.encode()) == "010000000000000000");
  CHECK(VersionSet::decode(VersionSet{}.encode())->empty());
}

TEST_CASE("context: golden bytes", "[version][golden]") {
  const char* const hex =
      "01"
      "02000000"
      "00000000000000000000000000000001"
      "0200000000000000"
      "0200000000000000"
      "00000000000000000000000000000002"
      "0400000000000000"
      "0100000000000000";
  CHECK(to_hex(encode_context(sample().context())) == hex);
  CHECK(*decode_context(*from_hex(hex)) == sample().context());
  CHECK_FALSE(decode_context(*from_hex(hex) + "x"));
  CHECK_FALSE(decode_context(""));
  CHECK_FALSE(decode_context(Bytes("\x02\0\0\0\0", 5)));
  CHECK_FALSE(decode_context(Bytes("\x01\xff\xff\xff\xff", 5)));
}

TEST_CASE("version set: decode refuses what could not have been minted", "[version]") {
  const Bytes good = *from_hex(kSampleHex);
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    CHECK_FALSE(VersionSet::decode(ByteView(good).substr(0, cut)));
  }
  // entries at 5 and 37; siblings' count at 69, siblings at 73 (37 bytes) and 110
  const auto with = [&](std::size_t at, char value) {
    Bytes bad = good;
    bad[at] = value;
    return bad;
  };
  const auto refused = [](const Bytes& bytes, const std::string& why) {
    const auto set = VersionSet::decode(bytes);
    REQUIRE_FALSE(set);
    CHECK(set.error().code == ErrorCode::InvalidArgument);
    INFO(set.error().message);
    CHECK(set.error().message.find(why) != std::string::npos);
  };
  refused(good + "x", "after the end");
  refused(with(0, 2), "format");
  refused(with(4, '\x7f'), "cut off");
  refused(with(20, 0), "storage id");
  refused(with(29, 0), "counter of zero");
  refused(with(20, 3), "actors out of order");
  refused(with(72, '\x7f'), "siblings are cut off");
  refused(with(73, 9), "unknown actor");
  refused(with(77, 0), "counter of zero");
  refused(with(77, 3), "outside its context");
  refused(with(85, 10), "unknown flags");
  refused(with(86, 0), "nil op-id");
  refused(with(102, 1), "extension");
  refused(with(107, '\x7f'), "cut off");
  refused(with(85, 3), "tombstone with a value");
  refused(good.substr(0, 69) + Bytes("\x02\0\0\0", 4) + good.substr(110) + good.substr(73, 37),
          "siblings out of order");
  refused(good.substr(0, 73) + good.substr(73, 37) + good.substr(73, 37), "siblings out of order");
  refused(good.substr(0, 69) + Bytes(4, '\0'), "without siblings");
}

TEST_CASE("version set: decode survives random damage", "[version]") {
  Random random(3);
  const Bytes good = *from_hex(kSampleHex);
  for (int i = 0; i < 20000; ++i) {
    Bytes bad = good;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
      bad[random.below(bad.size())] = static_cast<char>(random.below(256));
    }
    const auto set = VersionSet::decode(bad);
    if (set) REQUIRE(set->encode() == bad);
  }
}

}  // namespace parley::replication
