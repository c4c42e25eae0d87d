// Where a joiner's tokens go. Jittered strata keep the gaps alike; of several such candidates the
// one that leaves the owned shares most even wins (the idea of Cassandra's replication-aware token
// allocator, CASSANDRA-7032, with a search that is simple enough to be obviously deterministic).
#include <algorithm>
#include <array>
#include <limits>

#include "base/codec.h"
#include "base/hash.h"
#include "ring/ring.h"

namespace parley::ring {

namespace {

constexpr std::size_t kCandidates = 48;
constexpr std::size_t kReplicasJudged = 3;  // the usual replication factor

struct Taken {
  Slot slot;
  std::uint32_t owner;  // index into the old ring's nodes; the joiner comes after them
};

std::vector<Slot> candidate_slots(const std::vector<bool>& claimed, const NodeId& joiner,
                                  std::uint64_t round, std::size_t count) {
  std::vector<bool> busy = claimed;
  std::vector<Slot> out;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t from = i * kSlotCount / count;
    const std::size_t to = (i + 1) * kSlotCount / count;
    ByteWriter seed(32);
    seed.raw(joiner.view());
    seed.number(round);
    seed.number(static_cast<std::uint64_t>(i));
    std::size_t slot = from + hash64(seed.bytes()) % (to - from);
    std::size_t tries = 0;
    while (busy[slot] && tries < kSlotCount) {
      slot = (slot + 1) % kSlotCount;
      ++tries;
    }
    if (tries == kSlotCount) break;  // the grid is full
    busy[slot] = true;
    out.push_back(static_cast<Slot>(slot));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The first distinct owners from a vnode on. Those of the vnode before it are the same with its own
// owner moved to the front.
class OwnersAhead {
 public:
  explicit OwnersAhead(std::size_t depth) : depth_(static_cast<std::ptrdiff_t>(depth)) {}
  void step_back(std::uint32_t owner) {
    const auto end = owners_.begin() + met_;
    auto at = std::find(owners_.begin(), end, owner);
    if (at == end) {
      met_ = std::min(met_ + 1, depth_);
      at = owners_.begin() + met_ - 1;
    }
    std::copy_backward(owners_.begin(), at, at + 1);
    owners_[0] = owner;
  }
  std::uint32_t operator[](std::size_t i) const { return owners_[i]; }

 private:
  std::array<std::uint32_t, kReplicasJudged> owners_{};
  std::ptrdiff_t depth_, met_ = 0;
};

// Sum over 1..3 replicas of the squared relative deviations from an even share. Each node has a
// vnode.
double unevenness(const std::vector<Taken>& vnodes, std::size_t nodes) {
  const std::size_t depth = std::min(kReplicasJudged, nodes);
  OwnersAhead ahead(depth);
  // Once around, so that the last vnodes know who follows them.
  for (std::size_t i = vnodes.size(); i-- > 0;) ahead.step_back(vnodes[i].owner);
  std::vector<double> owned(depth * nodes);  // as the first; as the second; as the third
  for (std::size_t i = vnodes.size(); i-- > 0;) {
    ahead.step_back(vnodes[i].owner);
    const Slot previous = vnodes[i == 0 ? vnodes.size() - 1 : i - 1].slot;
    // 0 for a lone vnode, which is as even anywhere.
    const double length = static_cast<Slot>(vnodes[i].slot - previous);
    for (std::size_t d = 0; d < depth; ++d) owned[d * nodes + ahead[d]] += length;
  }
  double sum = 0;
  std::vector<double> shares(nodes);
  for (std::size_t d = 0; d < depth; ++d) {
    const double even =
        static_cast<double>(kSlotCount) * static_cast<double>(d + 1) / static_cast<double>(nodes);
    for (std::size_t node = 0; node < nodes; ++node) {
      shares[node] += owned[d * nodes + node];
      sum += (shares[node] / even - 1) * (shares[node] / even - 1);
    }
  }
  return sum;
}

// Both sorted.
void join(const std::vector<Taken>& old, const std::vector<Slot>& slots, std::uint32_t joiner,
          std::vector<Taken>& out) {
  out.clear();
  auto next = slots.begin();
  for (const Taken& one : old) {
    for (; next != slots.end() && *next < one.slot; ++next) out.push_back({*next, joiner});
    out.push_back(one);
  }
  for (; next != slots.end(); ++next) out.push_back({*next, joiner});
}

}  // namespace

std::vector<Slot> allocate_slots(const Ring& ring, const NodeId& joiner, std::size_t count) {
  count = std::clamp<std::size_t>(count, 1, kSlotCount);
  std::vector<bool> claimed(kSlotCount);
  std::vector<Taken> old;
  std::vector<NodeId> other_nodes = ring.nodes();  // sorted
  std::erase(other_nodes, joiner);
  const auto others = static_cast<std::uint32_t>(other_nodes.size());
  for (const Ring::Vnode& vnode : ring.vnodes()) {
    if (vnode.node == joiner) continue;  // it allocates again: its old claims do not count
    const auto at = std::lower_bound(other_nodes.begin(), other_nodes.end(), vnode.node);
    claimed[vnode.slot] = true;
    old.push_back({vnode.slot, static_cast<std::uint32_t>(at - other_nodes.begin())});
  }
  std::vector<Taken> after;
  std::vector<Slot> best;
  double best_score = std::numeric_limits<double>::infinity();
  for (std::uint64_t round = 0; round < kCandidates; ++round) {
    std::vector<Slot> slots = candidate_slots(claimed, joiner, round, count);
    if (slots.empty()) return slots;
    join(old, slots, others, after);
    const double score = unevenness(after, others + 1U);
    if (score < best_score) {
      best_score = score;
      best = std::move(slots);
    }
  }
  return best;
}

}  // namespace parley::ring
