// Hashes. XXH3 for placement and damage (no defence against an attacker); HMAC-SHA256 for what a
// client must not be able to forge.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace parley {

// XXH3-64. Frozen: ring placement, record checksums and digests on disk and wire depend on it.
std::uint64_t hash64(ByteView bytes, std::uint64_t seed = 0);

// The first 16 bytes of HMAC-SHA256(key, message).
Bytes mac128(ByteView key, ByteView message);
// The whole 32 bytes.
Bytes mac256(ByteView key, ByteView message);
// As in a browser's Content-Security-Policy.
Bytes sha256(ByteView bytes);
// Compares in time independent of where the first difference is.
bool equal_constant_time(ByteView a, ByteView b);

}  // namespace parley
