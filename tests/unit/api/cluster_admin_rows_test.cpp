#include "api/cluster_admin_rows.h"

#include <set>

#include "tests/catch.h"

namespace parley::api {
namespace {

using membership::Liveness;

NodeId node(std::uint8_t n) {
  NodeId id;
  id.octets[15] = n;
  return id;
}

membership::Member member(std::uint8_t n, Liveness liveness, ring::RingStatus status) {
  membership::Member out;
  out.record.node = out.record.ring.node = node(n);
  out.record.address = "127.0.0." + std::to_string(n);
  out.record.peer_port = 7401;
  out.record.ring.version = 1;
  out.record.ring.status = status;
  out.record.ring.slots = {static_cast<Slot>(n * 16384)};
  out.liveness = liveness;
  return out;
}

membership::View three_nodes() {
  membership::View view;
  view.self = node(1);
  view.members = {member(1, Liveness::Alive, ring::RingStatus::Normal),
                  member(2, Liveness::Dead, ring::RingStatus::Normal),
                  member(3, Liveness::Suspect, ring::RingStatus::Joining)};
  membership::KeyspaceRecord keyspace;
  keyspace.name = "default";
  keyspace.version = 4;
  keyspace.replication_factor = 2;
  view.keyspaces = {keyspace};
  std::vector<ring::RingRecord> records;
  for (const auto& one : view.members) records.push_back(one.record.ring);
  view.ring = ring::Ring::build(records);
  return view;
}

TEST_CASE("admin rows: status letters say up or down and the place on the ring", "[api][admin]") {
  const auto view = three_nodes();
  const auto letters = [&](Liveness liveness, ring::RingStatus status) {
    return status_row(view, member(9, liveness, status)).status;
  };
  CHECK(letters(Liveness::Alive, ring::RingStatus::Normal) == "UN");
  CHECK(letters(Liveness::Suspect, ring::RingStatus::Normal) == "UN");
  CHECK(letters(Liveness::Dead, ring::RingStatus::Normal) == "DN");
  CHECK(letters(Liveness::Left, ring::RingStatus::Normal) == "DN");
  CHECK(letters(Liveness::Alive, ring::RingStatus::Joining) == "UJ");
  CHECK(letters(Liveness::Alive, ring::RingStatus::Leaving) == "UL");
  CHECK(letters(Liveness::Left, ring::RingStatus::Left) == "DL");
  const auto row = status_row(view, view.members[1]);
  CHECK(row.address == "127.0.0.2");
  CHECK(row.tokens == 1);
  CHECK(row.owns == Approx(1.0));  // two nodes on the ring, two copies
}

TEST_CASE("admin rows: replicas of a key, in preference order", "[api][admin]") {
  const auto view = three_nodes();
  // Of the two on the ring, node 2 owns (16384, 32768] first and node 1 the rest.
  std::set<std::string> firsts;
  for (int i = 0; i < 20; ++i) {
    const Bytes key = "key" + std::to_string(i);
    const Slot slot = slot_of(ring::token_of(key));
    const std::uint8_t first = slot > 16384 && slot <= 32768 ? 2 : 1;
    const auto replicas = replicas_of(view, i % 2 == 0 ? "" : "default", key);
    REQUIRE(replicas.ok());
    REQUIRE(replicas->size() == 2);
    for (const std::uint8_t n : {first, static_cast<std::uint8_t>(3 - first)}) {
      const auto& row = replicas->at(n == first ? 0 : 1);
      CHECK(row.address == "127.0.0." + std::to_string(n));
      CHECK(row.node == to_text(node(n)));
    }
    firsts.insert(replicas->front().address);
  }
  CHECK(firsts.size() == 2);
  CHECK(replicas_of(view, "default", "").error().code == ErrorCode::InvalidArgument);
  CHECK(replicas_of(view, "other", "key").error().code == ErrorCode::NotFound);
  CHECK(ring_info(view).vnodes.size() == 2);
  CHECK(digest_text(0xff) == "00000000000000ff");
}

TEST_CASE("admin rows: a hint target is named by address, endpoint or id", "[api][admin]") {
  const auto view = three_nodes();
  CHECK(*find_target(view, "") == std::nullopt);
  CHECK(*find_target(view, "127.0.0.2") == std::optional(node(2)));
  CHECK(*find_target(view, "127.0.0.2:7401") == std::optional(node(2)));
  CHECK(*find_target(view, to_text(node(3))) == std::optional(node(3)));
  CHECK(find_target(view, "127.0.0.9").error().code == ErrorCode::NotFound);
}

TEST_CASE("admin rows: default levels change one at a time", "[api][admin]") {
  const auto record = three_nodes().keyspaces[0];
  const auto code = [](const char* level) {
    return replication::level_code(*replication::parse_level(level));
  };
  CHECK(parse_levels(record, "one", "")->read_level == code("one"));
  CHECK_FALSE(parse_levels(record, "one", "")->write_level);
  CHECK(parse_levels(record, "", "2")->write_level == code("2"));
  CHECK_FALSE(parse_levels(record, "", "2")->read_level);
  CHECK(parse_levels(record, "3", "").error().code == ErrorCode::InvalidArgument);
  CHECK(parse_levels(record, "", "most").error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("admin rows: a gossip row keeps its numbers apart", "[api][admin]") {
  membership::GossipRow in;
  in.member = member(3, Liveness::Suspect, ring::RingStatus::Normal);
  in.member.record.generation = 4;
  in.member.incarnation = 5;
  in.last_heard_ms = 6;
  in.rtt_ms = 0.5;
  in.view_digest = 0xaa;
  in.ring_digest = 0xbb;
  const auto out = gossip_row(in);
  CHECK(out.node == to_text(node(3)));
  CHECK(out.address == "127.0.0.3");
  CHECK(out.liveness == "suspect");
  CHECK(out.generation == 4);
  CHECK(out.incarnation == 5);
  CHECK(out.last_heard_ms == 6);
  CHECK(out.rtt_ms == 0.5);
  CHECK(out.view_digest == "00000000000000aa");
  CHECK(out.ring_digest == "00000000000000bb");
}

TEST_CASE("admin rows: a repair that some did not end is unknown", "[api][admin]") {
  RepairSum sum;
  sum.add(std::uint64_t{3});
  CHECK(*sum.result(true) == 3);
  sum.add(Error{ErrorCode::NoAnswer, "silent", 0});
  CHECK(sum.result(true).error().code == ErrorCode::Unknown);
  CHECK(*sum.result(false) == 3);
}

TEST_CASE("admin rows: addresses sort as people count", "[api][admin]") {
  std::vector<client::StatusRow> rows;
  for (const char* address : {"::1", "127.0.0.10", "10.0.0.2", "127.0.0.1.5", "127.0.0.9",
                              "127.0.0.256", "127.0.0.100", "9.255.255.255", "127.0.0."}) {
    rows.emplace_back().address = address;
  }
  rows.emplace_back().address = "127.0.0.9";
  rows.back().node = "00";
  rows[4].node = "ff";
  sort_by_address(rows);
  std::vector<std::string> sorted;
  for (const auto& row : rows) sorted.push_back(row.address + row.node);
  CHECK(sorted == std::vector<std::string>{"9.255.255.255", "10.0.0.2", "127.0.0.900",
                                           "127.0.0.9ff", "127.0.0.10", "127.0.0.100", "127.0.0.",
                                           "127.0.0.1.5", "127.0.0.256", "::1"});
}

TEST_CASE("admin rows: inspect says whether anybody has the key", "[api][admin]") {
  replication::InspectReply reply;
  reply.diverged = false;
  reply.replicas.resize(2);
  reply.replicas[1].digest = 0xab;
  CHECK_FALSE(inspect_result(reply)->exists);
  reply.replicas[1].holds_record = true;
  const auto out = inspect_result(reply);
  CHECK(out->exists);
  CHECK(out->replicas[0].digest.empty());
  CHECK(out->replicas[1].digest == "00000000000000ab");
  reply.error = Error{ErrorCode::InvalidArgument, "no", 0};
  CHECK_FALSE(inspect_result(reply).ok());
}

}  // namespace
}  // namespace parley::api
