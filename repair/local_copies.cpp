#include "repair/local_copies.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/check.h"
#include "base/mutant.h"
#include "replication/version.h"
#include "ring/ring.h"

namespace parley::repair {
namespace {

// Lookups under way at once for one batch: each costs a hop to the reader's thread and back.
constexpr std::size_t kReadsAtOnce = 32;

struct Listing {
  storage::Store& store;
  SlotIndex& index;
  const Lifetime& alive;  // every callback is bound to it
  ListOrder order;
  std::function<void(Result<ListReply>)> done;
  std::size_t at = 0;  // position in order.slots
  std::optional<storage::RecordKey> after;
  std::size_t bytes = 0;
  ListReply reply;
};

// One listing of a slot, begun at its first key.
void check_index(Listing& listing, Slot slot, const std::vector<storage::ListedKey>& keys,
                 std::uint32_t changes) {
  std::uint64_t sum = 0;
  for (const auto& listed : keys) {
    sum += index_term(ring::token_of(listed.key), listed.key, listed.digest);
  }
  listing.index.recount(listing.order.keyspace, slot, sum, changes);
}

// False when the page is full.
bool take_keys(Listing& listing, std::vector<storage::ListedKey> keys) {
  for (auto& listed : keys) {
    const std::size_t bytes = listing.bytes + listed.key.size();
    if (!listing.reply.keys.empty() && bytes > listing.order.bytes_most) return false;
    listing.bytes = bytes;
    listing.reply.keys.push_back(std::move(listed));
  }
  return listing.reply.keys.size() < listing.order.keys_most;
}

void list_next(const std::shared_ptr<Listing>& listing);

void on_slot(const std::shared_ptr<Listing>& listing, Slot slot, std::size_t limit,
             std::uint32_t changes, Result<std::vector<storage::ListedKey>> keys) {
  if (!keys) return listing->done(keys.error());
  const bool slot_ended = keys->size() < limit;
  if (!listing->after && slot_ended) check_index(*listing, slot, *keys, changes);
  if (!take_keys(*listing, std::move(*keys))) return listing->done(std::move(listing->reply));
  PARLEY_CHECK(slot_ended);  // a page that is not full has all that the slot holds
  ++listing->at;
  listing->after.reset();
  list_next(listing);
}

void list_next(const std::shared_ptr<Listing>& listing) {
  const ListOrder& order = listing->order;
  if (listing->at == order.slots.size()) {
    listing->reply.last = true;
    return listing->done(std::move(listing->reply));
  }
  const Slot slot = order.slots[listing->at];
  const std::size_t limit = order.keys_most - listing->reply.keys.size();
  const std::uint32_t changes = listing->index.slot_changes(order.keyspace, slot);
  listing->store.list_slot(order.keyspace, slot, listing->after, limit,
                           listing->alive.guard([listing, slot, limit, changes](
                                                    Result<std::vector<storage::ListedKey>> keys) {
                             on_slot(listing, slot, limit, changes, std::move(keys));
                           }));
}

struct Reading {
  storage::Store& store;
  const Lifetime& alive;
  ReadOrder order;
  std::function<void(Result<std::vector<FetchedCopy>>)> done;
  std::size_t at = 0;  // keys whose copies are in `copies`
  std::size_t bytes = 0;
  std::vector<FetchedCopy> copies;
  std::vector<Result<storage::Found>> window;  // of the lookups under way
  std::size_t waiting = 0;
};

void read_next(const std::shared_ptr<Reading>& reading);

// Sets of tombstones alone, for a planted bug.
[[maybe_unused]] bool is_deleted(const storage::Found& found) {
  const auto set = replication::VersionSet::decode(found.value);
  return set.ok() && set->value_bytes() == 0;
}

// False when the batch is full.
bool take_copies(Reading& reading) {
  for (auto& found : reading.window) {
    const std::size_t bytes = reading.bytes + found->value.size();
    if (!reading.copies.empty() && bytes > reading.order.bytes_most) return false;
    if (PARLEY_MUTANT(tombstone_not_handed_over) && is_deleted(*found)) *found = storage::Found{};
    reading.bytes = bytes;
    reading.copies.push_back({found->condition, std::move(found->value)});
    ++reading.at;
  }
  return true;
}

void on_window(const std::shared_ptr<Reading>& reading) {
  for (const auto& found : reading->window) {
    if (!found) return reading->done(found.error());
  }
  const bool room = take_copies(*reading);
  if (!room || reading->at == reading->order.keys.size()) {
    return reading->done(std::move(reading->copies));
  }
  read_next(reading);
}

void read_next(const std::shared_ptr<Reading>& reading) {
  const std::size_t count = std::min(kReadsAtOnce, reading->order.keys.size() - reading->at);
  reading->window.assign(count, storage::Found{});
  reading->waiting = count;
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes& key = reading->order.keys[reading->at + i];
    reading->store.get({reading->order.keyspace, ring::token_of(key), key},
                       reading->alive.guard([reading, i](Result<storage::Found> found) {
                         reading->window[i] = std::move(found);
                         if (--reading->waiting == 0) on_window(reading);
                       }));
  }
}

}  // namespace

void list_slots(storage::Store& store, SlotIndex& index, const Lifetime& alive, ListOrder order,
                std::function<void(Result<ListReply>)> done) {
  PARLEY_CHECK(!order.slots.empty() && order.keys_most > 0);
  auto listing = std::make_shared<Listing>(
      Listing{store, index, alive, std::move(order), std::move(done), 0, std::nullopt, 0, {}});
  if (!listing->order.after.empty()) {
    const Bytes& after = listing->order.after;
    const Token token = ring::token_of(after);
    const auto& slots = listing->order.slots;
    const auto at = std::lower_bound(slots.begin(), slots.end(), slot_of(token));
    listing->at = static_cast<std::size_t>(at - slots.begin());
    if (at != slots.end() && *at == slot_of(token)) {
      listing->after = storage::RecordKey{listing->order.keyspace, token, after};
    }
  }
  if (listing->at == listing->order.slots.size()) {
    // Nothing can follow: an empty listing of the last slot keeps `done` out of this call.
    listing->at = listing->order.slots.size() - 1;
    listing->after = storage::RecordKey{listing->order.keyspace, UINT64_MAX, Bytes(1, '\xff')};
  }
  list_next(listing);
}

void read_copies(storage::Store& store, const Lifetime& alive, ReadOrder order,
                 std::function<void(Result<std::vector<FetchedCopy>>)> done) {
  PARLEY_CHECK(!order.keys.empty());
  read_next(std::make_shared<Reading>(
      Reading{store, alive, std::move(order), std::move(done), 0, 0, {}, {}, 0}));
}

}  // namespace parley::repair
