#include "storage/sqlite_reader.h"

#include <algorithm>

#include "storage/sqlite_rows.h"

namespace parley::storage {
namespace {

constexpr Duration kTransactionMost = 50ms;
constexpr std::size_t kListedInOneStep = 4096;  // about 1 ms

constexpr const char* kListSlot =
    "SELECT token, key, digest FROM records WHERE keyspace=?1 AND token<=?2 "
    "AND (token, key)>(?3,?4) ORDER BY token, key LIMIT ?5";
constexpr const char* kListRecords =
    "SELECT token, key, digest, value FROM records WHERE keyspace=?1 AND (token, key)>(?2,?3) "
    "ORDER BY token, key LIMIT ?4";
constexpr const char* kListHints =
    "SELECT target, keyspace, token, key, digest, created, sole, value FROM hints "
    "WHERE target=?1 AND (keyspace, token, key)>(?2,?3,?4) ORDER BY keyspace, token, key LIMIT ?5";
constexpr const char* kFindHints =
    "SELECT target, keyspace, token, key, digest, created, sole, value FROM hints "
    "INDEXED BY hints_by_record WHERE keyspace=?1 AND token=?2 AND key=?3 ORDER BY target";

Token lowest_token(Slot slot) { return static_cast<Token>(slot) << 48; }
Token highest_token(Slot slot) { return lowest_token(slot) | ((Token{1} << 48) - 1); }

}  // namespace

SqliteReader::SqliteReader(Connection connection, World world)
    : connection_(std::move(connection)),
      begin_(connection_, "BEGIN"),
      commit_(connection_, "COMMIT"),
      get_(connection_,
           "SELECT digest, value FROM records WHERE keyspace=?1 AND token=?2 AND key=?3"),
      list_slot_(connection_, kListSlot),
      list_records_(connection_, kListRecords),
      list_hints_(connection_, kListHints),
      find_hints_(connection_, kFindHints),
      world_(std::move(world)) {}

void SqliteReader::run_batch(std::deque<ReadRequest>& queue) {
  Answers answers;
  try {
    const Instant begin = world_.now();
    begin_.run();
    while (!queue.empty()) {
      const bool done =
          std::visit([&](auto& request) { return read(request, answers); }, queue.front());
      if (done) queue.pop_front();
      if (world_.now() - begin > kTransactionMost) break;
    }
    commit_.run();
  } catch (const SqliteError& error) {
    fail(queue, answers, error);
  }
  world_.deliver(std::move(answers));
}

void SqliteReader::fail(std::deque<ReadRequest>& queue, Answers& answers,
                        const SqliteError& error) {
  if (sqlite3_get_autocommit(connection_.get()) == 0) {
    sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Error told{error.corrupt() ? ErrorCode::Damaged : ErrorCode::Internal,
             "the store cannot read: " + error.text};
  if (error.busy()) {
    told.code = ErrorCode::Overloaded;
    told.retry_after_ms = 100;
  }
  if (queue.empty()) return;  // every answer was read; only the end of the transaction failed
  std::visit(
      [&](auto& one) { answers.push_back([done = std::move(one.done), told] { done(told); }); },
      queue.front());
  queue.pop_front();
  // A page that cannot be read or is not what it must be: nothing of the file can be trusted.
  if (!error.busy()) world_.fatal(told);
}

Found SqliteReader::load_record(const Statement& row, int digest, int value, const RecordKey& key) {
  StoredRow stored = load_row(row, digest, value, key.key);
  if (stored.found.condition == Condition::Damaged && stored.digest != 0) {
    world_.mark(MarkRecord{key});
  }
  return std::move(stored.found);
}

bool SqliteReader::read(GetRecord& request, Answers& answers) {
  const StatementReset reset(get_);
  get_.with(static_cast<std::int64_t>(request.key.keyspace), stored_token(request.key.token),
            ByteView(request.key.key));
  Found found;
  if (get_.step()) found = load_record(get_, 0, 1, request.key);
  answers.push_back([done = std::move(request.done), found = std::move(found)]() mutable {
    done(std::move(found));
  });
  return true;
}

bool SqliteReader::read(ListSlot& request, Answers& answers) {
  const Token low = lowest_token(request.slot);
  Token token = low;
  Bytes key;  // empty: before every key
  if (request.after && request.after->token >= low) {
    token = request.after->token;
    key = request.after->key;
  }
  const std::size_t wanted = std::min(kListedInOneStep, request.limit - request.so_far.size());
  std::size_t got = 0;
  {
    const StatementReset reset(list_slot_);
    list_slot_.with(static_cast<std::int64_t>(request.keyspace),
                    stored_token(highest_token(request.slot)), stored_token(token), ByteView(key),
                    static_cast<std::int64_t>(wanted));
    while (list_slot_.step()) {
      ++got;
      request.so_far.push_back({Bytes(list_slot_.blob(1)), loaded_number(list_slot_.number(2))});
      request.after = RecordKey{request.keyspace, loaded_token(list_slot_.number(0)),
                                request.so_far.back().key};
    }
  }
  if (got == wanted && request.so_far.size() < request.limit) return false;
  answers.push_back([done = std::move(request.done), keys = std::move(request.so_far)]() mutable {
    done(std::move(keys));
  });
  return true;
}

bool SqliteReader::read(ListRecords& request, Answers& answers) {
  const StatementReset reset(list_records_);
  const RecordKey from = request.after.value_or(RecordKey{request.keyspace, 0, {}});
  list_records_.with(static_cast<std::int64_t>(request.keyspace), stored_token(from.token),
                     ByteView(from.key), static_cast<std::int64_t>(request.limit));
  std::vector<ListedRecord> records;
  std::size_t bytes = 0;
  while (list_records_.step()) {
    bytes += list_records_.blob(3).size();
    if (bytes > request.bytes_limit && !records.empty()) break;
    RecordKey key{request.keyspace, loaded_token(list_records_.number(0)),
                  Bytes(list_records_.blob(1))};
    Found found = load_record(list_records_, 2, 3, key);
    records.push_back({std::move(key), std::move(found)});
  }
  answers.push_back([done = std::move(request.done), records = std::move(records)]() mutable {
    done(std::move(records));
  });
  return true;
}

HintRow SqliteReader::load_hint(const Statement& row) {
  HintRow hint;
  hint.key.target = NodeId::from_bytes(row.blob(0)).value_or(NodeId{});
  hint.key.record = {static_cast<KeyspaceNumber>(row.number(1)), loaded_token(row.number(2)),
                     Bytes(row.blob(3))};
  hint.created = {row.number(5)};
  hint.sole = row.number(6) != 0;
  StoredRow stored = load_row(row, 4, 7, hint.key.record.key);
  if (stored.found.condition == Condition::Sound) {
    hint.value = std::move(stored.found.value);
    hint.digest = stored.digest;
  } else {
    hint.damaged = true;
    if (stored.digest != 0) world_.mark(MarkHint{hint.key});
  }
  return hint;
}

bool SqliteReader::read(ListHints& request, Answers& answers) {
  const StatementReset reset(list_hints_);
  const RecordKey from = request.after && request.after->target == request.target
                             ? request.after->record
                             : RecordKey{0, 0, {}};
  std::vector<HintRow> rows;
  const bool past = request.after && request.after->target > request.target;
  if (!past) {
    list_hints_.with(request.target.view(), static_cast<std::int64_t>(from.keyspace),
                     stored_token(from.token), ByteView(from.key),
                     static_cast<std::int64_t>(request.limit));
    std::size_t bytes = 0;
    while (list_hints_.step()) {
      bytes += list_hints_.blob(7).size();
      if (bytes > request.bytes_limit && !rows.empty()) break;
      rows.push_back(load_hint(list_hints_));
    }
  }
  answers.push_back([done = std::move(request.done), rows = std::move(rows)]() mutable {
    done(std::move(rows));
  });
  return true;
}

bool SqliteReader::read(FindHints& request, Answers& answers) {
  const StatementReset reset(find_hints_);
  find_hints_.with(static_cast<std::int64_t>(request.key.keyspace), stored_token(request.key.token),
                   ByteView(request.key.key));
  std::vector<HintRow> rows;
  while (find_hints_.step()) rows.push_back(load_hint(find_hints_));
  answers.push_back([done = std::move(request.done), rows = std::move(rows)]() mutable {
    done(std::move(rows));
  });
  return true;
}

}  // namespace parley::storage
