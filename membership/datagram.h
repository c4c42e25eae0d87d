// What SWIM's datagrams say, apart from their bytes (gossip_codec.h).
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "membership/member.h"

namespace parley::membership {

enum class DatagramKind : std::uint16_t {
  Ping = 1,     // answer with an Ack of the same sequence
  Ack = 2,      // also passed on by a member that probed for another: then `target` answered it
  PingReq = 3,  // ping `target` and pass its Ack on, or say Nack
  Nack = 4,     // the target did not answer the member that was asked to probe
  Gossip = 5,   // updates only
};

struct Datagram {
  DatagramKind kind = DatagramKind::Gossip;
  std::uint64_t sequence = 0;
  // The sender, in this very life of it. Each datagram is its own claim to be alive.
  NodeId sender;
  Generation generation = 0;
  Incarnation incarnation = 0;
  std::uint64_t nonce = 0;
  std::uint8_t health = 0;  // its Awareness score; 0 is healthy
  std::uint64_t view_digest = 0, ring_digest = 0;
  // Ping, PingReq: who is meant (an address may have been taken over by another node).
  // Ack, Nack that are passed on: who was probed. Else nil.
  NodeId target;
  std::vector<Claim> updates;
  // The sender's wall clock when it sent this; 0: not told. The driver's business, and not Swim's.
  WallTime wall;
  bool operator==(const Datagram&) const = default;
};

// More would not fit into 1,200 bytes.
inline constexpr std::size_t kUpdatesMost = 14;
// The payload that passes everywhere: IPv6's least MTU of 1,280 less headers.
inline constexpr std::size_t kDatagramBytesMost = 1200;
// The year 2100. No clock shows more; what says so, or a time before 1970, tells no time at all.
inline constexpr WallTime kWallMost{4'102'444'800'000};

}  // namespace parley::membership
