// What a simulator or a test may change about the engine; the daemon takes the defaults. Not part
// of the floor's contract.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "storage/sqlite_store.h"

namespace parley::storage {

enum class StoreThreads : std::uint8_t {
  Real,    // a writer and a reader thread
  Inline,  // batches run as turns of the loop, in its thread: deterministic
};

// The values of PRAGMA synchronous.
enum class Synchronous : std::uint8_t { Normal = 1, Full = 2 };

struct SqliteSettings {
  std::string vfs;  // name of a registered SQLite VFS; empty: SQLite's default
  // Normal does not fsync the log at commit: it breaks the contract of Durability::Fsync, and
  // exists to show that the tests notice.
  Synchronous synchronous = Synchronous::Full;
  StoreThreads threads = StoreThreads::Real;
  // Inline only: how long a batch takes, asked for each; empty: no time.
  std::function<Duration()> batch_time;
  // Bytes free on the directory's file system; empty: asks the system. From the writer's thread.
  std::function<std::uint64_t(const std::string& directory)> free_bytes;
  // False for a VFS whose files are not on this machine's disk: no directory, no lock file.
  bool real_directory = true;
};

Result<std::unique_ptr<Store>> open_sqlite_store_with(const SqliteSettings& settings,
                                                      const std::string& directory,
                                                      const StoreOptions& options,
                                                      runtime::Loop& loop, Logger log,
                                                      MetricRegistry& metrics,
                                                      std::function<void(const Error&)> fatal);

}  // namespace parley::storage
