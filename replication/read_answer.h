// ReadAnswer: one replica's copy of a key as a read got it. Equal digests are equal sets, so most
// answers are compared without being decoded.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "replication/version.h"
#include "storage/store.h"

namespace parley::replication {

struct ReadAnswer {
  std::uint64_t digest = 0;       // storage::record_digest of the canonical bytes; 0: no record
  Bytes bytes;                    // as they came from afar; empty: `set` is there
  std::optional<VersionSet> set;  // decoded already

  static ReadAnswer none() { return {0, {}, VersionSet{}}; }
  static ReadAnswer decoded(std::uint64_t digest, VersionSet set) {
    return set.empty() ? none() : ReadAnswer{digest, {}, std::move(set)};
  }
  // Not yet known to be a version set at all.
  static ReadAnswer received(ByteView key, Bytes bytes) {
    if (bytes.empty()) return none();
    return {storage::record_digest(key, bytes), std::move(bytes), std::nullopt};
  }
};

}  // namespace parley::replication
