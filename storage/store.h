// The disk, as the rest of the program sees it: records, hints and small named values, behind an
// asynchronous interface that hides the engine. Submit now, completion in a later turn of the
// loop, in commit order for writes. A completion that reports success for a write with
// Durability::Fsync comes after the fsync of the commit that holds it.
//
// Errors of every call: Overloaded (queue full; nothing done), DiskFull (writes; nothing done; of
// a named value only when there is no room at all).
// A failed write or fsync otherwise ends the process: what the page cache then holds cannot be
// trusted (Rebello et al., ATC 2020).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"

namespace parley::storage {

// Small local number of a keyspace; 1 is `default`. Never on the wire.
using KeyspaceNumber = std::uint32_t;
inline constexpr KeyspaceNumber kDefaultKeyspace = 1;

struct RecordKey {
  KeyspaceNumber keyspace = kDefaultKeyspace;
  Token token = 0;
  Bytes key;
  auto operator<=>(const RecordKey&) const = default;
};

struct HintKey {
  NodeId target;
  RecordKey record;
  auto operator<=>(const HintKey&) const = default;
};

// Both checksum and content digest of a record: XXH3-64 of the value seeded by that of the key.
// Equal on every replica that holds the same bytes; never 0 (0 means "no sound record").
std::uint64_t record_digest(ByteView key, ByteView value);

enum class Condition : std::uint8_t {
  Missing,  // no record: a true "not here"
  Sound,    // the bytes are what was written
  Damaged,  // there was a record and its checksum failed: no answer, never "not found"
};

struct Found {
  Condition condition = Condition::Missing;
  Bytes value;               // Sound only
  std::uint64_t digest = 0;  // Sound only
};

enum class Durability : std::uint8_t { Fsync, Memory };

// Decides what becomes of one record, on the writer's thread inside the transaction: must be pure
// but for what it alone owns (captured shared state is published by the completion). nullopt
// leaves the record as it is; a value replaces it. Called exactly once per submitted update, or
// not at all when the call fails.
using Decide = std::function<std::optional<Bytes>(const Found& current)>;

struct Updated {
  Condition before = Condition::Missing;
  bool changed = false;
  std::uint64_t digest = 0;  // after; 0 when there is no record
};

// Of one slot: the sum (wrapping) over its records of slot_term(token, key, digest).
struct SlotDigest {
  Slot slot = 0;
  std::uint64_t sum = 0;
};

struct ListedKey {
  Bytes key;
  std::uint64_t digest = 0;  // 0: damaged here
};

struct ListedRecord {
  RecordKey key;
  Found found;
};

struct HintRow {
  HintKey key;
  Bytes value;  // encoded version set; empty when `damaged`
  std::uint64_t digest = 0;
  WallTime created;
  bool sole = false;  // may be the only copy of an acknowledged `any` write: never dropped
  bool damaged = false;
};

struct HintTotals {
  std::uint64_t hints = 0;
  std::uint64_t sole_hints = 0;
  std::uint64_t bytes = 0;
  WallTime oldest;
};

// Told on the loop, in commit order, before the update's own completion.
class RecordObserver {
 public:
  virtual ~RecordObserver() = default;
  // Digests are 0 where there was, or is, no sound record.
  virtual void record_changed(KeyspaceNumber keyspace, Token token, ByteView key,
                              std::uint64_t digest_before, std::uint64_t digest_after) = 0;
};

template <typename T>
using Completion = std::function<void(Result<T>)>;

class Store {
 public:
  virtual ~Store() = default;

  // Decides all that waits and takes nothing more (Overloaded; nothing is answered after a failed
  // fsync); waits for its threads. Call it before anything ends that a Decide refers to, a store in
  // front of this one included: the destructor decides what waits, too. Once or more.
  virtual void finish() = 0;

  // --- records ---
  virtual void get(RecordKey key, Completion<Found> done) = 0;
  virtual void update(RecordKey key, Decide decide, Durability durability,
                      Completion<Updated> done) = 0;
  // Keys of one slot in (token, key) order, after `after` (nullopt: from the start), at most
  // `limit`. Fewer than `limit` means the end.
  virtual void list_slot(KeyspaceNumber keyspace, Slot slot, std::optional<RecordKey> after,
                         std::size_t limit, Completion<std::vector<ListedKey>> done) = 0;
  // Records of a keyspace in (token, key) order, after `after` (nullopt: from the start), stopping
  // at `limit` records or `bytes_limit` of values (at least one). None means the end.
  virtual void list_records(KeyspaceNumber keyspace, std::optional<RecordKey> after,
                            std::size_t limit, std::size_t bytes_limit,
                            Completion<std::vector<ListedRecord>> done) = 0;
  // How often updates of Durability::Memory were answered and then undone, because the commit found
  // the disk full. Any thread; a Decide sees the count of all that was undone before it.
  virtual std::uint64_t undone() const = 0;
  // Was a record or a hint found here at open, or written since? A write at `any` may be in a hint
  // alone. (What a joining node's cluster is asked.)
  virtual bool holds_data() const = 0;
  virtual std::uint64_t bytes_on_disk() const = 0;
  // At most one; set before the first update. The scan at open has already told it nothing: use
  // take_slot_digests().
  virtual void observe(RecordObserver* observer) = 0;
  // Of each slot in which records were found at open, in order. Before any update, and once: then
  // the store has none any more.
  virtual std::vector<SlotDigest> take_slot_digests(KeyspaceNumber keyspace) = 0;

  // --- hints: at most one per (target, key) ---
  // `decide` sees the hint that is there. `sole` is sticky once true until the hint is erased.
  virtual void update_hint(HintKey key, bool sole, WallTime now, Decide decide,
                           Completion<Updated> done) = 0;
  // Erases it only if the stored digest is still this one; true if erased.
  virtual void erase_hint(HintKey key, std::uint64_t digest, Completion<bool> done) = 0;
  // In key order after `after`, stopping at `limit` rows or `bytes_limit` of values (at least one).
  virtual void list_hints(NodeId target, std::optional<HintKey> after, std::size_t limit,
                          std::size_t bytes_limit, Completion<std::vector<HintRow>> done) = 0;
  // Hints held here for one key, whatever their target.
  virtual void find_hints(RecordKey key, Completion<std::vector<HintRow>> done) = 0;
  // Drops every hint for the target that is not sole (all targets if nullopt); how many went.
  virtual void drop_hints(std::optional<NodeId> target, Completion<std::uint64_t> done) = 0;
  // By target; kept in memory, as of the last completed update.
  virtual const std::map<NodeId, HintTotals>& hint_totals() const = 0;

  // --- small named values: identity, generation, leases, members ---
  // As read at open plus every completed put_named().
  virtual std::optional<Bytes> named(ByteView name) const = 0;
  virtual void put_named(Bytes name, Bytes value, Completion<Done> done) = 0;
};

// One record's share of its slot's digest. Order-free sum, so changes are O(1).
std::uint64_t slot_term(Token token, ByteView key, std::uint64_t digest);

}  // namespace parley::storage
