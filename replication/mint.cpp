#include "replication/mint.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/mutant.h"
#include "replication/context_token.h"

namespace parley::replication {
namespace {

constexpr std::int64_t kLeaseRetryMs = 50;

using Entry = VersionVector::Entry;
using Entries = std::vector<Entry>::const_iterator;

// The entries of one storage id are neighbours, epochs ascending.
std::pair<Entries, Entries> entries_of(const VersionVector& context, const StorageId& own) {
  const auto& all = context.entries();
  const Actor first{own, 0}, last{own, std::numeric_limits<std::uint64_t>::max()};
  return {std::ranges::lower_bound(all, first, {}, &Entry::first),
          std::ranges::upper_bound(all, last, {}, &Entry::first)};
}

bool is_dead(std::uint64_t epoch, const EpochBounds& bounds) {
  const std::uint64_t draw = draw_of(epoch);
  return draw < bounds.floor || (is_fleeting(epoch) && draw < bounds.start);
}

bool may_continue(std::uint64_t epoch, bool fleeting, const EpochBounds& bounds) {
  if (is_dead(epoch, bounds) || draw_of(epoch) >= bounds.next) return false;
  if (draw_of(epoch) < bounds.continue_from) return false;
  // A dot that may be seen and then lost must not be in an epoch that outlives this start. The
  // other way round is fine: a durable dot may end a fleeting epoch.
  return is_fleeting(epoch) || !fleeting;
}

// The dot to mint, if an epoch can be continued.
std::optional<Dot> continued(const LocalState& local, const MintRequest& request,
                             const StorageId& own, const EpochBounds& bounds) {
  const VersionVector& known = local.set.context();
  const auto [seen_first, seen_last] = entries_of(request.seen, own);
  const bool forgotten = std::any_of(seen_first, seen_last, [&](const auto& entry) {
    return entry.second > known.counter(entry.first);
  });
  if (forgotten) return std::nullopt;
  const auto [first, last] = entries_of(known, own);
  if (first == last) return std::nullopt;
  const auto& [actor, counter] = *std::prev(last);
  const bool fleeting = request.durability == storage::Durability::Memory;
  if (!may_continue(actor.epoch, fleeting, bounds)) return std::nullopt;
  if (counter == std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  return Dot{actor, counter + (PARLEY_MUTANT(dot_given_twice) ? 0 : 1)};
}

Error damaged() { return {ErrorCode::Damaged, "the local record is damaged", 0}; }

// The reply's token names what was seen and the write's own actor. `dot`: the one that continues.
Status check_token(const VersionVector& seen, const std::optional<Dot>& dot) {
  const bool named = dot && seen.counter(dot->actor) > 0;
  const std::size_t entries = seen.entries().size() + (named ? 0 : 1);
  if (entries <= kContextEntriesMost) return Done{};
  return Error{ErrorCode::TooLarge,
               "the causal context of the write would name " + std::to_string(entries) +
                   " actors, a token has room for " + std::to_string(kContextEntriesMost) +
                   ": read the key again and write with the context of that read",
               0};
}

// A context only grows. Owners add few actors, so what their record knows is no reason to refuse a
// write: a read's token has room whatever merges brought (context_of_read). Hints add one each.
Status check_hint(const VersionSet& set, const VersionVector& seen) {
  const VersionVector& known = set.context();
  const auto more =
      std::count_if(seen.entries().begin(), seen.entries().end(),
                    [&](const auto& entry) { return known.counter(entry.first) == 0; });
  const std::size_t entries = known.entries().size() + static_cast<std::size_t>(more) + 1;
  if (entries <= kHintContextEntriesMost) return Done{};
  return Error{ErrorCode::TooLarge,
               "the causal context of the key would name " + std::to_string(entries) +
                   " actors, the most that a hint may make of it is " +
                   std::to_string(kHintContextEntriesMost) +
                   ": too many hints have been minted for this key; write it when an owner of the "
                   "key is up",
               0};
}

// Only a stamp that no clock made can be the last one.
Status check_stamp(const VersionSet& set, const MintRequest& request) {
  if (!request.last_writer || std::max(request.last_writer->seen, set.stamp()) < kStampMost) {
    return Done{};
  }
  return Error{ErrorCode::TooLarge, "the key has the last stamp that there is", 0};
}

Status check_context(const VersionSet& set, const MintRequest& request,
                     const std::optional<Dot>& dot, Minter minter) {
  return minter == Minter::Hint ? check_hint(set, request.seen) : check_token(request.seen, dot);
}

Status check_limits(const VersionSet& set, const MintRequest& request, const MintLimits& limits) {
  std::size_t siblings = 1;
  std::size_t bytes = request.value ? request.value->size() : 0;
  for (const Sibling& sibling : set.siblings()) {
    if (request.last_writer || request.seen.covers(sibling.dot)) continue;
    ++siblings;
    bytes += sibling.value.size();
  }
  if (siblings > limits.siblings_most) {
    return Error{ErrorCode::SiblingCap,
                 "the key already has " + std::to_string(siblings - 1) +
                     " siblings: read it and write with the context of that read",
                 0};
  }
  if (bytes > limits.set_bytes_most) {
    // A lone value over the limit is too large whatever is there; else its siblings are the
    // trouble.
    return Error{siblings > 1 ? ErrorCode::SiblingCap : ErrorCode::TooLarge,
                 "the siblings of the key would take " + std::to_string(bytes) +
                     " bytes, the limit is " + std::to_string(limits.set_bytes_most),
                 0};
  }
  return Done{};
}

}  // namespace

LocalState local_state(const storage::Found& found, OnDamage on_damage) {
  if (found.condition == storage::Condition::Missing) return {};
  if (found.condition == storage::Condition::Sound) {
    Result<VersionSet> set = VersionSet::decode(found.value);
    if (set) return {storage::Condition::Sound, std::move(*set)};
  }
  if (on_damage == OnDamage::Replace || PARLEY_MUTANT(damaged_taken_for_absent)) return {};
  return {storage::Condition::Damaged, {}};
}

Result<MintDecision> decide_mint(const LocalState& local, const MintRequest& request,
                                 const StorageId& own, EpochSource& epochs,
                                 const MintLimits& limits) {
  if (local.condition == storage::Condition::Damaged) return damaged();
  if (!request.op.is_nil() && !PARLEY_MUTANT(retry_mints_again)) {
    for (const Sibling& sibling : local.set.siblings()) {  // by dot: the first is the least
      if (sibling.op == request.op) return MintDecision{sibling.dot, local.set, true};
    }
  }
  if (request.given_up && request.given_up()) {
    return Error{ErrorCode::Expired, "the request's time was over before it could be written"};
  }
  std::optional<Dot> dot = continued(local, request, own, epochs.bounds());
  for (const Status& within :
       {check_limits(local.set, request, limits), check_stamp(local.set, request),
        check_context(local.set, request, dot, limits.minter)}) {
    if (!within) return within.error();
  }
  while (!dot) {
    const auto draw = epochs.draw();
    if (!draw) return Error{ErrorCode::NotReady, "no key epoch is leased yet", kLeaseRetryMs};
    const bool fleeting = request.durability == storage::Durability::Memory;
    const Dot first{Actor{own, make_epoch(*draw, fleeting)}, 1};
    // Only a clone of this disk can have used it before us; what it minted must not be covered.
    if (!request.seen.covers(first) && !local.set.context().covers(first)) dot = first;
  }
  const bool drops_all =
      PARLEY_MUTANT(last_write_wins) || (PARLEY_MUTANT(delete_drops_unseen) && !request.value);
  MintDecision decision{*dot, PARLEY_MUTANT(mint_ignores_local) ? VersionSet{} : local.set, false};
  Sibling sibling{*dot, !request.value, request.op, request.value.value_or(Bytes{})};
  if (request.last_writer) {
    const Stamp seen = PARLEY_MUTANT(token_stamp_dropped) ? 0 : request.last_writer->seen;
    sibling.stamp = next_stamp(request.last_writer->wall, std::max(seen, local.set.stamp()));
  }
  decision.set.write(drops_all ? local.set.context() : request.seen, std::move(sibling));
  return decision;
}

Result<MergeDecision> decide_merge(LocalState local, const VersionSet& incoming,
                                   const StorageId& own, const EpochBounds& bounds) {
  if (local.condition == storage::Condition::Damaged) return damaged();
  MergeDecision decision;
  if (incoming.empty()) return decision;
  if (PARLEY_MUTANT(tombstone_not_merged) && incoming.value_bytes() == 0) return decision;
  const auto [first, last] = entries_of(incoming.context(), own);
  for (auto at = first; at != last; ++at) {
    const auto& [actor, counter] = *at;
    const std::uint64_t draw = draw_of(actor.epoch);
    // Beyond kEpochDrawMost our counter does not get: nothing of ours to protect.
    if (counter <= local.set.context().counter(actor) || is_dead(actor.epoch, bounds) ||
        (draw > kEpochDrawMost && draw >= bounds.next)) {
      continue;
    }
    decision.forgotten = draw;  // epochs ascend: the last one is the highest
  }
  if (PARLEY_MUTANT(forgotten_dots_continued)) decision.forgotten.reset();
  if (decision.forgotten) return decision;
  VersionSet merged = PARLEY_MUTANT(merge_overwrites) ? VersionSet{} : local.set;
  decision.discarded = merged.merge(incoming);
  decision.changed = merged != local.set;
  decision.set = std::move(merged);
  return decision;
}

}  // namespace parley::replication
