// Faults that an operator puts on a node, by the code that does so in production.
#include <array>

#include "api/fault_desk.h"
#include "tests/sim/nemesis.h"

namespace parley::sim {
namespace {

constexpr std::uint64_t kLastsMostMs = 15'000;
constexpr std::uint64_t kDelayMostMs = 150;
constexpr std::uint64_t kDiskDelayMostMs = 30;
constexpr std::uint64_t kPauseMostMs = 8'000;
constexpr std::uint64_t kHourMs = 3'600'000;

// None in half of the cases.
double share(Random& random, double most) {
  const bool none = random.below(2) == 0;
  const double drawn = random.unit() * most;
  return none ? 0 : drawn;
}

client::FaultSpec bad_link(Random& random, const std::string& peer) {
  client::FaultSpec spec;
  if (random.below(4) != 0) spec.peer = peer;
  spec.direction = std::array{"both", "out", "in"}[random.below(3)];
  spec.traffic = std::array{"all", "all", "peer", "gossip"}[random.below(4)];
  spec.cut = random.below(3) == 0;
  spec.drop = share(random, 0.5);
  spec.duplicate = share(random, 0.3);
  spec.reorder = share(random, 0.3);
  spec.corrupt = share(random, 0.02);
  spec.delay_ms = 1 + random.below(kDelayMostMs);
  spec.jitter_ms = random.below(kDelayMostMs);
  if (random.below(4) == 0) spec.bytes_per_second = 20'000 + random.below(200'000);
  return spec;
}

client::FaultSpec draw_fault(Random& random, const std::string& peer) {
  client::FaultSpec spec;
  switch (random.below(8)) {
    case 0:
      spec.kind = "slow_disk";
      spec.delay_ms = 1 + random.below(kDiskDelayMostMs);
      spec.jitter_ms = random.below(kDiskDelayMostMs);
      return spec;
    case 1:
      spec.kind = "skew";
      spec.skew_ms = static_cast<std::int64_t>(1 + random.below(2 * kHourMs)) -
                     static_cast<std::int64_t>(kHourMs);
      if (spec.skew_ms == 0) spec.skew_ms = 1;
      return spec;
    default: return bad_link(random, peer);
  }
}

}  // namespace

void Nemesis::order(Stroke& stroke, SimProcess& node) {
  auto* desk = node.fault_desk();
  const std::string peer = node_for(stroke.random.next()).address();
  const auto lasts = 1 + stroke.random.below(kLastsMostMs);
  const bool pause = stroke.random.below(8) == 0;
  client::FaultSpec spec = draw_fault(stroke.random, peer);
  if (desk == nullptr || node.host().paused()) return;
  if (pause && !stroke.lasting) {
    spec = {};
    spec.kind = "pause";
    spec.for_ms = std::min(lasts, kPauseMostMs);
  } else if (!stroke.lasting) {
    spec.for_ms = lasts;
  }
  if (!desk->inject(spec)) return;
  const auto rows = desk->faults();
  tell(stroke,
       node.address() + ": " + (spec.kind == "pause" || rows.empty() ? "pause" : rows.back().text));
}

}  // namespace parley::sim
