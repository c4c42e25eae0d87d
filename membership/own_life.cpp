#include "membership/own_life.h"

#include <algorithm>

namespace parley::membership {

OwnLife::Verdict OwnLife::hear(const OtherLife& other) {
  highest_ = std::max(highest_, other.generation);
  if (other.met) return Verdict::Clone;
  // Only a later life's: a record of our own generation may be ours, come back from others.
  const bool here = other.at == self_at_;
  if (here && other.generation > generation_) return Verdict::OldCopy;
  // Whoever runs is probed by the others and refutes its death.
  if (other.liveness == Liveness::Dead || other.liveness == Liveness::Left) {
    return Verdict::OldCopy;
  }
  if (other.at && !here) elsewhere_ = other.at;
  return Verdict::Unclear;
}

}  // namespace parley::membership
