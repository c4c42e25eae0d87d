// One running suspicion: how long the suspect has to refute it. Lifeguard (arXiv:1707.00788,
// section 3.2): an accusation that nobody else confirms waits long, because the accuser may be the
// one in trouble; each independent confirmation shortens it towards the least.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/units.h"

namespace parley::membership {

class Suspicion {
 public:
  Suspicion(Instant begun, const NodeId& accuser, Duration least, Duration most);

  // True when `accuser` had not accused before.
  bool confirm(const NodeId& accuser);
  // `witness` was told by the suspect's kernel that nobody listens: a dead process, not a slow one.
  // True when that was news.
  bool refuse(Instant now, const NodeId& witness);
  std::size_t witnesses() const { return witnesses_.size(); }
  bool witnessed_by(const NodeId& node) const;
  // When the suspect is to be declared dead, if `expected` confirmations are what full certainty
  // takes. With 0 expected the least time holds at once.
  Instant deadline(std::size_t expected) const;
  // When it is by the witnesses' word alone: `window` after the last one needed, in which a quick
  // restart can speak; nullopt while there are fewer. `needed` > 0.
  std::optional<Instant> refused_deadline(std::size_t needed, Duration window) const;
  // This process stood still for `gap`: the suspect gets that time back.
  void extend(Duration gap);
  bool accused_by(const NodeId& node) const { return accusers_.count(node) != 0; }
  std::size_t confirmations() const { return accusers_.size() - 1; }

 private:
  Instant begun_;
  Duration least_, most_;
  std::set<NodeId> accusers_;
  std::vector<std::pair<NodeId, Instant>> witnesses_;  // each once, as they came
};

// factor x max(1, log10 members) x interval.
Duration suspicion_least(std::size_t factor, std::size_t members, Duration interval);

}  // namespace parley::membership
