// One process per data directory: creates the directory and holds an flock on a file in it. The
// lock file is not the database: closing any descriptor of that would drop SQLite's own locks.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace parley::storage {

class DirectoryLock {
 public:
  // InvalidArgument: not a directory, not permitted, or in use. DiskFull: no room to create it.
  static Result<std::unique_ptr<DirectoryLock>> take(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace parley::storage
