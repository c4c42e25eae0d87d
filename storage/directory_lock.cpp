#include "storage/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace parley::storage {
namespace {

Error refused(const std::string& directory, int number) {
  const bool full = number == ENOSPC || number == EDQUOT;
  return {full ? ErrorCode::DiskFull : ErrorCode::InvalidArgument,
          "data directory " + directory + ": " + std::strerror(number)};
}

// A new directory is only there after a power cut if its parent was synced.
void sync_directory(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::take(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code code;
  if (directory.empty()) {
    return Error{ErrorCode::InvalidArgument, "data directory: the path is empty"};
  }
  if (fs::exists(directory, code) && !fs::is_directory(directory, code)) {
    return Error{ErrorCode::InvalidArgument, "data directory " + directory + ": not a directory"};
  }
  const bool created = fs::create_directories(directory, code);
  if (code) return refused(directory, code.value());
  if (created) sync_directory(fs::absolute(directory, code).parent_path());
  const std::string path = directory + "/parley.lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return refused(directory, errno);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int number = errno;
    ::close(descriptor);
    if (number != EWOULDBLOCK) return refused(directory, number);
    return Error{ErrorCode::InvalidArgument,
                 "data directory " + directory + ": in use by another process"};
  }
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(descriptor));
}

DirectoryLock::~DirectoryLock() { ::close(descriptor_); }

}  // namespace parley::storage
