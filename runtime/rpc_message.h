// The bodies that the rpc itself exchanges: who is at the end of a connection, and errors.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/rpc.h"

namespace parley::runtime {

// First frame in both directions, and again whenever what it says has changed.
struct Hello {
  static constexpr std::uint32_t kVersion = 1;
  std::uint32_t version = kVersion;
  NodeId node;
  Generation generation = 0;
  ClusterId cluster;
  std::string cluster_name;
  Endpoint listens_at;  // where its sender can be dialled
  Channel channel = Channel::Foreground;
  Duration silence_max{};  // its own, in whole milliseconds
  bool operator==(const Hello&) const = default;
};

// No hello is longer; checked before one is buffered.
inline constexpr std::size_t kHelloBytesMost = 4096;

Bytes encode_hello(const Hello& hello);
// Unsupported for another protocol or version, InvalidArgument for damage. Bytes after the known
// fields are a later version's and ignored.
Result<Hello> decode_hello(ByteView body);

Bytes encode_error(const Error& error);
// What cannot be read is an Internal error that says so.
Error decode_error(ByteView body);

}  // namespace parley::runtime
