#include "replication/clock_offset.h"

#include <algorithm>

namespace parley::replication {

std::optional<ClockOffset::Bounds> ClockOffset::both(const Bounds& a, const Bounds& b) {
  const Bounds out{std::max(a.least, b.least), std::min(a.most, b.most)};
  if (out.least > out.most) return std::nullopt;
  return out;
}

Legs ClockOffset::split(const RoundTrip& trip) {
  if (trip.back - since_ >= kWindow) {
    before_ = trip.back - since_ < 2 * kWindow ? now_ : std::nullopt;
    now_.reset();
    since_ = trip.back;
  }
  const Duration network = trip.network();
  const Duration apparent = trip.received - trip.sent.time_since_epoch();
  const Bounds told{apparent - network, apparent};
  // Where two contradict each other the clock is another one than before, or has drifted away.
  now_ = now_ ? both(*now_, told).value_or(told) : told;
  const auto narrower = before_ ? both(*before_, *now_) : std::nullopt;
  if (!narrower) before_.reset();
  const Bounds best = narrower.value_or(*now_);
  const Duration out = apparent - (best.least + (best.most - best.least) / 2);
  return {out, network - out};
}

}  // namespace parley::replication
