#include "storage/sqlite_sync_count.h"

namespace parley::storage {
namespace {
constexpr const char* kName = "store_fsyncs_total";
constexpr const char* kDoc = "fsync calls of the store that succeeded, by kind of file.";
}  // namespace

SyncCountVfs::SyncCountVfs(const std::string& base, MetricRegistry& metrics)
    : VfsShim(base),
      wal_(metrics, kName, kDoc, {{"file", "wal"}}),
      database_(metrics, kName, kDoc, {{"file", "database"}}),
      other_(metrics, kName, kDoc, {{"file", "other"}}),
      seconds_(metrics, "fsync_seconds", "How long one fsync of the store took.") {}

void SyncCountVfs::after(const VfsEvent& event, Duration elapsed) {
  if (event.call != VfsCall::Sync) return;
  Counter& counter = event.file == VfsFile::Wal        ? wal_
                     : event.file == VfsFile::Database ? database_
                                                       : other_;
  counter.add();
  seconds_.record(elapsed);
}

}  // namespace parley::storage
