// Consistency levels and what they require.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "membership/view.h"

namespace parley::replication {

// N below is the number of owners of the key: the smaller of the replication factor and the number
// of nodes on the ring.
struct Level {
  enum class Kind : std::uint8_t { All, Quorum, One, Any, Number };
  Kind kind = Kind::Quorum;
  std::uint32_t number = 0;  // Number only, >= 1
  bool operator==(const Level&) const = default;
};

inline std::size_t majority_of(std::size_t n) { return n / 2 + 1; }
// Replicas that must ack or answer. `any` requires 1. A number above N is returned as it is: it
// cannot be met (unavailable).
std::size_t required_replicas(const Level& level, std::size_t n);

// "all", "quorum", "one", "any", "2". InvalidArgument with a clear line otherwise.
Result<Level> parse_level(std::string_view text);
std::string to_text(const Level& level);
membership::LevelCode level_code(const Level& level);
std::optional<Level> level_from_code(membership::LevelCode code);

}  // namespace parley::replication
