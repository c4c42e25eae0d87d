#include "storage/sqlite_writer.h"

#include <algorithm>

#include "base/mutant.h"

namespace parley::storage {
namespace {

// A transaction that has written so much is committed: whoever waits behind a huge value waits
// for one of them, not for a whole group.
constexpr std::size_t kGroupBytesMost = 16_MiB;
// SQLite refuses blobs over 1e9 bytes; nothing above comes near.
constexpr std::size_t kValueBytesMost = 256_MiB;
constexpr Duration kRoomTestPause = 100ms;

Error disk_full_error() {
  return {ErrorCode::DiskFull, "the disk is full: writes are refused until there is room"};
}

template <typename Request>
constexpr bool kAnswered = requires(Request& request) {
  request.done;
};

}  // namespace

WriterMetrics::WriterMetrics(MetricRegistry& metrics)
    : commits(metrics, "store_commits_total", "Transactions committed by the store."),
      updates(metrics, "store_updates_total", "Requests that these transactions held."),
      damaged(metrics, "store_damaged_total", "Records and hints found with a wrong checksum."),
      checkpoints(metrics, "store_checkpoints_total", "Checkpoints of the write-ahead log."),
      refused(metrics, "store_refused_full_total", "Writes refused because the disk is full."),
      commit_seconds(metrics, "store_commit_seconds", "How long one COMMIT took.") {}

SqliteWriter::SqliteWriter(Connection connection, Limits limits, World world, Logger log,
                           WriterMetrics& metrics)
    : connection_(std::move(connection)),
      begin_(connection_, "BEGIN IMMEDIATE"),
      commit_(connection_, "COMMIT"),
      rows_(std::make_unique<WriterRows>(connection_)),
      limits_(limits),
      world_(std::move(world)),
      log_(log),
      metrics_(metrics),
      checkpoint_at_(limits.checkpoint_pages) {
  sqlite3_wal_hook(
      connection_.get(),
      [](void* self, sqlite3*, const char*, int pages) {
        auto& writer = *static_cast<SqliteWriter*>(self);
        const auto count = static_cast<std::uint64_t>(pages);
        // Fewer than before: the log began anew.
        if (count < writer.log_pages_) writer.checkpoint_at_ = writer.limits_.checkpoint_pages;
        writer.log_pages_ = count;
        return SQLITE_OK;
      },
      this);
  measure();
}

SqliteWriter::~SqliteWriter() = default;

void SqliteWriter::run_batch(std::deque<WriteRequest>& queue) {
  if (failed_) {
    world_.bury(std::exchange(queue, {}));
    return;
  }
  const Room left = room();
  if (left != Room::Enough) refuse(queue, left == Room::Reserve);
  if (queue.empty()) return;
  Group group;
  const char* doing = "write";
  try {
    begin_.with().run();
    work(queue, group);
    deliver_early(group);
    doing = "commit";
    const Instant begin = world_.now();
    commit_.with().run();
    metrics_.commit_seconds.record(world_.now() - begin);
  } catch (const SqliteError& error) {
    if (error.disk_full()) {
      roll_back_full(group, queue);
    } else {
      fail_stop(doing, error);
      bury(group, queue);
    }
    return;
  }
  metrics_.commits.add();
  metrics_.updates.add(group.finished.size());
  if (!group.finished.empty()) {
    const std::size_t mean = group.bytes / group.finished.size();
    usual_bytes_ = std::max(mean, usual_bytes_ - usual_bytes_ / 8 + mean / 8);
  }
  deliver_committed(group);
  for (auto& request : group.again) queue.push_back(std::move(request));
  checkpoint_when_due();
  measure();
}

void SqliteWriter::work(std::deque<WriteRequest>& queue, Group& group) {
  while (!queue.empty() && group.bytes < kGroupBytesMost) {
    std::visit([&](auto& request) { apply(request, group); }, queue.front());
    queue.pop_front();
  }
}

// --- room ---

SqliteWriter::Room SqliteWriter::room() {
  const bool for_ever = PARLEY_MUTANT(disk_full_for_ever) && room_ != Room::Enough;
  if (room_known_ && (for_ever || world_.now() - room_tested_ < kRoomTestPause)) return room_;
  const bool enough = world_.free_bytes() >= limits_.free_bytes_least;
  const bool was_enough = room_ == Room::Enough;
  if (!enough && was_enough) {
    log_.error("store.disk_full", {{"free_bytes_least", limits_.free_bytes_least}});
  }
  if (enough && !was_enough) log_.info("store.disk_has_room");
  room_ = enough ? Room::Enough : Room::Reserve;
  room_known_ = true;
  room_tested_ = world_.now();
  return room_;
}

void SqliteWriter::found_no_room(const char* during) {
  if (room_ == Room::Enough) log_.error("store.disk_full", {{"during", during}});
  room_ = Room::None;
  room_known_ = true;
  room_tested_ = world_.now();
}

void SqliteWriter::refuse(std::deque<WriteRequest>& queue, bool but_named) {
  Delivery delivery;
  std::deque<WriteRequest> kept;
  for (auto& request : queue) {
    if (but_named && std::holds_alternative<PutNamed>(request)) {
      kept.push_back(std::move(request));
      continue;
    }
    std::visit(
        [&](auto& one) {
          if constexpr (kAnswered<std::decay_t<decltype(one)>>) {
            metrics_.refused.add();
            delivery.completions.push_back(
                [done = std::move(one.done)] { done(disk_full_error()); });
          }
        },
        request);
  }
  queue = std::move(kept);
  world_.deliver(std::move(delivery));
}

void SqliteWriter::roll_back_full(Group& group, std::deque<WriteRequest>& queue) {
  // SQLite may have rolled back by itself: only this flag tells.
  if (sqlite3_get_autocommit(connection_.get()) == 0) {
    try {
      connection_.exec("ROLLBACK");
    } catch (const SqliteError& error) {
      fail_stop("roll back", error);
      return bury(group, queue);
    }
  }
  found_no_room("write");
  if (group.told > 0 && !PARLEY_MUTANT(undone_not_counted)) ++undone_;
  Delivery delivery;
  // What was told before the commit is taken back, the last first.
  while (group.told > 0) {
    auto& changes = group.finished[--group.told].changes;
    for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
      std::visit([](auto& one) { std::swap(one.before, one.after); }, *change);
      delivery.changes.push_back(std::move(*change));
    }
  }
  for (auto& finished : group.finished) {
    if (!finished.answer) continue;
    metrics_.refused.add();
    delivery.completions.push_back([answer = std::exchange(finished.answer, nullptr)] {
      const Error error = disk_full_error();
      answer(PARLEY_MUTANT(disk_full_told_as_ok) ? nullptr : &error);
    });
  }
  world_.deliver(std::move(delivery));
  refuse(queue, false);
  bury(group, queue);
}

// What is left is not answered: after a failure nobody knows what of it a restart will find, and
// after a full disk it is the rest of what was answered. What it owns belongs to the loop.
void SqliteWriter::bury(Group& group, std::deque<WriteRequest>& queue) {
  for (auto& finished : group.finished) {
    if (!finished.answer) continue;
    queue.emplace_back(PutNamed{{}, {}, [answer = std::move(finished.answer)](Status) {}});
  }
  for (auto& request : group.again) queue.push_back(std::move(request));
  if (!queue.empty()) world_.bury(std::exchange(queue, {}));
}

void SqliteWriter::fail_stop(const std::string& doing, const SqliteError& error) {
  failed_ = true;
  log_.error("store.failed", {{"doing", doing}, {"code", error.code}, {"error", error.text}});
  world_.fatal({error.corrupt() ? ErrorCode::Damaged : ErrorCode::Internal,
                "the store cannot " + doing + " any more: " + error.text});
}

// --- deliveries ---

void SqliteWriter::deliver_early(Group& group) {
  std::size_t last = group.finished.size();
  while (last > 0 && !group.finished[last - 1].early) --last;
  if (last == 0) return;
  // Changes are told in commit order, so those before an early one go with it.
  Delivery delivery;
  for (std::size_t i = 0; i < last; ++i) {
    Finished& finished = group.finished[i];
    delivery.changes.insert(delivery.changes.end(), finished.changes.begin(),
                            finished.changes.end());
    if (!finished.early) continue;
    delivery.completions.push_back(
        [answer = std::exchange(finished.answer, nullptr)] { answer(nullptr); });
  }
  group.told = last;
  world_.deliver(std::move(delivery));
}

void SqliteWriter::deliver_committed(Group& group) {
  Delivery delivery;
  for (std::size_t i = 0; i < group.finished.size(); ++i) {
    Finished& finished = group.finished[i];
    if (i >= group.told) {
      std::move(finished.changes.begin(), finished.changes.end(),
                std::back_inserter(delivery.changes));
    }
    if (finished.answer) {
      delivery.completions.push_back([answer = std::move(finished.answer)] { answer(nullptr); });
    }
  }
  if (delivery.changes.empty() && delivery.completions.empty()) return;
  world_.deliver(std::move(delivery));
}

// --- the requests ---

void SqliteWriter::apply(UpdateRecord& request, Group& group) {
  StoredRow current = rows_->record(request.key);
  Finished finished;
  finished.early = request.durability == Durability::Memory || PARLEY_MUTANT(ack_before_commit);
  Updated updated;
  updated.before = current.found.condition;
  updated.digest = current.found.digest;
  const std::optional<Bytes> value = request.decide(current.found);
  if (value && value->size() > kValueBytesMost) {
    finished.early = false;
    finished.answer = [done = std::move(request.done)](const Error* error) {
      done(error != nullptr ? *error : Error{ErrorCode::TooLarge, "the record is too large"});
    };
    group.finished.push_back(std::move(finished));
    return;
  }
  std::uint64_t after = current.digest;
  if (value) {
    const bool same = updated.before == Condition::Sound && *value == current.found.value;
    if (!same) {
      after = record_digest(request.key.key, *value);
      rows_->put_record(request.key, after, *value);
      group.bytes += request.key.key.size() + value->size();
      updated.changed = true;
      updated.digest = after;
    }
  } else if (updated.before == Condition::Damaged && current.digest != 0) {
    rows_->mark_record(request.key);
    after = 0;
  }
  if (updated.before == Condition::Damaged && current.digest != 0) {
    found_damaged("record", request.key);
  }
  // Told also when only the bytes were wrong and the stored digest right.
  if (updated.changed || after != current.digest) {
    finished.changes.push_back(RecordChange{request.key, current.digest, after});
  }
  finished.answer = [done = std::move(request.done), updated](const Error* error) {
    if (error != nullptr) return done(*error);
    done(updated);
  };
  group.finished.push_back(std::move(finished));
}

void SqliteWriter::apply(UpdateHint& request, Group& group) {
  const std::optional<StoredHint> current = rows_->hint(request.key);
  const StoredRow row = current ? current->row : StoredRow{};
  Updated updated;
  updated.before = row.found.condition;
  updated.digest = row.found.digest;
  Finished finished;
  const std::optional<Bytes> value = request.decide(row.found);
  if (value && value->size() > kValueBytesMost) {
    finished.answer = [done = std::move(request.done)](const Error* error) {
      done(error != nullptr ? *error : Error{ErrorCode::TooLarge, "the hint is too large"});
    };
    group.finished.push_back(std::move(finished));
    return;
  }
  const bool damaged = updated.before == Condition::Damaged && row.digest != 0;
  if (damaged) found_damaged("hint", request.key.record);
  if (value) {
    HintShare share{value->size(), request.now, request.sole};
    if (current) {
      // The age is that of the oldest write it may hold.
      share.created = current->share.created;
      share.sole = share.sole || (current->share.sole && !PARLEY_MUTANT(sole_mark_lost));
    }
    const bool same = updated.before == Condition::Sound && *value == row.found.value &&
                      share.sole == current->share.sole;
    if (!same) {
      updated.changed = true;
      updated.digest = record_digest(request.key.record.key, *value);
      rows_->put_hint(request.key, updated.digest, share, *value);
      group.bytes += request.key.record.key.size() + value->size();
      HintChange change{request.key.target, std::nullopt, share};
      if (current) change.before = current->share;
      finished.changes.push_back(change);
    }
  } else if (damaged) {
    rows_->mark_hint(request.key);
  }
  finished.answer = [done = std::move(request.done), updated](const Error* error) {
    if (error != nullptr) return done(*error);
    done(updated);
  };
  group.finished.push_back(std::move(finished));
}

void SqliteWriter::apply(EraseHint& request, Group& group) {
  const std::optional<StoredHint> current = rows_->hint(request.key);
  // A damaged hint is listed with digest 0, and can be erased by it.
  const bool erased =
      current && (current->row.found.digest == request.digest || PARLEY_MUTANT(newer_hint_erased));
  Finished finished;
  if (erased) {
    rows_->erase_hint(request.key);
    group.bytes += request.key.record.key.size();
    finished.changes.push_back(HintChange{request.key.target, current->share, std::nullopt});
  }
  finished.answer = [done = std::move(request.done), erased](const Error* error) {
    if (error != nullptr) return done(*error);
    done(erased);
  };
  group.finished.push_back(std::move(finished));
}

void SqliteWriter::apply(DropHints& request, Group& group) {
  constexpr std::size_t kSliceRows = 512;
  auto rows = rows_->droppable(request.target, request.after, kSliceRows);
  Finished finished;
  for (const auto& row : rows) {
    rows_->erase_hint(row.key);
    finished.changes.push_back(HintChange{row.key.target, row.share, std::nullopt});
  }
  const std::uint64_t dropped = request.dropped + rows.size();
  if (rows.size() < kSliceRows) {
    finished.answer = [done = std::move(request.done), dropped](const Error* error) {
      if (error != nullptr) return done(*error);
      done(dropped);
    };
  } else {
    // Only an error ends it here: what earlier slices dropped stays dropped.
    DropHints rest{request.target, request.after, dropped, request.done};
    rest.after = rows.back().key;
    finished.answer = [done = request.done](const Error* error) {
      if (error != nullptr) done(*error);
    };
    group.again.push_back(std::move(rest));
  }
  group.finished.push_back(std::move(finished));
}

void SqliteWriter::apply(PutNamed& request, Group& group) {
  Finished finished;
  finished.changes.push_back(NamedChange{request.name, rows_->named(request.name), request.value});
  rows_->put_named(request.name, request.value);
  group.bytes += request.name.size() + request.value.size();
  finished.answer = [done = std::move(request.done)](const Error* error) {
    if (error != nullptr) return done(*error);
    done(Done{});
  };
  group.finished.push_back(std::move(finished));
}

void SqliteWriter::apply(MarkRecord& request, Group& group) {
  const StoredRow row = rows_->record(request.key);
  const bool sound = row.found.condition == Condition::Sound;
  if (row.found.condition == Condition::Missing || row.digest == 0) return;
  if (sound && !group.records_anew.insert(request.key).second) return;
  found_damaged("record", request.key);
  if (sound) {
    group.bytes += row.found.value.size();
    return rows_->rewrite_record(request.key, row);
  }
  rows_->mark_record(request.key);
  Finished finished;
  finished.changes.emplace_back(RecordChange{request.key, row.digest, 0});
  group.finished.push_back(std::move(finished));
}

void SqliteWriter::apply(MarkHint& request, Group& group) {
  const std::optional<StoredHint> current = rows_->hint(request.key);
  if (!current) return;
  const bool sound = current->row.found.condition == Condition::Sound;
  if (!sound && current->row.digest == 0) return;
  if (sound && !group.hints_anew.insert(request.key).second) return;
  found_damaged("hint", request.key.record);
  if (sound) {
    group.bytes += current->row.found.value.size();
    return rows_->rewrite_hint(request.key, *current);
  }
  rows_->mark_hint(request.key);
}

// Counted and logged where the row is marked or written anew. A mark that comes after its row was
// mended counts once more: the digest cannot tell, for it may be what rotted.
void SqliteWriter::found_damaged(const char* what, const RecordKey& key) {
  metrics_.damaged.add();
  log_.error("store.damaged", {{"what", what},
                               {"keyspace", key.keyspace},
                               {"token", key.token},
                               {"key_hex", to_hex(ByteView(key.key).substr(0, 64))}});
}

// --- checkpoints ---

void SqliteWriter::checkpoint_when_due() {
  if (failed_ || log_pages_ < checkpoint_at_) return;
  // PASSIVE copies what no reader holds back and waits for nobody; once all is copied the next
  // commit starts the log anew. Under readers without a gap it never would: then RESTART waits
  // for them (their transactions are short), and a log that has grown far gives back its space.
  const std::uint64_t most = limits_.checkpoint_pages;
  const int mode = log_pages_ < 4 * most    ? SQLITE_CHECKPOINT_PASSIVE
                   : log_pages_ < 16 * most ? SQLITE_CHECKPOINT_RESTART
                                            : SQLITE_CHECKPOINT_TRUNCATE;
  checkpoint(mode);
  checkpoint_at_ = log_pages_ + most / 4;
}

void SqliteWriter::checkpoint(int mode) {
  const int code = sqlite3_wal_checkpoint_v2(connection_.get(), "main", mode, nullptr, nullptr);
  if (code == SQLITE_OK) {
    metrics_.checkpoints.add();
    return;
  }
  const SqliteError error{sqlite3_extended_errcode(connection_.get()),
                          sqlite3_errmsg(connection_.get())};
  if (error.busy()) return;  // a reader was in the way; there is a next time
  if (error.disk_full()) {
    // Nothing is lost: it is all in the log still.
    return found_no_room("checkpoint");
  }
  fail_stop("checkpoint", error);
}

void SqliteWriter::close() {
  if (!failed_) checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
}

void SqliteWriter::measure() {
  std::uint64_t total = 0;
  for (const int which : {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER}) {
    sqlite3_file* file = nullptr;
    sqlite3_int64 size = 0;
    if (sqlite3_file_control(connection_.get(), "main", which, &file) != SQLITE_OK) continue;
    if (file == nullptr || file->pMethods == nullptr) continue;
    if (file->pMethods->xFileSize(file, &size) == SQLITE_OK) total += loaded_number(size);
  }
  bytes_on_disk_.store(total, std::memory_order_relaxed);
}

}  // namespace parley::storage
