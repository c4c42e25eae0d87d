#include <cstring>
#include <memory>
#include <set>

#include "base/codec.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/lifetime.h"
#include "base/random.h"
#include "base/result.h"
#include "base/units.h"
#include "tests/catch.h"

using namespace parley;

TEST_CASE("bytes: base64 round trips, and one text means one value") {
  for (const auto* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    CHECK(from_base64url(to_base64url(text)) == text);
  }
  CHECK(to_base64(Bytes("\0\xff", 2)) == "AP8=");
  CHECK(to_base64url(Bytes("\xfb\xff", 2)) == "-_8");
  CHECK_FALSE(from_base64url("A"));     // one digit is no byte
  CHECK_FALSE(from_base64url("A+=="));  // another alphabet
  CHECK_FALSE(from_base64url("AB"));    // left-over bits set
}

TEST_CASE("bytes: UTF-8 is told from what only looks like it") {
  CHECK(is_utf8("plain"));
  CHECK(is_utf8("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  CHECK_FALSE(is_utf8("\x80"));
  CHECK_FALSE(is_utf8("\xc0\xaf"));          // overlong
  CHECK_FALSE(is_utf8("\xe0\x80\xaf"));      // overlong
  CHECK_FALSE(is_utf8("\xed\xa0\x80"));      // a surrogate
  CHECK_FALSE(is_utf8("\xf4\x90\x80\x80"));  // past U+10FFFF
  CHECK_FALSE(is_utf8("\xe2\x82"));          // cut off
  CHECK_FALSE(is_utf8("\xe2\x28\xa1"));
}

TEST_CASE("ids: text form round trips and bad text is refused") {
  Random random(7);
  const auto id = random.id<NodeId>();
  const auto parsed = parse_uuid(to_text(id));
  REQUIRE(parsed);
  CHECK(NodeId::from_bytes(*parsed) == id);
  CHECK_FALSE(parse_uuid("not-a-uuid"));
  CHECK_FALSE(parse_uuid(std::string(36, '0')));
  CHECK_FALSE(NodeId::from_bytes("short"));
}

TEST_CASE("ids: their order is that of their bytes") {
  Random random(8);
  for (int round = 0; round < 2000; ++round) {
    const auto a = random.id<NodeId>();
    auto b = round % 2 == 0 ? random.id<NodeId>() : a;
    if (round % 2 != 0) ++b.octets[random.below(16)];
    const int bytes = std::memcmp(a.octets.data(), b.octets.data(), 16);
    CHECK((a < b) == (bytes < 0));
    CHECK((a == b) == (bytes == 0));
  }
}

TEST_CASE("slot set: a range is what its slots are, and wraps") {
  for (const auto& [first, length] : {std::pair<Slot, std::size_t>{0, 0},
                                      {0, 1},
                                      {63, 2},
                                      {64, 64},
                                      {7, 500},
                                      {65530, 70},
                                      {12345, kSlotCount}}) {
    SlotSet range, single;
    range.add_range(first, length);
    for (std::size_t i = 0; i < length; ++i) single.add(static_cast<Slot>(first + i));
    CHECK(range == single);
    CHECK(range.empty() == (length == 0));
    CHECK(range.contains(first) == (length > 0));
    CHECK(range.contains(static_cast<Slot>(first + length)) == (length == kSlotCount));
  }
}

TEST_CASE("endpoint: numeric addresses and ports only") {
  CHECK(parse_endpoint("127.0.0.1:7400") == Endpoint{"127.0.0.1", 7400});
  CHECK(parse_endpoint("[::1]:7401") == Endpoint{"::1", 7401});
  CHECK(to_text(Endpoint{"::1", 7401}) == "[::1]:7401");
  CHECK(parse_endpoint("localhost:1") == Endpoint{"127.0.0.1", 1});
  for (const auto* bad : {"", ":1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                          "127.0.0.1:1x", "example.com:1", "::1:7401", "300.0.0.1:1"}) {
    INFO(bad);
    CHECK_FALSE(parse_endpoint(bad));
  }
  CHECK(is_loopback_address("127.3.4.5"));
  CHECK(is_loopback_address("::1"));
  CHECK_FALSE(is_loopback_address("192.0.2.1"));
  CHECK_FALSE(is_loopback_address("127.evil"));
}

TEST_CASE("hash: frozen values, for ring and disk depend on them") {
  CHECK(hash64("") == 0x2d06800538d394c2ULL);
  CHECK(hash64("key") != hash64("key", 1));
  // RFC 4231, test case 2.
  CHECK(to_hex(mac256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(mac128("k", "m") == mac256("k", "m").substr(0, 16));
  CHECK(equal_constant_time("abc", "abc"));
  CHECK_FALSE(equal_constant_time("abc", "abd"));
  CHECK_FALSE(equal_constant_time("abc", "ab"));
}

TEST_CASE("random: the same seed gives the same draws, another seed others") {
  Random a(1), b(1), c(2);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) {
    const auto draw = a.next();
    CHECK(draw == b.next());
    CHECK(draw != c.next());
    seen.insert(draw);
  }
  CHECK(seen.size() == 100);
  for (int i = 0; i < 1000; ++i) {
    CHECK(a.below(7) < 7);
    const double unit = a.unit();
    CHECK((unit >= 0 && unit < 1));
  }
  CHECK(a.below(1) == 0);
  Random left = a.fork("x"), right = a.fork("x");
  CHECK(left.next() != right.next());
  CHECK(Random(5).secret("p") == Random(5).secret("p"));
  CHECK(Random(5).secret("p") != Random(5).secret("q"));
}

TEST_CASE("codec: reads what was written and never past the end") {
  ByteWriter out;
  out.number<std::uint8_t>(0xab);
  out.number<std::uint16_t>(0x0102);
  out.number<std::uint64_t>(0x1122334455667788ULL);
  out.sized("hello");
  const Bytes bytes = out.take();
  CHECK(to_hex(bytes) ==
        "ab02018877665544332211"
        "05000000"
        "68656c6c6f");
  ByteReader in(bytes);
  CHECK(in.number<std::uint8_t>() == 0xab);
  CHECK(in.number<std::uint16_t>() == 0x0102);
  CHECK(in.number<std::uint64_t>() == 0x1122334455667788ULL);
  CHECK(in.sized() == "hello");
  CHECK(in.complete());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    ByteReader less(ByteView(bytes).substr(0, cut));
    less.number<std::uint8_t>();
    less.number<std::uint16_t>();
    less.number<std::uint64_t>();
    less.sized();
    CHECK_FALSE(less.ok());
  }
}

TEST_CASE("lifetime: a callback of a dead owner does nothing") {
  int calls = 0;
  auto owner = std::make_unique<Lifetime>();
  auto callback = owner->guard([&](int n) { calls += n; });
  callback(2);
  CHECK(calls == 2);
  auto kept = owner->guard([&] { ++calls; });
  owner->reset();
  kept();
  CHECK(calls == 2);
  auto last = owner->guard([&](int n) { calls += n; });
  owner.reset();
  last(5);
  CHECK(calls == 2);
}

TEST_CASE("result: a value or an error, told apart") {
  const Result<int> good = 3;
  const Result<int> bad = Error{ErrorCode::Overloaded, "later", 50};
  CHECK(good.ok());
  CHECK(*good == 3);
  CHECK_FALSE(bad.ok());
  CHECK(bad.error().retry_after_ms == 50);
  std::set<std::string> names;
  for (int code = 1; code <= static_cast<int>(ErrorCode::ClockSkew); ++code) {
    const std::string name = to_text(static_cast<ErrorCode>(code));
    CHECK_FALSE(name.empty());
    CHECK(names.insert(name).second);
  }
}
