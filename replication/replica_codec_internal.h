// What the two halves of the replica codec share. Included by replica_codec*.cpp only.
#pragma once

#include <optional>

#include "membership/flat_codec.h"
#include "replication/replica.capnp.h"
#include "replication/replica_codec.h"

namespace parley::replication {

using membership::bytes_of;
using membership::data_of;

inline constexpr std::size_t kOwnersMost = 64;

// One segment, so that equal messages have equal bytes: `content` bounds what the fields take
// beyond 64 words.
template <typename Root, typename Fill>
Bytes build_flat(std::size_t content, Fill fill) {
  kj::Array<capnp::word> scratch = kj::heapArray<capnp::word>(content / sizeof(capnp::word) + 64);
  std::memset(scratch.begin(), 0, scratch.asBytes().size());
  capnp::MallocMessageBuilder message(scratch);
  fill(message.template initRoot<Root>());
  return membership::flat_bytes(message);
}

// `read` gives std::optional<T>: nullopt for what the schema allows and the protocol does not.
template <typename T, typename Message, typename Read>
Result<T> decode_flat(ByteView bytes, Read read) {
  std::optional<T> out = membership::read_flat<Message>(bytes, read);
  if (!out) return Error{ErrorCode::InvalidArgument, "malformed replication message"};
  return std::move(*out);
}

inline void put_copy(wire::CopyOf::Builder out, const CopyOf& copy) {
  out.setKeyspace(data_of(copy.keyspace.view()));
  out.setKey(data_of(copy.key));
  Bytes owners;
  for (const NodeId& node : copy.owners) owners += node.view();
  out.setOwners(data_of(owners));
}

inline std::size_t copy_bytes(const CopyOf& copy) {
  return copy.key.size() + copy.owners.size() * 16 + 64;
}

template <typename Id>
std::optional<Id> take_id(capnp::Data::Reader data) {
  auto id = Id::from_bytes({reinterpret_cast<const char*>(data.begin()), data.size()});
  if (id && id->is_nil()) return std::nullopt;
  return id;
}

inline std::optional<CopyOf> take_copy(wire::CopyOf::Reader in) {
  const auto keyspace = take_id<KeyspaceId>(in.getKeyspace());
  const auto owners = in.getOwners();
  if (!keyspace || in.getKey().size() == 0) return std::nullopt;
  if (owners.size() % 16 != 0 || owners.size() / 16 > kOwnersMost) return std::nullopt;
  CopyOf copy{*keyspace, bytes_of(in.getKey()), {}};
  const Bytes ids = bytes_of(owners);
  for (std::size_t at = 0; at < ids.size(); at += 16) {
    copy.owners.push_back(*NodeId::from_bytes(ByteView(ids).substr(at, 16)));
  }
  return copy;
}

inline wire::Durability to_wire(storage::Durability durability) {
  return durability == storage::Durability::Memory ? wire::Durability::MEMORY
                                                   : wire::Durability::FSYNC;
}
inline std::optional<storage::Durability> from_wire(wire::Durability durability) {
  switch (durability) {
    case wire::Durability::FSYNC: return storage::Durability::Fsync;
    case wire::Durability::MEMORY: return storage::Durability::Memory;
  }
  return std::nullopt;
}

}  // namespace parley::replication
