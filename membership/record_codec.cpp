#include "membership/record_codec.h"

#include <algorithm>

#include "base/codec.h"
#include "base/hash.h"

namespace parley::membership {

namespace {

constexpr std::uint8_t kRecordForm = 1;
constexpr std::uint8_t kKeyspaceForm = 2;
constexpr std::uint8_t kKeyspaceFormFirst = 1;     // one version for both levels
constexpr std::uint8_t kServesNot = 0x80;          // beside the status on the ring
constexpr std::uint32_t kStateMagic = 0x4d594c50;  // "PLYM"
constexpr std::uint16_t kStateForm = 2;
constexpr std::uint16_t kStateFormFirst = 1;  // had no nonces; still read
constexpr std::size_t kTextMost = 255;
constexpr std::size_t kNodesMost = 65536;
constexpr std::size_t kKeyspacesMost = 1024;

template <typename Id>
Id read_id(ByteReader& in) {
  return Id::from_bytes(in.raw(16)).value_or(Id{});
}

std::string read_text(ByteReader& in) { return std::string(in.sized()); }

bool slots_are_sorted(const std::vector<Slot>& slots) {
  return std::adjacent_find(slots.begin(), slots.end(), std::greater_equal<>()) == slots.end();
}

}  // namespace

Bytes encode_record(const NodeRecord& record) {
  ByteWriter out;
  out.number(kRecordForm);
  out.raw(record.node.view());
  out.number(record.generation);
  out.number(record.version);
  out.sized(record.address);
  out.number(record.client_port);
  out.number(record.peer_port);
  out.number(record.http_port);
  out.sized(record.rack);
  out.sized(record.dc);
  out.number(record.ring.version);
  const auto status = static_cast<std::uint8_t>(record.ring.status);
  out.number(static_cast<std::uint8_t>(record.serves ? status : status | kServesNot));
  out.sized(record.ring.rack);
  out.number(static_cast<std::uint32_t>(record.ring.slots.size()));
  for (const Slot slot : record.ring.slots) out.number(slot);
  return out.take();
}

std::optional<NodeRecord> decode_record(ByteView bytes) {
  ByteReader in(bytes);
  if (in.number<std::uint8_t>() != kRecordForm) return std::nullopt;
  NodeRecord record;
  record.node = read_id<NodeId>(in);
  record.generation = in.number<std::uint64_t>();
  record.version = in.number<std::uint64_t>();
  record.address = read_text(in);
  record.client_port = in.number<std::uint16_t>();
  record.peer_port = in.number<std::uint16_t>();
  record.http_port = in.number<std::uint16_t>();
  record.rack = read_text(in);
  record.dc = read_text(in);
  record.ring.node = record.node;
  record.ring.version = in.number<std::uint64_t>();
  const auto flags = in.number<std::uint8_t>();
  record.serves = (flags & kServesNot) == 0;
  const auto status = static_cast<std::uint8_t>(flags & ~kServesNot);
  record.ring.rack = read_text(in);
  const auto slots = in.number<std::uint32_t>();
  if (!in.ok() || in.left() != std::size_t{slots} * 2) return std::nullopt;
  for (std::uint32_t i = 0; i < slots; ++i) record.ring.slots.push_back(in.number<Slot>());
  record.ring.status = static_cast<ring::RingStatus>(status);

  const bool sound = in.complete() && !record.node.is_nil() && is_numeric_address(record.address) &&
                     record.address.size() <= kTextMost && record.rack.size() <= kTextMost &&
                     record.dc.size() <= kTextMost && record.ring.rack.size() <= kTextMost &&
                     status >= 1 &&
                     status <= static_cast<std::uint8_t>(ring::RingStatus::Removed) &&
                     slots_are_sorted(record.ring.slots);
  if (!sound) return std::nullopt;
  return record;
}

Bytes encode_keyspace(const HeldKeyspace& keyspace) {
  const KeyspaceRecord& record = keyspace.record;
  const bool first = keyspace.read_version == keyspace.write_version;
  ByteWriter out;
  out.number(first ? kKeyspaceFormFirst : kKeyspaceForm);
  out.raw(record.id.view());
  out.sized(record.name);
  out.number(keyspace.read_version);
  if (!first) out.number(keyspace.write_version);
  out.number(record.replication_factor);
  out.number(static_cast<std::uint8_t>(record.conflict_rule));
  out.number(record.read_level);
  out.number(record.write_level);
  return out.take();
}

std::optional<HeldKeyspace> decode_keyspace(ByteView bytes) {
  ByteReader in(bytes);
  const auto form = in.number<std::uint8_t>();
  if (form < kKeyspaceFormFirst || form > kKeyspaceForm) return std::nullopt;
  HeldKeyspace keyspace;
  KeyspaceRecord& record = keyspace.record;
  record.id = read_id<KeyspaceId>(in);
  record.name = read_text(in);
  keyspace.read_version = keyspace.write_version = in.number<std::uint64_t>();
  if (form != kKeyspaceFormFirst) keyspace.write_version = in.number<std::uint64_t>();
  record.version = std::max(keyspace.read_version, keyspace.write_version);
  record.replication_factor = in.number<std::uint32_t>();
  const auto rule = in.number<std::uint8_t>();
  record.conflict_rule = static_cast<ConflictRule>(rule);
  record.read_level = in.number<std::uint16_t>();
  record.write_level = in.number<std::uint16_t>();
  const bool sound = in.complete() && !record.id.is_nil() && !record.name.empty() &&
                     record.name.size() <= kTextMost && record.replication_factor >= 1 &&
                     rule <= static_cast<std::uint8_t>(ConflictRule::LastWriterWins);
  // One byte form each: digests are made over it.
  const bool short_one = keyspace.read_version == keyspace.write_version;
  if (!sound || short_one != (form == kKeyspaceFormFirst)) return std::nullopt;
  return keyspace;
}

Bytes encode_state(const SavedState& state) {
  ByteWriter out;
  out.number(kStateMagic);
  out.number(kStateForm);
  out.raw(state.cluster.view());
  out.sized(state.cluster_name);
  out.sized(state.cluster_key);
  out.number(std::uint8_t{state.joined});
  out.number(static_cast<std::uint32_t>(state.nodes.size()));
  for (const NodeRecord& node : state.nodes) out.sized(encode_record(node));
  out.number(static_cast<std::uint32_t>(state.keyspaces.size()));
  for (const HeldKeyspace& keyspace : state.keyspaces) out.sized(encode_keyspace(keyspace));
  out.number(static_cast<std::uint32_t>(state.nonces.size()));
  for (const auto& [node, nonce] : state.nonces) {
    out.raw(node.view());
    out.number(nonce);
  }
  out.number(hash64(out.bytes()));
  return out.take();
}

Result<SavedState> decode_state(ByteView bytes) {
  const Error damaged{ErrorCode::InvalidArgument, "the saved membership state is damaged"};
  ByteReader in(bytes);
  if (in.number<std::uint32_t>() != kStateMagic) return damaged;
  const auto form = in.number<std::uint16_t>();
  if (form < kStateFormFirst || form > kStateForm) {
    return Error{ErrorCode::InvalidArgument,
                 "the saved membership state has a format that this version does not know"};
  }
  if (bytes.size() < 8) return damaged;
  const ByteView summed = bytes.substr(0, bytes.size() - 8);
  if (ByteReader(bytes.substr(summed.size())).number<std::uint64_t>() != hash64(summed)) {
    return damaged;
  }
  SavedState state;
  state.cluster = read_id<ClusterId>(in);
  state.cluster_name = read_text(in);
  state.cluster_key = Bytes(in.sized());
  state.joined = in.number<std::uint8_t>() != 0;
  const auto nodes = in.number<std::uint32_t>();
  if (nodes > kNodesMost) return damaged;
  for (std::uint32_t i = 0; i < nodes && in.ok(); ++i) {
    auto record = decode_record(in.sized());
    if (!record) return damaged;
    state.nodes.push_back(std::move(*record));
  }
  const auto keyspaces = in.number<std::uint32_t>();
  if (keyspaces > kKeyspacesMost) return damaged;
  for (std::uint32_t i = 0; i < keyspaces && in.ok(); ++i) {
    auto record = decode_keyspace(in.sized());
    if (!record) return damaged;
    state.keyspaces.push_back(std::move(*record));
  }
  const auto nonces = form == kStateFormFirst ? 0 : in.number<std::uint32_t>();
  if (nonces > kNodesMost) return damaged;
  for (std::uint32_t i = 0; i < nonces && in.ok(); ++i) {
    const auto node = read_id<NodeId>(in);
    state.nonces[node] = in.number<std::uint64_t>();
  }
  in.number<std::uint64_t>();
  if (!in.complete() || state.cluster.is_nil()) return damaged;
  return state;
}

}  // namespace parley::membership
