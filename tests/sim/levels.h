// What levels ask for, in the checkers' own words: whoever counts with production's would not see
// it count wrongly.
#pragma once

#include <cstddef>
#include <string>

namespace parley::sim {

// Replicas of a key in the keyspace `default`; no cluster here has fewer nodes.
inline constexpr std::size_t kReplicas = 3;
// Two majorities of three have a replica in common.
inline constexpr std::size_t kMajority = 2;

// Replicas that must ack or answer (api/parley.capnp, Level). 0: no such level.
inline std::size_t replicas_asked(const std::string& level) {
  if (level.empty() || level == "quorum") return kMajority;  // the default
  if (level == "all") return kReplicas;
  if (level == "one" || level == "any") return 1;
  const bool digit = level.size() == 1 && level[0] >= '1' && level[0] <= '9';
  return digit ? static_cast<std::size_t>(level[0] - '0') : 0;
}

}  // namespace parley::sim
