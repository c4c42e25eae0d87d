#include "repair/sync_codec.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/catch.h"
#include "tests/unit/repair/golden_messages.h"

namespace parley::repair {
namespace {

KeyspaceId keyspace() {
  KeyspaceId id;
  for (std::size_t i = 0; i < 16; ++i) id.octets[i] = static_cast<std::uint8_t>(i + 1);
  return id;
}

const CompareRequest kFirst{keyspace(), 0x1122334455667788, {}};
const CompareRequest kGroups{keyspace(), 0, {0, 7, 255}};
const CompareReply kEqual{true, {}};
const CompareReply kSums{false, {1, 0xffffffffffffffff}};
const ListRequest kList{keyspace(), {0, 1, 65535}, "after", 1024, 65536};
const FetchRequest kFetch{keyspace(), {"a", std::string("b\0c", 3)}, 65536};
const StoreRequest kStore{keyspace(), {{"key", "set"}, {"other", ""}}};

ListReply list_reply() { return {{{"a", 7}, {std::string("\xff\0", 2), 0}}, true}; }
FetchReply fetch_reply() {
  return {{{storage::Condition::Sound, "set"},
           {storage::Condition::Missing, ""},
           {storage::Condition::Damaged, ""}}};
}
StoreReply store_reply() {
  return {{StoreOutcome::Stored, StoreOutcome::NotOwner, StoreOutcome::Failed,
           StoreOutcome::Refused, StoreOutcome::Damaged}};
}

struct Sample {
  const char* name;
  Bytes bytes;
  std::function<bool(ByteView)> accepts;  // must never throw or crash
};

template <typename T>
std::function<bool(ByteView)> by(Result<T> (*decode)(ByteView)) {
  return [decode](ByteView bytes) {
    const auto out = decode(bytes);
    if (!out) REQUIRE(out.error().code == ErrorCode::InvalidArgument);
    return out.ok();
  };
}

std::vector<Sample> samples() {
  return {{"compare_first", encode_compare_request(kFirst), by(decode_compare_request)},
          {"compare_groups", encode_compare_request(kGroups), by(decode_compare_request)},
          {"compare_equal", encode_compare_reply(kEqual), by(decode_compare_reply)},
          {"compare_sums", encode_compare_reply(kSums), by(decode_compare_reply)},
          {"list_request", encode_list_request(kList), by(decode_list_request)},
          {"list_reply", encode_list_reply(list_reply()), by(decode_list_reply)},
          {"fetch_request", encode_fetch_request(kFetch), by(decode_fetch_request)},
          {"fetch_reply", encode_fetch_reply(fetch_reply()), by(decode_fetch_reply)},
          {"store_request", encode_store_request(kStore), by(decode_store_request)},
          {"store_reply", encode_store_reply(store_reply()), by(decode_store_reply)}};
}

TEST_CASE("sync codec: what was encoded is decoded", "[repair]") {
  REQUIRE(*decode_compare_request(encode_compare_request(kFirst)) == kFirst);
  REQUIRE(*decode_compare_request(encode_compare_request(kGroups)) == kGroups);
  REQUIRE(*decode_compare_reply(encode_compare_reply(kEqual)) == kEqual);
  REQUIRE(*decode_compare_reply(encode_compare_reply(kSums)) == kSums);
  REQUIRE(*decode_list_request(encode_list_request(kList)) == kList);
  REQUIRE(*decode_fetch_request(encode_fetch_request(kFetch)) == kFetch);
  REQUIRE(*decode_store_request(encode_store_request(kStore)) == kStore);
  const auto listed = decode_list_reply(encode_list_reply(list_reply()));
  REQUIRE(listed->last);
  REQUIRE(listed->keys.size() == 2);
  REQUIRE(listed->keys[1].key == std::string("\xff\0", 2));
  REQUIRE(listed->keys[0].digest == 7);
  REQUIRE(decode_fetch_reply(encode_fetch_reply(fetch_reply()))->copies == fetch_reply().copies);
  REQUIRE(decode_store_reply(encode_store_reply(store_reply()))->outcomes ==
          store_reply().outcomes);
}

TEST_CASE("sync codec: the bytes are frozen", "[repair][golden]") {
  const auto all = samples();
  REQUIRE(all.size() == std::size(kGoldenMessages));
  for (std::size_t i = 0; i < all.size(); ++i) {
    INFO(all[i].name);
    REQUIRE(std::string(all[i].name) == kGoldenMessages[i].name);
    REQUIRE(to_hex(all[i].bytes) == kGoldenMessages[i].hex);
  }
}

TEST_CASE("sync codec: takes bytes at any address", "[repair]") {
  for (const auto& sample : samples()) {
    for (std::size_t shift = 0; shift < 8; ++shift) {
      const Bytes moved = Bytes(shift, 'x') + sample.bytes;
      REQUIRE(sample.accepts(ByteView(moved).substr(shift)));
    }
  }
}

TEST_CASE("sync codec: truncated, bent and foreign bytes harm nothing", "[repair]") {
  Random random(1);
  for (const auto& sample : samples()) {
    INFO(sample.name);
    for (std::size_t cut = 0; cut < sample.bytes.size(); ++cut) {
      REQUIRE_FALSE(sample.accepts(ByteView(sample.bytes).substr(0, cut)));
    }
    for (int i = 0; i < 3000; ++i) {
      Bytes bent = sample.bytes;
      for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips) {
        bent[random.below(bent.size())] ^= static_cast<char>(1 << random.below(8));
      }
      sample.accepts(bent);
    }
    for (int i = 0; i < 300; ++i) {
      Bytes noise(random.below(40) * 8, '\0');
      for (char& byte : noise) byte = static_cast<char>(random.next());
      sample.accepts(noise);
      if (noise.size() >= 8) std::fill_n(noise.begin(), 4, '\0');
      sample.accepts(noise);
    }
    for (const auto& other : samples()) other.accepts(sample.bytes);
  }
}

TEST_CASE("sync codec: refuses what no encoder makes", "[repair]") {
  Bytes segments = encode_compare_request(kFirst);
  segments[0] = segments[1] = segments[2] = segments[3] = '\xff';
  REQUIRE_FALSE(decode_compare_request(segments).ok());
  REQUIRE_FALSE(decode_compare_request(encode_compare_request({KeyspaceId{}, 1, {}})).ok());
  REQUIRE_FALSE(decode_compare_request(
                    encode_compare_request({keyspace(), 0, std::vector<std::uint8_t>(257)}))
                    .ok());
  auto list = kList;
  list.slots = {};
  REQUIRE_FALSE(decode_list_request(encode_list_request(list)).ok());
  list.slots = {3, 3};
  REQUIRE_FALSE(decode_list_request(encode_list_request(list)).ok());
  list = kList;
  list.keys_most = 0;
  REQUIRE_FALSE(decode_list_request(encode_list_request(list)).ok());
  list = kList;
  list.after = Bytes(kKeyBytesMost + 1, 'k');
  REQUIRE_FALSE(decode_list_request(encode_list_request(list)).ok());
  REQUIRE_FALSE(decode_list_reply(encode_list_reply({{{"", 1}}, true})).ok());
  REQUIRE_FALSE(decode_fetch_request(encode_fetch_request({keyspace(), {}, 1})).ok());
  REQUIRE_FALSE(decode_fetch_request(encode_fetch_request({keyspace(), {""}, 1})).ok());
  REQUIRE_FALSE(decode_store_request(encode_store_request({keyspace(), {}})).ok());
  REQUIRE_FALSE(decode_store_request(encode_store_request({keyspace(), {{"", "s"}}})).ok());
  Bytes outcome = encode_store_reply({{StoreOutcome::Damaged}});
  const auto at = outcome.rfind('\x04');
  outcome[at] = '\x05';
  REQUIRE_FALSE(decode_store_reply(outcome).ok());
}

}  // namespace
}  // namespace parley::repair
