#include "runtime/frame.h"

#include <algorithm>

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/mutant.h"
#include "base/units.h"

namespace parley::runtime {
namespace {

// The twelve upper bits of the flags: "this is a Parley frame of the second layout".
constexpr std::uint16_t kMagic = 0xc5b0;
constexpr std::uint16_t kKindMask = 0x000f;
constexpr std::size_t kMagicEnd = 8;
constexpr std::size_t kChecksumAt = 56;
constexpr std::size_t kWord = 8;
// A buffer that one large frame made grow past this is given back with the bytes that follow it.
constexpr std::size_t kBufferKept = 256_KiB;

std::size_t padded(std::size_t bytes) { return (bytes + kWord - 1) / kWord * kWord; }

// Its own checksum, so that a damaged length is known before its bytes are waited for.
std::uint64_t header_checksum(ByteView frame) { return hash64(frame.substr(0, kChecksumAt)); }

bool is_kind(std::uint16_t number) { return number >= 1 && number <= 4; }

}  // namespace

Bytes encode_frame(const FrameHeader& header, ByteView body) {
  PARLEY_CHECK(body.size() <= UINT32_MAX);
  const std::size_t whole = kFrameHeaderBytes + padded(body.size());
  ByteWriter out(whole);
  out.number(static_cast<std::uint32_t>(body.size()));
  out.number(static_cast<std::uint16_t>(header.verb));
  out.number(static_cast<std::uint16_t>(kMagic | static_cast<std::uint16_t>(header.kind)));
  out.number(header.request_id);
  out.raw(header.cluster.view());
  out.number(header.ring_digest);
  out.number(header.ring_epoch);
  out.number(header.remaining_ms);
  out.number(header.sent_ms);
  const std::uint64_t sum = header_checksum(out.bytes());
  out.number(sum);
  out.number(hash64(body, sum));
  out.raw(body);
  Bytes frame = out.take();
  frame.resize(whole, '\0');
  return frame;
}

void FrameDecoder::feed(ByteView bytes) {
  buffer_.erase(0, consumed_);
  consumed_ = 0;
  const std::size_t needed = buffer_.size() + bytes.size();
  if (buffer_.capacity() > kBufferKept && needed <= kBufferKept) {
    Bytes small;
    small.reserve(needed);
    small += buffer_;
    buffer_.swap(small);
  }
  buffer_ += bytes;
}

Result<std::optional<Frame>> FrameDecoder::next() {
  const ByteView rest = ByteView(buffer_).substr(consumed_);
  if (rest.size() < kMagicEnd) return std::optional<Frame>();
  ByteReader in(rest.substr(0, std::min(rest.size(), kFrameHeaderBytes)));
  const auto length = in.number<std::uint32_t>();
  Frame frame;
  frame.header.verb = static_cast<Verb>(in.number<std::uint16_t>());
  const auto flags = in.number<std::uint16_t>();
  if ((flags & ~kKindMask) != kMagic || !is_kind(flags & kKindMask)) {
    return Error{ErrorCode::Unsupported, "not a peer's frame (bad magic)"};
  }
  if (rest.size() < kFrameHeaderBytes) return std::optional<Frame>();
  const std::uint64_t sum = header_checksum(rest);
  ByteReader sums(rest.substr(kChecksumAt, 2 * sizeof(sum)));
  const bool ignored = PARLEY_MUTANT(frame_checksum_ignored);
  if (sums.number<std::uint64_t>() != sum && !ignored && !PARLEY_MUTANT(frame_may_never_end)) {
    return Error{ErrorCode::Damaged, "a frame header's checksum does not match"};
  }
  if (length > body_bytes_most_) {
    return Error{ErrorCode::TooLarge, "a frame of " + std::to_string(length) +
                                          " bytes is over the limit of " +
                                          std::to_string(body_bytes_most_)};
  }
  const std::size_t whole = kFrameHeaderBytes + padded(length);
  if (rest.size() < whole) return std::optional<Frame>();
  frame.header.kind = static_cast<FrameKind>(flags & kKindMask);
  frame.header.request_id = in.number<std::uint64_t>();
  frame.header.cluster = *ClusterId::from_bytes(in.raw(16));
  frame.header.ring_digest = in.number<std::uint64_t>();
  frame.header.ring_epoch = in.number<std::uint64_t>();
  frame.header.remaining_ms = in.number<std::uint32_t>();
  frame.header.sent_ms = in.number<std::uint32_t>();
  frame.body = rest.substr(kFrameHeaderBytes, length);
  const ByteView padding =
      rest.substr(kFrameHeaderBytes + length, whole - kFrameHeaderBytes - length);
  const bool clean = std::all_of(padding.begin(), padding.end(), [](char c) { return c == '\0'; });
  if ((sums.number<std::uint64_t>() != hash64(frame.body, sum) || !clean) && !ignored) {
    return Error{ErrorCode::Damaged, "a frame's checksum does not match"};
  }
  consumed_ += whole;
  return std::optional<Frame>(frame);
}

}  // namespace parley::runtime
