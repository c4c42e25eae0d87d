// Identities. Every id that travels or is stored is a type of its own.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace parley {

// 128 random bits. The nil id (all zero) means "none" and is never minted.
template <typename Tag>
struct Id128 {
  std::array<std::uint8_t, 16> octets{};

  bool operator==(const Id128&) const = default;
  // As their bytes, eight at a time: maps are full of ids.
  auto operator<=>(const Id128& other) const {
    const auto order = half(0) <=> other.half(0);
    return order != 0 ? order : half(8) <=> other.half(8);
  }
  bool is_nil() const { return *this == Id128{}; }
  ByteView view() const { return {reinterpret_cast<const char*>(octets.data()), octets.size()}; }
  // nullopt unless exactly 16 bytes.
  static std::optional<Id128> from_bytes(ByteView bytes) {
    if (bytes.size() != 16) return std::nullopt;
    Id128 id;
    for (std::size_t i = 0; i < 16; ++i) id.octets[i] = static_cast<std::uint8_t>(bytes[i]);
    return id;
  }

 private:
  // Written out: one load and a swap, where a loop stays a loop.
  std::uint64_t half(std::size_t from) const {
    const auto at = [this, from](std::size_t i) { return std::uint64_t{octets[from + i]}; };
    return at(0) << 56 | at(1) << 48 | at(2) << 40 | at(3) << 32 | at(4) << 24 | at(5) << 16 |
           at(6) << 8 | at(7);
  }
};

struct NodeTag {};
struct ClusterTag {};
struct StorageTag {};
struct KeyspaceTag {};
struct OpTag {};

// A node, for as long as its data directory lives; never an address.
using NodeId = Id128<NodeTag>;
using ClusterId = Id128<ClusterTag>;
// One life of one data directory's contents; the actor's first half (docs: versions).
using StorageId = Id128<StorageTag>;
using KeyspaceId = Id128<KeyspaceTag>;
// One client operation; retries carry the same one. Nil: the client gave none.
using OpId = Id128<OpTag>;

// 8-4-4-4-12 lower-case hexadecimal, the usual UUID text.
std::string uuid_text(ByteView sixteen_bytes);
std::optional<Bytes> parse_uuid(std::string_view text);

template <typename Tag>
std::string to_text(const Id128<Tag>& id) {
  return uuid_text(id.view());
}

// Raised by one at every start of a node, on disk before its first packet.
using Generation = std::uint64_t;
// Raised by a node itself, within one generation, only to refute a suspicion.
using Incarnation = std::uint32_t;
// Position on the ring: the 64-bit hash of a key. Wraps.
using Token = std::uint64_t;
// One of the 2^16 fixed slots of the token space: the token's top 16 bits.
using Slot = std::uint16_t;
inline constexpr std::size_t kSlotCount = 65536;
inline constexpr Slot slot_of(Token token) { return static_cast<Slot>(token >> 48); }

// 8 KiB. Unlike std::bitset it takes a range by words: a ring's ranges are long.
class SlotSet {
 public:
  void add(Slot slot) { words_[slot / kWordBits] |= std::uint64_t{1} << slot % kWordBits; }
  // `length` slots from `first` on; they wrap.
  void add_range(Slot first, std::size_t length) {
    for (std::size_t at = first; length > 0;) {
      const std::size_t bit = at % kWordBits, taken = std::min(length, kWordBits - bit);
      words_[at % kSlotCount / kWordBits] |= ~std::uint64_t{0} >> (kWordBits - taken) << bit;
      at += taken;
      length -= taken;
    }
  }
  bool contains(Slot slot) const { return (words_[slot / kWordBits] >> slot % kWordBits & 1) != 0; }
  bool empty() const { return *this == SlotSet{}; }
  bool operator==(const SlotSet&) const = default;

 private:
  static constexpr std::size_t kWordBits = 64;
  std::array<std::uint64_t, kSlotCount / kWordBits> words_{};
};

// Where a socket is reached now: a numeric IPv4 or IPv6 address (never a name) and a port.
struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

// "127.0.0.1:7401", "[::1]:7401".
std::string to_text(const Endpoint& endpoint);
// nullopt unless a numeric address and a port in 1..65535 ("localhost" is taken as 127.0.0.1).
std::optional<Endpoint> parse_endpoint(std::string_view text);
bool is_numeric_address(std::string_view address);
// 127.0.0.0/8 and ::1.
bool is_loopback_address(std::string_view address);

}  // namespace parley

template <typename Tag>
struct std::hash<parley::Id128<Tag>> {
  std::size_t operator()(const parley::Id128<Tag>& id) const noexcept {
    return std::hash<std::string_view>{}(id.view());
  }
};

template <>
struct std::hash<parley::Endpoint> {
  std::size_t operator()(const parley::Endpoint& e) const noexcept {
    return std::hash<std::string>{}(e.address) * 31 + e.port;
  }
};
