#include "replication/store_hint_log.h"

#include "base/mutant.h"
#include "replication/hint_merge.h"

namespace parley::replication {
namespace {

// Old hints go slowly: they are in nobody's way, and deletes compete with writes for the disk.
constexpr Duration kExpiryPause = 10s;
constexpr std::size_t kExpiryRows = 256;

}  // namespace

StoreHintLog::StoreHintLog(const ReplicationWorld& world)
    : world_(world),
      pending_(world.metrics, "hints_pending", "Hints kept here for absent replicas.",
               [this] {
                 std::uint64_t sum = 0;
                 for (const auto& [target, totals] : this->totals()) sum += totals.hints;
                 return static_cast<double>(sum);
               }),
      bytes_(world.metrics, "hint_bytes", "Bytes of the hints kept here.",
             [this] {
               std::uint64_t sum = 0;
               for (const auto& [target, totals] : this->totals()) sum += totals.bytes;
               return static_cast<double>(sum);
             }),
      expired_(world.metrics, "hints_expired_total", "Hints dropped because of their age."),
      evicted_(world.metrics, "hints_evicted_total", "Hints dropped to make room for only copies."),
      expiry_timer_(world.loop) {
  expiry_timer_.after(kExpiryPause, [this] { expire_next(); });
}

Status StoreHintLog::room_for(const NodeId& target, std::size_t bytes) const {
  const auto found = totals().find(target);
  const auto writing = writing_.find(target);
  const std::uint64_t kept = (found == totals().end() ? 0 : found->second.bytes) +
                             (writing == writing_.end() ? 0 : writing->second);
  if (kept + bytes <= world_.options.hint_bytes_most()) return Done{};
  return Error{ErrorCode::Overloaded, "too many hints are kept for node " + to_text(target), 1000};
}

void StoreHintLog::add(const NodeId& target, const storage::RecordKey& key, Bytes encoded_set,
                       bool sole, std::function<void(Status)> done) {
  const auto refuse = [&](const Error& error) {
    world_.loop.post(alive_.guard([done, error] { done(error); }));
  };
  auto set = VersionSet::decode(encoded_set);
  if (!set) return refuse(set.error());
  if (set->empty()) return refuse({ErrorCode::InvalidArgument, "an empty version set as a hint"});
  const std::size_t bytes = encoded_set.size();
  if (!sole) {
    const Status room = room_for(target, bytes);
    if (!room) return refuse(room.error());
    return keep({target, key}, std::move(*set), std::move(encoded_set), false, std::move(done));
  }
  make_room(target, bytes,
            [this, hint = storage::HintKey{target, key}, set = std::move(*set),
             encoded_set = std::move(encoded_set), done = std::move(done)](const Status& room) {
              if (room) return keep(hint, set, encoded_set, true, done);
              world_.loop.post(alive_.guard([done, error = room.error()] { done(error); }));
            });
}

void StoreHintLog::make_room(const NodeId& target, std::size_t bytes,
                             std::function<void(Status)> done) {
  const auto found = totals().find(target);
  const bool others = found != totals().end() && found->second.hints > found->second.sole_hints;
  const Status room = room_for(target, bytes);
  if (room || !others) return done(room);
  drop(target, [this, target, bytes, done = std::move(done)](const Result<std::uint64_t>& dropped) {
    if (!dropped) return done(dropped.error());
    evicted_.add(*dropped);
    world_.log.warn("hints.evicted", {{"target", target}, {"hints", *dropped}});
    done(room_for(target, bytes));
  });
}

void StoreHintLog::keep(const storage::HintKey& key, VersionSet set, Bytes encoded_set, bool sole,
                        std::function<void(Status)> done) {
  const std::size_t bytes = encoded_set.size();
  update(
      key, sole, bytes,
      [incoming = std::move(set), encoded = std::move(encoded_set)](const storage::Found& current) {
        return decide_hint(current, incoming, encoded);
      },
      [done = std::move(done)](const Result<storage::Updated>& updated) {
        if (!updated) return done(updated.error());
        done(Done{});
      });
}

void StoreHintLog::update(const storage::HintKey& key, bool sole, std::size_t bytes,
                          storage::Decide decide,
                          std::function<void(Result<storage::Updated>)> done) {
  if (bytes > 0) writing_[key.target] += bytes;
  world_.store.update_hint(key, sole, world_.loop.wall(), std::move(decide),
                           alive_.guard([this, done = std::move(done), target = key.target,
                                         bytes](const Result<storage::Updated>& updated) {
                             wrote(target, bytes);
                             done(updated);
                           }));
}

void StoreHintLog::wrote(const NodeId& target, std::size_t bytes) {
  const auto writing = writing_.find(target);
  if (writing == writing_.end()) return;  // it counted for no bytes
  writing->second -= bytes;
  if (writing->second == 0) writing_.erase(writing);
}

void StoreHintLog::find(const storage::RecordKey& key,
                        std::function<void(Result<std::vector<storage::HintRow>>)> done) {
  world_.store.find_hints(key, alive_.guard(std::move(done)));
}

void StoreHintLog::list(const NodeId& target, std::optional<storage::HintKey> after,
                        std::size_t limit, std::size_t bytes_limit,
                        std::function<void(Result<std::vector<storage::HintRow>>)> done) {
  world_.store.list_hints(target, std::move(after), limit, bytes_limit,
                          alive_.guard(std::move(done)));
}

void StoreHintLog::erase(const storage::HintKey& key, std::uint64_t digest,
                         std::function<void(Result<bool>)> done) {
  world_.store.erase_hint(key, digest, alive_.guard(std::move(done)));
}

void StoreHintLog::drop(std::optional<NodeId> target,
                        std::function<void(Result<std::uint64_t>)> done) {
  world_.store.drop_hints(target, alive_.guard(std::move(done)));
}

const std::map<NodeId, storage::HintTotals>& StoreHintLog::totals() const {
  return world_.store.hint_totals();
}

void StoreHintLog::expire_next() {
  expiry_timer_.after(kExpiryPause, [this] { expire_next(); });
  const std::int64_t now = world_.loop.wall().millis;
  const std::int64_t most = to_millis(world_.options.hint_age_most());
  // In turn: a target whose oldest hints are only copies looks old for ever.
  std::optional<NodeId> next;
  for (const auto& [target, totals] : this->totals()) {
    if (totals.hints == totals.sole_hints || totals.oldest.millis + most >= now) continue;
    if (!next || (*next <= expired_last_ && target > expired_last_)) next = target;
  }
  if (!next) return;
  expired_last_ = *next;
  expire(*next, std::nullopt);
}

void StoreHintLog::expire(const NodeId& target, std::optional<storage::HintKey> after) {
  list(target, std::move(after), kExpiryRows, 1_MiB,
       [this, target](const Result<std::vector<storage::HintRow>>& rows) {
         on_listed(target, rows);
       });
}

void StoreHintLog::on_listed(const NodeId& target,
                             const Result<std::vector<storage::HintRow>>& rows) {
  if (!rows || rows->empty()) return;
  const std::int64_t now = world_.loop.wall().millis;
  const std::int64_t most = to_millis(world_.options.hint_age_most());
  for (const storage::HintRow& row : *rows) {
    if ((row.sole && !PARLEY_MUTANT(only_copy_expires)) || row.created.millis + most >= now)
      continue;
    erase(row.key, row.digest, [this](const Result<bool>& erased) {
      if (erased && *erased) expired_.add();
    });
  }
  expire(target, rows->back().key);
}

}  // namespace parley::replication
