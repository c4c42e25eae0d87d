// Bytes of the datagrams (gossip.capnp).
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "membership/datagram.h"

namespace parley::membership {

struct GossipCluster {
  ClusterId id;
  std::uint64_t name_hash = 0;  // hash64 of the name
};

// At most kDatagramBytesMost bytes; updates past kUpdatesMost are a bug of the caller.
Bytes encode_datagram(const GossipCluster& cluster, const Datagram& datagram);

// Errors: Damaged (checksum), InvalidArgument (not our format), WrongCluster (another id or name).
Result<Datagram> decode_datagram(const GossipCluster& cluster, ByteView bytes);

}  // namespace parley::membership
