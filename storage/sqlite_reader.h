// The reader: one batch of reads in short read transactions. Runs on the reader's thread (or
// inline), over a connection of its own that never writes or checkpoints.
#pragma once

#include <deque>
#include <functional>
#include <variant>
#include <vector>

#include "runtime/loop.h"
#include "storage/sqlite_statement.h"
#include "storage/write_request.h"

namespace parley::storage {

struct GetRecord {
  RecordKey key;
  Completion<Found> done;
};
struct ListSlot {
  KeyspaceNumber keyspace = 0;
  Slot slot = 0;
  std::optional<RecordKey> after;
  std::size_t limit = 0;
  Completion<std::vector<ListedKey>> done;
  std::vector<ListedKey> so_far;  // what earlier transactions gave
};
struct ListRecords {
  KeyspaceNumber keyspace = 0;
  std::optional<RecordKey> after;
  std::size_t limit = 0;
  std::size_t bytes_limit = 0;
  Completion<std::vector<ListedRecord>> done;
};
struct ListHints {
  NodeId target;
  std::optional<HintKey> after;
  std::size_t limit = 0;
  std::size_t bytes_limit = 0;
  Completion<std::vector<HintRow>> done;
};
struct FindHints {
  RecordKey key;
  Completion<std::vector<HintRow>> done;
};
using ReadRequest = std::variant<GetRecord, ListSlot, ListRecords, ListHints, FindHints>;

class SqliteReader {
 public:
  struct World {
    std::function<Instant()> now;
    std::function<void(std::vector<runtime::Task>)> deliver;
    // A row failed its checksum: MarkRecord or MarkHint for the writer. May be dropped: the next
    // read asks again.
    std::function<void(WriteRequest)> mark;
    std::function<void(const Error&)> fatal;
  };

  SqliteReader(Connection connection, World world);

  // Takes requests from the front until all are done or the transaction is old: an old snapshot
  // keeps the write-ahead log from starting anew. What it leaves is to be run next.
  void run_batch(std::deque<ReadRequest>& queue);

 private:
  using Answers = std::vector<runtime::Task>;
  // True when done; false to go on in a later transaction.
  bool read(GetRecord& request, Answers& answers);
  bool read(ListSlot& request, Answers& answers);
  bool read(ListRecords& request, Answers& answers);
  bool read(ListHints& request, Answers& answers);
  bool read(FindHints& request, Answers& answers);
  Found load_record(const Statement& row, int digest, int value, const RecordKey& key);
  HintRow load_hint(const Statement& row);
  void fail(std::deque<ReadRequest>& queue, Answers& answers, const SqliteError& error);

  Connection connection_;
  Statement begin_, commit_, get_, list_slot_, list_records_, list_hints_, find_hints_;
  const World world_;
};

}  // namespace parley::storage
