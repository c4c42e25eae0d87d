#include "membership/suspicion.h"

#include <algorithm>
#include <cmath>

namespace parley::membership {

Suspicion::Suspicion(Instant begun, const NodeId& accuser, Duration least, Duration most)
    : begun_(begun), least_(least), most_(std::max(least, most)), accusers_{accuser} {}

bool Suspicion::confirm(const NodeId& accuser) { return accusers_.insert(accuser).second; }

Instant Suspicion::deadline(std::size_t expected) const {
  const std::size_t seen = std::min(confirmations(), expected);
  if (seen == expected) return begun_ + least_;
  const double fraction =
      std::log(static_cast<double>(seen) + 1) / std::log(static_cast<double>(expected) + 1);
  const double span = static_cast<double>((most_ - least_).count());
  return begun_ + most_ - Duration(static_cast<Duration::rep>(span * fraction));
}

bool Suspicion::witnessed_by(const NodeId& node) const {
  return std::any_of(witnesses_.begin(), witnesses_.end(),
                     [&](const auto& witness) { return witness.first == node; });
}

bool Suspicion::refuse(Instant now, const NodeId& witness) {
  if (witnessed_by(witness)) return false;
  witnesses_.emplace_back(witness, now);
  accusers_.insert(witness);
  return true;
}

std::optional<Instant> Suspicion::refused_deadline(std::size_t needed, Duration window) const {
  if (witnesses_.size() < needed) return std::nullopt;
  return witnesses_[needed - 1].second + window;
}

void Suspicion::extend(Duration gap) {
  begun_ += gap;
  for (auto& [witness, at] : witnesses_) at += gap;
}

Duration suspicion_least(std::size_t factor, std::size_t members, Duration interval) {
  const double nodes =
      std::max(1.0, std::log10(static_cast<double>(std::max<std::size_t>(1, members))));
  return Duration(static_cast<Duration::rep>(static_cast<double>(factor) * nodes *
                                             static_cast<double>(interval.count())));
}

}  // namespace parley::membership
