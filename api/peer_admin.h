// What nodes ask each other for an operator: the messages and their bytes (peer_admin.capnp).
// Decoders take anything and answer InvalidArgument for what no encoder here could have made.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"

namespace parley::api {

// More rows than nodes a cluster can have are refused.
inline constexpr std::size_t kPeerRowsMost = 65536;

struct PeerHintTotal {
  NodeId target;
  std::uint64_t hints = 0, sole_hints = 0, bytes = 0;
  std::int64_t oldest_ms = 0;
  bool operator==(const PeerHintTotal&) const = default;
};

struct PeerSyncRow {
  NodeId peer;
  std::int64_t last_sync_ms = -1;
  std::uint64_t keys_last = 0, keys_total = 0;
  bool running = false, equal = false;
  bool operator==(const PeerSyncRow&) const = default;
};

Bytes encode_hint_totals(const std::vector<PeerHintTotal>& totals);
Result<std::vector<PeerHintTotal>> decode_hint_totals(ByteView bytes);

// nullopt: every target.
Bytes encode_drop_request(const std::optional<NodeId>& target);
Result<std::optional<NodeId>> decode_drop_request(ByteView bytes);
Bytes encode_drop_reply(std::uint64_t dropped);
Result<std::uint64_t> decode_drop_reply(ByteView bytes);

Bytes encode_repair_request(bool wait);
Result<bool> decode_repair_request(ByteView bytes);
Bytes encode_repair_reply(std::uint64_t keys);
Result<std::uint64_t> decode_repair_reply(ByteView bytes);

Bytes encode_sync_rows(const std::vector<PeerSyncRow>& rows);
Result<std::vector<PeerSyncRow>> decode_sync_rows(ByteView bytes);

struct PeerLoad {
  std::uint64_t bytes_on_disk = 0, faults = 0;
  bool operator==(const PeerLoad&) const = default;
};
Bytes encode_load_reply(const PeerLoad& load);
Result<PeerLoad> decode_load_reply(ByteView bytes);

// Which keys have several live values there; at most this many rows a page.
inline constexpr std::size_t kConflictRowsMost = 256;
struct ConflictQuestion {
  KeyspaceId keyspace;
  Bytes after;  // empty: from the start
  std::size_t rows_most = kConflictRowsMost;
  Duration time_most{};
  bool operator==(const ConflictQuestion&) const = default;
};
struct FoundConflict {
  Bytes key;
  Bytes set;  // an encoded version set without its values
  bool operator==(const FoundConflict&) const = default;
};
struct ConflictPart {
  std::vector<FoundConflict> rows;  // by token, then key
  Bytes scanned_to;                 // the last key looked at
  bool ended = false;               // there are no more keys
  bool operator==(const ConflictPart&) const = default;
};
Bytes encode_conflict_question(const ConflictQuestion& question);
Result<ConflictQuestion> decode_conflict_question(ByteView bytes);
Bytes encode_conflict_part(const ConflictPart& part);
Result<ConflictPart> decode_conflict_part(ByteView bytes);

}  // namespace parley::api
