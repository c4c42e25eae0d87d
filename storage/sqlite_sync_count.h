// Counts and times every fsync that SQLite makes, by kind of file: what the promise "acked means
// fsynced" is checked against.
#pragma once

#include "base/metric.h"
#include "storage/sqlite_vfs_shim.h"

namespace parley::storage {

class SyncCountVfs final : public VfsShim {
 public:
  SyncCountVfs(const std::string& base, MetricRegistry& metrics);

  void after(const VfsEvent& event, Duration elapsed) override;
  std::uint64_t wal_syncs() const { return wal_.value(); }
  std::uint64_t database_syncs() const { return database_.value(); }

 private:
  Counter wal_, database_, other_;
  Histogram seconds_;
};

}  // namespace parley::storage
