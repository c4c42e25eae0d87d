// The database file: its tables, how a connection to it is set up, and what is checked before it
// is trusted (docs/storage.md).
#pragma once

#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "storage/sqlite_settings.h"
#include "storage/sqlite_statement.h"

namespace parley::storage {

inline constexpr std::int64_t kApplicationId = 0x5041524c;  // "PARL"
inline constexpr std::int64_t kSchemaVersion = 1;
inline constexpr int kPageBytes = 4096;

// SQLite integers are signed: with the top bit flipped their order is that of the tokens.
inline std::int64_t stored_token(Token token) {
  return static_cast<std::int64_t>(token ^ (Token{1} << 63));
}
inline Token loaded_token(std::int64_t stored) {
  return static_cast<Token>(stored) ^ (Token{1} << 63);
}
inline std::int64_t stored_number(std::uint64_t value) { return static_cast<std::int64_t>(value); }
inline std::uint64_t loaded_number(std::int64_t value) { return static_cast<std::uint64_t>(value); }

extern const char* const kSchemaSql;

// The writing connection: creates the file when there is none. What is there is looked at before
// SQLite opens it, so that a file that is not ours stays as it is.
Result<Connection> open_writing(const std::string& path, const std::string& vfs,
                                Synchronous synchronous);
// Throws SqliteError.
Connection open_reading(const std::string& path, const std::string& vfs);

// One clear line, with the code that a caller of open can act on.
Error open_error(const std::string& path, const SqliteError& error);

}  // namespace parley::storage
