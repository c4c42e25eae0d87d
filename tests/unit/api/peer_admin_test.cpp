#include "api/peer_admin.h"

#include "base/random.h"
#include "tests/catch.h"

namespace parley::api {
namespace {

NodeId node(std::uint8_t n) {
  NodeId id;
  for (auto& octet : id.octets) octet = n;
  return id;
}

const std::vector<PeerHintTotal> kTotals{{node(1), 5, 2, 300, 4000}};
const std::vector<PeerSyncRow> kRows{{node(2), 7, 8, 9, true, false}};

KeyspaceId keyspace_of(std::uint8_t n) {
  KeyspaceId id;
  for (auto& octet : id.octets) octet = n;
  return id;
}
const ConflictQuestion kQuestion{keyspace_of(4), "after", 7, std::chrono::milliseconds(250)};
const ConflictPart kPart{{{"key", "set"}, {"other", "more"}}, "scanned", true};

// Frozen: nodes of different versions talk to each other.
TEST_CASE("peer admin: golden bytes", "[api][golden]") {
  CHECK(to_hex(encode_hint_totals(kTotals)) ==
        "000000000a0000000000000000000100010000002f00000004000000040001000500000000000000"
        "02000000000000002c01000000000000a00f00000000000001000000820000000101010101010101"
        "0101010101010101");
  CHECK(to_hex(encode_drop_request(node(3))) ==
        "00000000040000000000000000000100010000008200000003030303030303030303030303030303");
  CHECK(to_hex(encode_drop_request(std::nullopt)) ==
        "000000000200000000000000000001000000000000000000");
  CHECK(to_hex(encode_drop_reply(6)) == "000000000200000000000000010000000600000000000000");
  CHECK(to_hex(encode_repair_request(true)) == "000000000200000000000000010000000100000000000000");
  CHECK(to_hex(encode_repair_reply(11)) == "000000000200000000000000010000000b00000000000000");
  CHECK(to_hex(encode_sync_rows(kRows)) ==
        "000000000a0000000000000000000100010000002f00000004000000040001000700000000000000"
        "08000000000000000900000000000000010000000000000001000000820000000202020202020202"
        "0202020202020202");
  CHECK(to_hex(encode_load_reply({12, 3})) ==
        "000000000300000000000000020000000c000000000000000300000000000000");
  CHECK(to_hex(encode_conflict_question(kQuestion)) ==
        "0000000007000000000000000100020007000000fa0000000500000082000000090000002a000000"
        "040404040404040404040404040404046166746572000000");
  CHECK(to_hex(encode_conflict_part(kPart)) ==
        "000000000e000000000000000100020001000000000000000500000027000000250000003a000000"
        "08000000000002000d0000001a0000000d0000001a0000000d0000002a0000000d00000022000000"
        "6b6579000000000073657400000000006f746865720000006d6f7265000000007363616e6e656400");
}

TEST_CASE("peer admin: what was encoded comes back", "[api]") {
  CHECK(*decode_hint_totals(encode_hint_totals(kTotals)) == kTotals);
  CHECK(decode_hint_totals(encode_hint_totals({}))->empty());
  CHECK(*decode_drop_request(encode_drop_request(node(3))) == std::optional(node(3)));
  CHECK(*decode_drop_request(encode_drop_request(std::nullopt)) == std::nullopt);
  CHECK(*decode_drop_reply(encode_drop_reply(6)) == 6);
  CHECK(*decode_repair_request(encode_repair_request(true)));
  CHECK_FALSE(*decode_repair_request(encode_repair_request(false)));
  CHECK(*decode_repair_reply(encode_repair_reply(11)) == 11);
  CHECK(*decode_sync_rows(encode_sync_rows(kRows)) == kRows);
  CHECK(*decode_load_reply(encode_load_reply({12, 3})) == PeerLoad{12, 3});
  // As it was before faults were told.
  CHECK(*decode_load_reply(*from_hex("000000000200000000000000010000000c00000000000000")) ==
        PeerLoad{12, 0});
}

TEST_CASE("peer admin: a question for conflicts and its answer come back", "[api]") {
  CHECK(*decode_conflict_question(encode_conflict_question(kQuestion)) == kQuestion);
  CHECK(*decode_conflict_part(encode_conflict_part(kPart)) == kPart);
  ConflictQuestion wrong = kQuestion;
  for (const std::size_t rows : {std::size_t{0}, kConflictRowsMost + 1}) {
    wrong.rows_most = rows;
    CHECK_FALSE(decode_conflict_question(encode_conflict_question(wrong)).ok());
  }
  CHECK_FALSE(decode_conflict_part(encode_conflict_part({{{"", "set"}}, "", true})).ok());
  ConflictPart many;
  many.rows.assign(kConflictRowsMost + 1, {"k", "s"});
  CHECK_FALSE(decode_conflict_part(encode_conflict_part(many)).ok());
}

TEST_CASE("peer admin: damaged, cut and hostile bytes are an error and nothing worse", "[api]") {
  const Bytes sound = encode_hint_totals(kTotals);
  CHECK_FALSE(decode_hint_totals("").ok());
  CHECK_FALSE(decode_hint_totals(Bytes(8, '\xff')).ok());
  CHECK_FALSE(decode_hint_totals(Bytes(64, '\xff')).ok());
  for (std::size_t cut = 0; cut < sound.size(); ++cut) {
    CHECK_FALSE(decode_hint_totals(ByteView(sound).substr(0, cut)).ok());
  }
  // A target that is no id.
  Bytes short_id = encode_drop_request(node(3));
  short_id[20] = static_cast<char>(short_id[20] ^ 0x08);  // the list's length
  CHECK_FALSE(decode_drop_request(short_id).ok());
  Random random(5);
  for (int round = 0; round < 20000; ++round) {
    Bytes bent = random.below(2) == 0 ? sound : encode_sync_rows(kRows);
    for (std::uint64_t i = 0; i <= random.below(4); ++i) {
      const std::size_t at = random.below(bent.size());
      bent[at] = static_cast<char>(bent[at] ^ (1u << random.below(8)));
    }
    // Any answer will do, as long as there is one; the sanitizers watch.
    const auto totals = decode_hint_totals(bent);
    const auto rows = decode_sync_rows(bent);
    const auto part = decode_conflict_part(bent);
    if (part) CHECK(part->rows.size() <= kConflictRowsMost);
    const auto question = decode_conflict_question(bent);
    if (question) CHECK(question->rows_most <= kConflictRowsMost);
    if (totals) CHECK(totals->size() <= kPeerRowsMost);
    if (rows) CHECK(rows->size() <= kPeerRowsMost);
  }
}

}  // namespace
}  // namespace parley::api
