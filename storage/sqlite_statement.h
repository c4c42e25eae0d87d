// Connections and statements of SQLite as owned objects. Inside storage/sqlite_* a failed call is
// thrown as SqliteError, because every step can fail and all are handled at one place: the doors
// (open, run_batch) turn it into values. It never leaves this folder.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace parley::storage {

struct SqliteError {
  int code = 0;  // extended result code
  std::string text;

  int primary() const { return code & 0xff; }
  // The second: no room for the shared index of the write-ahead log.
  bool disk_full() const { return primary() == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE; }
  bool corrupt() const { return primary() == SQLITE_CORRUPT || primary() == SQLITE_NOTADB; }
  bool busy() const { return primary() == SQLITE_BUSY || primary() == SQLITE_LOCKED; }
};

// One connection, used by one thread at a time.
class Connection {
 public:
  Connection() = default;
  // Throws. `flags` as for sqlite3_open_v2; NOMUTEX is added.
  Connection(const std::string& path, int flags, const std::string& vfs);
  Connection(Connection&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  sqlite3* get() const { return db_; }
  // Runs statements that give no rows. Throws.
  void exec(const std::string& sql) const;
  // The first column of the first row. Throws, also when there is no row.
  std::int64_t number(const std::string& sql) const;
  std::string text(const std::string& sql) const;
  [[noreturn]] void fail(int code) const;

 private:
  sqlite3* db_ = nullptr;
};

// A prepared statement. Bound bytes are borrowed until the next reset.
class Statement {
 public:
  Statement(const Connection& connection, const char* sql);
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Binds all parameters in order (integers and ByteViews) and forgets an earlier run.
  template <typename... Values>
  Statement& with(const Values&... values) {
    reset();
    int index = 0;
    (bind(++index, values), ...);
    return *this;
  }
  // True: there is a row. False: done (and reset). Throws.
  bool step();
  // For statements without rows.
  void run() {
    while (step()) {
    }
  }
  void reset() { sqlite3_reset(statement_); }

  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  // Valid until the next step or reset.
  ByteView blob(int column) const;
  bool is_blob(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_BLOB; }
  bool is_number(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_INTEGER;
  }

 private:
  void bind(int index, std::int64_t value);
  void bind(int index, ByteView value);

  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
};

// Forgets a statement's run at the end of a scope, so that no read snapshot stays open behind it.
class StatementReset {
 public:
  explicit StatementReset(Statement& statement) : statement_(statement) {}
  ~StatementReset() { statement_.reset(); }
  StatementReset(const StatementReset&) = delete;
  StatementReset& operator=(const StatementReset&) = delete;

 private:
  Statement& statement_;
};

}  // namespace parley::storage
