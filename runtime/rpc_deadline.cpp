#include "runtime/rpc_deadline.h"

namespace parley::runtime {
namespace {

std::int32_t difference(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b);
}

}  // namespace

Duration TransitMeter::waited(Instant received, std::uint32_t sent_ms) {
  const std::uint32_t offset = travelling_ms(received) - sent_ms;
  // After a silence longer than a window the last known least is kept for one window more:
  // otherwise the first stale frame after a stop would pass for a quick one.
  if (!least_ || received - window_began_ > kWindow) {
    least_before_ = least_;
    least_ = offset;
    window_began_ = received;
  }
  if (difference(offset, *least_) < 0) least_ = offset;
  std::uint32_t least = *least_;
  if (least_before_ && difference(*least_before_, least) < 0) least = *least_before_;
  return std::chrono::milliseconds(difference(offset, least));
}

}  // namespace parley::runtime
