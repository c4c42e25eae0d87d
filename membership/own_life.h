// OwnLife: what to make of news that there is, or was, another life of this very node at or above
// its generation. Either an old copy of its disk was started (it may take a higher generation), or
// the disk runs twice (it may not: the two would outbid each other for ever). A decider.
#pragma once

#include <optional>

#include "base/ids.h"
#include "membership/view.h"

namespace parley::membership {

struct OtherLife {
  Generation generation = 0;
  Liveness liveness = Liveness::Alive;  // as whoever tells of it believes
  std::optional<Endpoint> at;           // where it spoke, or its record says that it is
  bool met = false;                     // it spoke to this node itself: it runs now
  NodeId told_by{};                     // nil: met
};

class OwnLife {
 public:
  enum class Verdict : std::uint8_t {
    Unclear,  // it may run elsewhere: serve nothing, and go on asking
    OldCopy,
    Clone,
  };

  // `self_at`: where this node listens, so that nobody else does.
  OwnLife(Generation generation, Endpoint self_at)
      : generation_(generation), self_at_(std::move(self_at)) {}

  // Of a life that is not this one, at or above this one's generation.
  Verdict hear(const OtherLife& other);

  bool disputed() const { return highest_ > 0; }
  Generation highest() const { return highest_; }
  // Where the other life may run, as far as is known: ask there.
  const std::optional<Endpoint>& elsewhere() const { return elsewhere_; }

 private:
  const Generation generation_;
  const Endpoint self_at_;
  Generation highest_ = 0;
  std::optional<Endpoint> elsewhere_;
};

}  // namespace parley::membership
