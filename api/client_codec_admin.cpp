// The administration half of client_codec.h: field by field.
#include "api/client_codec.h"

namespace parley::client {

const char* state_of(const InspectRow& row) {
  if (!row.reachable) return "no answer";
  if (row.not_ready) return "not ready";
  if (row.damaged) return "damaged";
  if (row.context.empty()) return "has nothing";
  return row.tombstone ? "deleted" : "has it";
}

void write_texts(const std::vector<std::string>& in, capnp::List<capnp::Text>::Builder out) {
  for (unsigned i = 0; i < in.size(); ++i) out.set(i, text_for(in[i]));
}

std::vector<std::string> read_texts(capnp::List<capnp::Text>::Reader in) {
  std::vector<std::string> out;
  out.reserve(in.size());
  for (const auto text : in) out.push_back(text_of(text));
  return out;
}

void write_struct(const StatusRow& in, schema::ClusterStatus::Row::Builder out) {
  out.setAddress(text_for(in.address));
  out.setStatus(text_for(in.status));
  out.setNode(text_for(in.node));
  out.setRack(text_for(in.rack));
  out.setDc(text_for(in.dc));
  out.setLoadBytes(in.load_bytes);
  out.setOwns(in.owns);
  out.setHintsFor(in.hints_for);
  out.setTokens(in.tokens);
  out.setFaults(in.faults);
  out.setClientPort(in.client_port);
}

StatusRow read_struct(schema::ClusterStatus::Row::Reader in) {
  StatusRow out;
  out.address = text_of(in.getAddress());
  out.status = text_of(in.getStatus());
  out.node = text_of(in.getNode());
  out.rack = text_of(in.getRack());
  out.dc = text_of(in.getDc());
  out.load_bytes = in.getLoadBytes();
  out.owns = in.getOwns();
  out.hints_for = in.getHintsFor();
  out.tokens = in.getTokens();
  out.faults = in.getFaults();
  out.client_port = in.getClientPort();
  return out;
}

void write_struct(const RingRow& in, schema::RingInfo::Row::Builder out) {
  out.setSlot(static_cast<std::uint16_t>(in.slot));
  out.setNode(text_for(in.node));
  out.setAddress(text_for(in.address));
}

RingRow read_struct(schema::RingInfo::Row::Reader in) {
  RingRow out;
  out.slot = in.getSlot();
  out.node = text_of(in.getNode());
  out.address = text_of(in.getAddress());
  return out;
}

void write_struct(const InspectRow& in, schema::InspectResult::Row::Builder out) {
  out.setAddress(text_for(in.address));
  out.setNode(text_for(in.node));
  out.setVersion(text_for(in.version));
  out.setContext(text_for(in.context));
  out.setDigest(text_for(in.digest));
  out.setTombstone(in.tombstone);
  out.setReachable(in.reachable);
  out.setDamaged(in.damaged);
  out.setNotReady(in.not_ready);
  out.setHintsPending(in.hints_pending);
}

InspectRow read_struct(schema::InspectResult::Row::Reader in) {
  InspectRow out;
  out.address = text_of(in.getAddress());
  out.node = text_of(in.getNode());
  out.version = text_of(in.getVersion());
  out.context = text_of(in.getContext());
  out.digest = text_of(in.getDigest());
  out.tombstone = in.getTombstone();
  out.reachable = in.getReachable();
  out.damaged = in.getDamaged();
  out.not_ready = in.getNotReady();
  out.hints_pending = in.getHintsPending();
  return out;
}

void write_struct(const ClusterStatus& in, schema::ClusterStatus::Builder out) {
  write_rows(in.nodes, out.initNodes(static_cast<unsigned>(in.nodes.size())));
  out.setRingDigest(text_for(in.ring_digest));
  out.setViewsAgree(in.views_agree);
  out.setClusterName(text_for(in.cluster_name));
  out.setClusterId(text_for(in.cluster_id));
  write_texts(in.no_answer, out.initNoAnswer(static_cast<unsigned>(in.no_answer.size())));
}

ClusterStatus read_struct(schema::ClusterStatus::Reader in) {
  ClusterStatus out;
  out.nodes = read_rows<StatusRow>(in.getNodes());
  out.ring_digest = text_of(in.getRingDigest());
  out.views_agree = in.getViewsAgree();
  out.cluster_name = text_of(in.getClusterName());
  out.cluster_id = text_of(in.getClusterId());
  out.no_answer = read_texts(in.getNoAnswer());
  return out;
}

void write_struct(const RingInfo& in, schema::RingInfo::Builder out) {
  out.setDigest(text_for(in.digest));
  write_rows(in.vnodes, out.initVnodes(static_cast<unsigned>(in.vnodes.size())));
}

RingInfo read_struct(schema::RingInfo::Reader in) {
  RingInfo out;
  out.digest = text_of(in.getDigest());
  out.vnodes = read_rows<RingRow>(in.getVnodes());
  return out;
}

void write_struct(const ReplicaAddress& in, schema::ReplicaAddress::Builder out) {
  out.setAddress(text_for(in.address));
  out.setNode(text_for(in.node));
}

ReplicaAddress read_struct(schema::ReplicaAddress::Reader in) {
  ReplicaAddress out;
  out.address = text_of(in.getAddress());
  out.node = text_of(in.getNode());
  return out;
}

void write_struct(const InspectResult& in, schema::InspectResult::Builder out) {
  write_rows(in.replicas, out.initReplicas(static_cast<unsigned>(in.replicas.size())));
  out.setDiverged(in.diverged);
  out.setExists(in.exists);
}

InspectResult read_struct(schema::InspectResult::Reader in) {
  InspectResult out;
  out.replicas = read_rows<InspectRow>(in.getReplicas());
  out.diverged = in.getDiverged();
  out.exists = in.getExists();
  return out;
}

void write_struct(const WorkRow& in, schema::WorkRow::Builder out) {
  out.setOp(text_for(in.op));
  out.setLevel(text_for(in.level));
  out.setOk(in.ok);
  out.setRefused(in.refused);
  out.setUnknown(in.unknown);
  out.setSecondsSum(in.seconds_sum);
  auto buckets = out.initBuckets(static_cast<unsigned>(in.buckets.size()));
  for (unsigned i = 0; i < in.buckets.size(); ++i) buckets.set(i, in.buckets[i]);
}

WorkRow read_struct(schema::WorkRow::Reader in) {
  WorkRow out;
  out.op = text_of(in.getOp());
  out.level = text_of(in.getLevel());
  out.ok = in.getOk();
  out.refused = in.getRefused();
  out.unknown = in.getUnknown();
  out.seconds_sum = in.getSecondsSum();
  for (const std::uint64_t bucket : in.getBuckets()) out.buckets.push_back(bucket);
  return out;
}

void write_struct(const NodeInfo& in, schema::NodeInfo::Builder out) {
  out.setNode(text_for(in.node));
  out.setAddress(text_for(in.address));
  out.setVersion(text_for(in.version));
  out.setClusterName(text_for(in.cluster_name));
  out.setClusterId(text_for(in.cluster_id));
  out.setStorageId(text_for(in.storage_id));
  out.setDataDir(text_for(in.data_dir));
  out.setClientPort(in.client_port);
  out.setPeerPort(in.peer_port);
  out.setHttpPort(in.http_port);
  out.setGeneration(in.generation);
  out.setUptimeMs(in.uptime_ms);
  out.setLoadBytes(in.load_bytes);
  out.setHints(in.hints);
  out.setRack(text_for(in.rack));
  out.setDc(text_for(in.dc));
  out.setReady(text_for(in.ready));
  auto options = out.initOptions(static_cast<unsigned>(in.options.size()));
  for (unsigned i = 0; i < in.options.size(); ++i) {
    options[i].setName(text_for(in.options[i].first));
    options[i].setValue(text_for(in.options[i].second));
  }
  write_rows(in.work, out.initWork(static_cast<unsigned>(in.work.size())));
}

NodeInfo read_struct(schema::NodeInfo::Reader in) {
  NodeInfo out;
  out.node = text_of(in.getNode());
  out.address = text_of(in.getAddress());
  out.version = text_of(in.getVersion());
  out.cluster_name = text_of(in.getClusterName());
  out.cluster_id = text_of(in.getClusterId());
  out.storage_id = text_of(in.getStorageId());
  out.data_dir = text_of(in.getDataDir());
  out.client_port = in.getClientPort();
  out.peer_port = in.getPeerPort();
  out.http_port = in.getHttpPort();
  out.generation = in.getGeneration();
  out.uptime_ms = in.getUptimeMs();
  out.load_bytes = in.getLoadBytes();
  out.hints = in.getHints();
  out.rack = text_of(in.getRack());
  out.dc = text_of(in.getDc());
  out.ready = text_of(in.getReady());
  for (const auto option : in.getOptions()) {
    out.options.emplace_back(text_of(option.getName()), text_of(option.getValue()));
  }
  out.work = read_rows<WorkRow>(in.getWork());
  return out;
}

void write_struct(const GossipRow& in, schema::GossipRow::Builder out) {
  out.setNode(text_for(in.node));
  out.setAddress(text_for(in.address));
  out.setLiveness(text_for(in.liveness));
  out.setGeneration(in.generation);
  out.setIncarnation(in.incarnation);
  out.setLastHeardMs(in.last_heard_ms);
  out.setRttMs(in.rtt_ms);
  out.setViewDigest(text_for(in.view_digest));
  out.setRingDigest(text_for(in.ring_digest));
}

GossipRow read_struct(schema::GossipRow::Reader in) {
  GossipRow out;
  out.node = text_of(in.getNode());
  out.address = text_of(in.getAddress());
  out.liveness = text_of(in.getLiveness());
  out.generation = in.getGeneration();
  out.incarnation = in.getIncarnation();
  out.last_heard_ms = in.getLastHeardMs();
  out.rtt_ms = in.getRttMs();
  out.view_digest = text_of(in.getViewDigest());
  out.ring_digest = text_of(in.getRingDigest());
  return out;
}

void write_struct(const HintRow& in, schema::HintRow::Builder out) {
  out.setHolder(text_for(in.holder));
  out.setTarget(text_for(in.target));
  out.setTargetNode(text_for(in.target_node));
  out.setHints(in.hints);
  out.setSoleHints(in.sole_hints);
  out.setBytes(in.bytes);
  out.setOldestMs(in.oldest_ms);
}

HintRow read_struct(schema::HintRow::Reader in) {
  HintRow out;
  out.holder = text_of(in.getHolder());
  out.target = text_of(in.getTarget());
  out.target_node = text_of(in.getTargetNode());
  out.hints = in.getHints();
  out.sole_hints = in.getSoleHints();
  out.bytes = in.getBytes();
  out.oldest_ms = in.getOldestMs();
  return out;
}

void write_struct(const RepairRow& in, schema::RepairRow::Builder out) {
  out.setHolder(text_for(in.holder));
  out.setPeer(text_for(in.peer));
  out.setLastSyncMs(in.last_sync_ms);
  out.setKeysLast(in.keys_last);
  out.setKeysTotal(in.keys_total);
  out.setRunning(in.running);
  out.setEqual(in.equal);
}

RepairRow read_struct(schema::RepairRow::Reader in) {
  RepairRow out;
  out.holder = text_of(in.getHolder());
  out.peer = text_of(in.getPeer());
  out.last_sync_ms = in.getLastSyncMs();
  out.keys_last = in.getKeysLast();
  out.keys_total = in.getKeysTotal();
  out.running = in.getRunning();
  out.equal = in.getEqual();
  return out;
}

void write_struct(const KeyspaceInfo& in, schema::KeyspaceInfo::Builder out) {
  out.setName(text_for(in.name));
  out.setId(text_for(in.id));
  out.setConflictRule(text_for(in.conflict_rule));
  write_level(in.read_level, out.initReadLevel());
  write_level(in.write_level, out.initWriteLevel());
  out.setReplicationFactor(in.replication_factor);
  out.setVersion(in.version);
}

KeyspaceInfo read_struct(schema::KeyspaceInfo::Reader in) {
  KeyspaceInfo out;
  out.name = text_of(in.getName());
  out.id = text_of(in.getId());
  out.conflict_rule = text_of(in.getConflictRule());
  out.read_level = parley::client::read_level(in.getReadLevel());
  out.write_level = parley::client::read_level(in.getWriteLevel());
  out.replication_factor = in.getReplicationFactor();
  out.version = in.getVersion();
  return out;
}

void write_struct(const ConflictRow& in, schema::ConflictRow::Builder out) {
  out.setKey(data_of(in.key));
  write_texts(in.versions, out.initVersions(static_cast<unsigned>(in.versions.size())));
}

ConflictRow read_struct(schema::ConflictRow::Reader in) {
  return {bytes_of(in.getKey()), read_texts(in.getVersions())};
}

}  // namespace parley::client
