#include "replication/context_token.h"

#include "base/codec.h"
#include "base/hash.h"
#include "base/mutant.h"

namespace parley::replication {
namespace {

constexpr std::uint8_t kTokenFormat = 1;
constexpr std::size_t kMacBytes = 16;
// Keeps these codes apart from anything else that the cluster key may authenticate.
constexpr ByteView kPurpose = "parley context token 1";

Bytes mac_of(ByteView cluster_key, const KeyspaceId& keyspace, ByteView key, ByteView context) {
  ByteWriter message;
  message.raw(kPurpose);
  message.raw(keyspace.view());
  // With its length: no two (key, context) pairs give one message.
  message.sized(PARLEY_MUTANT(foreign_context_accepted) ? ByteView{} : key);
  message.raw(context);
  return mac128(cluster_key, message.bytes());
}

Error bad(const char* why) {
  return {ErrorCode::BadContext, std::string("bad context: ") + why, 0};
}

}  // namespace

Bytes seal_context(ByteView cluster_key, const KeyspaceId& keyspace, ByteView key,
                   const CausalContext& context) {
  const Bytes body = encode_context(context);
  ByteWriter out;
  out.number(kTokenFormat);
  out.raw(mac_of(cluster_key, keyspace, key, body));
  out.raw(body);
  return out.take();
}

Result<CausalContext> open_context(ByteView cluster_key, const KeyspaceId& keyspace, ByteView key,
                                   ByteView token) {
  if (token.size() > kContextTokenBytesMost) return bad("malformed (too long)");
  ByteReader in(token);
  const auto format = in.number<std::uint8_t>();
  const ByteView mac = in.raw(kMacBytes);
  if (!in.ok()) return bad("malformed (too short)");
  if (format != kTokenFormat) return bad("malformed (unknown format)");
  const ByteView body = in.raw(in.left());
  if (!equal_constant_time(mac, mac_of(cluster_key, keyspace, key, body))) {
    return bad("not made by this cluster for this key");
  }
  Result<CausalContext> context = decode_context(body);
  if (!context) return bad("malformed");
  return context;
}

}  // namespace parley::replication
