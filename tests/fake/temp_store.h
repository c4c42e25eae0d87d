// A real SQLite store in a directory of its own that goes away with it. Inline: its batches run as
// turns of the given loop, so a test over fake::World stays in one thread and repeatable.
//
//   fake::World world;
//   fake::TempStore store(world.node("127.0.0.1").loop());
//   store->update(key, decide, storage::Durability::Fsync, done);
//   world.run_for(0ms);     // the batch and its completions are turns of this instant
//   store.reopen();         // closes it and opens the same directory
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/check.h"
#include "storage/sqlite_settings.h"

namespace parley::fake {

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "parley-test-XXXXXX").string();
    PARLEY_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// No fsync: nothing here outlives the process.
inline storage::SqliteSettings inline_settings() {
  storage::SqliteSettings settings;
  settings.threads = storage::StoreThreads::Inline;
  settings.synchronous = storage::Synchronous::Normal;
  return settings;
}

class TempStore {
 public:
  explicit TempStore(runtime::Loop& loop, storage::SqliteSettings settings = inline_settings())
      : loop_(loop), settings_(std::move(settings)) {
    open();
  }

  storage::Store& operator*() { return *store_; }
  storage::Store* operator->() { return store_.get(); }
  storage::Store& get() { return *store_; }
  const std::string& directory() const { return directory_.path(); }
  MetricRegistry& metrics() { return *metrics_; }
  // Change before the first use of reopen(): read when the store opens.
  storage::StoreOptions& options() { return options_; }
  storage::SqliteSettings& settings() { return settings_; }
  // What fail-stop said, if it came to that.
  const std::optional<Error>& fatal() const { return fatal_; }

  // Completions that have not run are dropped.
  void close() {
    store_.reset();
    metrics_.reset();
  }
  void open() {
    close();
    fatal_.reset();
    metrics_ = std::make_unique<MetricRegistry>();
    auto opened =
        storage::open_sqlite_store_with(settings_, directory_.path(), options_, loop_, Logger{},
                                        *metrics_, [this](const Error& error) { fatal_ = error; });
    PARLEY_CHECK(opened.ok());
    store_ = std::move(*opened);
  }
  void reopen() { open(); }
  // Puts another store in front of it, until it is opened again.
  template <typename Front>
  void put_behind() {
    store_ = std::make_unique<Front>(std::move(store_));
  }

 private:
  runtime::Loop& loop_;
  storage::SqliteSettings settings_;
  TempDirectory directory_;
  storage::StoreOptions options_;
  std::optional<Error> fatal_;
  std::unique_ptr<MetricRegistry> metrics_;
  std::unique_ptr<storage::Store> store_;
};

}  // namespace parley::fake
