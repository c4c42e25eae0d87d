// The schema (parley.capnp) and replication's requests and replies, one into the other.
#pragma once

#include <optional>

#include "api/parley.capnp.h"
#include "base/result.h"
#include "membership/view.h"
#include "replication/coordinator.h"

namespace parley::api {

// nullopt: the keyspace's default. InvalidArgument for a number of 0 or a level not known here.
Result<std::optional<replication::Level>> read_level(schema::Level::Reader in);
void write_level(const replication::Level& level, schema::Level::Builder out);

// Key, value, context and op; the rest is for the caller to fill in. `is_delete`: no value.
// InvalidArgument for an op-id that is not 16 bytes.
Result<replication::WriteRequest> read_write(schema::Write::Reader in, bool is_delete);

void write_result(const replication::WriteReply& reply, schema::WriteResult::Builder out);
void write_result(const replication::ReadReply& reply, schema::ReadResult::Builder out);

// Replies that were never planned.
replication::WriteReply refused_write(Error error, std::optional<replication::Level> level);
replication::ReadReply refused_read(Error error, std::optional<replication::Level> level);

// What a reply takes in a message, about.
std::size_t reply_bytes(const replication::WriteReply& reply);
std::size_t reply_bytes(const replication::ReadReply& reply);
// Room for it in one piece: Cap'n Proto clears 8 KiB for a message whose size it is not told.
inline capnp::MessageSize room_for(std::size_t reply_bytes) {
  return {reply_bytes / sizeof(capnp::word), 0};
}

// By name, "" being "default"; points into the view. NotFound with a clear line.
Result<const membership::KeyspaceRecord*> find_keyspace(const membership::View& view,
                                                        std::string_view name);

void write_topology(const membership::View& view, const membership::KeyspaceRecord& keyspace,
                    schema::Topology::Builder out);

}  // namespace parley::api
