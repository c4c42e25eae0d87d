#include "runtime/segment_guard.h"

#include <limits>
#include <vector>

#include "base/random.h"
#include "base/units.h"
#include "tests/catch.h"

namespace parley::runtime {
namespace {

Bytes u32(std::uint32_t value) {
  Bytes bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

Bytes table_of(const std::vector<std::uint32_t>& words) {
  Bytes bytes = u32(static_cast<std::uint32_t>(words.size()) - 1);
  for (const std::uint32_t w : words) bytes += u32(w);
  if (bytes.size() % 8 != 0) bytes += u32(0);
  return bytes;
}

Bytes message_of(const std::vector<std::uint32_t>& words, char fill = 'm') {
  Bytes bytes = table_of(words);
  std::size_t body = 0;
  for (const std::uint32_t w : words) body += std::size_t{w} * 8;
  return bytes + Bytes(body, fill);
}

// Feeds in pieces of at most `piece` bytes.
struct Fed {
  Bytes passed;
  Status verdict = Done{};
};
Fed feed(SegmentGuard& guard, ByteView bytes, std::size_t piece) {
  Fed fed;
  while (!bytes.empty()) {
    const auto now = bytes.substr(0, piece);
    bytes.remove_prefix(now.size());
    const Status verdict = guard.feed(now, fed.passed);
    if (fed.verdict) fed.verdict = verdict;
    if (!fed.verdict) CHECK_FALSE(verdict);  // it stays refused
  }
  return fed;
}

TEST_CASE("segment guard: good messages pass unchanged, however they are cut", "[runtime][kj]") {
  const Bytes stream = message_of({3}) + message_of({1, 0, 2}, 'x') +
                       message_of(std::vector<std::uint32_t>(16, 1)) + message_of({125});
  for (std::size_t piece = 1; piece <= stream.size(); piece += piece < 90 ? 1 : 97) {
    SegmentGuard guard(16, 1008);
    const Fed fed = feed(guard, stream, piece);
    REQUIRE(fed.verdict);
    REQUIRE(fed.passed == stream);
    REQUIRE(guard.between_messages());
  }
}

TEST_CASE("segment guard: a table goes on only when it is whole", "[runtime][kj]") {
  SegmentGuard guard(16, 1024);
  Bytes passed;
  const Bytes message = message_of({1, 1});
  for (std::size_t i = 0; i < 16; ++i) {
    REQUIRE(passed.empty());
    REQUIRE(guard.feed(ByteView(message).substr(i, 1), passed));
    REQUIRE_FALSE(guard.between_messages());
  }
  CHECK(passed == message.substr(0, 16));
  REQUIRE(guard.feed(ByteView(message).substr(16), passed));
  CHECK(passed == message);
  CHECK(guard.between_messages());
}

TEST_CASE("segment guard: a segment count over the limit is refused at its fourth byte",
          "[runtime][kj]") {
  for (const std::uint32_t count_less_one :
       {16u, 17u, 511u, 0x7fffffffu, 0xfffffffeu, 0xffffffffu}) {
    SegmentGuard guard(16, 8_MiB);
    Bytes passed;
    const Bytes count = u32(count_less_one);
    REQUIRE(guard.feed(ByteView(count).substr(0, 3), passed));
    const Status verdict = guard.feed(ByteView(count).substr(3), passed);
    REQUIRE_FALSE(verdict);
    CHECK(verdict.error().code == ErrorCode::InvalidArgument);
    CHECK(verdict.error().message.find("segments refused") != std::string::npos);
    CHECK(passed.empty());
    CHECK_FALSE(guard.feed(message_of({1}), passed));
    CHECK(passed.empty());
  }
}

TEST_CASE("segment guard: the size limit counts table and segments, to the byte", "[runtime][kj]") {
  Bytes passed;
  SegmentGuard fits(16, 8 + 80);
  CHECK(fits.feed(message_of({10}), passed));
  SegmentGuard too_large(16, 8 + 79);
  passed.clear();
  const Status verdict = too_large.feed(message_of({10}), passed);
  REQUIRE_FALSE(verdict);
  CHECK(verdict.error().code == ErrorCode::TooLarge);
  CHECK(verdict.error().message == "message larger than 87 bytes refused");
  CHECK(passed.empty());
}

TEST_CASE("segment guard: sizes cannot overflow the sum", "[runtime][kj]") {
  Bytes passed;
  for (const std::uint64_t limit :
       {std::uint64_t{8_MiB}, std::uint64_t{1} << 38, std::uint64_t{1} << 32}) {
    SegmentGuard guard(16, limit);
    CHECK_FALSE(guard.feed(table_of(std::vector<std::uint32_t>(16, 0xffffffff)), passed));
    CHECK(passed.empty());
  }
  // Sums that are 0 or small in 32 bits.
  SegmentGuard wraps(16, 8_MiB);
  CHECK_FALSE(wraps.feed(table_of({0x20000000}), passed));
  SegmentGuard wraps_pair(16, 8_MiB);
  CHECK_FALSE(wraps_pair.feed(table_of({0x10000001, 0x10000000}), passed));
  CHECK(passed.empty());
  // And a limit that allows everything allows this.
  SegmentGuard open(16, std::numeric_limits<std::uint64_t>::max());
  CHECK(open.feed(table_of(std::vector<std::uint32_t>(16, 0xffffffff)), passed));
}

TEST_CASE("segment guard: a message without a root pointer is refused", "[runtime][kj]") {
  Bytes passed;
  SegmentGuard guard(16, 8_MiB);
  CHECK_FALSE(guard.feed(table_of({0, 4}), passed));
  CHECK(passed.empty());
}

TEST_CASE("segment guard: what came before a bad message has passed", "[runtime][kj]") {
  const Bytes good = message_of({2}) + message_of({1, 1});
  for (std::size_t piece = 1; piece < 64; ++piece) {
    SegmentGuard guard(16, 1024);
    const Fed fed = feed(guard, good + table_of({1000}) + message_of({1}), piece);
    REQUIRE_FALSE(fed.verdict);
    REQUIRE(fed.passed == good);
  }
}

// The same rule once more, over the whole stream at once and as the format's text says it.
Bytes allowed_by_the_book(ByteView stream, std::uint64_t segments_most, std::uint64_t bytes_most,
                          bool& refused) {
  std::size_t at = 0;
  refused = false;
  const auto word = [&](std::size_t offset) {
    std::uint64_t v = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      v += std::uint64_t{static_cast<unsigned char>(stream[offset + i])} << (8 * i);
    }
    return v;
  };
  while (true) {
    if (stream.size() - at < 4) return Bytes(stream.substr(0, at));
    const std::uint64_t segments = word(at) + 1;
    if (segments > segments_most) {
      refused = true;
      return Bytes(stream.substr(0, at));
    }
    const std::uint64_t table = (segments / 2 + 1) * 8;
    if (stream.size() - at < table) return Bytes(stream.substr(0, at));
    std::uint64_t total = table;
    for (std::uint64_t i = 0; i < segments; ++i) {
      total += word(at + 4 + 4 * static_cast<std::size_t>(i)) * 8;
    }
    if (total > bytes_most || word(at + 4) == 0) {
      refused = true;
      return Bytes(stream.substr(0, at));
    }
    if (stream.size() - at <= total) return Bytes(stream);
    at += static_cast<std::size_t>(total);
  }
}

TEST_CASE("segment guard: agrees with the format's text on mutated streams", "[runtime][kj]") {
  int refusals = 0, passes = 0;
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    Random random(seed);
    Bytes stream;
    const std::uint64_t messages = 1 + random.below(5);
    for (std::uint64_t m = 0; m < messages; ++m) {
      std::vector<std::uint32_t> words(1 + random.below(6));
      for (auto& w : words) w = static_cast<std::uint32_t>(random.below(12));
      words[0] += 1;
      stream += message_of(words, static_cast<char>(random.below(256)));
    }
    const std::uint64_t mutations = random.below(4);
    for (std::uint64_t i = 0; i < mutations; ++i) {
      const std::uint64_t kind = random.below(4);
      const auto where = static_cast<std::size_t>(random.below(stream.size()));
      if (kind == 0) stream[where] = static_cast<char>(random.below(256));
      if (kind == 1) stream[where] = static_cast<char>(stream[where] ^ (1 << random.below(8)));
      if (kind == 2) stream.insert(where, random.below(2) == 0 ? u32(0xffffffff) : u32(0));
      if (kind == 3 && where > 0) stream.resize(where);
    }
    bool refused = false;
    const Bytes expected = allowed_by_the_book(stream, 8, 512, refused);
    SegmentGuard guard(8, 512);
    const Fed fed = feed(guard, stream, 1 + static_cast<std::size_t>(random.below(40)));
    REQUIRE(fed.verdict.ok() == !refused);
    REQUIRE(fed.passed == expected);
    (refused ? refusals : passes) += 1;
  }
  CHECK(refusals > 500);
  CHECK(passes > 500);
}

}  // namespace
}  // namespace parley::runtime
