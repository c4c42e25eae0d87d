// The writer's statements: rows of the tables as values. Throws SqliteError.
#pragma once

#include <optional>

#include "storage/hint_ledger.h"
#include "storage/sqlite_schema.h"
#include "storage/sqlite_statement.h"
#include "storage/store.h"

namespace parley::storage {

// A row's value as found: Damaged when a column is not of its type or the checksum fails.
struct StoredRow {
  Found found;
  std::uint64_t digest = 0;  // as stored, also when damaged; 0: known to be damaged
};

// Columns `digest` and `value` of a row that is there.
StoredRow load_row(const Statement& row, int digest_column, int value_column, ByteView key);

struct StoredHint {
  StoredRow row;
  HintShare share;
};

class WriterRows {
 public:
  explicit WriterRows(const Connection& connection);

  StoredRow record(const RecordKey& key);
  void put_record(const RecordKey& key, std::uint64_t digest, ByteView value);
  void mark_record(const RecordKey& key);
  // To the file, although it is the same: this connection's pages are sound, the file's are not.
  void rewrite_record(const RecordKey& key, const StoredRow& row);

  std::optional<StoredHint> hint(const HintKey& key);
  void put_hint(const HintKey& key, std::uint64_t digest, const HintShare& share, ByteView value);
  void mark_hint(const HintKey& key);
  void rewrite_hint(const HintKey& key, const StoredHint& hint);
  void erase_hint(const HintKey& key);
  struct Droppable {
    HintKey key;
    HintShare share;
  };
  // Hints that are not sole, in key order after `after`; of all targets if nullopt.
  std::vector<Droppable> droppable(const std::optional<NodeId>& target,
                                   const std::optional<HintKey>& after, std::size_t limit);

  std::optional<Bytes> named(ByteView name);
  void put_named(ByteView name, ByteView value);

 private:
  Statement get_record_, put_record_, mark_record_;
  Statement get_hint_, put_hint_, mark_hint_, erase_hint_, droppable_;
  Statement get_named_, put_named_;
};

}  // namespace parley::storage
