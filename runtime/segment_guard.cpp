#include "runtime/segment_guard.h"

#include <algorithm>

namespace parley::runtime {

namespace {
constexpr std::size_t kCountBytes = 4;
constexpr std::uint64_t kWordBytes = 8;
}  // namespace

std::uint32_t SegmentGuard::word_at(std::size_t index) const {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) {
    value = (value << 8) | static_cast<std::uint8_t>(table_[index * 4 + i]);
  }
  return value;
}

std::size_t SegmentGuard::table_bytes() const {
  if (table_.size() < kCountBytes) return kCountBytes;
  const std::size_t segments = std::size_t{word_at(0)} + 1;  // at most segments_most_: checked
  return (4 + 4 * segments + kWordBytes - 1) / kWordBytes * kWordBytes;
}

Status SegmentGuard::check_count() const {
  // In 64 bits, where 0xFFFFFFFF does not wrap to a message of no segments.
  const std::uint64_t segments = std::uint64_t{word_at(0)} + 1;
  if (segments <= segments_most_) return Done{};
  return Error{ErrorCode::InvalidArgument, "message of " + std::to_string(segments) +
                                               " segments refused; the most is " +
                                               std::to_string(segments_most_)};
}

Status SegmentGuard::check_sizes() {
  const std::size_t segments = std::size_t{word_at(0)} + 1;
  // 2^32 segments of 2^32 words would fit 2^67 bytes, but the count was checked to be a u32 at most
  // and small; saturate anyway, so that the sum is right for every constructor argument.
  std::uint64_t body = 0;
  for (std::size_t i = 1; i <= segments; ++i) {
    body += word_at(i) * kWordBytes;
    if (body > message_bytes_most_) break;
  }
  if (body > message_bytes_most_ || table_.size() > message_bytes_most_ - body) {
    return Error{ErrorCode::TooLarge,
                 "message larger than " + std::to_string(message_bytes_most_) + " bytes refused"};
  }
  if (word_at(1) == 0) {
    return Error{ErrorCode::InvalidArgument, "message without a root pointer refused"};
  }
  body_left_ = body;
  return Done{};
}

Status SegmentGuard::feed(ByteView bytes, Bytes& passed) {
  while (verdict_ && !bytes.empty()) {
    if (body_left_ > 0) {
      const auto run = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, bytes.size()));
      passed.append(bytes.substr(0, run));
      bytes.remove_prefix(run);
      body_left_ -= run;
      if (body_left_ == 0) ++messages_;
      continue;
    }
    const std::size_t missing = std::min(table_bytes() - table_.size(), bytes.size());
    table_.append(bytes.substr(0, missing));
    bytes.remove_prefix(missing);
    if (table_.size() == kCountBytes) verdict_ = check_count();
    if (!verdict_ || table_.size() < kCountBytes || table_.size() < table_bytes()) continue;
    verdict_ = check_sizes();
    if (!verdict_) break;
    passed.append(table_);
    table_.clear();
  }
  return verdict_;
}

}  // namespace parley::runtime
