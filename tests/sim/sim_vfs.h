// The SQLite VFS over SimDisk: files, locks and shared memory as the unix one has them, so that
// connections, pragmas and checkpoints are exactly production's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/units.h"
#include "tests/sim/sim_disk.h"

namespace parley::sim {

// For a process that has one thread and does nothing with SQLite yet: without its locks, and
// without its counting of memory, which takes one for each allocation.
void use_sqlite_in_one_thread();

struct VfsTable;

// Registered as SQLite's default from construction to destruction (its randomness is SQLite's, so
// that log salts repeat with the seed). One at a time.
class SimVfs {
 public:
  SimVfs(std::uint64_t seed, std::function<WallTime()> wall);
  ~SimVfs();
  SimVfs(const SimVfs&) = delete;
  SimVfs& operator=(const SimVfs&) = delete;

  static constexpr const char* kName = "parley-sim";
  // Paths "/DIRECTORY/..." are on this disk. It must outlive every connection to it.
  void mount(const std::string& directory, SimDisk& disk) { disks_[directory] = &disk; }

  // The disk and the file's name on it; null when nothing is mounted there.
  std::pair<SimDisk*, std::string> find(const std::string& path) const;
  Random& random() { return random_; }
  WallTime wall() const { return wall_(); }

 private:
  Random random_;
  const std::function<WallTime()> wall_;
  std::map<std::string, SimDisk*> disks_;
  std::unique_ptr<VfsTable> table_;
};

}  // namespace parley::sim
