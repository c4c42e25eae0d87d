#include "replication/level.h"

#include "tests/catch.h"

namespace parley::replication {

TEST_CASE("level: text and code go both ways", "[level]") {
  for (const char* text : {"all", "quorum", "one", "any", "1", "2", "65519"}) {
    const auto level = parse_level(text);
    REQUIRE(level);
    CHECK(to_text(*level) == text);
    CHECK(level_from_code(level_code(*level)) == *level);
  }
  CHECK(level_code(*parse_level("all")) == 0);
  CHECK(level_code(*parse_level("quorum")) == 1);
  CHECK(level_code(*parse_level("one")) == 2);
  CHECK(level_code(*parse_level("any")) == 3);
  CHECK(level_code(*parse_level("2")) == 18);
  for (const int code : {0, 1, 2, 3, 17, 65535}) {
    const auto level = level_from_code(static_cast<membership::LevelCode>(code));
    REQUIRE(level);
    CHECK(level_code(*level) == code);
  }
}

TEST_CASE("level: nonsense is refused", "[level]") {
  for (const char* text : {"", "0", "-1", "2x", " 2", "QUORUM", "65520", "99999999999", "most"}) {
    const auto level = parse_level(text);
    REQUIRE_FALSE(level);
    CHECK(level.error().code == ErrorCode::InvalidArgument);
  }
  for (const int code : {4, 15, 16}) {
    CHECK_FALSE(level_from_code(static_cast<membership::LevelCode>(code)));
  }
}

TEST_CASE("level: what each requires of n", "[level]") {
  const auto of = [](const char* text, std::size_t n) {
    return required_replicas(*parse_level(text), n);
  };
  CHECK(of("all", 3) == 3);
  CHECK(of("quorum", 1) == 1);
  CHECK(of("quorum", 2) == 2);
  CHECK(of("quorum", 3) == 2);
  CHECK(of("quorum", 5) == 3);
  CHECK(of("one", 3) == 1);
  CHECK(of("any", 3) == 1);
  CHECK(of("2", 3) == 2);
  CHECK(of("4", 3) == 4);
}

}  // namespace parley::replication
