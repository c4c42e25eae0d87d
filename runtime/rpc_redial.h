// When to dial a peer again. Pure.
#pragma once

#include <optional>

#include "base/units.h"

namespace parley::runtime {

class Redial {
 public:
  explicit Redial(Duration pause_most) : pause_most_(pause_most) {}

  // Somebody wants to call this peer.
  void on_wanted(Instant now) { wanted_at_ = now; }
  void on_attempt(Instant now) { attempted_at_ = now; }
  void on_failed(Instant now);
  // An established connection broke: the first retry comes soon.
  void on_broken(Instant now);
  void on_connected();
  // The peer was heard of: nothing that failed before counts any more.
  void on_recovered();

  // A call is a reason to try, unless one has just been made: a node that has returned is reached
  // at once, a dead one costs at most 20 dials a second.
  bool call_may_dial(Instant now) const;
  // Retry without a call: after a pause that doubles, as long as somebody wanted the peer of late.
  bool retry_due(Instant now) const;
  bool wanted_lately(Instant now) const;

 private:
  static constexpr Duration kPauseLeast = 50ms;
  static constexpr Duration kWantedFor = 10s;
  Duration pause_most_;
  Duration pause_ = kPauseLeast;
  std::optional<Instant> wanted_at_, attempted_at_, retry_at_;
};

}  // namespace parley::runtime
