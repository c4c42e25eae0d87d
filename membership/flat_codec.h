// Flat Cap'n Proto messages for this floor's codecs; included by *_codec.cpp only.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/ids.h"

namespace parley::membership {

inline Bytes flat_bytes(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

// The segment table is checked before capnp sees it: 0.9.2 trusts a hostile segment count.
inline bool flat_frame_is_sane(ByteView bytes) {
  if (bytes.size() < 8 || bytes.size() % 8 != 0) return false;
  ByteReader reader(bytes);
  const std::uint64_t segments = std::uint64_t{reader.number<std::uint32_t>()} + 1;
  if (segments > 16) return false;
  std::uint64_t words = segments / 2 + 1;
  for (std::uint64_t i = 0; i < segments; ++i) words += reader.number<std::uint32_t>();
  return reader.ok() && words * 8 == bytes.size();
}

// Calls read(Message::Reader) -> std::optional<T>; nullopt too for whatever is no sound message.
template <typename Message, typename Read>
auto read_flat(ByteView bytes, Read read)
    -> decltype(read(std::declval<typename Message::Reader>())) {
  if (!flat_frame_is_sane(bytes)) return std::nullopt;
  try {
    // capnp wants whole aligned words.
    auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    std::memcpy(words.begin(), bytes.data(), bytes.size());
    capnp::ReaderOptions limits;
    limits.traversalLimitInWords = bytes.size() / sizeof(capnp::word) * 4 + 64;
    limits.nestingLimit = 16;
    capnp::FlatArrayMessageReader message(words, limits);
    return read(message.getRoot<Message>());
  } catch (const kj::Exception&) {
    return std::nullopt;
  }
}

inline std::uint64_t id_half(ByteView sixteen, std::size_t at) {
  return ByteReader(sixteen.substr(at, 8)).number<std::uint64_t>();
}
template <typename Id>
Id id_from_halves(std::uint64_t head, std::uint64_t tail) {
  Id id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.octets[i] = static_cast<std::uint8_t>(head >> (8 * i));
    id.octets[8 + i] = static_cast<std::uint8_t>(tail >> (8 * i));
  }
  return id;
}

inline capnp::Data::Reader data_of(ByteView bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
inline Bytes bytes_of(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

}  // namespace parley::membership
