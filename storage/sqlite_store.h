// The SQLite engine behind Store: one database in WAL mode with synchronous=FULL, one thread that
// writes and checkpoints (natural group commit), one thread that reads (docs/storage.md).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/metric.h"
#include "base/option.h"
#include "runtime/loop.h"
#include "storage/store.h"

namespace parley::storage {

struct StoreOptions : OptionGroup {
  StoreOptions() : OptionGroup("storage") {}
  CountOption write_queue_most{*this,
                               "write_queue_most",
                               8192,
                               {16, 1048576},
                               "Updates that may wait for the writer; past it: overloaded."};
  CountOption read_queue_most{*this,
                              "read_queue_most",
                              8192,
                              {16, 1048576},
                              "Reads that may wait for the reader; past it: overloaded."};
  CountOption queued_bytes_most{*this,
                                "queued_bytes_most",
                                128_MiB,
                                {1_MiB, 4096_MiB},
                                "Bytes that may wait for the writer; past it: overloaded."};
  CountOption group_most{*this, "group_most", 1024, {1, 65536}, "Updates in one commit."};
  DurationOption gather{*this,
                        "gather",
                        4ms,
                        {0ms, 100ms},
                        "While more than one writer is active, how long a commit may wait for "
                        "company. A lone writer never waits."};
  CountOption checkpoint_pages{*this,
                               "checkpoint_pages",
                               4000,
                               {100, 1000000},
                               "Pages in the write-ahead log that start a checkpoint."};
  CountOption free_bytes_least{
      *this,
      "free_bytes_least",
      64_MiB,
      {0, 1024ULL * 1024_MiB},
      "With less free disk than this, writes are refused and reads served."};
};

// Reads what a store must know before it can be opened for good, and opens it: creates the
// directory and the file, checks the format version, takes the lock (one process per directory),
// scans the digests. Blocking: for start-up only.
// Errors, each with one clear line and with nothing changed: InvalidArgument (not a directory,
// not permitted, in use by another process), Unsupported (newer format), Damaged (not a database,
// or SQLite finds it corrupt), DiskFull.
// `fatal` is called on the loop when the engine can go on no more (fail-stop); it must not return
// control to serving: the default wiring logs the line and exits the process with status 70.
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& directory,
                                                 const StoreOptions& options, runtime::Loop& loop,
                                                 Logger log, MetricRegistry& metrics,
                                                 std::function<void(const Error&)> fatal);

}  // namespace parley::storage
