#include "runtime/rpc_message.h"

#include <algorithm>
#include <chrono>

#include "base/codec.h"

namespace parley::runtime {
namespace {

constexpr ByteView kHelloMagic = "PARLEY-P";
constexpr std::size_t kNameMost = 256;
constexpr std::size_t kAddressMost = 64;
constexpr std::size_t kErrorTextMost = 4096;
constexpr Duration kSilenceMost = 60s;  // of rpc.silence_max

}  // namespace

Bytes encode_hello(const Hello& hello) {
  ByteWriter out;
  out.raw(kHelloMagic);
  out.number(hello.version);
  out.number(static_cast<std::uint32_t>(hello.channel));
  out.raw(hello.node.view());
  out.number(hello.generation);
  out.raw(hello.cluster.view());
  out.sized(hello.cluster_name.substr(0, kNameMost));
  out.sized(hello.listens_at.address);
  out.number(hello.listens_at.port);
  out.number(static_cast<std::uint32_t>(to_millis(hello.silence_max)));
  return out.take();
}

Result<Hello> decode_hello(ByteView body) {
  ByteReader in(body);
  if (in.raw(kHelloMagic.size()) != kHelloMagic) {
    return Error{ErrorCode::Unsupported, "the other end does not speak Parley's peer protocol"};
  }
  Hello hello;
  hello.version = in.number<std::uint32_t>();
  if (in.ok() && hello.version != Hello::kVersion) {
    return Error{ErrorCode::Unsupported,
                 "peer protocol version " + std::to_string(hello.version) + " is not supported"};
  }
  const auto channel = in.number<std::uint32_t>();
  const auto node = NodeId::from_bytes(in.raw(16));
  hello.generation = in.number<std::uint64_t>();
  const auto cluster = ClusterId::from_bytes(in.raw(16));
  hello.cluster_name = Bytes(in.sized());
  hello.listens_at.address = Bytes(in.sized());
  hello.listens_at.port = in.number<std::uint16_t>();
  hello.silence_max =
      std::min<Duration>(std::chrono::milliseconds(in.number<std::uint32_t>()), kSilenceMost);
  const bool sane = in.ok() && node && cluster && channel <= 1 && !node->is_nil() &&
                    hello.cluster_name.size() <= kNameMost &&
                    hello.listens_at.address.size() <= kAddressMost &&
                    is_numeric_address(hello.listens_at.address);
  if (!sane) return Error{ErrorCode::InvalidArgument, "malformed hello"};
  hello.node = *node;
  hello.cluster = *cluster;
  hello.channel = static_cast<Channel>(channel);
  return hello;
}

Bytes encode_error(const Error& error) {
  ByteWriter out;
  out.number(static_cast<std::uint16_t>(error.code));
  out.number(static_cast<std::uint64_t>(error.retry_after_ms));
  out.sized(ByteView(error.message).substr(0, kErrorTextMost));
  return out.take();
}

Error decode_error(ByteView body) {
  ByteReader in(body);
  const auto code = in.number<std::uint16_t>();
  const auto retry_after_ms = in.number<std::uint64_t>();
  const ByteView message = in.sized();
  if (!in.ok() || code == 0 || retry_after_ms > 3'600'000) {
    return Error{ErrorCode::Internal, "the peer answered with an unreadable error"};
  }
  return Error{static_cast<ErrorCode>(code), Bytes(message),
               static_cast<std::int64_t>(retry_after_ms)};
}

}  // namespace parley::runtime
