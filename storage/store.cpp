#include "storage/store.h"

#include "base/codec.h"
#include "base/hash.h"

namespace parley::storage {

std::uint64_t record_digest(ByteView key, ByteView value) {
  const std::uint64_t digest = hash64(value, hash64(key));
  return digest == 0 ? 1 : digest;
}

std::uint64_t slot_term(Token token, ByteView key, std::uint64_t digest) {
  // Observers cannot tell a missing record from a damaged one (both are 0), so both must add
  // nothing; a damaged record then differs from the sound one that peers have.
  if (digest == 0) return 0;
  ByteWriter seed;
  seed.number(token);
  seed.number(digest);
  return hash64(seed.bytes(), hash64(key));
}

}  // namespace parley::storage
