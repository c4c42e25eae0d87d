// A file as a SQLite VFS has it, without SQLite above it: what is looked at, or mended, before a
// database is opened. Never while a connection of this process has the same database open: closing
// a file drops every POSIX lock that the process holds on it.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace parley::storage {

// Every call throws SqliteError.
class RawFile {
 public:
  // nullopt: there is no such file. `flags` as for sqlite3_vfs::xOpen; nothing is created.
  static std::optional<RawFile> open(const std::string& path, const std::string& vfs, int flags);
  RawFile(RawFile&& other) noexcept;
  RawFile& operator=(RawFile&&) = delete;
  ~RawFile();

  std::size_t size();
  void read(std::size_t at, std::span<char> into);  // all of it must be there
  void write(std::size_t at, ByteView bytes);
  void sync();

 private:
  RawFile() = default;
  sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(memory_.data()); }
  void check(int code, const char* what) const;

  std::vector<std::max_align_t> memory_;  // empty: moved from
  const char* name_ = nullptr;            // SQLite's; the file may point into it
};

// Writes the write-ahead log that an earlier process left, if any, once more, byte for byte, and
// syncs it. After a failed fsync the kernel takes the pages for clean and gives them to every
// reader, but they reach the disk only if they are written again (Rebello et al., ATC 2020):
// whatever is appended behind them would be lost with the power, acknowledged or not. What is
// written is what is there, so a cut in between does no harm.
void rewrite_log(const std::string& database_path, const std::string& vfs);

}  // namespace parley::storage
