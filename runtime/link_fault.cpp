#include "runtime/link_fault.h"

#include <algorithm>
#include <cmath>

namespace parley::runtime {
namespace {

constexpr Duration kTimeMost = 1min;
constexpr std::uint64_t kBytesPerSecondLeast = 1_KiB;
constexpr Duration kResendFirst = 200ms;
constexpr int kResendsMost = 8;
constexpr Duration kOvertakenBy = 20ms;

double either(double a, double b) { return 1 - (1 - a) * (1 - b); }

std::string percent(double share) {
  const auto tenths = static_cast<long>(std::lround(share * 1000));
  return std::to_string(tenths / 10) + (tenths % 10 ? "." + std::to_string(tenths % 10) : "") +
         " %";
}

std::string millis(Duration time) { return std::to_string(to_millis(time)) + " ms"; }

}  // namespace

LinkFault LinkFault::operator+(const LinkFault& other) const {
  LinkFault both;
  both.cut = cut || other.cut;
  both.drop = either(drop, other.drop);
  both.duplicate = either(duplicate, other.duplicate);
  both.reorder = either(reorder, other.reorder);
  both.corrupt = either(corrupt, other.corrupt);
  both.delay = delay + other.delay;
  both.jitter = jitter + other.jitter;
  both.bytes_per_second = bytes_per_second == 0 || other.bytes_per_second == 0
                              ? bytes_per_second + other.bytes_per_second
                              : std::min(bytes_per_second, other.bytes_per_second);
  return both;
}

Status LinkFault::check() const {
  for (const double share : {drop, duplicate, reorder, corrupt}) {
    // Written so that a NaN is refused.
    if (!(share >= 0 && share <= 1)) {
      return Error{ErrorCode::InvalidArgument, "a share must be between 0 and 100 %"};
    }
  }
  for (const Duration time : {delay, jitter}) {
    if (time < 0ns || time > kTimeMost) {
      return Error{ErrorCode::InvalidArgument, "a delay must be between 0 and 1 min"};
    }
  }
  if (bytes_per_second != 0 && bytes_per_second < kBytesPerSecondLeast) {
    return Error{ErrorCode::InvalidArgument, "a link must pass at least 1024 bytes a second"};
  }
  if (at_rest()) return Error{ErrorCode::InvalidArgument, "that would change nothing"};
  return Done{};
}

std::string to_text(const LinkFault& fault) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (fault.cut) add("cut");
  if (fault.drop > 0) add("drop " + percent(fault.drop));
  if (fault.duplicate > 0) add("duplicate " + percent(fault.duplicate));
  if (fault.reorder > 0) add("reorder " + percent(fault.reorder));
  if (fault.corrupt > 0) add("corrupt " + percent(fault.corrupt));
  if (fault.jitter > 0ns) {
    add("delay " + millis(fault.delay) + " to " + millis(fault.delay + fault.jitter));
  } else if (fault.delay > 0ns) {
    add("delay " + millis(fault.delay));
  }
  if (fault.bytes_per_second > 0) {
    add("at most " + std::to_string(fault.bytes_per_second) + " bytes a second");
  }
  return text.empty() ? "none" : text;
}

Duration drawn_delay(Duration least, Duration jitter, Random& random) {
  if (jitter <= 0ns) return least;
  const auto bound = static_cast<std::uint64_t>(jitter.count()) + 1;
  return least + Duration(static_cast<std::int64_t>(random.below(bound)));
}

Duration FaultyLane::travel(const LinkFault& fault, std::size_t bytes, Instant now) {
  const Duration time = drawn_delay(fault.delay, fault.jitter, random_);
  if (fault.bytes_per_second == 0) return time;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(fault.bytes_per_second);
  line_free_ = std::max(line_free_, now) + Duration(static_cast<std::int64_t>(seconds * 1e9));
  return line_free_ - now + time;
}

Instant FaultyLane::datagram_due(const LinkFault& fault, std::size_t bytes, Instant now) {
  const Instant due = now + travel(fault, bytes, now);
  return chance(fault.reorder) ? due + kOvertakenBy : due;
}

Instant FaultyLane::piece_due(const LinkFault& fault, std::size_t bytes, Instant now) {
  Duration wait = travel(fault, bytes, now);
  Duration resend = kResendFirst;
  for (int i = 0; i < kResendsMost && chance(fault.drop); ++i, resend *= 2) wait += resend;
  last_due_ = std::max(last_due_, now + wait);
  return last_due_;
}

void FaultyLane::maybe_corrupt(const LinkFault& fault, Bytes& bytes) {
  if (bytes.empty() || !chance(fault.corrupt)) return;
  const auto bit = random_.below(bytes.size() * 8);
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
}

}  // namespace parley::runtime
