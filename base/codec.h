// Hand-made fixed encodings for what must have exactly one form: record bytes, contexts, digests.
// Little-endian; lengths as u32. Between nodes the envelope is Cap'n Proto; these bytes ride in it.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/bytes.h"

namespace parley {

// So that numbers are copied as they lie in memory.
static_assert(std::endian::native == std::endian::little);

class ByteWriter {
 public:
  ByteWriter() = default;
  explicit ByteWriter(std::size_t expected) { out_.reserve(expected); }

  template <typename T>
  requires std::is_unsigned_v<T>
  void number(T value) { out_.append(reinterpret_cast<const char*>(&value), sizeof(T)); }
  void raw(ByteView bytes) { out_.append(bytes); }
  void sized(ByteView bytes) {
    number(static_cast<std::uint32_t>(bytes.size()));
    raw(bytes);
  }
  Bytes take() { return std::move(out_); }
  const Bytes& bytes() const { return out_; }

 private:
  Bytes out_;
};

// Reads what ByteWriter wrote. After a read past the end ok() is false for good and every read
// gives zero or empty: check once, at the end.
class ByteReader {
 public:
  explicit ByteReader(ByteView in) : in_(in) {}

  template <typename T>
  requires std::is_unsigned_v<T> T number() {
    const ByteView bytes = raw(sizeof(T));
    T value = 0;
    if (ok_) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  ByteView raw(std::size_t count) {
    if (!ok_ || count > in_.size()) {
      ok_ = false;
      return {};
    }
    const ByteView out = in_.substr(0, count);
    in_.remove_prefix(count);
    return out;
  }
  ByteView sized() { return raw(number<std::uint32_t>()); }

  bool ok() const { return ok_; }
  // True when everything was read and nothing was missing.
  bool complete() const { return ok_ && in_.empty(); }
  std::size_t left() const { return in_.size(); }

 private:
  ByteView in_;
  bool ok_ = true;
};

}  // namespace parley
