#include "storage/sqlite_statement.h"

namespace parley::storage {

Connection::Connection(const std::string& path, int flags, const std::string& vfs) {
  const int code = sqlite3_open_v2(path.c_str(), &db_, flags | SQLITE_OPEN_NOMUTEX,
                                   vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    SqliteError error{db_ == nullptr ? code : sqlite3_extended_errcode(db_),
                      db_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db_)};
    sqlite3_close_v2(db_);
    throw error;
  }
  sqlite3_extended_result_codes(db_, 1);
}

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this != &other) {
    sqlite3_close_v2(db_);
    db_ = std::exchange(other.db_, nullptr);
  }
  return *this;
}

Connection::~Connection() { sqlite3_close_v2(db_); }

void Connection::fail(int code) const {
  throw SqliteError{
      sqlite3_extended_errcode(db_) != SQLITE_OK ? sqlite3_extended_errcode(db_) : code,
      sqlite3_errmsg(db_)};
}

void Connection::exec(const std::string& sql) const {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t Connection::number(const std::string& sql) const {
  Statement statement(*this, sql.c_str());
  if (!statement.step()) throw SqliteError{SQLITE_ERROR, "no answer to: " + sql};
  return statement.number(0);
}

std::string Connection::text(const std::string& sql) const {
  Statement statement(*this, sql.c_str());
  if (!statement.step()) throw SqliteError{SQLITE_ERROR, "no answer to: " + sql};
  return std::string(statement.blob(0));
}

Statement::Statement(const Connection& connection, const char* sql) : db_(connection.get()) {
  const int code =
      sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  if (code != SQLITE_OK) connection.fail(code);
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_);
    return false;
  }
  SqliteError error{sqlite3_extended_errcode(db_), sqlite3_errmsg(db_)};
  sqlite3_reset(statement_);
  throw error;
}

ByteView Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (data == nullptr) {
    // An empty blob has no address; neither has one that could not be read for lack of memory.
    if (size > 0 || sqlite3_errcode(db_) == SQLITE_NOMEM) {
      throw SqliteError{SQLITE_NOMEM, "out of memory reading a column"};
    }
    return {};
  }
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

void Statement::bind(int index, std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_, index, value);
  if (code != SQLITE_OK) throw SqliteError{code, sqlite3_errmsg(db_)};
}

void Statement::bind(int index, ByteView value) {
  // A null address would bind NULL, not the empty blob.
  const char* data = value.data() == nullptr ? "" : value.data();
  const int code = sqlite3_bind_blob64(statement_, index, data, value.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) throw SqliteError{code, sqlite3_errmsg(db_)};
}

}  // namespace parley::storage
