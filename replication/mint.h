// Deciders of one key's local copy: minting a new version, and merging one that came from
// elsewhere. Pure; the Replica runs them inside the store's transaction.
//
// A dot must never name two writes, although a record may be forgotten (lost, damaged, rolled
// back) and come back older by a merge (riak_kv issue 679). So an epoch is continued only while
// the local record cannot have been forgotten since its last dot:
//  - a steady epoch mints only dots that are fsynced before anyone sees them;
//  - a fleeting epoch mints those of Durability::Memory, and ends with this start of the node, or
//    when the store has undone such writes (a full disk);
//  - a merge that brings dots of the own storage id which the local record does not know proves
//    that it was forgotten: the floor rises above them first, durably, then the merge happens.
//
// A damaged record may have held an acked write, so nothing is minted or merged onto it: a sound
// record that lacks the write would count in a majority again. Only what enough other owners hold
// together replaces it (repair/damage_mending.h), or the word that nobody holds anything.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "replication/replica.h"
#include "replication/version.h"
#include "storage/store.h"

namespace parley::replication {

// An actor's epoch is a number drawn from the store's counter and, in the lowest bit, its kind.
inline constexpr std::uint64_t kEpochDrawMost = std::uint64_t{1} << 62;
inline constexpr std::uint64_t make_epoch(std::uint64_t draw, bool fleeting) {
  return draw << 1 | (fleeting ? 1U : 0U);
}
inline constexpr std::uint64_t draw_of(std::uint64_t epoch) { return epoch >> 1; }
inline constexpr bool is_fleeting(std::uint64_t epoch) { return (epoch & 1) != 0; }

// What may be continued now. Draws below `floor` are dead; fleeting ones below `start` too; at or
// above `next` none was drawn by this store. Below `continue_from` none is continued, for now: this
// disk may be an earlier copy of itself, and the days that it lost may have continued them.
struct EpochBounds {
  std::uint64_t floor = 0, start = 0, next = 0;
  std::uint64_t continue_from = 0;
};

class EpochSource {
 public:
  virtual ~EpochSource() = default;
  virtual EpochBounds bounds() const = 0;
  // The next draw, never given before in any life of this store; nullopt: none is leased yet.
  virtual std::optional<std::uint64_t> draw() = 0;
};

enum class Minter : std::uint8_t { Owner, Hint };

struct MintLimits {
  std::size_t siblings_most = 64;
  std::size_t set_bytes_most = 0;
  Minter minter = Minter::Owner;
};

// What may be done with a damaged record: nothing, or it counts as missing and is replaced.
enum class OnDamage : std::uint8_t { Refuse, Replace };

// The record as the store found it. Damaged also when its bytes are no version set.
struct LocalState {
  storage::Condition condition = storage::Condition::Missing;
  VersionSet set;  // Sound only
};
LocalState local_state(const storage::Found& found, OnDamage on_damage = OnDamage::Refuse);

struct MintDecision {
  Dot dot;
  VersionSet set;      // to be stored unless `again`
  bool again = false;  // the op-id is live here: `dot` is its least, nothing is to be written
};
// Errors: Damaged (the record is), Expired (given up; what is there already is told even so),
// SiblingCap, TooLarge (all before an epoch is drawn), NotReady (no epoch leased).
Result<MintDecision> decide_mint(const LocalState& local, const MintRequest& request,
                                 const StorageId& own, EpochSource& epochs,
                                 const MintLimits& limits);

struct MergeDecision {
  bool changed = false;
  bool discarded = false;  // as VersionSet::merge says
  VersionSet set;          // to be stored if `changed`
  // Set: nothing may be stored before the floor is above this draw. Decide again then.
  std::optional<std::uint64_t> forgotten;
};
// Error: Damaged (the record is).
Result<MergeDecision> decide_merge(LocalState local, const VersionSet& incoming,
                                   const StorageId& own, const EpochBounds& bounds);

}  // namespace parley::replication
