#include "replication/context_token.h"

#include "base/codec.h"
#include "base/hash.h"
#include "tests/catch.h"

namespace parley::replication {
namespace {

VersionVector context() {
  VersionVector out;
  StorageId storage;
  storage.octets[15] = 1;
  out.add(Dot{Actor{storage, 2}, 3});
  return out;
}
KeyspaceId keyspace(std::uint8_t n) {
  KeyspaceId id;
  id.octets[0] = n;
  return id;
}
const Bytes kKey(32, 'k');

void refused(const Result<CausalContext>& opened, const char* why) {
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::BadContext);
  INFO(opened.error().message);
  CHECK(opened.error().message.find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("context token: opens for the very key that it was sealed for", "[token]") {
  const Bytes token = seal_context(kKey, keyspace(1), "key", context());
  const auto opened = open_context(kKey, keyspace(1), "key", token);
  REQUIRE(opened);
  CHECK(*opened == context());
  CHECK(*open_context(kKey, keyspace(1), "key", seal_context(kKey, keyspace(1), "key", {})) ==
        VersionVector{});
  const char* const foreign = "not made by this cluster for this key";
  refused(open_context(kKey, keyspace(1), "kez", token), foreign);
  refused(open_context(kKey, keyspace(2), "key", token), foreign);
  refused(open_context(Bytes(32, 'x'), keyspace(1), "key", token), foreign);
}

TEST_CASE("context token: every cut, flipped and added byte is refused", "[token]") {
  const Bytes token = seal_context(kKey, keyspace(1), "key", context());
  for (std::size_t i = 0; i < token.size(); ++i) {
    CHECK_FALSE(open_context(kKey, keyspace(1), "key", ByteView(token).substr(0, i)));
    Bytes flipped = token;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    CHECK_FALSE(open_context(kKey, keyspace(1), "key", flipped));
  }
  CHECK_FALSE(open_context(kKey, keyspace(1), "key", token + "x"));
  refused(open_context(kKey, keyspace(1), "key", ""), "too short");
  refused(open_context(kKey, keyspace(1), "key", Bytes(kContextTokenBytesMost + 1, 'x')),
          "too long");
  refused(open_context(kKey, keyspace(1), "key", Bytes(60, '\x07')), "unknown format");
}

TEST_CASE("context token: the most entries fit, one more does not", "[token]") {
  VersionVector full;
  const StorageId storage = context().entries().begin()->first.storage;
  for (std::uint64_t i = 1; i <= kContextEntriesMost; ++i) full.add(Dot{Actor{storage, i}, 1});
  Bytes token = seal_context(kKey, keyspace(1), "key", full);
  const auto opened = open_context(kKey, keyspace(1), "key", token);
  REQUIRE(opened);
  CHECK(*opened == full);
  full.add(Dot{Actor{storage, kContextEntriesMost + 1}, 1});
  token = seal_context(kKey, keyspace(1), "key", full);
  refused(open_context(kKey, keyspace(1), "key", token), "too long");
}

TEST_CASE("context token: what the cluster sealed but this version cannot read is refused",
          "[token]") {
  const auto sealed = [](ByteView body) {
    ByteWriter message;
    message.raw("parley context token 1");
    message.raw(keyspace(1).view());
    message.sized("key");
    message.raw(body);
    return Bytes(1, '\1') + mac128(kKey, message.bytes()) + Bytes(body);
  };
  const Bytes body = encode_context(context());
  REQUIRE(sealed(body) == seal_context(kKey, keyspace(1), "key", context()));
  for (const Bytes& other : {body + "x", "\2" + body.substr(1), Bytes()}) {
    refused(open_context(kKey, keyspace(1), "key", sealed(other)), "malformed");
  }
}

TEST_CASE("context token: golden bytes", "[token][golden]") {
  CHECK(to_hex(seal_context(kKey, keyspace(1), "key", context())) ==
        "018035e343b2da15286397ba703a8b08bf"
        "01010000000000000000000000000000000000000102000000000000000300000000000000");
}

}  // namespace parley::replication
