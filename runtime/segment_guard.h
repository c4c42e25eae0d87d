// SegmentGuard: the door in front of Cap'n Proto's stream reader. It lets a message's bytes through
// only after that message's segment table was checked, so that no table which is hostile, damaged
// or too large reaches capnp (which would allocate what the table says). Pure.
//
// Stream framing (capnproto.org, encoding, "Serialization Over a Stream"): u32 segment count minus
// one, a u32 size in words for each segment, padding to a whole word, then the segments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace parley::runtime {

class SegmentGuard {
 public:
  // `message_bytes_most` counts the table and all segments of one message.
  SegmentGuard(std::uint32_t segments_most, std::uint64_t message_bytes_most)
      : segments_most_(segments_most), message_bytes_most_(message_bytes_most) {}

  // Takes the next bytes of the stream, cut anywhere, and appends to `passed` those that may go on:
  // whole checked tables and the segment bytes that follow them. A table that is still incomplete
  // is kept back (at most 4 + 4 * segments_most bytes, and padding).
  // Error TooLarge or InvalidArgument at the first bad message: nothing of it is passed, what came
  // before it is, and every later call fails the same way.
  Status feed(ByteView bytes, Bytes& passed);

  // True between two messages: an end of the stream here cuts nothing off.
  bool between_messages() const { return table_.empty() && body_left_ == 0; }
  // Messages whose last byte has come.
  std::uint64_t messages() const { return messages_; }

 private:
  // Bytes of the table that are known to come, as far as `table_` tells: 4 until the count is in.
  std::size_t table_bytes() const;
  Status check_count() const;
  Status check_sizes();
  std::uint32_t word_at(std::size_t index) const;

  const std::uint32_t segments_most_;
  const std::uint64_t message_bytes_most_;
  Bytes table_;                  // of the message that is beginning
  std::uint64_t body_left_ = 0;  // of the message whose table was passed
  std::uint64_t messages_ = 0;
  Status verdict_ = Done{};
};

}  // namespace parley::runtime
