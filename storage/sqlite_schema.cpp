#include "storage/sqlite_schema.h"

#include <algorithm>
#include <optional>

#include "base/mutant.h"
#include "storage/sqlite_raw_file.h"

namespace parley::storage {

// Frozen for version 1 (tests/unit/storage/format_test.cpp). WITHOUT ROWID: the rows lie in key
// order, so a slot is one range. `digest` stands before `value`, so that a scan of digests never
// reads overflow pages. `keyspaces` is kept for later.
const char* const kSchemaSql = R"sql(
CREATE TABLE named(
  name BLOB NOT NULL PRIMARY KEY,
  digest INTEGER NOT NULL,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE keyspaces(
  number INTEGER NOT NULL PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL
) STRICT;
CREATE TABLE records(
  keyspace INTEGER NOT NULL,
  token INTEGER NOT NULL,
  key BLOB NOT NULL,
  digest INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY(keyspace, token, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE hints(
  target BLOB NOT NULL,
  keyspace INTEGER NOT NULL,
  token INTEGER NOT NULL,
  key BLOB NOT NULL,
  digest INTEGER NOT NULL,
  created INTEGER NOT NULL,
  sole INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY(target, keyspace, token, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX hints_by_record ON hints(keyspace, token, key);
)sql";

namespace {

constexpr std::size_t kHeaderBytes = 100;

// The first bytes of the file as the VFS has them; shorter when the file is, nullopt when there
// is no file. Throws when it cannot be read.
std::optional<Bytes> read_header(const std::string& path, const std::string& vfs) {
  auto file = RawFile::open(path, vfs, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB);
  if (!file) return std::nullopt;
  Bytes header(std::min(file->size(), kHeaderBytes), '\0');
  file->read(0, header);
  return header;
}

std::int64_t big_endian(const Bytes& header, std::size_t at) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<std::uint8_t>(header[at + i]);
  }
  return value;
}

Error damaged(const std::string& path, const std::string& why) {
  return {ErrorCode::Damaged, path + ": " + why};
}

std::optional<Error> judge_identity(const std::string& path, std::int64_t application,
                                    std::int64_t version) {
  if (application != kApplicationId) {
    return Error{ErrorCode::InvalidArgument, path + ": a database of another program"};
  }
  if (version > kSchemaVersion) {
    return Error{ErrorCode::Unsupported, path + ": written by a newer version (format " +
                                             std::to_string(version) + ", this program knows " +
                                             std::to_string(kSchemaVersion) + ")"};
  }
  if (version < 1) return damaged(path, "format " + std::to_string(version) + " never was");
  return std::nullopt;
}

// SQLite replays logs and rewrites headers when it opens a file, so foreign files are refused
// before. Offsets: the database header of SQLite's file format, 1.3.
std::optional<Error> judge_header(const std::string& path, const Bytes& header) {
  if (header.size() < kHeaderBytes || header.substr(0, 16) != Bytes("SQLite format 3\0", 16)) {
    return damaged(path, "not a database");
  }
  return judge_identity(path, big_endian(header, 68), big_endian(header, 60));
}

void create_schema(const Connection& connection) {
  // In rollback mode and in one transaction: the file's own header is complete from the start,
  // and a crash in between leaves an empty file.
  connection.exec("PRAGMA page_size=" + std::to_string(kPageBytes));
  connection.exec("PRAGMA synchronous=FULL");
  connection.exec("BEGIN EXCLUSIVE");
  connection.exec("PRAGMA application_id=" + std::to_string(kApplicationId));
  connection.exec("PRAGMA user_version=" + std::to_string(kSchemaVersion));
  connection.exec(kSchemaSql);
  connection.exec("COMMIT");
}

void set_up(const Connection& connection) {
  sqlite3_busy_timeout(connection.get(), 200);
  sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  connection.exec("PRAGMA mmap_size=0");
  connection.exec("PRAGMA temp_store=MEMORY");
  connection.exec("PRAGMA cache_size=-8192");  // KiB; more adds nothing over the kernel's cache
  connection.exec("PRAGMA cell_size_check=ON");
  // SQLite 3.7.0 to 3.51.2 can corrupt the database when a checkpoint in one connection races a
  // commit in another that resets the log. Only the writer's connection checkpoints, and its one
  // thread does so between two commits: no connection ever checkpoints by itself.
  connection.exec("PRAGMA wal_autocheckpoint=0");
  sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Result<Connection> open_checked(const std::string& path, const std::string& vfs,
                                Synchronous synchronous, bool fresh) {
  Connection connection(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs);
  if (sqlite3_db_readonly(connection.get(), "main") == 1) {
    return Error{ErrorCode::InvalidArgument, path + ": not writable"};
  }
  set_up(connection);
  if (fresh && connection.number("SELECT count(*) FROM sqlite_schema") == 0) {
    create_schema(connection);
  }
  const auto wrong = judge_identity(path, connection.number("PRAGMA application_id"),
                                    connection.number("PRAGMA user_version"));
  if (wrong) return *wrong;
  if (connection.text("PRAGMA journal_mode=WAL") != "wal") {
    return Error{ErrorCode::InvalidArgument, path + ": no write-ahead log on this file system"};
  }
  connection.exec("PRAGMA synchronous=" + std::to_string(static_cast<int>(synchronous)));
  if (PARLEY_MUTANT(commit_not_synced)) connection.exec("PRAGMA synchronous=OFF");
  return connection;
}

}  // namespace

Result<Connection> open_writing(const std::string& path, const std::string& vfs,
                                Synchronous synchronous) {
  try {
    const auto header = read_header(path, vfs);
    const bool fresh = !header || header->empty();
    if (!fresh) {
      // A creation that was cut short left a rollback journal: SQLite undoes it when it opens.
      const bool interrupted = read_header(path + "-journal", vfs).has_value();
      const auto wrong = judge_header(path, *header);
      if (wrong && !interrupted) return *wrong;
      if (!PARLEY_MUTANT(log_not_rewritten)) rewrite_log(path, vfs);
      return open_checked(path, vfs, synchronous, interrupted);
    }
    return open_checked(path, vfs, synchronous, true);
  } catch (const SqliteError& error) {
    return open_error(path, error);
  }
}

Connection open_reading(const std::string& path, const std::string& vfs) {
  Connection connection(path, SQLITE_OPEN_READWRITE, vfs);
  set_up(connection);
  connection.exec("PRAGMA query_only=ON");
  return connection;
}

Error open_error(const std::string& path, const SqliteError& error) {
  if (error.corrupt()) return damaged(path, "damaged: " + error.text);
  // A table or column of this format that is not there.
  if (error.primary() == SQLITE_ERROR) return damaged(path, "damaged: " + error.text);
  if (error.disk_full())
    return {ErrorCode::DiskFull,
            path + ": the disk is full: there is no room even for what starting needs"};
  const bool denied = error.primary() == SQLITE_CANTOPEN || error.primary() == SQLITE_PERM ||
                      error.primary() == SQLITE_READONLY || error.primary() == SQLITE_AUTH;
  if (denied) return {ErrorCode::InvalidArgument, path + ": cannot be opened: " + error.text};
  if (error.busy()) return {ErrorCode::InvalidArgument, path + ": in use by another process"};
  return {ErrorCode::Internal, path + ": " + error.text};
}

}  // namespace parley::storage
