#include "storage/sqlite_rows.h"

#include "base/mutant.h"

namespace parley::storage {
namespace {

constexpr const char* kGetRecord =
    "SELECT digest, value FROM records WHERE keyspace=?1 AND token=?2 AND key=?3";
constexpr const char* kPutRecord =
    "INSERT INTO records(keyspace, token, key, digest, value) VALUES(?1,?2,?3,?4,?5) "
    "ON CONFLICT(keyspace, token, key) DO UPDATE SET digest=excluded.digest, value=excluded.value";
constexpr const char* kMarkRecord =
    "UPDATE records SET digest=0 WHERE keyspace=?1 AND token=?2 AND key=?3";
constexpr const char* kGetHint =
    "SELECT digest, created, sole, value FROM hints "
    "WHERE target=?1 AND keyspace=?2 AND token=?3 AND key=?4";
constexpr const char* kPutHint =
    "INSERT INTO hints(target, keyspace, token, key, digest, created, sole, value) "
    "VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT(target, keyspace, token, key) DO UPDATE SET "
    "digest=excluded.digest, created=excluded.created, sole=excluded.sole, value=excluded.value";
constexpr const char* kMarkHint =
    "UPDATE hints SET digest=0 WHERE target=?1 AND keyspace=?2 AND token=?3 AND key=?4";
constexpr const char* kEraseHint =
    "DELETE FROM hints WHERE target=?1 AND keyspace=?2 AND token=?3 AND key=?4";
// ?5..?6: the targets wanted. length() of a blob reads its header only.
constexpr const char* kDroppable =
    "SELECT target, keyspace, token, key, created, length(value) FROM hints "
    "WHERE (target, keyspace, token, key) > (?1,?2,?3,?4) AND target BETWEEN ?5 AND ?6 "
    "AND sole=0 ORDER BY target, keyspace, token, key LIMIT ?7";
constexpr const char* kGetNamed = "SELECT value FROM named WHERE name=?1";
constexpr const char* kPutNamed =
    "INSERT INTO named(name, digest, value) VALUES(?1,?2,?3) "
    "ON CONFLICT(name) DO UPDATE SET digest=excluded.digest, value=excluded.value";

std::int64_t number(KeyspaceNumber keyspace) { return static_cast<std::int64_t>(keyspace); }

}  // namespace

StoredRow load_row(const Statement& row, int digest_column, int value_column, ByteView key) {
  StoredRow out;
  out.found.condition = Condition::Damaged;
  if (row.is_number(digest_column)) out.digest = loaded_number(row.number(digest_column));
  if (out.digest == 0 || !row.is_blob(value_column)) return out;
  const ByteView value = row.blob(value_column);
  const bool wrong = record_digest(key, value) != out.digest;
  if (wrong && !PARLEY_MUTANT(record_checksum_ignored)) return out;
  out.found = {Condition::Sound, Bytes(value), out.digest};
  return out;
}

WriterRows::WriterRows(const Connection& connection)
    : get_record_(connection, kGetRecord),
      put_record_(connection, kPutRecord),
      mark_record_(connection, kMarkRecord),
      get_hint_(connection, kGetHint),
      put_hint_(connection, kPutHint),
      mark_hint_(connection, kMarkHint),
      erase_hint_(connection, kEraseHint),
      droppable_(connection, kDroppable),
      get_named_(connection, kGetNamed),
      put_named_(connection, kPutNamed) {}

StoredRow WriterRows::record(const RecordKey& key) {
  const StatementReset reset(get_record_);
  get_record_.with(number(key.keyspace), stored_token(key.token), ByteView(key.key));
  if (!get_record_.step()) return {};
  return load_row(get_record_, 0, 1, key.key);
}

void WriterRows::put_record(const RecordKey& key, std::uint64_t digest, ByteView value) {
  put_record_
      .with(number(key.keyspace), stored_token(key.token), ByteView(key.key), stored_number(digest),
            value)
      .run();
}

void WriterRows::mark_record(const RecordKey& key) {
  mark_record_.with(number(key.keyspace), stored_token(key.token), ByteView(key.key)).run();
}

// SQLite leaves a page alone that an update would not change, so there is something else between.
void WriterRows::rewrite_record(const RecordKey& key, const StoredRow& row) {
  put_record(key, 0, {});
  put_record(key, row.digest, row.found.value);
}

std::optional<StoredHint> WriterRows::hint(const HintKey& key) {
  const StatementReset reset(get_hint_);
  get_hint_.with(key.target.view(), number(key.record.keyspace), stored_token(key.record.token),
                 ByteView(key.record.key));
  if (!get_hint_.step()) return std::nullopt;
  StoredHint out;
  out.row = load_row(get_hint_, 0, 3, key.record.key);
  out.share = {get_hint_.blob(3).size(), {get_hint_.number(1)}, get_hint_.number(2) != 0};
  return out;
}

void WriterRows::put_hint(const HintKey& key, std::uint64_t digest, const HintShare& share,
                          ByteView value) {
  put_hint_
      .with(key.target.view(), number(key.record.keyspace), stored_token(key.record.token),
            ByteView(key.record.key), stored_number(digest), std::int64_t{share.created.millis},
            std::int64_t{share.sole ? 1 : 0}, value)
      .run();
}

void WriterRows::mark_hint(const HintKey& key) {
  mark_hint_
      .with(key.target.view(), number(key.record.keyspace), stored_token(key.record.token),
            ByteView(key.record.key))
      .run();
}

void WriterRows::rewrite_hint(const HintKey& key, const StoredHint& hint) {
  put_hint(key, 0, hint.share, {});
  put_hint(key, hint.row.digest, hint.share, hint.row.found.value);
}

void WriterRows::erase_hint(const HintKey& key) {
  erase_hint_
      .with(key.target.view(), number(key.record.keyspace), stored_token(key.record.token),
            ByteView(key.record.key))
      .run();
}

std::vector<WriterRows::Droppable> WriterRows::droppable(const std::optional<NodeId>& target,
                                                         const std::optional<HintKey>& after,
                                                         std::size_t limit) {
  NodeId highest;
  highest.octets.fill(0xff);
  const NodeId low = target.value_or(NodeId{});
  const NodeId high = target.value_or(highest);
  const HintKey from = after.value_or(HintKey{low, {0, 0, {}}});
  const StatementReset reset(droppable_);
  droppable_.with(from.target.view(), number(from.record.keyspace), stored_token(from.record.token),
                  ByteView(from.record.key), low.view(), high.view(),
                  static_cast<std::int64_t>(limit));
  std::vector<Droppable> out;
  while (droppable_.step()) {
    Droppable one;
    one.key.target = NodeId::from_bytes(droppable_.blob(0)).value_or(NodeId{});
    one.key.record = {static_cast<KeyspaceNumber>(droppable_.number(1)),
                      loaded_token(droppable_.number(2)), Bytes(droppable_.blob(3))};
    one.share = {loaded_number(droppable_.number(5)), {droppable_.number(4)}, false};
    out.push_back(std::move(one));
  }
  return out;
}

std::optional<Bytes> WriterRows::named(ByteView name) {
  const StatementReset reset(get_named_);
  get_named_.with(name);
  if (!get_named_.step()) return std::nullopt;
  return Bytes(get_named_.blob(0));
}

void WriterRows::put_named(ByteView name, ByteView value) {
  put_named_.with(name, stored_number(record_digest(name, value)), value).run();
}

}  // namespace parley::storage
