// The frames of a peer connection (docs/protocol.md, section 1). A value: bytes in, frames out.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/verb.h"

namespace parley::runtime {

enum class FrameKind : std::uint8_t { Request = 1, Response = 2, Error = 3, OneWay = 4 };

struct FrameHeader {
  Verb verb = Verb::Heartbeat;  // also of a kind that this version does not know
  FrameKind kind = FrameKind::OneWay;
  std::uint64_t request_id = 0;
  ClusterId cluster;  // of the sender; nil: none yet
  std::uint64_t ring_digest = 0;
  std::uint64_t ring_epoch = 0;    // reserved
  std::uint32_t remaining_ms = 0;  // until the request's deadline, when it was sent
  std::uint32_t sent_ms = 0;       // the sender's monotonic clock; wraps
  bool operator==(const FrameHeader&) const = default;
};

inline constexpr std::size_t kFrameHeaderBytes = 72;

// The body is padded with zeros to whole 8-byte words, so that every body starts on one.
Bytes encode_frame(const FrameHeader& header, ByteView body);

struct Frame {
  FrameHeader header;
  ByteView body;  // until the next feed()
};

class FrameDecoder {
 public:
  explicit FrameDecoder(std::size_t body_bytes_most) : body_bytes_most_(body_bytes_most) {}

  void feed(ByteView bytes);
  // The next whole frame; nullopt when more bytes are needed. After an error (no Parley frame, too
  // large, damaged) the stream cannot be read on: drop the connection.
  Result<std::optional<Frame>> next();
  void set_body_bytes_most(std::size_t most) { body_bytes_most_ = most; }
  // All that was fed has come out as whole frames.
  bool between_frames() const { return consumed_ == buffer_.size(); }
  std::size_t memory() const { return buffer_.capacity(); }

 private:
  std::size_t body_bytes_most_;
  Bytes buffer_;
  std::size_t consumed_ = 0;  // always whole words, so bodies in buffer_ are aligned
};

}  // namespace parley::runtime
