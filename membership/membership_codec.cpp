#include "membership/membership_codec.h"

#include "membership/flat_codec.h"
#include "membership/membership.capnp.h"
#include "membership/record_codec.h"

namespace parley::membership {

namespace {

template <typename Id>
std::optional<Id> read_id(capnp::Data::Reader data) {
  const auto id = Id::from_bytes(bytes_of(data));
  if (!id || id->is_nil()) return std::nullopt;
  return id;
}

template <typename T>
Result<T> or_malformed(std::optional<T> read) {
  if (!read) return Error{ErrorCode::InvalidArgument, "malformed membership message"};
  return std::move(*read);
}

template <typename List, typename Record, typename Encode>
void write_all(List list, const std::vector<Record>& records, Encode encode) {
  for (unsigned i = 0; i < records.size(); ++i) list.set(i, data_of(encode(records[i])));
}

template <typename Record, typename Decode>
bool read_all(capnp::List<capnp::Data>::Reader list, std::vector<Record>& records, Decode decode) {
  for (const auto data : list) {
    auto record = decode(bytes_of(data));
    if (!record) return false;
    records.push_back(std::move(*record));
  }
  return true;
}

template <typename Id>
Bytes id_bytes(const Id& id) {
  return Bytes(id.view());
}
template <typename Id>
std::optional<Id> id_of(const Bytes& bytes) {
  return Id::from_bytes(bytes);
}

unsigned size_of(const auto& list) { return static_cast<unsigned>(list.size()); }

void write_claim(wire::Claim::Builder out, const Claim& claim) {
  out.setNode(data_of(claim.node.view()));
  out.setGeneration(claim.generation);
  out.setNonce(claim.nonce);
  out.setIncarnation(claim.incarnation);
  out.setLiveness(static_cast<std::uint8_t>(claim.liveness));
  out.setAccuser(data_of(claim.accuser.view()));
}

std::optional<Claim> read_claim(wire::Claim::Reader in) {
  const auto node = read_id<NodeId>(in.getNode());
  const auto accuser = NodeId::from_bytes(bytes_of(in.getAccuser()));
  if (!node || !accuser || in.getLiveness() > static_cast<std::uint8_t>(Liveness::Left)) {
    return std::nullopt;
  }
  return Claim{*node,    in.getGeneration(), in.getIncarnation(), Liveness{in.getLiveness()},
               *accuser, in.getNonce()};
}

}  // namespace

Bytes encode_join_ask(const JoinAsk& m) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::JoinAsk>();
  out.setNode(data_of(m.node.view()));
  out.setClusterName(m.cluster_name);
  out.setWouldFound(m.would_found);
  return flat_bytes(message);
}

Result<JoinAsk> decode_join_ask(ByteView bytes) {
  return or_malformed(
      read_flat<wire::JoinAsk>(bytes, [](wire::JoinAsk::Reader in) -> std::optional<JoinAsk> {
        const auto node = read_id<NodeId>(in.getNode());
        if (!node) return std::nullopt;
        return JoinAsk{*node, in.getClusterName(), in.getWouldFound()};
      }));
}

Bytes encode_join_ask_reply(const JoinAskReply& m) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::JoinAskReply>();
  out.setHasCluster(m.has_cluster);
  out.setNode(data_of(m.node.view()));
  out.setWouldFound(m.would_found);
  out.setCluster(data_of(m.cluster.view()));
  out.setClusterName(m.cluster_name);
  out.setClusterKey(data_of(m.cluster_key));
  write_all(out.initNodes(size_of(m.nodes)), m.nodes, encode_record);
  write_all(out.initKeyspaces(size_of(m.keyspaces)), m.keyspaces, encode_keyspace);
  return flat_bytes(message);
}

Result<JoinAskReply> decode_join_ask_reply(ByteView bytes) {
  return or_malformed(read_flat<wire::JoinAskReply>(
      bytes, [](wire::JoinAskReply::Reader in) -> std::optional<JoinAskReply> {
        JoinAskReply m;
        const auto node = read_id<NodeId>(in.getNode());
        const auto cluster = ClusterId::from_bytes(bytes_of(in.getCluster()));
        if (!node || !cluster || in.getHasCluster() == cluster->is_nil()) return std::nullopt;
        m.has_cluster = in.getHasCluster();
        m.node = *node;
        m.would_found = in.getWouldFound();
        m.cluster = *cluster;
        m.cluster_name = in.getClusterName();
        m.cluster_key = bytes_of(in.getClusterKey());
        if (m.has_cluster && m.cluster_key.size() != 32) return std::nullopt;
        if (!read_all(in.getNodes(), m.nodes, decode_record)) return std::nullopt;
        if (!read_all(in.getKeyspaces(), m.keyspaces, decode_keyspace)) return std::nullopt;
        return m;
      }));
}

Bytes encode_join_grant(const JoinGrant& m) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::JoinGrant>();
  out.setNode(data_of(m.node.view()));
  out.setCluster(data_of(m.cluster.view()));
  out.setRingDigest(m.ring_digest);
  return flat_bytes(message);
}

Result<JoinGrant> decode_join_grant(ByteView bytes) {
  return or_malformed(
      read_flat<wire::JoinGrant>(bytes, [](wire::JoinGrant::Reader in) -> std::optional<JoinGrant> {
        const auto node = read_id<NodeId>(in.getNode());
        const auto cluster = read_id<ClusterId>(in.getCluster());
        if (!node || !cluster) return std::nullopt;
        return JoinGrant{*node, *cluster, in.getRingDigest()};
      }));
}

Bytes encode_join_grant_reply(const JoinGrantReply& m) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::JoinGrantReply>();
  out.setVerdict(static_cast<std::uint16_t>(m.verdict));
  out.setFirst(data_of(m.first.view()));
  return flat_bytes(message);
}

Result<JoinGrantReply> decode_join_grant_reply(ByteView bytes) {
  return or_malformed(read_flat<wire::JoinGrantReply>(
      bytes, [](wire::JoinGrantReply::Reader in) -> std::optional<JoinGrantReply> {
        const auto first = NodeId::from_bytes(bytes_of(in.getFirst()));
        const auto verdict = in.getVerdict();
        if (!first || verdict < 1 || verdict > static_cast<int>(GrantVerdict::StaleRing)) {
          return std::nullopt;
        }
        return JoinGrantReply{GrantVerdict{verdict}, *first};
      }));
}

Bytes encode_join_done(const JoinDone& m) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::JoinDone>();
  out.setNode(data_of(m.node.view()));
  out.setCluster(data_of(m.cluster.view()));
  write_all(out.initRecord(size_of(m.record)), m.record, encode_record);
  return flat_bytes(message);
}

Result<JoinDone> decode_join_done(ByteView bytes) {
  return or_malformed(
      read_flat<wire::JoinDone>(bytes, [](wire::JoinDone::Reader in) -> std::optional<JoinDone> {
        const auto node = read_id<NodeId>(in.getNode());
        const auto cluster = read_id<ClusterId>(in.getCluster());
        if (!node || !cluster) return std::nullopt;
        JoinDone m{*node, *cluster, {}};
        if (!read_all(in.getRecord(), m.record, decode_record)) return std::nullopt;
        if (m.record.size() > 1) return std::nullopt;
        if (m.record.size() == 1 && m.record[0].node != m.node) return std::nullopt;
        return m;
      }));
}

Bytes encode_member_sync(const MemberSync& m) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::MemberSync>();
  out.setSender(data_of(m.sender.view()));
  out.setAsks(m.asks);
  auto nodes = out.initNodes(size_of(m.nodes));
  for (unsigned i = 0; i < nodes.size(); ++i) {
    write_claim(nodes[i].initClaim(), m.nodes[i].claim);
    nodes[i].setGeneration(m.nodes[i].generation);
    nodes[i].setVersion(m.nodes[i].version);
    nodes[i].setDigest(m.nodes[i].digest);
  }
  auto keyspaces = out.initKeyspaces(size_of(m.keyspaces));
  for (unsigned i = 0; i < keyspaces.size(); ++i) {
    keyspaces[i].setId(data_of(m.keyspaces[i].id.view()));
    keyspaces[i].setVersion(m.keyspaces[i].version);
    keyspaces[i].setDigest(m.keyspaces[i].digest);
  }
  write_all(out.initNodeRecords(size_of(m.node_records)), m.node_records, encode_record);
  write_all(out.initKeyspaceRecords(size_of(m.keyspace_records)), m.keyspace_records,
            encode_keyspace);
  write_all(out.initNodesWanted(size_of(m.nodes_wanted)), m.nodes_wanted, id_bytes<NodeId>);
  write_all(out.initKeyspacesWanted(size_of(m.keyspaces_wanted)), m.keyspaces_wanted,
            id_bytes<KeyspaceId>);
  return flat_bytes(message);
}

Result<MemberSync> decode_member_sync(ByteView bytes) {
  return or_malformed(read_flat<wire::MemberSync>(
      bytes, [](wire::MemberSync::Reader in) -> std::optional<MemberSync> {
        MemberSync m;
        const auto sender = read_id<NodeId>(in.getSender());
        if (!sender) return std::nullopt;
        m.sender = *sender;
        m.asks = in.getAsks();
        for (const auto node : in.getNodes()) {
          const auto claim = read_claim(node.getClaim());
          if (!claim) return std::nullopt;
          m.nodes.push_back({*claim, node.getGeneration(), node.getVersion(), node.getDigest()});
        }
        for (const auto keyspace : in.getKeyspaces()) {
          const auto id = read_id<KeyspaceId>(keyspace.getId());
          if (!id) return std::nullopt;
          m.keyspaces.push_back({*id, keyspace.getVersion(), keyspace.getDigest()});
        }
        const bool sound = read_all(in.getNodeRecords(), m.node_records, decode_record) &&
                           read_all(in.getKeyspaceRecords(), m.keyspace_records, decode_keyspace) &&
                           read_all(in.getNodesWanted(), m.nodes_wanted, id_of<NodeId>) &&
                           read_all(in.getKeyspacesWanted(), m.keyspaces_wanted, id_of<KeyspaceId>);
        if (!sound) return std::nullopt;
        return m;
      }));
}

Bytes encode_stream_probe(const Claim& claim) {
  capnp::MallocMessageBuilder message;
  write_claim(message.initRoot<wire::StreamProbe>().initClaim(), claim);
  return flat_bytes(message);
}

Result<Claim> decode_stream_probe(ByteView bytes) {
  return or_malformed(read_flat<wire::StreamProbe>(
      bytes, [](wire::StreamProbe::Reader in) { return read_claim(in.getClaim()); }));
}

Bytes encode_keyspace_set(const HeldKeyspace& keyspace) {
  capnp::MallocMessageBuilder message;
  message.initRoot<wire::KeyspaceSet>().setRecord(data_of(encode_keyspace(keyspace)));
  return flat_bytes(message);
}

Result<HeldKeyspace> decode_keyspace_set(ByteView bytes) {
  return or_malformed(read_flat<wire::KeyspaceSet>(bytes, [](wire::KeyspaceSet::Reader in) {
    return decode_keyspace(bytes_of(in.getRecord()));
  }));
}

}  // namespace parley::membership
