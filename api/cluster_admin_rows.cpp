#include "api/cluster_admin_rows.h"

#include <charconv>
#include <map>
#include <tuple>

#include "base/codec.h"
#include "replication/level.h"

namespace parley::api {

namespace {

using membership::View;

std::uint32_t default_factor(const View& view) {
  const auto* keyspace = view.keyspace(std::string_view("default"));
  return keyspace == nullptr ? 0 : keyspace->replication_factor;
}

std::string address_of(const View& view, const NodeId& node) {
  const auto* member = view.find(node);
  return member == nullptr ? "?" : member->record.address;
}

std::string level_text(membership::LevelCode code) {
  const auto level = replication::level_from_code(code);
  return level ? replication::to_text(*level) : "?";
}

}  // namespace

std::string digest_text(std::uint64_t digest) {
  Bytes big_endian;
  for (int shift = 56; shift >= 0; shift -= 8) {
    big_endian += static_cast<char>(static_cast<unsigned char>(digest >> shift));
  }
  return to_hex(big_endian);
}

client::StatusRow status_row(const View& view, const membership::Member& member) {
  const membership::NodeRecord& record = member.record;
  client::StatusRow row;
  row.address = record.address;
  row.client_port = record.client_port;
  row.status = member.is_up() || record.node == view.self ? "U" : "D";
  switch (record.ring.status) {
    case ring::RingStatus::Joining: row.status += "J"; break;
    case ring::RingStatus::Normal:
      row.status += "N";
      row.tokens = static_cast<std::uint32_t>(record.ring.slots.size());
      row.owns = view.ring->owned_share(record.node, default_factor(view));
      break;
    case ring::RingStatus::Leaving:
    case ring::RingStatus::Left:
    case ring::RingStatus::Removed: row.status += "L"; break;
  }
  row.node = to_text(record.node);
  row.rack = record.rack;
  row.dc = record.dc;
  return row;
}

client::RingInfo ring_info(const View& view) {
  client::RingInfo out;
  out.digest = digest_text(view.ring->digest());
  for (const auto& vnode : view.ring->vnodes()) {
    out.vnodes.push_back({vnode.slot, to_text(vnode.node), address_of(view, vnode.node)});
  }
  return out;
}

client::GossipRow gossip_row(const membership::GossipRow& row) {
  client::GossipRow out;
  out.node = to_text(row.member.record.node);
  out.address = row.member.record.address;
  out.liveness = membership::to_text(row.member.liveness);
  out.generation = row.member.record.generation;
  out.incarnation = row.member.incarnation;
  out.last_heard_ms = row.last_heard_ms;
  out.rtt_ms = row.rtt_ms;
  out.view_digest = digest_text(row.view_digest);
  out.ring_digest = digest_text(row.ring_digest);
  return out;
}

Result<std::vector<client::ReplicaAddress>> replicas_of(const View& view,
                                                        const std::string& keyspace, ByteView key) {
  const auto found = find_keyspace(view, keyspace);
  if (!found) return found.error();
  if (key.empty()) return Error{ErrorCode::InvalidArgument, "the key is empty", 0};
  std::vector<client::ReplicaAddress> out;
  const Slot slot = slot_of(ring::token_of(key));
  for (const NodeId& node : view.ring->preference_list(slot, (*found)->replication_factor)) {
    out.push_back({address_of(view, node), to_text(node)});
  }
  return out;
}

Result<client::InspectResult> inspect_result(const replication::InspectReply& reply) {
  if (reply.error) return *reply.error;
  client::InspectResult out;
  out.diverged = reply.diverged;
  for (const replication::InspectRow& row : reply.replicas) {
    client::InspectRow one;
    one.address = row.address;
    one.node = to_text(row.node);
    one.version = row.version;
    one.context = row.context;
    if (row.digest != 0) one.digest = digest_text(row.digest);
    one.tombstone = row.tombstone;
    one.reachable = row.reachable;
    one.damaged = row.damaged;
    one.not_ready = row.not_ready;
    one.hints_pending = row.hints_pending;
    out.exists |= row.holds_record;
    out.replicas.push_back(std::move(one));
  }
  return out;
}

client::HintRow hint_row(const View& view, const NodeId& holder, const PeerHintTotal& total) {
  client::HintRow row;
  row.holder = address_of(view, holder);
  row.target = address_of(view, total.target);
  row.target_node = to_text(total.target);
  row.hints = total.hints;
  row.sole_hints = total.sole_hints;
  row.bytes = total.bytes;
  row.oldest_ms = total.oldest_ms;
  return row;
}

client::RepairRow repair_row(const View& view, const NodeId& holder, const PeerSyncRow& in) {
  client::RepairRow row;
  row.holder = address_of(view, holder);
  row.peer = address_of(view, in.peer);
  row.last_sync_ms = in.last_sync_ms;
  row.keys_last = in.keys_last;
  row.keys_total = in.keys_total;
  row.running = in.running;
  row.equal = in.equal;
  return row;
}

client::NodeLatencies node_latencies(const View& view, const replication::NodeLatencies& in) {
  const auto buckets = [](const replication::LatencyBuckets& measured) {
    client::LatencyBuckets out;
    for (const auto& one : measured) out.push_back({one.from_ms, one.to_ms, one.weight});
    return out;
  };
  client::NodeLatencies out;
  out.node = to_text(view.self);
  out.address = address_of(view, view.self);
  out.mint = buckets(in.mint);
  out.merge = buckets(in.merge);
  out.read = buckets(in.read);
  for (const replication::PeerLatencies& peer : in.peers) {
    const bool known = view.find(peer.peer) != nullptr;
    out.peers.push_back({to_text(peer.peer), known ? address_of(view, peer.peer) : std::string(),
                         buckets(peer.write_out), buckets(peer.write_back), buckets(peer.read_out),
                         buckets(peer.read_back)});
  }
  return out;
}

client::KeyspaceInfo keyspace_info(const membership::KeyspaceRecord& record) {
  client::KeyspaceInfo out;
  out.name = record.name;
  out.id = to_text(record.id);
  out.conflict_rule = membership::to_text(record.conflict_rule);
  out.read_level = level_text(record.read_level);
  out.write_level = level_text(record.write_level);
  out.replication_factor = record.replication_factor;
  out.version = record.version;
  return out;
}

std::vector<client::WorkRow> work_rows(const MetricRegistry& metrics) {
  std::map<std::pair<std::string, std::string>, client::WorkRow> rows;
  const auto row_of = [&rows](const MetricLabels& labels) -> client::WorkRow& {
    std::string op, level;
    for (const auto& [name, value] : labels) {
      if (name == "op") op = value;
      if (name == "level") level = value;
    }
    client::WorkRow& row = rows[{op, level}];
    row.op = op;
    row.level = level;
    return row;
  };
  for (const auto& entry : metrics.entries("requests_total")) {
    client::WorkRow& row = row_of(entry.labels);
    const std::string& outcome = entry.labels.back().second;
    (outcome == "ok"        ? row.ok
     : outcome == "unknown" ? row.unknown
                            : row.refused) += entry.counter->value();
  }
  for (const auto& entry : metrics.entries("request_seconds")) {
    client::WorkRow& row = row_of(entry.labels);
    row.seconds_sum = entry.histogram->sum_seconds();
    for (std::size_t i = 0; i <= Histogram::kBounds.size(); ++i) {
      row.buckets.push_back(entry.histogram->bucket(i));
    }
  }
  std::vector<client::WorkRow> out;
  for (auto& [kind, row] : rows) out.push_back(std::move(row));
  return out;
}

Result<std::optional<NodeId>> find_target(const View& view, const std::string& target) {
  if (target.empty()) return std::optional<NodeId>{};
  for (const membership::Member& member : view.members) {
    const membership::NodeRecord& record = member.record;
    if (target == record.address || target == to_text(record.peer()) ||
        target == to_text(record.node)) {
      return std::optional<NodeId>{record.node};
    }
  }
  return Error{ErrorCode::NotFound,
               "no node has the address or id \"" + target.substr(0, 64) + "\"", 0};
}

Result<membership::KeyspaceChange> parse_levels(const membership::KeyspaceRecord& keyspace,
                                                const std::string& read_level,
                                                const std::string& write_level) {
  membership::KeyspaceChange out;
  for (const auto& [text, code] :
       {std::pair(&read_level, &out.read_level), std::pair(&write_level, &out.write_level)}) {
    if (text->empty()) continue;
    const auto level = replication::parse_level(*text);
    if (!level) return level.error();
    if (level->kind == replication::Level::Kind::Number &&
        level->number > keyspace.replication_factor) {
      return Error{ErrorCode::InvalidArgument,
                   "level " + *text + " is above the replication factor " +
                       std::to_string(keyspace.replication_factor),
                   0};
    }
    *code = replication::level_code(*level);
  }
  return out;
}

void RepairSum::add(const Result<std::uint64_t>& one) {
  if (one) {
    keys += *one;
    return;
  }
  ++unfinished;
  if (first_failure.empty()) first_failure = one.error().message;
}

Result<std::uint64_t> RepairSum::result(bool wait) const {
  if (!wait || unfinished == 0) return keys;
  return Error{ErrorCode::Unknown,
               std::to_string(unfinished) + " nodes did not end their round: " + first_failure, 0};
}

std::pair<std::uint64_t, std::string> address_order(const std::string& address) {
  const std::pair<std::uint64_t, std::string> other = {std::uint64_t{1} << 32, address};
  const char* at = address.data();
  const char* const end = at + address.size();
  std::uint64_t number = 0;
  for (int part = 1; part <= 4; ++part) {
    std::uint8_t byte = 0;
    const auto [next, wrong] = std::from_chars(at, end, byte);
    if (wrong != std::errc{}) return other;
    if (part == 4 ? next != end : (next == end || *next != '.')) return other;
    number = number << 8 | byte;
    at = next + 1;
  }
  return {number, ""};
}

}  // namespace parley::api
