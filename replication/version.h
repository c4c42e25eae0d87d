// Versions: dotted version vector sets with server-minted dots (Preguica et al. 2012; Riak's
// per-key epochs, riak_kv issue 679). A value; pure.
//
// Invariant everywhere: counter n of an actor in a context means that the writes 1..n of that
// actor were seen, so a version set always travels whole, never as a bare dot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"

namespace parley::replication {

// Who minted: one life of one data directory, and the epoch it used for this key. A forgotten
// record is never continued: its minter takes a new epoch.
struct Actor {
  StorageId storage;
  std::uint64_t epoch = 0;
  auto operator<=>(const Actor&) const = default;
};

// Names one write, for ever.
struct Dot {
  Actor actor;
  std::uint64_t counter = 0;
  auto operator<=>(const Dot&) const = default;
};
// "3f2a…9c:epoch:counter", whole and unambiguous.
std::string to_text(const Dot& dot);

// What has been seen: per actor the highest counter, all below it included.
class VersionVector {
 public:
  using Entry = std::pair<Actor, std::uint64_t>;
  std::uint64_t counter(const Actor& actor) const;
  bool covers(const Dot& dot) const { return dot.counter <= counter(dot.actor); }
  bool covers(const VersionVector& other) const;
  void add(const Dot& dot);  // raises to at least the dot's counter
  void merge(const VersionVector& other);
  const std::vector<Entry>& entries() const { return entries_; }  // by actor, counters > 0
  bool empty() const { return entries_.empty(); }
  bool operator==(const VersionVector&) const = default;

 private:
  // A context has few entries and is copied, sent and merged whole: neighbours in memory.
  std::vector<Entry> entries_;
};

// When a write happened, where the last writer wins: a hybrid logical clock (Kulkarni et al. 2014),
// kept per key. Milliseconds since 1970 in the upper bits, in the lower 16 a count of what
// followed.
using Stamp = std::uint64_t;  // 0: none, the key keeps siblings
inline constexpr Stamp kStampMost = Stamp{1} << 63;
// Later than all in `seen`, and the wall clock's time unless that is behind them. Raised to 1.
Stamp next_stamp(WallTime wall, Stamp seen);
inline WallTime wall_of(Stamp stamp) { return {static_cast<std::int64_t>(stamp >> 16)}; }

struct Sibling {
  Dot dot;
  bool tombstone = false;  // a delete; `value` is empty then
  OpId op;                 // nil: none given
  Bytes value;
  Stamp stamp = 0;
  bool operator==(const Sibling&) const = default;
};

// One key's whole state: everything seen, and the values that nothing seen has replaced.
class VersionSet {
 public:
  const VersionVector& context() const { return context_; }
  // Sorted by dot. All that is live, retries of one op-id included.
  const std::vector<Sibling>& siblings() const { return siblings_; }
  // What a reader gets: of several live siblings with one op-id only the one with the least dot.
  std::vector<Sibling> visible() const;
  bool empty() const { return context_.empty(); }
  // Of the one sibling that is live where the last writer wins; else 0.
  Stamp stamp() const { return siblings_.empty() ? 0 : siblings_.front().stamp; }
  std::size_t value_bytes() const;
  // The same writes with empty values: what is live can be counted and merged without them.
  VersionSet without_values() const;

  // A new write: replaces what `seen` covers, adds `sibling`, whose dot must be new here. One with
  // a stamp replaces all that is here, and must have the greatest.
  void write(const VersionVector& seen, Sibling sibling);
  // The one merge: commutative, associative, idempotent. Of siblings with stamps only the greatest
  // (stamp, then dot) stays, whatever was seen by whom: contexts then only say which dots are used.
  // True: of two of those neither had seen the other, and one is gone.
  bool merge(const VersionSet& other);

  // Canonical: equal sets give equal bytes, on every node and version of this format.
  Bytes encode() const;
  // InvalidArgument for anything but the canonical bytes of a set that could have been minted
  // (sorted, no sibling outside the context, counters > 0, no sibling beside one with a stamp).
  static Result<VersionSet> decode(ByteView bytes);

  bool operator==(const VersionSet&) const = default;

 private:
  bool keep_latest(const VersionSet& other);

  VersionVector context_;
  std::vector<Sibling> siblings_;
};

// What a client saw of a key, as its token carries it.
struct CausalContext {
  CausalContext() = default;
  CausalContext(VersionVector dots, Stamp latest = 0)  // NOLINT: dots are a context
      : vector(std::move(dots)), stamp(latest) {}
  VersionVector vector;
  Stamp stamp = 0;  // of what it saw; a write after it gets a greater one
  bool operator==(const CausalContext&) const = default;
};

// Canonical context bytes (without authentication; see context_token.h).
Bytes encode_context(const CausalContext& context);
Result<CausalContext> decode_context(ByteView bytes);

}  // namespace parley::replication
