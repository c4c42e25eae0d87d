#include "replication/replica_codec.h"

#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/catch.h"
#include "tests/unit/replication/golden_messages.h"

namespace parley::replication {
namespace {

template <typename Id>
Id id_of(std::uint8_t first) {
  Id id;
  for (std::size_t i = 0; i < 16; ++i) id.octets[i] = static_cast<std::uint8_t>(first + i);
  return id;
}

CopyOf copy() { return {id_of<KeyspaceId>(1), "key", {id_of<NodeId>(0x40), id_of<NodeId>(0x60)}}; }
StoreHintRequest hint() { return {copy(), "set", id_of<NodeId>(0x40), true}; }
FindHintsReply found() { return {{{id_of<NodeId>(0x40), "merged"}, {id_of<NodeId>(0x60), ""}}}; }
InspectCopyReply inspected() { return {true, false, "a:2:1", "a:2:3", 0x1122334455667788, true}; }
CoordinatePutRequest put() {
  return {copy(),           "value", {Level::Kind::Number, 2}, "token", storage::Durability::Memory,
          id_of<OpId>(0x80)};
}
CoordinatePutRequest erase() {
  return {copy(), {}, {Level::Kind::Any, 0}, {}, storage::Durability::Fsync, id_of<OpId>(0x80)};
}
WriteReply accepted() {
  WriteReply reply;
  reply.outcome = Outcome::Ok;
  reply.version = "a:2:1";
  reply.context = "token";
  reply.level = {Level::Kind::Quorum, 0};
  reply.required = 2;
  reply.replicas = {{id_of<NodeId>(0x40), "127.0.0.1", ReplicaState::Durable, ""},
                    {id_of<NodeId>(0x60), "127.0.0.2", ReplicaState::Hinted, "127.0.0.1"}};
  reply.hint_holders = {"127.0.0.1"};
  return reply;
}
WriteReply refused() {
  WriteReply reply;
  reply.outcome = Outcome::NotWritten;
  reply.error = Error{ErrorCode::Overloaded, "busy", 100};
  reply.level = {Level::Kind::All, 0};
  return reply;
}

struct Sample {
  const char* name;
  Bytes bytes;
  std::function<bool(ByteView)> accepts;
};

// What is accepted at all must be a message like any other: it can be sent on.
template <typename T, typename Encode>
std::function<bool(ByteView)> by(Result<T> (*decode)(ByteView), Encode encode) {
  return [decode, encode](ByteView bytes) {
    const auto out = decode(bytes);
    if (!out) {
      REQUIRE(out.error().code == ErrorCode::InvalidArgument);
      return false;
    }
    REQUIRE(decode(encode(*out)));
    return true;
  };
}

CoordinatePutRequest traced_put() {
  CoordinatePutRequest request = put();
  request.trace = true;
  return request;
}

WriteReply traced() {
  WriteReply reply = accepted();
  reply.trace = {{id_of<NodeId>(0x40), "127.0.0.1", "mint", 5, 700, "ok"},
                 {id_of<NodeId>(0x60), "127.0.0.2", "write", 710, -1, ""}};
  return reply;
}

std::vector<Sample> samples() {
  const auto durable = storage::Durability::Fsync;
  return {{"store_copy_request", encode_store_copy_request({copy(), "set", durable}),
           by(decode_store_copy_request, encode_store_copy_request)},
          {"store_copy_reply", encode_store_copy_reply({0x1122334455667788, {5ns, 6ns}}),
           by(decode_store_copy_reply, encode_store_copy_reply)},
          {"read_copy_request", encode_read_copy_request({copy()}),
           by(decode_read_copy_request, encode_read_copy_request)},
          {"read_copy_reply", encode_read_copy_reply({"set", {7ns, 8ns}}),
           by(decode_read_copy_reply, encode_read_copy_reply)},
          {"store_hint_request", encode_store_hint_request(hint()),
           by(decode_store_hint_request, encode_store_hint_request)},
          {"store_hint_reply", encode_store_hint_reply(),
           by(decode_store_hint_reply, [](Done) { return encode_store_hint_reply(); })},
          {"find_hints_request", encode_find_hints_request({copy(), true}),
           by(decode_find_hints_request, encode_find_hints_request)},
          {"find_hints_reply", encode_find_hints_reply(found()),
           by(decode_find_hints_reply, encode_find_hints_reply)},
          {"inspect_copy_request", encode_inspect_copy_request({copy()}),
           by(decode_inspect_copy_request, encode_inspect_copy_request)},
          {"inspect_copy_reply", encode_inspect_copy_reply(inspected()),
           by(decode_inspect_copy_reply, encode_inspect_copy_reply)},
          {"coordinate_put_request", encode_coordinate_put_request(put()),
           by(decode_coordinate_put_request, encode_coordinate_put_request)},
          {"coordinate_delete_request", encode_coordinate_put_request(erase()),
           by(decode_coordinate_put_request, encode_coordinate_put_request)},
          {"coordinate_put_reply", encode_coordinate_put_reply(accepted()),
           by(decode_coordinate_put_reply, encode_coordinate_put_reply)},
          {"coordinate_put_refused", encode_coordinate_put_reply(refused()),
           by(decode_coordinate_put_reply, encode_coordinate_put_reply)},
          {"coordinate_put_traced_request", encode_coordinate_put_request(traced_put()),
           by(decode_coordinate_put_request, encode_coordinate_put_request)},
          {"coordinate_put_traced_reply", encode_coordinate_put_reply(traced()),
           by(decode_coordinate_put_reply, encode_coordinate_put_reply)}};
}

}  // namespace

TEST_CASE("replica codec: the bytes are frozen", "[replication][golden]") {
  const auto all = samples();
  REQUIRE(all.size() == std::size(kGoldenMessages));
  for (std::size_t i = 0; i < all.size(); ++i) {
    INFO(all[i].name);
    CHECK(std::string(all[i].name) == kGoldenMessages[i].name);
    CHECK(to_hex(all[i].bytes) == kGoldenMessages[i].hex);
  }
}

TEST_CASE("replica codec: copies and hints come back as they were sent", "[replication]") {
  const auto stored = decode_store_copy_request(
      encode_store_copy_request({copy(), "set", storage::Durability::Memory}));
  REQUIRE(stored);
  CHECK(stored->copy == copy());
  CHECK(stored->set == "set");
  CHECK(stored->durability == storage::Durability::Memory);
  const auto stored_reply = decode_store_copy_reply(encode_store_copy_reply({7, {5ns, 6ns}}));
  CHECK(stored_reply->digest == 7);
  CHECK(stored_reply->times.received == 5ns);
  CHECK(stored_reply->times.answered == 6ns);
  CHECK(decode_read_copy_request(encode_read_copy_request({copy()}))->copy == copy());
  CHECK(decode_read_copy_reply(encode_read_copy_reply({"", {}}))->set.empty());
  const auto read_reply = decode_read_copy_reply(encode_read_copy_reply({"s", {5ns, 6ns}}));
  CHECK(read_reply->set == "s");
  CHECK(read_reply->times.received == 5ns);
  CHECK(read_reply->times.answered == 6ns);
  const auto kept = decode_store_hint_request(encode_store_hint_request(hint()));
  REQUIRE(kept);
  CHECK(kept->copy == copy());
  CHECK(kept->set == "set");
  CHECK(kept->target == id_of<NodeId>(0x40));
  CHECK(kept->sole);
  const auto asked = decode_find_hints_request(encode_find_hints_request({copy(), false}));
  REQUIRE(asked);
  CHECK(asked->copy == copy());
  CHECK_FALSE(asked->targets_only);
  const auto hints = decode_find_hints_reply(encode_find_hints_reply(found()));
  REQUIRE(hints->hints.size() == 2);
  CHECK(hints->hints[0].set == "merged");
  CHECK(hints->hints[1].target == id_of<NodeId>(0x60));
  CHECK(hints->hints[1].set.empty());
  const auto row = decode_inspect_copy_reply(encode_inspect_copy_reply(inspected()));
  REQUIRE(row);
  CHECK(row->holds_record);
  CHECK_FALSE(row->damaged);
  CHECK(row->version == "a:2:1");
  CHECK(row->context == "a:2:3");
  CHECK(row->digest == 0x1122334455667788);
  CHECK(row->tombstone);
}

TEST_CASE("replica codec: a trace comes back as it was sent, within bounds", "[replication]") {
  CHECK_FALSE(decode_coordinate_put_request(encode_coordinate_put_request(put()))->trace);
  CHECK(decode_coordinate_put_request(encode_coordinate_put_request(traced_put()))->trace);
  const auto reply = decode_coordinate_put_reply(encode_coordinate_put_reply(traced()));
  REQUIRE(reply);
  CHECK(reply->trace == traced().trace);
  WriteReply long_text = traced();
  long_text.trace[0].what = std::string(500, 'x');
  CHECK(decode_coordinate_put_reply(encode_coordinate_put_reply(long_text))->trace[0].what.size() ==
        RequestTrace::kTextBytesMost);
  WriteReply many = traced();
  many.trace.resize(RequestTrace::kRowsMost + 1, many.trace[0]);
  CHECK_FALSE(decode_coordinate_put_reply(encode_coordinate_put_reply(many)).ok());
}

TEST_CASE("replica codec: a write and its reply come back as they were sent", "[replication]") {
  const auto written = decode_coordinate_put_request(encode_coordinate_put_request(put()));
  REQUIRE(written);
  CHECK(written->copy == copy());
  CHECK(written->value == "value");
  CHECK(written->level == put().level);
  CHECK(written->context == "token");
  CHECK(written->durability == storage::Durability::Memory);
  CHECK(written->op == id_of<OpId>(0x80));
  const auto erased = decode_coordinate_put_request(encode_coordinate_put_request(erase()));
  CHECK_FALSE(erased->value.has_value());
  CHECK_FALSE(erased->context.has_value());
  for (const auto outcome : {Outcome::Ok, Outcome::NotWritten, Outcome::Unknown}) {
    for (int state = 0; state <= static_cast<int>(ReplicaState::Pending); ++state) {
      WriteReply reply = accepted();
      reply.outcome = outcome;
      if (outcome != Outcome::Ok) reply.error = Error{ErrorCode::DiskFull, "full", 0};
      reply.replicas[0].state = static_cast<ReplicaState>(state);
      const auto back = decode_coordinate_put_reply(encode_coordinate_put_reply(reply));
      REQUIRE(back);
      CHECK(back->outcome == outcome);
      CHECK(back->error.has_value() == (outcome != Outcome::Ok));
      CHECK(back->replicas[0].state == static_cast<ReplicaState>(state));
      CHECK(back->replicas[1].hint_holder == "127.0.0.1");
      CHECK(back->hint_holders == reply.hint_holders);
      CHECK(back->version == reply.version);
      CHECK(back->context == reply.context);
      CHECK(back->level == reply.level);
      CHECK(back->required == 2);
    }
  }
  const auto busy = decode_coordinate_put_reply(encode_coordinate_put_reply(refused()));
  CHECK(busy->error->code == ErrorCode::Overloaded);
  CHECK(busy->error->message == "busy");
  CHECK(busy->error->retry_after_ms == 100);
}

TEST_CASE("replica codec: an error code of a newer version is an internal error", "[replication]") {
  WriteReply reply = refused();
  reply.error->code = static_cast<ErrorCode>(60000);
  const auto back = decode_coordinate_put_reply(encode_coordinate_put_reply(reply));
  REQUIRE(back);
  CHECK(back->error->code == ErrorCode::Internal);
}

TEST_CASE("replica codec: what the protocol does not allow is refused", "[replication]") {
  const auto bad_copy = [](const CopyOf& bad) {
    const auto read = decode_read_copy_request(encode_read_copy_request({bad}));
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::InvalidArgument);
    CHECK_FALSE(decode_store_copy_request(encode_store_copy_request({bad, "set"})));
    CHECK_FALSE(decode_find_hints_request(encode_find_hints_request({bad, false})));
    CHECK_FALSE(decode_inspect_copy_request(encode_inspect_copy_request({bad})));
    StoreHintRequest kept = hint();
    kept.copy = bad;
    CHECK_FALSE(decode_store_hint_request(encode_store_hint_request(kept)));
    CoordinatePutRequest write = put();
    write.copy = bad;
    CHECK_FALSE(decode_coordinate_put_request(encode_coordinate_put_request(write)));
  };
  CopyOf bad = copy();
  bad.key.clear();
  bad_copy(bad);
  bad = copy();
  bad.keyspace = {};
  bad_copy(bad);
  bad = copy();
  bad.owners.assign(65, id_of<NodeId>(1));
  bad_copy(bad);
  bad.owners.resize(64);
  CHECK(decode_read_copy_request(encode_read_copy_request({bad})));

  CHECK_FALSE(decode_store_copy_request(encode_store_copy_request({copy(), ""})));
  StoreHintRequest kept = hint();
  kept.set.clear();
  CHECK_FALSE(decode_store_hint_request(encode_store_hint_request(kept)));
  kept = hint();
  kept.target = {};
  CHECK_FALSE(decode_store_hint_request(encode_store_hint_request(kept)));
  CHECK_FALSE(decode_find_hints_reply(encode_find_hints_reply({{{NodeId{}, "set"}}})));
  CoordinatePutRequest write = put();
  write.op = {};
  CHECK_FALSE(decode_coordinate_put_request(encode_coordinate_put_request(write)));

  WriteReply reply = accepted();
  reply.replicas.assign(65, reply.replicas[0]);
  CHECK_FALSE(decode_coordinate_put_reply(encode_coordinate_put_reply(reply)));
  reply = accepted();
  reply.hint_holders.assign(65, "127.0.0.1");
  CHECK_FALSE(decode_coordinate_put_reply(encode_coordinate_put_reply(reply)));
  reply = accepted();
  reply.replicas[0].node = {};
  CHECK_FALSE(decode_coordinate_put_reply(encode_coordinate_put_reply(reply)));
  reply = accepted();
  reply.error = Error{ErrorCode::Unknown, "both ok and not"};
  CHECK_FALSE(decode_coordinate_put_reply(encode_coordinate_put_reply(reply)));
  reply = refused();
  reply.error.reset();
  CHECK_FALSE(decode_coordinate_put_reply(encode_coordinate_put_reply(reply)));
}

TEST_CASE("replica codec: unknown enumerants are refused", "[replication]") {
  // Each enumerator stands in the low byte of a 16-bit field of the root's or the row's data.
  const auto refuses = [](const Bytes& good, std::size_t at, auto decode) {
    REQUIRE(decode(good).ok());
    Bytes bad = good;
    bad[at] = '\x7f';
    CHECK_FALSE(decode(bad).ok());
  };
  // segment table 8 bytes, root pointer 8 bytes, then the root's data
  refuses(encode_store_copy_request({copy(), "set"}), 16, decode_store_copy_request);
  refuses(encode_coordinate_put_reply(accepted()), 16, decode_coordinate_put_reply);
  Bytes level = encode_coordinate_put_request(erase());
  level[18] = 5;  // between `any` and the numbers
  CHECK_FALSE(decode_coordinate_put_request(level));
}

TEST_CASE("replica codec: takes bytes at any address", "[replication]") {
  for (const auto& sample : samples()) {
    for (std::size_t shift = 0; shift < 8; ++shift) {
      const Bytes moved = Bytes(shift, 'x') + sample.bytes;
      REQUIRE(sample.accepts(ByteView(moved).substr(shift)));
    }
  }
}

TEST_CASE("replica codec: truncated, bent and foreign bytes harm nothing", "[replication]") {
  Random random(1);
  for (const auto& sample : samples()) {
    INFO(sample.name);
    for (std::size_t cut = 0; cut < sample.bytes.size(); ++cut) {
      REQUIRE_FALSE(sample.accepts(ByteView(sample.bytes).substr(0, cut)));
    }
    for (std::size_t bit = 0; bit < sample.bytes.size() * 8; ++bit) {
      Bytes bent = sample.bytes;
      bent[bit / 8] = static_cast<char>(bent[bit / 8] ^ (1 << bit % 8));
      sample.accepts(bent);
    }
    for (int i = 0; i < 2000; ++i) {
      Bytes bent = sample.bytes;
      for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
        bent[random.below(bent.size())] = static_cast<char>(random.below(256));
      }
      sample.accepts(bent);
    }
    for (int i = 0; i < 300; ++i) {
      Bytes noise(random.below(40) * 8, '\0');
      for (char& c : noise) c = static_cast<char>(random.below(256));
      sample.accepts(noise);
    }
    // The count of segments and the sizes that the bytes claim, at their worst.
    for (std::size_t at = 0; at + 4 <= std::min<std::size_t>(sample.bytes.size(), 64); at += 4) {
      for (const char fill : {'\xff', '\x7f'}) {
        Bytes bent = sample.bytes;
        bent.replace(at, 4, Bytes(4, fill));
        sample.accepts(bent);
      }
    }
  }
}

}  // namespace parley::replication
