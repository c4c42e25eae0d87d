#include "replication/level.h"

#include <charconv>

#include "base/mutant.h"

namespace parley::replication {
namespace {

// Level codes from here on are 16 + number (membership/view.h).
constexpr std::uint32_t kNumberBase = 16;
constexpr std::uint32_t kNumberMost = 0xffff - kNumberBase;

}  // namespace

std::size_t required_replicas(const Level& level, std::size_t n) {
  switch (level.kind) {
    case Level::Kind::All: return n;
    case Level::Kind::Quorum: return majority_of(n) - (PARLEY_MUTANT(quorum_off_by_one) ? 1 : 0);
    case Level::Kind::One: return 1;
    case Level::Kind::Any: return 1;
    case Level::Kind::Number: return level.number;
  }
  PARLEY_UNREACHABLE();
}

Result<Level> parse_level(std::string_view text) {
  if (text == "all") return Level{Level::Kind::All, 0};
  if (text == "quorum") return Level{Level::Kind::Quorum, 0};
  if (text == "one") return Level{Level::Kind::One, 0};
  if (text == "any") return Level{Level::Kind::Any, 0};
  std::uint32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failure == std::errc{} && end == text.data() + text.size();
  if (!whole || number == 0 || number > kNumberMost) {
    return Error{ErrorCode::InvalidArgument,
                 "unknown consistency level '" + std::string(text.substr(0, 32)) +
                     "': all, quorum, one, any, or a number of replicas from 1",
                 0};
  }
  return Level{Level::Kind::Number, number};
}

std::string to_text(const Level& level) {
  switch (level.kind) {
    case Level::Kind::All: return "all";
    case Level::Kind::Quorum: return "quorum";
    case Level::Kind::One: return "one";
    case Level::Kind::Any: return "any";
    case Level::Kind::Number: return std::to_string(level.number);
  }
  PARLEY_UNREACHABLE();
}

membership::LevelCode level_code(const Level& level) {
  switch (level.kind) {
    case Level::Kind::All: return 0;
    case Level::Kind::Quorum: return 1;
    case Level::Kind::One: return 2;
    case Level::Kind::Any: return 3;
    case Level::Kind::Number:
      PARLEY_CHECK(level.number >= 1 && level.number <= kNumberMost);
      return static_cast<membership::LevelCode>(kNumberBase + level.number);
  }
  PARLEY_UNREACHABLE();
}

std::optional<Level> level_from_code(membership::LevelCode code) {
  switch (code) {
    case 0: return Level{Level::Kind::All, 0};
    case 1: return Level{Level::Kind::Quorum, 0};
    case 2: return Level{Level::Kind::One, 0};
    case 3: return Level{Level::Kind::Any, 0};
    default: break;
  }
  if (code <= kNumberBase) return std::nullopt;
  return Level{Level::Kind::Number, code - kNumberBase};
}

}  // namespace parley::replication
