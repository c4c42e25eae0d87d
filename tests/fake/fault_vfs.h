// A SQLite VFS that breaks on demand and writes down what it was asked to do. Name it in
// SqliteSettings::vfs; it must outlive the store.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <vector>

#include "storage/sqlite_vfs_shim.h"

namespace parley::fake {

struct Fault {
  storage::VfsFile file = storage::VfsFile::Wal;
  storage::VfsCall call = storage::VfsCall::Write;
  storage::VfsVerdict verdict = storage::VfsVerdict::Fail;
  std::uint64_t first = 1;  // the first call of this kind that breaks, counted from here
  std::uint64_t times = std::numeric_limits<std::uint64_t>::max();
};

// One write or sync, stamped with where it stands among all events.
struct Trace {
  storage::VfsFile file;
  storage::VfsCall call;
  std::uint64_t begun;
  std::uint64_t ended;  // 0: not yet
  std::int64_t offset;
  Bytes data;
};

class FaultVfs final : public storage::VfsShim {
 public:
  FaultVfs();

  void inject(const Fault& fault);
  void heal();
  // Calls vetoed so far.
  std::uint64_t faults() const;

  // The next number of the one sequence of events: also for a test's own events, such as an ack.
  std::uint64_t stamp() { return ++sequence_; }
  void start_trace();
  std::vector<Trace> trace() const;

  storage::VfsVerdict before(const storage::VfsEvent& event) override;
  void after(const storage::VfsEvent& event, Duration elapsed) override;

 private:
  std::atomic<std::uint64_t> sequence_{0};
  mutable std::mutex mutex_;  // guards all below
  std::optional<Fault> fault_;
  std::uint64_t seen_ = 0;
  std::uint64_t faults_ = 0;
  bool tracing_ = false;
  std::vector<Trace> trace_;
};

inline FaultVfs::FaultVfs() : storage::VfsShim("") {}

inline void FaultVfs::inject(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  seen_ = 0;
}

inline void FaultVfs::heal() {
  const std::lock_guard lock(mutex_);
  fault_.reset();
}

inline std::uint64_t FaultVfs::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}

inline void FaultVfs::start_trace() {
  const std::lock_guard lock(mutex_);
  tracing_ = true;
  trace_.clear();
}

inline std::vector<Trace> FaultVfs::trace() const {
  const std::lock_guard lock(mutex_);
  return trace_;
}

inline storage::VfsVerdict FaultVfs::before(const storage::VfsEvent& event) {
  const std::lock_guard lock(mutex_);
  if (tracing_ && event.call != storage::VfsCall::Read) {
    trace_.push_back({event.file, event.call, stamp(), 0, event.offset, Bytes(event.data)});
  }
  if (!fault_ || fault_->file != event.file || fault_->call != event.call) {
    return storage::VfsVerdict::Proceed;
  }
  ++seen_;
  if (seen_ < fault_->first || seen_ - fault_->first >= fault_->times)
    return storage::VfsVerdict::Proceed;
  ++faults_;
  return fault_->verdict;
}

inline void FaultVfs::after(const storage::VfsEvent& event, Duration) {
  const std::lock_guard lock(mutex_);
  if (!tracing_ || event.call == storage::VfsCall::Read) return;
  for (auto one = trace_.rbegin(); one != trace_.rend(); ++one) {
    if (one->ended == 0 && one->call == event.call && one->file == event.file) {
      one->ended = stamp();
      return;
    }
  }
}

// Whether the bytes `marker`, written to the log, were in it and fsynced before the event
// `acked`: a sync of the log that began after their commit frame and ended before `acked`.
//
// The log's format (SQLite, "The Write-Ahead Log"): a frame is a header of 24 bytes, written by
// itself, and a page. Bytes 4 to 7 of the header of a transaction's last frame are not 0.
inline bool synced_before(const std::vector<Trace>& trace, ByteView marker, std::uint64_t acked) {
  bool written = false, commit_header = false;
  std::uint64_t committed = 0;  // when the commit frame's page had been handed over
  for (const Trace& event : trace) {
    if (event.file != storage::VfsFile::Wal) continue;
    if (event.call == storage::VfsCall::Write && committed == 0) {
      if (event.data.size() == 24) {
        commit_header = event.data.substr(4, 4) != Bytes(4, '\0');
      } else {
        written = written || event.data.find(marker) != Bytes::npos;
        if (written && commit_header) committed = event.ended;
      }
    } else if (event.call == storage::VfsCall::Sync && committed != 0) {
      if (event.begun > committed && event.ended != 0 && event.ended < acked) return true;
    }
  }
  return false;
}

}  // namespace parley::fake
