#include "membership/gossip_codec.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mutant.h"
#include "membership/flat_codec.h"
#include "membership/gossip.capnp.h"

namespace parley::membership {

namespace {

constexpr std::uint32_t kMagic = 0x47594c50;  // "PLYG"
constexpr std::uint16_t kFormat = 1;
constexpr std::size_t kHeaderBytes = 16;
constexpr std::size_t kSummedFrom = 12;  // after magic and checksum

void write_update(wire::Update::Builder out, const Claim& claim) {
  out.setNodeHead(id_half(claim.node.view(), 0));
  out.setNodeTail(id_half(claim.node.view(), 8));
  out.setGeneration(claim.generation);
  out.setNonce(claim.nonce);
  out.setAccuserHead(id_half(claim.accuser.view(), 0));
  out.setAccuserTail(id_half(claim.accuser.view(), 8));
  out.setIncarnation(claim.incarnation);
  out.setLiveness(static_cast<std::uint8_t>(claim.liveness));
  out.setRefused(claim.refused);
}

std::optional<Claim> read_update(wire::Update::Reader in) {
  if (in.getLiveness() > static_cast<std::uint8_t>(Liveness::Left)) return std::nullopt;
  Claim claim;
  claim.node = id_from_halves<NodeId>(in.getNodeHead(), in.getNodeTail());
  if (claim.node.is_nil()) return std::nullopt;
  claim.generation = in.getGeneration();
  claim.nonce = in.getNonce();
  claim.accuser = id_from_halves<NodeId>(in.getAccuserHead(), in.getAccuserTail());
  claim.incarnation = in.getIncarnation();
  claim.liveness = static_cast<Liveness>(in.getLiveness());
  claim.refused = in.getRefused();
  return claim;
}

struct Read {
  Datagram datagram;
  GossipCluster cluster;
};

std::optional<Read> read_datagram(wire::Datagram::Reader in) {
  Read out;
  Datagram& d = out.datagram;
  if (in.getKind() < 1 || in.getKind() > static_cast<std::uint16_t>(DatagramKind::Gossip)) {
    return std::nullopt;
  }
  d.kind = static_cast<DatagramKind>(in.getKind());
  d.health = in.getHealth();
  d.incarnation = in.getIncarnation();
  d.sequence = in.getSequence();
  out.cluster.id = id_from_halves<ClusterId>(in.getClusterHead(), in.getClusterTail());
  out.cluster.name_hash = in.getClusterName();
  d.sender = id_from_halves<NodeId>(in.getSenderHead(), in.getSenderTail());
  if (d.sender.is_nil()) return std::nullopt;
  d.generation = in.getGeneration();
  d.nonce = in.getNonce();
  d.view_digest = in.getViewDigest();
  d.ring_digest = in.getRingDigest();
  d.target = id_from_halves<NodeId>(in.getTargetHead(), in.getTargetTail());
  const auto updates = in.getUpdates();
  if (updates.size() > kUpdatesMost) return std::nullopt;
  for (const auto update : updates) {
    const auto claim = read_update(update);
    if (!claim) return std::nullopt;
    d.updates.push_back(*claim);
  }
  const WallTime wall{in.getWallMs()};
  // A member whose clock is beyond all sense is a member still.
  if (wall > WallTime{} && wall <= kWallMost) d.wall = wall;
  return out;
}

}  // namespace

Bytes encode_datagram(const GossipCluster& cluster, const Datagram& d) {
  PARLEY_CHECK(d.updates.size() <= kUpdatesMost);
  capnp::word scratch[256];
  std::memset(scratch, 0, sizeof scratch);
  capnp::MallocMessageBuilder message(kj::arrayPtr(scratch, 256));
  auto out = message.initRoot<wire::Datagram>();
  out.setKind(static_cast<std::uint16_t>(d.kind));
  out.setHealth(d.health);
  out.setIncarnation(d.incarnation);
  out.setSequence(d.sequence);
  out.setClusterHead(id_half(cluster.id.view(), 0));
  out.setClusterTail(id_half(cluster.id.view(), 8));
  out.setClusterName(cluster.name_hash);
  out.setSenderHead(id_half(d.sender.view(), 0));
  out.setSenderTail(id_half(d.sender.view(), 8));
  out.setGeneration(d.generation);
  out.setNonce(d.nonce);
  out.setViewDigest(d.view_digest);
  out.setRingDigest(d.ring_digest);
  out.setTargetHead(id_half(d.target.view(), 0));
  out.setTargetTail(id_half(d.target.view(), 8));
  out.setWallMs(d.wall.millis);
  auto updates = out.initUpdates(static_cast<unsigned>(d.updates.size()));
  for (unsigned i = 0; i < updates.size(); ++i) write_update(updates[i], d.updates[i]);

  const Bytes flat = flat_bytes(message);
  ByteWriter summed(flat.size() + 4);
  summed.number(kFormat);
  summed.number(std::uint16_t{0});
  summed.raw(flat);
  ByteWriter bytes(summed.bytes().size() + 12);
  bytes.number(kMagic);
  bytes.number(hash64(summed.bytes()));
  bytes.raw(summed.bytes());
  PARLEY_CHECK(bytes.bytes().size() <= kDatagramBytesMost);
  return bytes.take();
}

Result<Datagram> decode_datagram(const GossipCluster& cluster, ByteView bytes) {
  if (bytes.size() < kHeaderBytes || bytes.size() > kDatagramBytesMost) {
    return Error{ErrorCode::InvalidArgument, "no gossip datagram"};
  }
  ByteReader header(bytes);
  if (header.number<std::uint32_t>() != kMagic) {
    return Error{ErrorCode::InvalidArgument, "no gossip datagram"};
  }
  if (header.number<std::uint64_t>() != hash64(bytes.substr(kSummedFrom)) &&
      !PARLEY_MUTANT(datagram_checksum_ignored)) {
    return Error{ErrorCode::Damaged, "gossip datagram fails its checksum"};
  }
  if (header.number<std::uint16_t>() != kFormat) {
    return Error{ErrorCode::InvalidArgument, "gossip datagram of an unknown format"};
  }
  const auto read = read_flat<wire::Datagram>(bytes.substr(kHeaderBytes), read_datagram);
  if (!read) return Error{ErrorCode::InvalidArgument, "malformed gossip datagram"};
  if (read->cluster.id != cluster.id || read->cluster.name_hash != cluster.name_hash) {
    return Error{ErrorCode::WrongCluster, "gossip datagram of another cluster"};
  }
  return read->datagram;
}

}  // namespace parley::membership
