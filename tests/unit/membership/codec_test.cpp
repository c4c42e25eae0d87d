// Golden bytes and hostile bytes of everything that membership sends or keeps.
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "base/hash.h"
#include "base/random.h"
#include "membership/gossip_codec.h"
#include "membership/membership_codec.h"
#include "membership/record_codec.h"
#include "membership/records.h"
#include "tests/catch.h"

namespace parley::membership {
namespace {

template <typename Id>
Id some(std::uint8_t n) {
  Id out;
  for (std::size_t i = 0; i < 16; ++i) out.octets[i] = static_cast<std::uint8_t>(n + i);
  return out;
}
Claim some_claim() { return {some<NodeId>(1), 7, 3, Liveness::Suspect, some<NodeId>(9), 42}; }
NodeRecord some_record() {
  const auto node = some<NodeId>(1);
  return {
      node, 7,    2,    "127.0.0.5", 7400,
      7401, 7402, "r1", "d1",        {node, 4, ring::RingStatus::Normal, "r1", {1, 500, 65535}}};
}
HeldKeyspace some_keyspace() {
  return {{some<KeyspaceId>(5), "default", 3, 3, ConflictRule::Siblings, 1, 17}, 3, 3};
}
HeldKeyspace keyspace_set_by_halves() {
  HeldKeyspace out = some_keyspace();
  out.write_version = 2;
  return out;
}
const GossipCluster kCluster{some<ClusterId>(3), 77};

Datagram some_datagram() {
  Datagram d;
  d.kind = DatagramKind::PingReq;
  d.sequence = 11;
  d.sender = some<NodeId>(1);
  d.generation = 2;
  d.incarnation = 3;
  d.nonce = 4;
  d.health = 5;
  d.view_digest = 6;
  d.ring_digest = 7;
  d.target = some<NodeId>(8);
  d.updates = {some_claim()};
  d.wall = {1'780'000'000'123};
  return d;
}
JoinAskReply some_reply() {
  return {true,
          some<NodeId>(1),
          true,
          some<ClusterId>(2),
          "c",
          Bytes(32, 'k'),
          {some_record()},
          {some_keyspace()}};
}
MemberSync some_sync() {
  return {some<NodeId>(1),           true,
          {{some_claim(), 1, 2, 3}}, {{some<KeyspaceId>(4), 5, 6}},
          {some_record()},           {some_keyspace()},
          {some<NodeId>(7)},         {some<KeyspaceId>(8)}};
}
SavedState some_state() {
  return {some<ClusterId>(2),     "c", Bytes(32, 'k'), true, {some_record()}, {some_keyspace()},
          {{some<NodeId>(9), 10}}};
}

struct Form {
  const char* name;
  Bytes bytes;
  std::function<bool(ByteView)> reads;  // decodes, and gives back the same value
};

template <typename T, typename Decode>
std::function<bool(ByteView)> same(T value, Decode decode) {
  return [value, decode](ByteView bytes) {
    const auto read = decode(bytes);
    return static_cast<bool>(read) && *read == value;
  };
}

std::vector<Form> forms() {
  const JoinAsk ask{some<NodeId>(1), "c", true};
  const JoinGrant grant{some<NodeId>(1), some<ClusterId>(2), 9};
  const JoinGrantReply grant_reply{GrantVerdict::Wait, some<NodeId>(4)};
  const JoinDone done{some<NodeId>(1), some<ClusterId>(2), {some_record()}};
  const auto gossip = [](ByteView b) { return decode_datagram(kCluster, b); };
  return {
      {"datagram", encode_datagram(kCluster, some_datagram()), same(some_datagram(), gossip)},
      {"join ask", encode_join_ask(ask), same(ask, decode_join_ask)},
      {"join ask reply", encode_join_ask_reply(some_reply()),
       same(some_reply(), decode_join_ask_reply)},
      {"join grant", encode_join_grant(grant), same(grant, decode_join_grant)},
      {"join grant reply", encode_join_grant_reply(grant_reply),
       same(grant_reply, decode_join_grant_reply)},
      {"join done", encode_join_done(done), same(done, decode_join_done)},
      {"member sync", encode_member_sync(some_sync()), same(some_sync(), decode_member_sync)},
      {"stream probe", encode_stream_probe(some_claim()), same(some_claim(), decode_stream_probe)},
      {"keyspace set", encode_keyspace_set(some_keyspace()),
       same(some_keyspace(), decode_keyspace_set)},
      {"node record", encode_record(some_record()), same(some_record(), decode_record)},
      {"keyspace record", encode_keyspace(some_keyspace()), same(some_keyspace(), decode_keyspace)},
      {"saved state", encode_state(some_state()), same(some_state(), decode_state)},
      {"keyspace record, a version for each level", encode_keyspace(keyspace_set_by_halves()),
       same(keyspace_set_by_halves(), decode_keyspace)},
  };
}

// Frozen: bytes that other nodes or older disks may hold. "name: hex" lines.
std::map<std::string, Bytes> golden_forms() {
  const auto file =
      std::filesystem::path(__FILE__).parent_path() / "../../golden/membership_forms.txt";
  std::ifstream in(file);
  std::map<std::string, Bytes> out;
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    out[line.substr(0, colon)] = from_hex(line.substr(colon + 2)).value_or("");
  }
  return out;
}

TEST_CASE("codec: a node that rebuilds itself says so in its record", "[membership][codec]") {
  NodeRecord record = some_record();
  const Bytes serving = encode_record(record);
  record.serves = false;
  const Bytes rebuilding = encode_record(record);
  CHECK(decode_record(serving)->serves);
  REQUIRE(decode_record(rebuilding).has_value());
  CHECK(*decode_record(rebuilding) == record);
  CHECK(hash64(serving) != hash64(rebuilding));  // so the others find the difference
}

TEST_CASE("codec: every message reads back, and its bytes are frozen", "[membership][golden]") {
  auto golden = golden_forms();
  CHECK(golden.size() == forms().size() + 1);  // and an earlier form
  for (const Form& form : forms()) {
    INFO("GOLDEN " << form.name << ": " << to_hex(form.bytes));
    CHECK(form.reads(form.bytes));
    CHECK(form.reads(golden[form.name]));
    CHECK(form.bytes == golden[form.name]);
  }
}

TEST_CASE("codec: a state saved by an earlier version is read, to its last bit",
          "[membership][golden]") {
  const Bytes first = golden_forms()["saved state, form 1"];
  SavedState without_nonces = some_state();
  without_nonces.nonces.clear();
  const auto read = decode_state(first);
  REQUIRE(read.ok());
  CHECK(*read == without_nonces);
  for (std::size_t bit = 0; bit < first.size() * 8; ++bit) {
    Bytes bent = first;
    bent[bit / 8] = static_cast<char>(bent[bit / 8] ^ (1 << (bit % 8)));
    REQUIRE_FALSE(decode_state(bent).ok());
  }
}

TEST_CASE("codec: cut, flipped and random bytes harm nothing", "[membership][property]") {
  Random random(1);
  for (const Form& form : forms()) {
    for (std::size_t length = 0; length < form.bytes.size(); length += 3) {
      (void)form.reads(ByteView(form.bytes).substr(0, length));
    }
    for (int i = 0; i < 2000; ++i) {
      Bytes bent = form.bytes;
      const auto bit = random.below(bent.size() * 8);
      bent[bit / 8] = static_cast<char>(bent[bit / 8] ^ (1 << (bit % 8)));
      (void)form.reads(bent);
    }
    for (int i = 0; i < 300; ++i) {
      Bytes noise(random.below(200), '\0');
      for (char& c : noise) c = static_cast<char>(random.next());
      CHECK_FALSE(form.reads(noise));
    }
  }
}

TEST_CASE("codec: any flipped bit of a datagram or of the saved state is found",
          "[membership][property]") {
  for (const std::size_t which : {0, 11}) {
    const Form form = forms()[which];
    for (std::size_t bit = 0; bit < form.bytes.size() * 8; ++bit) {
      Bytes bent = form.bytes;
      bent[bit / 8] = static_cast<char>(bent[bit / 8] ^ (1 << (bit % 8)));
      if (which == 0) {
        REQUIRE_FALSE(decode_datagram(kCluster, bent).ok());
      } else {
        REQUIRE_FALSE(decode_state(bent).ok());
      }
    }
  }
}

TEST_CASE("row 12: a foreign cluster's datagram is its own error", "[membership][bugs]") {
  const Bytes bytes = encode_datagram(kCluster, some_datagram());
  CHECK(decode_datagram({some<ClusterId>(4), 77}, bytes).error().code == ErrorCode::WrongCluster);
  CHECK(decode_datagram({some<ClusterId>(3), 78}, bytes).error().code == ErrorCode::WrongCluster);
  Bytes bent = bytes;
  bent.back() = static_cast<char>(bent.back() ^ 1);
  CHECK(decode_datagram(kCluster, bent).error().code == ErrorCode::Damaged);
  CHECK(decode_datagram(kCluster, "PLYG").error().code == ErrorCode::InvalidArgument);
  CHECK(decode_datagram(kCluster, Bytes(2000, 'x')).error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("codec: a datagram whose wall clock makes no sense tells no time",
          "[membership][codec]") {
  const auto read = [](std::int64_t millis) {
    Datagram d = some_datagram();
    d.wall = {millis};
    const auto out = decode_datagram(kCluster, encode_datagram(kCluster, d));
    REQUIRE(out.ok());
    d.wall = out->wall;
    CHECK(*out == d);  // all else is told
    return out->wall.millis;
  };
  CHECK(read(1) == 1);
  CHECK(read(kWallMost.millis) == kWallMost.millis);
  CHECK(read(0) == 0);
  for (const std::int64_t odd : {std::int64_t{-1}, kWallMost.millis + 1, INT64_MIN, INT64_MAX}) {
    CHECK(read(odd) == 0);
  }
}

TEST_CASE("codec: a hostile segment count is refused", "[membership]") {
  Bytes bytes = encode_join_ask({some<NodeId>(1), "c", true});
  for (int i = 0; i < 4; ++i) bytes[static_cast<std::size_t>(i)] = '\xff';
  CHECK_FALSE(decode_join_ask(bytes).ok());
}

TEST_CASE("records: merge is commutative, idempotent and keeps the newest",
          "[membership][property]") {
  Random random(3);
  for (int round = 0; round < 100; ++round) {
    std::vector<NodeRecord> all;
    for (int i = 0; i < 12; ++i) {
      NodeRecord record = some_record();
      record.node = record.ring.node = some<NodeId>(static_cast<std::uint8_t>(random.below(3) + 1));
      record.generation = random.below(3);
      record.version = random.below(3);
      record.client_port = static_cast<std::uint16_t>(random.below(3));
      all.push_back(record);
    }
    Records forward, backward;
    for (const auto& record : all) forward.merge(record);
    for (auto at = all.rbegin(); at != all.rend(); ++at) backward.merge(*at);
    REQUIRE(forward.all_nodes() == backward.all_nodes());
    REQUIRE(forward.view_digest() == backward.view_digest());
    REQUIRE(forward.ring()->digest() == backward.ring()->digest());
    for (const auto& record : all) REQUIRE_FALSE(forward.merge(record));
  }
}

}  // namespace
}  // namespace parley::membership
