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

struct Sibling {
  Dot dot;
  bool tombstone = false;  // a delete; `value` is empty then
  OpId op;                 // nil: none given
  Bytes value;
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
  std::size_t value_bytes() const;
  // The same writes with empty values: what is live can be counted and merged without them.
  VersionSet without_values() const;

  // A new write: replaces what `seen` covers, adds `sibling`, whose dot must be new here.
  void write(const VersionVector& seen, Sibling sibling);
  // The one merge: commutative, associative, idempotent.
  void merge(const VersionSet& other);

  // Canonical: equal sets give equal bytes, on every node and version of this format.
  Bytes encode() const;
  // InvalidArgument for anything but the canonical bytes of a set that could have been minted
  // (sorted, no sibling outside the context, counters > 0).
  static Result<VersionSet> decode(ByteView bytes);

  bool operator==(const VersionSet&) const = default;

 private:
  VersionVector context_;
  std::vector<Sibling> siblings_;
};

// Canonical context bytes (without authentication; see context_token.h).
Bytes encode_context(const VersionVector& context);
Result<VersionVector> decode_context(ByteView bytes);

}  // namespace parley::replication
