// SyncSchedule: with whom to compare next. In turn, the one compared longest ago, one every
// interval; out of turn, who returned, who was found different, who may lack a dropped hint.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "base/units.h"

namespace parley::repair {

class SyncSchedule {
 public:
  // A peer found different is compared again this soon, while much is found; else ever later, up
  // to the interval.
  static constexpr Duration kSoon = 100ms;
  static constexpr std::uint64_t kManyKeys = 32;

  struct Peer {
    std::optional<Instant> soon;      // out of turn, at this time
    std::optional<Instant> finished;  // the last comparison that ended well, begun by either side
    Instant known_since;
    Instant in_turn_since;  // orders the turns
    Duration pause = kSoon;
    std::uint64_t keys_last = 0;
    std::uint64_t keys_total = 0;
    bool equal = false;
    bool took_all = false;  // see took_all()
    std::uint64_t damaged_there = 0;
  };

  SyncSchedule(Duration interval, Random random, Instant now);

  // All that may share slots with this node, under a new ring. New ones are compared soon.
  void set_peers(const std::vector<NodeId>& peers, Instant now);
  // Shares nothing under the present ring.
  void drop_peer(const NodeId& peer) { peers_.erase(peer); }
  // Out of turn, at `at` or earlier if that was wanted already; unknown peers are ignored.
  void want(const NodeId& peer, Instant at);
  // It is being compared by the other side: look again only after `until`.
  void put_off(const NodeId& peer, Instant until);

  // Whom to compare with now, if anybody: it is marked begun.
  std::optional<NodeId> begin(Instant now, const std::function<bool(const NodeId&)>& is_up);
  // When begin() may have an answer again, as far as time alone decides.
  Instant wake(const std::function<bool(const NodeId&)>& is_up) const;

  void finished(const NodeId& peer, Instant now, bool equal, std::uint64_t keys);
  void failed(const NodeId& peer, Instant now);
  // A comparison under the present ring ended with all that the peer had in this node's hands, but
  // for so many copies that are damaged there.
  void took_all(const NodeId& peer, std::uint64_t damaged_there);
  // A comparison that the peer began found no difference.
  void found_equal(const NodeId& peer, Instant now);

  const std::map<NodeId, Peer>& peers() const { return peers_; }
  // The longest time since a finished comparison, among all peers (down ones too).
  Duration oldest(Instant now) const;

 private:
  void set_next_turn(Instant now);

  const Duration interval_;
  Random random_;
  Instant next_turn_;
  std::map<NodeId, Peer> peers_;
};

}  // namespace parley::repair
