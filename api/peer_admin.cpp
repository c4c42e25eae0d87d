#include "api/peer_admin.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>

#include "api/client_codec.h"
#include "api/peer_admin.capnp.h"
#include "base/codec.h"

namespace parley::api {

using client::bytes_of;
using client::data_of;
using client::view_of;

namespace {

Error malformed() {
  return {ErrorCode::InvalidArgument, "malformed peer administration message", 0};
}

Bytes flat_bytes(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

// Capnp 0.9.2 trusts a hostile segment table, so it is checked before.
bool is_sane_frame(ByteView bytes) {
  constexpr std::uint64_t kSegmentsMost = 16;
  if (bytes.size() < 8 || bytes.size() % sizeof(capnp::word) != 0) return false;
  ByteReader reader(bytes);
  const std::uint64_t segments = std::uint64_t{reader.number<std::uint32_t>()} + 1;
  if (segments > kSegmentsMost) return false;
  std::uint64_t words = segments / 2 + 1;
  for (std::uint64_t i = 0; i < segments; ++i) words += reader.number<std::uint32_t>();
  return reader.ok() && words * sizeof(capnp::word) == bytes.size();
}

// `read` gives a Result; what is no sound message is malformed().
template <typename Message, typename Read>
auto read_flat(ByteView bytes, Read read)
    -> decltype(read(std::declval<typename Message::Reader>())) {
  if (!is_sane_frame(bytes)) return malformed();
  try {
    auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    std::memcpy(words.begin(), bytes.data(), bytes.size());
    capnp::ReaderOptions limits;
    limits.traversalLimitInWords = words.size() * 4 + 64;
    limits.nestingLimit = 16;
    capnp::FlatArrayMessageReader message(words, limits);
    return read(message.getRoot<Message>());
  } catch (const kj::Exception&) {
    return malformed();
  }
}

template <typename Message, typename Fill>
Bytes write_flat(Fill fill) {
  capnp::word scratch[64] = {};
  capnp::MallocMessageBuilder message(scratch);
  fill(message.initRoot<Message>());
  return flat_bytes(message);
}

}  // namespace

Bytes encode_hint_totals(const std::vector<PeerHintTotal>& totals) {
  return write_flat<peer_schema::HintsReply>([&totals](auto out) {
    auto rows = out.initTotals(static_cast<unsigned>(totals.size()));
    for (unsigned i = 0; i < totals.size(); ++i) {
      rows[i].setTarget(data_of(totals[i].target.view()));
      rows[i].setHints(totals[i].hints);
      rows[i].setSoleHints(totals[i].sole_hints);
      rows[i].setBytes(totals[i].bytes);
      rows[i].setOldestMs(totals[i].oldest_ms);
    }
  });
}

Result<std::vector<PeerHintTotal>> decode_hint_totals(ByteView bytes) {
  using Out = Result<std::vector<PeerHintTotal>>;
  return read_flat<peer_schema::HintsReply>(bytes, [](auto in) -> Out {
    std::vector<PeerHintTotal> totals;
    if (in.getTotals().size() > kPeerRowsMost) return malformed();
    for (const auto row : in.getTotals()) {
      const auto target = NodeId::from_bytes(view_of(row.getTarget()));
      if (!target) return malformed();
      totals.push_back(
          {*target, row.getHints(), row.getSoleHints(), row.getBytes(), row.getOldestMs()});
    }
    return totals;
  });
}

Bytes encode_drop_request(const std::optional<NodeId>& target) {
  return write_flat<peer_schema::DropRequest>([&target](auto out) {
    if (target) out.setTarget(data_of(target->view()));
  });
}

Result<std::optional<NodeId>> decode_drop_request(ByteView bytes) {
  using Out = Result<std::optional<NodeId>>;
  return read_flat<peer_schema::DropRequest>(bytes, [](auto in) -> Out {
    if (in.getTarget().size() == 0) return std::optional<NodeId>{};
    const auto target = NodeId::from_bytes(view_of(in.getTarget()));
    if (!target) return malformed();
    return target;
  });
}

Bytes encode_drop_reply(std::uint64_t dropped) {
  return write_flat<peer_schema::DropReply>([dropped](auto out) { out.setDropped(dropped); });
}

Result<std::uint64_t> decode_drop_reply(ByteView bytes) {
  return read_flat<peer_schema::DropReply>(
      bytes, [](auto in) -> Result<std::uint64_t> { return in.getDropped(); });
}

Bytes encode_repair_request(bool wait) {
  return write_flat<peer_schema::RepairRequest>([wait](auto out) { out.setWait(wait); });
}

Result<bool> decode_repair_request(ByteView bytes) {
  return read_flat<peer_schema::RepairRequest>(
      bytes, [](auto in) -> Result<bool> { return in.getWait(); });
}

Bytes encode_repair_reply(std::uint64_t keys) {
  return write_flat<peer_schema::RepairReply>([keys](auto out) { out.setKeys(keys); });
}

Result<std::uint64_t> decode_repair_reply(ByteView bytes) {
  return read_flat<peer_schema::RepairReply>(
      bytes, [](auto in) -> Result<std::uint64_t> { return in.getKeys(); });
}

Bytes encode_sync_rows(const std::vector<PeerSyncRow>& rows) {
  return write_flat<peer_schema::RepairStatusReply>([&rows](auto out) {
    auto list = out.initRows(static_cast<unsigned>(rows.size()));
    for (unsigned i = 0; i < rows.size(); ++i) {
      list[i].setPeer(data_of(rows[i].peer.view()));
      list[i].setLastSyncMs(rows[i].last_sync_ms);
      list[i].setKeysLast(rows[i].keys_last);
      list[i].setKeysTotal(rows[i].keys_total);
      list[i].setRunning(rows[i].running);
      list[i].setEqual(rows[i].equal);
    }
  });
}

Result<std::vector<PeerSyncRow>> decode_sync_rows(ByteView bytes) {
  using Out = Result<std::vector<PeerSyncRow>>;
  return read_flat<peer_schema::RepairStatusReply>(bytes, [](auto in) -> Out {
    std::vector<PeerSyncRow> rows;
    if (in.getRows().size() > kPeerRowsMost) return malformed();
    for (const auto row : in.getRows()) {
      const auto peer = NodeId::from_bytes(view_of(row.getPeer()));
      if (!peer) return malformed();
      rows.push_back({*peer, row.getLastSyncMs(), row.getKeysLast(), row.getKeysTotal(),
                      row.getRunning(), row.getEqual()});
    }
    return rows;
  });
}

Bytes encode_load_reply(const PeerLoad& load) {
  return write_flat<peer_schema::LoadReply>([&load](auto out) {
    out.setBytes(load.bytes_on_disk);
    out.setFaults(load.faults);
  });
}

Result<PeerLoad> decode_load_reply(ByteView bytes) {
  return read_flat<peer_schema::LoadReply>(bytes, [](auto in) -> Result<PeerLoad> {
    return PeerLoad{in.getBytes(), in.getFaults()};
  });
}

Bytes encode_conflict_question(const ConflictQuestion& question) {
  return write_flat<peer_schema::ConflictsRequest>([&question](auto out) {
    out.setKeyspace(data_of(question.keyspace.view()));
    out.setAfter(data_of(question.after));
    out.setRowsMost(static_cast<std::uint32_t>(question.rows_most));
    out.setTimeMs(static_cast<std::uint32_t>(to_millis(question.time_most)));
  });
}

Result<ConflictQuestion> decode_conflict_question(ByteView bytes) {
  using Out = Result<ConflictQuestion>;
  return read_flat<peer_schema::ConflictsRequest>(bytes, [](auto in) -> Out {
    const auto keyspace = KeyspaceId::from_bytes(view_of(in.getKeyspace()));
    const bool rows_sound = in.getRowsMost() > 0 && in.getRowsMost() <= kConflictRowsMost;
    if (!keyspace || !rows_sound) return malformed();
    return ConflictQuestion{*keyspace, bytes_of(in.getAfter()), in.getRowsMost(),
                            std::chrono::milliseconds(in.getTimeMs())};
  });
}

Bytes encode_conflict_part(const ConflictPart& part) {
  return write_flat<peer_schema::ConflictsReply>([&part](auto out) {
    auto rows = out.initRows(static_cast<unsigned>(part.rows.size()));
    for (unsigned i = 0; i < part.rows.size(); ++i) {
      rows[i].setKey(data_of(part.rows[i].key));
      rows[i].setSet(data_of(part.rows[i].set));
    }
    out.setScannedTo(data_of(part.scanned_to));
    out.setEnded(part.ended);
  });
}

Result<ConflictPart> decode_conflict_part(ByteView bytes) {
  using Out = Result<ConflictPart>;
  return read_flat<peer_schema::ConflictsReply>(bytes, [](auto in) -> Out {
    ConflictPart part;
    if (in.getRows().size() > kConflictRowsMost) return malformed();
    for (const auto row : in.getRows()) {
      if (row.getKey().size() == 0) return malformed();
      part.rows.push_back({bytes_of(row.getKey()), bytes_of(row.getSet())});
    }
    part.scanned_to = bytes_of(in.getScannedTo());
    part.ended = in.getEnded();
    return part;
  });
}

}  // namespace parley::api
