// One node's disk in memory. Every file has two images: what was written, and what a power cut
// leaves for certain: the first without what was not synced, or one apart after a failed fsync.
// SQLite reaches it through the VFS of sim_vfs.h; no sqlite3 type shows here.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"

namespace parley::sim {

enum class DiskCall : std::uint8_t { Read, Write, Truncate, Sync, Delete };
enum class DiskVerdict : std::uint8_t { Proceed, IoError, NoSpace };

// What is wrong with a disk, as long as it is.
using DiskFault = std::function<DiskVerdict(DiskCall, const std::string& file)>;

// SQLite's shared memory and locks of one file; a new one for every life of the process, so that
// what a dead process still holds meets nobody.
struct FileShare {
  static constexpr std::size_t kShmLocks = 8;
  std::vector<std::unique_ptr<std::vector<char>>> regions;
  std::array<int, kShmLocks> shm_shared{};
  std::array<bool, kShmLocks> shm_exclusive{};
  int shared = 0;  // handles with SHARED or more
  const void* reserved = nullptr;
  const void* pending = nullptr;
  const void* exclusive = nullptr;
};

struct DiskFile {
  Bytes written;
  bool durable_entry = false;  // the directory names it after a power cut
  struct Change {
    std::size_t offset = 0;
    std::size_t size = 0;  // 0: a truncation, to `offset`
    // The way back: the file's size, and the bytes that were overwritten or cut off.
    std::size_t size_before = 0;
    Bytes before;
    // What was written; empty while `written` still has it there.
    Bytes aside;
  };
  std::vector<Change> unsynced;
  std::size_t unsynced_end = 0;  // none of them reaches beyond
  // What is durable, where going back from `written` no longer leads there: after a failed fsync.
  std::optional<Bytes> apart;
  std::shared_ptr<FileShare> share = std::make_shared<FileShare>();
};
using FilePtr = std::shared_ptr<DiskFile>;

// What a backup would hold.
using DiskImage = std::map<std::string, Bytes>;

class SimDisk {
 public:
  explicit SimDisk(Random random) : random_(std::move(random)) {}
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  // --- the file system; names within this disk ---
  FilePtr open(const std::string& name, bool create);
  bool exists(const std::string& name) const { return files_.contains(name); }
  void remove(const std::string& name);
  void write(DiskFile& file, std::int64_t offset, ByteView data);
  void truncate(DiskFile& file, std::int64_t size);
  void sync(DiskFile& file);
  // What Linux does when an fsync fails: the pages read as written, pass for clean, and reach the
  // disk only if somebody writes them again (Rebello et al., ATC 2020).
  void fail_sync(DiskFile& file);
  // Handles opened in an earlier life get errors only.
  std::uint64_t life() const { return life_; }
  // How often all that was on it was taken away or put back to another day.
  std::uint64_t images() const { return images_; }
  // Asked before every call. May cut the power: then the life it came from is over.
  DiskVerdict before(DiskCall call, const std::string& name);

  // --- what happens to it ---
  // The process is gone; all that it wrote stays.
  void kill();
  // And of what was not synced each 512-byte sector stays, or not, by chance: a torn write.
  void power_cut();
  void wipe();
  DiskImage durable_image() const;
  // Somebody has the file open in this life, and all that was ever written is durable.
  bool is_durable_as_read(const std::string& name) const;
  const std::map<std::string, FilePtr>& files() const { return files_; }
  void restore(const DiskImage& image);
  // Flips a bit in both images of the file, in the last byte of one of the places where `text` is
  // in it; false when it is nowhere. (Behind it may be what is no record: SQLite's own structure.)
  bool damage(const std::string& name, ByteView text);

  // Each is asked about every call until it is taken away, the oldest first; the first that does
  // not let it proceed decides, and the others wait for another call. (While one of them looks at
  // the disk itself they may be moved away and back: a map's nodes stay where they are.)
  std::map<std::uint64_t, DiskFault> faults;
  std::uint64_t add_fault(DiskFault fault) {
    faults.emplace(++faults_added_, std::move(fault));
    return faults_added_;
  }
  std::uint64_t calls() const { return calls_; }
  std::uint64_t syncs() const { return syncs_; }
  std::uint64_t bytes() const;

 private:
  void survive(DiskFile& file, unsigned kept_of_8);

  Random random_;
  std::map<std::string, FilePtr> files_;
  std::uint64_t life_ = 1, images_ = 0;
  std::uint64_t calls_ = 0, syncs_ = 0;
  std::uint64_t faults_added_ = 0;
};

}  // namespace parley::sim
