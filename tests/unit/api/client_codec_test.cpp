#include "api/client_codec.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "api/kv_codec.h"
#include "base/hash.h"
#include "tests/catch.h"

namespace parley::client {
namespace {

// Length and XXH3-64 of a flat message: frozen, clients of other versions and languages read it.
struct Golden {
  std::size_t bytes;
  std::uint64_t hash;
  bool operator==(const Golden&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Golden& golden) {
  return out << "{" << golden.bytes << ", 0x" << std::hex << golden.hash << std::dec << "}";
}

Golden golden_of(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  const ByteView view(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  return {view.size(), hash64(view)};
}

// Writes, compares with the golden, and reads it back.
template <typename Schema, typename Struct>
Struct through(const Struct& in, const Golden& golden) {
  capnp::MallocMessageBuilder message;
  write_struct(in, message.initRoot<Schema>());
  CHECK(golden_of(message) == golden);
  return read_struct(message.getRoot<Schema>().asReader());
}

TEST_CASE("client codec: status goes through whole", "[api][golden]") {
  ClusterStatus in;
  in.nodes = {{"127.0.0.1", "UN", "n1", "rack", "dc", 10, 0.25, 3, 64, 2, 7400}};
  in.ring_digest = "00ff";
  in.views_agree = true;
  in.cluster_name = "name";
  in.cluster_id = "id";
  in.no_answer = {"127.0.0.8", "127.0.0.9"};
  const auto out = through<schema::ClusterStatus>(in, {272, 0x356e1a1b8ad5492c});
  REQUIRE(out.nodes.size() == 1);
  const StatusRow& row = out.nodes[0];
  CHECK(row.address == "127.0.0.1");
  CHECK(row.status == "UN");
  CHECK(row.node == "n1");
  CHECK(row.rack == "rack");
  CHECK(row.dc == "dc");
  CHECK(row.load_bytes == 10);
  CHECK(row.owns == 0.25);
  CHECK(row.hints_for == 3);
  CHECK(row.tokens == 64);
  CHECK(row.faults == 2);
  CHECK(row.client_port == 7400);
  CHECK(out.ring_digest == "00ff");
  CHECK(out.views_agree);
  CHECK(out.cluster_name == "name");
  CHECK(out.cluster_id == "id");
  CHECK(out.no_answer == in.no_answer);
}

TEST_CASE("client codec: ring, addresses and keyspaces go through whole", "[api][golden]") {
  const auto ring = through<schema::RingInfo>(RingInfo{"00ff", {{65535, "n1", "127.0.0.1"}}},
                                              {96, 0xe0d6d54f208fd241});
  CHECK(ring.digest == "00ff");
  CHECK(ring.vnodes.at(0).slot == 65535);
  CHECK(ring.vnodes.at(0).node == "n1");
  CHECK(ring.vnodes.at(0).address == "127.0.0.1");
  const auto address =
      through<schema::ReplicaAddress>(ReplicaAddress{"127.0.0.1", "n1"}, {56, 0x31a7b5b1837bd18});
  CHECK(address.address == "127.0.0.1");
  CHECK(address.node == "n1");
  const auto keyspace = through<schema::KeyspaceInfo>(
      KeyspaceInfo{"default", "id", "siblings", "quorum", "2", 3, 9}, {120, 0xb78294fdd56ee05b});
  CHECK(keyspace.name == "default");
  CHECK(keyspace.id == "id");
  CHECK(keyspace.conflict_rule == "siblings");
  CHECK(keyspace.read_level == "quorum");
  CHECK(keyspace.write_level == "2");
  CHECK(keyspace.replication_factor == 3);
  CHECK(keyspace.version == 9);
}

TEST_CASE("client codec: inspect goes through whole", "[api][golden]") {
  InspectResult in;
  in.replicas = {{"127.0.0.1", "n1", "v", "c", "d", true, false, true, 4, false}};
  in.diverged = false;
  in.exists = true;
  const auto out = through<schema::InspectResult>(in, {144, 0xf8c4aa4fbba6337});
  const InspectRow& row = out.replicas.at(0);
  CHECK(row.address == "127.0.0.1");
  CHECK(row.node == "n1");
  CHECK(row.version == "v");
  CHECK(row.context == "c");
  CHECK(row.digest == "d");
  CHECK(row.tombstone);
  CHECK_FALSE(row.reachable);
  CHECK(row.damaged);
  CHECK(row.hints_pending == 4);
  CHECK_FALSE(row.not_ready);
  CHECK_FALSE(out.diverged);
  CHECK(out.exists);
  in.replicas[0].not_ready = true;
  CHECK(through<schema::InspectResult>(in, {144, 0xb2243dfd078b748}).replicas.at(0).not_ready);
}

TEST_CASE("client codec: info goes through whole", "[api][golden]") {
  NodeInfo in{"n", "a", "v", "cn", "ci", "s", "d", 1, 2, 3, 4, 5, 6, 7, "r", "dc", "ready", {}, {}};
  in.options = {{"x.y", "z"}};
  in.work = {{"get", "quorum", 8, 9, 10, 0.5, {11, 12}}};
  const auto out = through<schema::NodeInfo>(in, {368, 0x132e46a59e40f8c3});
  CHECK(out.node + out.address + out.version + out.cluster_name + out.cluster_id + out.storage_id +
            out.data_dir + out.rack + out.dc + out.ready ==
        "navcncisdrdcready");
  CHECK(out.client_port == 1);
  CHECK(out.peer_port == 2);
  CHECK(out.http_port == 3);
  CHECK(out.generation == 4);
  CHECK(out.uptime_ms == 5);
  CHECK(out.load_bytes == 6);
  CHECK(out.hints == 7);
  CHECK(out.options == in.options);
  CHECK(out.work == in.work);
}

TEST_CASE("client codec: gossip, hint and repair rows go through whole", "[api][golden]") {
  const auto gossip = through<schema::GossipRow>(
      GossipRow{"n", "a", "alive", 1, 2, -1, 0.5, "vd", "rd"}, {128, 0xd85f7f949f5ffd55});
  CHECK(gossip.liveness == "alive");
  CHECK(gossip.generation == 1);
  CHECK(gossip.incarnation == 2);
  CHECK(gossip.last_heard_ms == -1);
  CHECK(gossip.rtt_ms == 0.5);
  CHECK(gossip.view_digest == "vd");
  CHECK(gossip.ring_digest == "rd");
  const auto hint =
      through<schema::HintRow>(HintRow{"h", "t", "tn", 1, 2, 3, 4}, {96, 0xf7611d69511d0695});
  CHECK(hint.holder + hint.target + hint.target_node == "httn");
  CHECK(hint.hints == 1);
  CHECK(hint.sole_hints == 2);
  CHECK(hint.bytes == 3);
  CHECK(hint.oldest_ms == 4);
  const auto repair = through<schema::RepairRow>(RepairRow{"h", "p", -1, 2, 3, true, false},
                                                 {80, 0x9b3205c565d9ddf1});
  CHECK(repair.holder + repair.peer == "hp");
  CHECK(repair.last_sync_ms == -1);
  CHECK(repair.keys_last == 2);
  CHECK(repair.keys_total == 3);
  CHECK(repair.running);
  CHECK_FALSE(repair.equal);
}

TEST_CASE("client codec: an answer of several nodes names the silent ones", "[api][golden]") {
  capnp::MallocMessageBuilder message;
  auto results = message.initRoot<schema::Admin::HintsResults>();
  write_rows(std::vector<HintRow>{{"h", "t", "tn", 1, 2, 3, 4}}, results.initRows(1));
  write_texts({"127.0.0.8", ""}, results.initNoAnswer(2));
  CHECK(golden_of(message) == Golden{168, 0x8377df9f67c819a2});
  const auto in = message.getRoot<schema::Admin::HintsResults>().asReader();
  CHECK(read_rows<HintRow>(in.getRows()).at(0).oldest_ms == 4);
  CHECK(read_texts(in.getNoAnswer()) == std::vector<std::string>{"127.0.0.8", ""});
  // A node of an earlier version says nothing of it.
  capnp::MallocMessageBuilder earlier;
  CHECK(
      read_texts(earlier.initRoot<schema::Admin::HintsResults>().asReader().getNoAnswer()).empty());
}

TEST_CASE("codec: a write request means the same at both ends", "[api][golden]") {
  OpId op;
  op.octets[0] = 9;
  capnp::MallocMessageBuilder message;
  write_write("key", Bytes("value"), Bytes("ctx"), op, message.initRoot<schema::Write>());
  CHECK(golden_of(message) == Golden{96, 0x92916afa92d56b8a});
  const auto in = message.getRoot<schema::Write>().asReader();
  const auto out = api::read_write(in, false);
  REQUIRE(out.ok());
  CHECK(out->key == "key");
  CHECK(out->value == Bytes("value"));
  CHECK(out->context == Bytes("ctx"));
  CHECK(out->op == op);
  CHECK_FALSE(api::read_write(in, true)->value.has_value());
  capnp::MallocMessageBuilder bare;
  write_write("key", std::nullopt, Bytes(), OpId{}, bare.initRoot<schema::Write>());
  const auto blind = api::read_write(bare.getRoot<schema::Write>().asReader(), false);
  CHECK_FALSE(blind->context.has_value());
  CHECK(blind->op.is_nil());
  CHECK(bare.getRoot<schema::Write>().getIsDelete());
  bare.getRoot<schema::Write>().setOpId(data_of("short"));
  CHECK(api::read_write(bare.getRoot<schema::Write>().asReader(), false).error().code ==
        ErrorCode::InvalidArgument);
}

TEST_CASE("codec: a receipt means the same at both ends", "[api][golden]") {
  using replication::ReplicaState;
  replication::WriteReply reply;
  reply.outcome = replication::Outcome::Unknown;
  reply.error = Error{ErrorCode::Unknown, "late", 0};
  reply.version = "v";
  reply.context = "c";
  reply.level = {replication::Level::Kind::Number, 2};
  reply.required = 2;
  for (const auto state : {ReplicaState::Durable, ReplicaState::Memory, ReplicaState::Hinted,
                           ReplicaState::Failed, ReplicaState::NoAnswer, ReplicaState::Pending}) {
    reply.replicas.push_back({NodeId{}, "127.0.0.1", state, "h"});
  }
  reply.hint_holders = {"h"};
  capnp::MallocMessageBuilder message;
  api::write_result(reply, message.initRoot<schema::WriteResult>());
  CHECK(golden_of(message) == Golden{728, 0x7302a7fdc6b2793d});
  const auto out = read_result(message.getRoot<schema::WriteResult>().asReader());
  CHECK(out.outcome == Outcome::Unknown);
  CHECK(out.error->code == ErrorCode::Unknown);
  CHECK(out.error->message == "late");
  CHECK(out.version == "v");
  CHECK(out.context == "c");
  CHECK(out.level == "2");
  CHECK(out.required == 2);
  std::string states;
  for (const auto& replica : out.replicas) states += replica.state + " ";
  CHECK(states == "durable memory hinted failed no_answer pending ");
  CHECK(out.hint_holders == std::vector<std::string>{"h"});
}

TEST_CASE("codec: a read's answer means the same at both ends", "[api][golden]") {
  replication::ReadReply reply;
  reply.outcome = replication::Outcome::Ok;
  reply.found = reply.from_hint = true;
  reply.values = {{Bytes("\0\xff", 2), "v1"}, {"b", "v2"}};
  reply.context = "c";
  reply.level = {replication::Level::Kind::Any, 0};
  reply.required = 1;
  reply.asked = 2;
  reply.answered = 3;
  reply.agreed = 4;
  reply.repaired = 5;
  capnp::MallocMessageBuilder message;
  api::write_result(reply, message.initRoot<schema::ReadResult>());
  CHECK(golden_of(message) == Golden{168, 0x272879789bdfe0e1});
  const auto out = read_result(message.getRoot<schema::ReadResult>().asReader());
  CHECK(out.outcome == Outcome::Ok);
  CHECK_FALSE(out.error.has_value());
  CHECK(out.found);
  CHECK(out.from_hint);
  REQUIRE(out.values.size() == 2);
  CHECK(out.values[0].value == Bytes("\0\xff", 2));
  CHECK(out.values[1].version == "v2");
  CHECK(out.level == "any");
  CHECK(out.required == 1);
  CHECK(out.asked == 2);
  CHECK(out.answered == 3);
  CHECK(out.agreed == 4);
  CHECK(out.repaired == 5);
}

TEST_CASE("codec: a trace means the same at both ends", "[api][golden]") {
  NodeId node;
  node.octets[0] = 9;
  const std::vector<replication::TraceRow> rows = {{node, "127.0.0.1", "mint", 5, 700, "ok"},
                                                   {node, "127.0.0.2", "write", 710, -1, ""}};
  replication::WriteReply written;
  written.trace = rows;
  replication::ReadReply read;
  read.trace = rows;
  const auto check = [&](const auto& out) {
    REQUIRE(out.trace.size() == 2);
    CHECK(out.trace[0].node == to_text(node));
    CHECK(out.trace[0].address == "127.0.0.1");
    CHECK(out.trace[0].what == "mint");
    CHECK(out.trace[0].sent_us == 5);
    CHECK(out.trace[0].answered_us == 700);
    CHECK(out.trace[0].outcome == "ok");
    CHECK(out.trace[1].answered_us == -1);
    CHECK(out.trace[1].outcome.empty());
  };
  capnp::MallocMessageBuilder write_message, read_message;
  api::write_result(written, write_message.initRoot<schema::WriteResult>());
  CHECK(golden_of(write_message) == Golden{344, 0x1c28b3bbbe76d6c9});
  check(read_result(write_message.getRoot<schema::WriteResult>().asReader()));
  api::write_result(read, read_message.initRoot<schema::ReadResult>());
  CHECK(golden_of(read_message) == Golden{336, 0x33990d806bbf3237});
  check(read_result(read_message.getRoot<schema::ReadResult>().asReader()));
  WriteOptions write_asks;
  write_asks.trace = true;
  ReadOptions read_asks;
  read_asks.trace = true;
  capnp::MallocMessageBuilder asked_write, asked_read;
  write_options(write_asks, 1500, asked_write.initRoot<schema::WriteOptions>());
  write_options(read_asks, 1500, asked_read.initRoot<schema::ReadOptions>());
  CHECK(asked_write.getRoot<schema::WriteOptions>().getTrace());
  CHECK(asked_read.getRoot<schema::ReadOptions>().getTrace());
  CHECK(golden_of(asked_write) == Golden{56, 0xb584236867ac4009});
  CHECK(golden_of(asked_read) == Golden{56, 0x6827d3b24c344b9e});
}

TEST_CASE("client codec: a row of conflicts goes through whole", "[api][golden]") {
  const auto row = through<schema::ConflictRow>(ConflictRow{Bytes("\0k", 2), {"v1", "v2"}},
                                                {72, 0xa88e959c33bc778b});
  CHECK(row.key == Bytes("\0k", 2));
  CHECK(row.versions == std::vector<std::string>{"v1", "v2"});
}

TEST_CASE("codec: an empty message is no success", "[api]") {
  capnp::MallocMessageBuilder message;
  const auto out = read_result(message.initRoot<schema::WriteResult>().asReader());
  CHECK(out.outcome == Outcome::Unknown);
  CHECK(out.error.has_value());
}

TEST_CASE("codec: options, levels and failures are frozen", "[api][golden]") {
  const auto write_golden = [](const WriteOptions& options) {
    capnp::MallocMessageBuilder message;
    write_options(options, 1500, message.initRoot<schema::WriteOptions>());
    return golden_of(message);
  };
  WriteOptions write;
  CHECK(write_golden(write) == Golden{56, 0xe3292cf5f6eb3d5f});
  write.level = "2";
  write.keyspace = "orders";
  write.memory_durability = true;
  CHECK(write_golden(write) == Golden{56, 0xfde6b4c7b3eee915});
  ReadOptions read;
  read.level = "any";
  capnp::MallocMessageBuilder message;
  write_options(read, 70000, message.initRoot<schema::ReadOptions>());
  CHECK(golden_of(message) == Golden{56, 0xf41887fea0ed44ff});
  const auto level_golden = [](const std::string& text) {
    capnp::MallocMessageBuilder level;
    write_level(text, level.initRoot<schema::Level>());
    return golden_of(level);
  };
  CHECK(level_golden("") == Golden{24, 0xd11973d90c06fc4d});
  CHECK(level_golden("all") == Golden{24, 0xdb6443db4281b3e0});
  CHECK(level_golden("quorum") == Golden{24, 0x359a731590969e3f});
  CHECK(level_golden("one") == Golden{24, 0x7fccc6629d43ec47});
  CHECK(level_golden("any") == Golden{24, 0x84b8919e8e98cce4});
  CHECK(level_golden("7") == Golden{24, 0x6fee28c35388d6e2});
  capnp::MallocMessageBuilder failure;
  write_failure({ErrorCode::Overloaded, "busy", 20}, failure.initRoot<schema::Failure>());
  CHECK(golden_of(failure) == Golden{40, 0xaf9f7843c251e4a7});
}

TEST_CASE("codec: levels go through as text and as numbers", "[api]") {
  for (const std::string text : {"", "all", "quorum", "one", "any", "1", "3", "4294967295"}) {
    REQUIRE(check_level_text(text).ok());
    capnp::MallocMessageBuilder message;
    write_level(text, message.initRoot<schema::Level>());
    const auto in = message.getRoot<schema::Level>().asReader();
    CHECK(read_level(in) == text);
    const auto level = api::read_level(in);
    REQUIRE(level.ok());
    CHECK(level->has_value() == !text.empty());
    if (*level) CHECK(replication::to_text(**level) == text);
  }
  for (const std::string text : {"0", "-1", "+1", "1x", "most", "ALL ", "4294967296"}) {
    CHECK(check_level_text(text).error().code == ErrorCode::InvalidArgument);
  }
  capnp::MallocMessageBuilder message;
  message.initRoot<schema::Level>().setNumber(0);
  CHECK_FALSE(api::read_level(message.getRoot<schema::Level>().asReader()).ok());
}

TEST_CASE("client codec: latencies go through whole", "[api][golden]") {
  NodeLatencies in{"n1", "127.0.0.1", {{1, 2, 3}}, {{4, 5, 6}}, {{7, 8, 9}}, {}};
  in.peers = {{"n2", "127.0.0.2", {{1, 2, 3}, {2, 4, 0.5}}, {{4, 5, 6}}, {{7, 8, 9}}, {{1, 9, 2}}}};
  const auto out = through<schema::NodeLatencies>(in, {352, 0x8d99d5e67a00f94a});
  const auto same = [](const LatencyBuckets& a, const LatencyBuckets& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
      return x.from_ms == y.from_ms && x.to_ms == y.to_ms && x.weight == y.weight;
    });
  };
  CHECK(out.node == "n1");
  CHECK(out.address == "127.0.0.1");
  CHECK(same(out.mint, in.mint));
  CHECK(same(out.merge, in.merge));
  CHECK(same(out.read, in.read));
  REQUIRE(out.peers.size() == 1);
  CHECK(out.peers[0].node == "n2");
  CHECK(out.peers[0].address == "127.0.0.2");
  CHECK(same(out.peers[0].write_out, in.peers[0].write_out));
  CHECK(same(out.peers[0].write_back, in.peers[0].write_back));
  CHECK(same(out.peers[0].read_out, in.peers[0].read_out));
  CHECK(same(out.peers[0].read_back, in.peers[0].read_back));
}

TEST_CASE("codec: every error code has one number at both ends", "[api]") {
  const auto last = static_cast<std::uint16_t>(ErrorCode::ClockSkew);
  for (std::uint16_t n = 1; n <= last; ++n) {
    const auto code = static_cast<ErrorCode>(n);
    capnp::MallocMessageBuilder message;
    write_failure({code, "m", 5}, message.initRoot<schema::Failure>());
    const auto in = message.getRoot<schema::Failure>().asReader();
    CHECK(static_cast<std::uint16_t>(in.getCode()) == n);
    CHECK(read_failure(in)->code == code);
    CHECK(read_failure(in)->message == "m");
    CHECK(read_failure(in)->retry_after_ms == 5);
  }
  for (const int unknown : {0, last + 1, 999}) {
    CHECK(from_schema(static_cast<schema::ErrorCode>(unknown)) == ErrorCode::Internal);
  }
  capnp::MallocMessageBuilder none;
  CHECK_FALSE(read_failure(none.initRoot<schema::Failure>().asReader()).has_value());
}

TEST_CASE("codec: a topology goes through; nodes that cannot be dialled are left out",
          "[api][golden]") {
  Topology in;
  in.ring_digest = 77;
  in.replication_factor = 3;
  in.nodes.resize(2);
  in.nodes[0].node.octets[0] = 1;
  in.nodes[0].client = {"127.0.0.1", 7400};
  in.nodes[0].up = true;
  in.nodes[0].slots = {5, 6};
  in.nodes[1].client = {"no.address", 7400};
  capnp::MallocMessageBuilder message;
  write_topology(in, message.initRoot<schema::Topology>());
  CHECK(golden_of(message) == Golden{200, 0x1f14a4ca25a7a35a});
  const auto out = read_topology(message.getRoot<schema::Topology>().asReader());
  CHECK(out.ring_digest == 77);
  CHECK(out.replication_factor == 3);
  REQUIRE(out.nodes.size() == 1);
  CHECK(out.nodes[0].client == in.nodes[0].client);
  CHECK(out.nodes[0].up);
  CHECK(out.nodes[0].slots == in.nodes[0].slots);
}

}  // namespace
}  // namespace parley::client
