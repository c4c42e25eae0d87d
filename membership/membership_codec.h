// Bytes of membership's stream messages (membership.capnp). Decoders answer InvalidArgument for
// whatever their encoder could not have written.
#pragma once

#include "base/result.h"
#include "membership/messages.h"

namespace parley::membership {

Bytes encode_join_ask(const JoinAsk& message);
Result<JoinAsk> decode_join_ask(ByteView bytes);
Bytes encode_join_ask_reply(const JoinAskReply& message);
Result<JoinAskReply> decode_join_ask_reply(ByteView bytes);
Bytes encode_join_grant(const JoinGrant& message);
Result<JoinGrant> decode_join_grant(ByteView bytes);
Bytes encode_join_grant_reply(const JoinGrantReply& message);
Result<JoinGrantReply> decode_join_grant_reply(ByteView bytes);
Bytes encode_join_done(const JoinDone& message);
Result<JoinDone> decode_join_done(ByteView bytes);
Bytes encode_member_sync(const MemberSync& message);
Result<MemberSync> decode_member_sync(ByteView bytes);
Bytes encode_stream_probe(const Claim& claim);
Result<Claim> decode_stream_probe(ByteView bytes);
Bytes encode_keyspace_set(const HeldKeyspace& keyspace);
Result<HeldKeyspace> decode_keyspace_set(ByteView bytes);

}  // namespace parley::membership
