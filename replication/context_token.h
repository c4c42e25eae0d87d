// Context tokens: a causal context as clients carry it, bound to keyspace and key and
// authenticated with the cluster key, so that a forged, damaged or foreign one is refused before
// anything happens.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"
#include "replication/version.h"

namespace parley::replication {

inline constexpr std::size_t kContextTokenBytesMost = 64_KiB;
// What such a token has room for: format 1, code 16, context (format 1, stamp 8, count 4, entries
// of 32).
inline constexpr std::size_t kContextEntriesMost = (kContextTokenBytesMost - 30) / 32;

// A hint mints under an actor of its own each time, so hints alone would use all of that up.
inline constexpr std::size_t kHintContextEntriesMost = (kContextEntriesMost + 1) / 2;

// Raw bytes; the command line shows them as base64url.
Bytes seal_context(ByteView cluster_key, const KeyspaceId& keyspace, ByteView key,
                   const CausalContext& context);
// BadContext with one clear line for anything that seal_context did not make for this very key.
Result<CausalContext> open_context(ByteView cluster_key, const KeyspaceId& keyspace, ByteView key,
                                   ByteView token);

}  // namespace parley::replication
