#include "storage/slow_store.h"

#include <algorithm>
#include <utility>

namespace parley::storage {

template <typename T>
bool SlowStore::refuse(const Completion<T>& done) {
  if (reads_.waiting.size() + writes_.waiting.size() < kWaitingMost) return false;
  loop_.post(lifetime_.guard([done] {
    done(Error{ErrorCode::Overloaded, "the disk is slow and its queue is full", 100});
  }));
  return true;
}

template <typename T>
Completion<T> SlowStore::later(Line& line, Completion<T> done) {
  return lifetime_.guard([this, &line, done = std::move(done)](Result<T> result) {
    const runtime::SlowDisk slow = table_.disk();
    const Instant now = loop_.now();
    Instant due = now + runtime::drawn_delay(slow.delay, slow.jitter, random_);
    if (due <= now && line.waiting.empty()) return done(std::move(result));
    if (!line.waiting.empty()) due = std::max(due, line.waiting.back().due);
    line.waiting.push_back({due, [done, result = std::move(result)] { done(result); }});
    if (line.waiting.size() == 1) arm(line);
  });
}

void SlowStore::arm(Line& line) {
  if (line.waiting.empty()) return;
  line.alarm.at(line.waiting.front().due, lifetime_.guard([this, &line] { give_one(line); }));
}

// One a turn: whoever is answered may ask again, or destroy the store.
void SlowStore::give_one(Line& line) {
  const runtime::Task give = std::move(line.waiting.front().give);
  line.waiting.pop_front();
  arm(line);
  give();
}

void SlowStore::table_changed() {
  if (table_.disk() != runtime::SlowDisk{}) return;
  for (Line* line : {&reads_, &writes_}) {
    for (Line::Answer& answer : line->waiting) answer.due = std::min(answer.due, loop_.now());
    arm(*line);
  }
}

void SlowStore::get(RecordKey key, Completion<Found> done) {
  if (refuse(done)) return;
  ForwardingStore::get(std::move(key), later(reads_, std::move(done)));
}

void SlowStore::update(RecordKey key, Decide decide, Durability durability,
                       Completion<Updated> done) {
  if (refuse(done)) return;
  ForwardingStore::update(std::move(key), std::move(decide), durability,
                          later(writes_, std::move(done)));
}

void SlowStore::list_slot(KeyspaceNumber keyspace, Slot slot, std::optional<RecordKey> after,
                          std::size_t limit, Completion<std::vector<ListedKey>> done) {
  if (refuse(done)) return;
  ForwardingStore::list_slot(keyspace, slot, std::move(after), limit,
                             later(reads_, std::move(done)));
}

void SlowStore::list_records(KeyspaceNumber keyspace, std::optional<RecordKey> after,
                             std::size_t limit, std::size_t bytes_limit,
                             Completion<std::vector<ListedRecord>> done) {
  if (refuse(done)) return;
  ForwardingStore::list_records(keyspace, std::move(after), limit, bytes_limit,
                                later(reads_, std::move(done)));
}

void SlowStore::update_hint(HintKey key, bool sole, WallTime now, Decide decide,
                            Completion<Updated> done) {
  if (refuse(done)) return;
  ForwardingStore::update_hint(std::move(key), sole, now, std::move(decide),
                               later(writes_, std::move(done)));
}

void SlowStore::erase_hint(HintKey key, std::uint64_t digest, Completion<bool> done) {
  if (refuse(done)) return;
  ForwardingStore::erase_hint(std::move(key), digest, later(writes_, std::move(done)));
}

void SlowStore::list_hints(NodeId target, std::optional<HintKey> after, std::size_t limit,
                           std::size_t bytes_limit, Completion<std::vector<HintRow>> done) {
  if (refuse(done)) return;
  ForwardingStore::list_hints(target, std::move(after), limit, bytes_limit,
                              later(reads_, std::move(done)));
}

void SlowStore::find_hints(RecordKey key, Completion<std::vector<HintRow>> done) {
  if (refuse(done)) return;
  ForwardingStore::find_hints(std::move(key), later(reads_, std::move(done)));
}

void SlowStore::drop_hints(std::optional<NodeId> target, Completion<std::uint64_t> done) {
  if (refuse(done)) return;
  ForwardingStore::drop_hints(target, later(writes_, std::move(done)));
}

// Identity, leases and members: refused by nobody.
void SlowStore::put_named(Bytes name, Bytes value, Completion<Done> done) {
  ForwardingStore::put_named(std::move(name), std::move(value), later(writes_, std::move(done)));
}

}  // namespace parley::storage
