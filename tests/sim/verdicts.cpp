#include "tests/sim/verdicts.h"

#include <algorithm>
#include <cstdlib>

namespace parley::sim {
namespace {

// The least that is drawn of membership.clock_off_most (option_draw.cpp), less what clocks drift
// and ways take.
constexpr std::int64_t kClocksTogetherMs = 3000;

}  // namespace

bool all_equal(const client::InspectResult& result, const Addresses& lost, std::uint64_t useless) {
  const client::InspectRow* first = nullptr;
  for (const auto& row : result.replicas) {
    if (lost.contains(row.address)) continue;
    if (!row.reachable || row.hints_pending > useless || row.damaged) return false;
    if (first == nullptr) first = &row;
    if (row.digest != first->digest || row.version != first->version) return false;
  }
  return first != nullptr;
}

std::string wrong_members(const std::vector<client::GossipRow>& rows, const Addresses& nodes,
                          const Addresses& lost) {
  std::string out;
  Addresses missing = nodes;
  for (const auto& row : rows) {
    if (missing.erase(row.address) == 0) out += " " + row.address + " is no node of this cluster";
    // Whoever came after a lost one at its address is another one; it may have said goodbye before.
    const bool gone = row.liveness == "dead" || row.liveness == "left";
    if (lost.contains(row.address) ? !gone : row.liveness != "alive") {
      out += " " + row.address + " is " + row.liveness;
    }
  }
  for (const auto& address : missing) out += " " + address + " is not known";
  return out;
}

std::string other_view(const std::map<std::string, std::vector<client::GossipRow>>& told) {
  const client::GossipRow* first = nullptr;
  for (const auto& [address, rows] : told) {
    const auto own =
        std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.address == address; });
    if (own == rows.end()) return address + " does not know itself";
    if (first == nullptr) first = &*own;
    if (own->view_digest != first->view_digest || own->ring_digest != first->ring_digest) {
      return address + " has another view than " + first->address;
    }
  }
  return {};
}

std::string dead_in_core(const std::vector<client::GossipRow>& rows, const Addresses& core) {
  std::string out;
  Addresses missing = core;
  for (const auto& row : rows) {
    missing.erase(row.address);
    const bool well = row.liveness == "alive" || row.liveness == "suspect";
    if (core.contains(row.address) && !well) out += " " + row.address + " for " + row.liveness;
  }
  for (const auto& address : missing) out += " " + address + " for no member";
  return out;
}

std::string thought_alive(const std::vector<client::GossipRow>& rows, const Addresses& still) {
  Addresses missing = still;
  for (const auto& row : rows) {
    missing.erase(row.address);
    if (!still.contains(row.address) || row.liveness == "dead" || row.liveness == "left") continue;
    return row.address + ", which stands still, for " + row.liveness;
  }
  return missing.empty() ? "" : *missing.begin() + ", which stands still, for no member";
}

bool is_clock_sound(WallTime own, const std::vector<WallTime>& core, std::size_t nodes) {
  const auto together = std::count_if(core.begin(), core.end(), [own](WallTime other) {
    return std::abs(own.millis - other.millis) <= kClocksTogetherMs;
  });
  return 2 * static_cast<std::size_t>(together) >= nodes;
}

Duration lonely_suspicion(const membership::MembershipOptions& options) {
  const auto times = options.suspicion_factor() * options.suspicion_factor_most();
  return options.probe_interval() * static_cast<Duration::rep>(times);
}

bool core_equal(const client::InspectResult& result, const Addresses& core) {
  const client::InspectRow* first = nullptr;
  for (const auto& row : result.replicas) {
    if (!core.contains(row.address)) continue;
    if (first == nullptr) first = &row;
    if (!row.reachable || row.digest != first->digest) return false;
  }
  return !result.replicas.empty();
}

}  // namespace parley::sim
