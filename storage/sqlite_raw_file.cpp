#include "storage/sqlite_raw_file.h"

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "storage/sqlite_statement.h"

namespace parley::storage {
namespace {

// A page at most: the unix VFS takes only the low 17 bits of a size.
constexpr std::size_t kRewriteBytes = 64_KiB;

}  // namespace

std::optional<RawFile> RawFile::open(const std::string& path, const std::string& vfs_name,
                                     int flags) {
  sqlite3_vfs* vfs = sqlite3_vfs_find(vfs_name.empty() ? nullptr : vfs_name.c_str());
  if (vfs == nullptr) throw SqliteError{SQLITE_ERROR, "no such VFS: " + vfs_name};
  Bytes full(static_cast<std::size_t>(vfs->mxPathname) + 1, '\0');
  int code = vfs->xFullPathname(vfs, path.c_str(), vfs->mxPathname + 1, full.data());
  if ((code & 0xff) != SQLITE_OK) throw SqliteError{code, "the path cannot be resolved"};
  int exists = 0;
  code = vfs->xAccess(vfs, full.c_str(), SQLITE_ACCESS_EXISTS, &exists);
  if (code != SQLITE_OK) throw SqliteError{code, "cannot be looked at"};
  if (exists == 0) return std::nullopt;
  RawFile out;
  out.memory_.resize(static_cast<std::size_t>(vfs->szOsFile) / sizeof(std::max_align_t) + 1);
  out.file()->pMethods = nullptr;
  // A name of SQLite's own making: VFS layers may read URI parameters behind it.
  out.name_ = sqlite3_create_filename(full.c_str(), "", "", 0, nullptr);
  int out_flags = 0;
  out.check(vfs->xOpen(vfs, out.name_, out.file(), flags, &out_flags), "cannot be opened");
  return out;
}

RawFile::RawFile(RawFile&& other) noexcept
    : memory_(std::move(other.memory_)), name_(std::exchange(other.name_, nullptr)) {
  other.memory_.clear();
}

RawFile::~RawFile() {
  if (!memory_.empty() && file()->pMethods != nullptr) file()->pMethods->xClose(file());
  if (name_ != nullptr) sqlite3_free_filename(const_cast<char*>(name_));
}

void RawFile::check(int code, const char* what) const {
  if (code != SQLITE_OK) throw SqliteError{code, what};
}

std::size_t RawFile::size() {
  sqlite3_int64 size = 0;
  check(file()->pMethods->xFileSize(file(), &size), "its size cannot be read");
  return static_cast<std::size_t>(size);
}

void RawFile::read(std::size_t at, std::span<char> into) {
  if (into.empty()) return;
  check(file()->pMethods->xRead(file(), into.data(), static_cast<int>(into.size()),
                                static_cast<sqlite3_int64>(at)),
        "cannot be read");
}

void RawFile::write(std::size_t at, ByteView bytes) {
  check(file()->pMethods->xWrite(file(), bytes.data(), static_cast<int>(bytes.size()),
                                 static_cast<sqlite3_int64>(at)),
        "cannot be written");
}

void RawFile::sync() {
  check(file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL), "cannot be synced");
}

void rewrite_log(const std::string& database_path, const std::string& vfs) {
  auto log = RawFile::open(database_path + "-wal", vfs, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL);
  if (!log) return;
  const std::size_t size = log->size();
  if (size == 0) return;
  std::vector<char> part(std::min(kRewriteBytes, size));
  for (std::size_t at = 0; at < size; at += part.size()) {
    part.resize(std::min(kRewriteBytes, size - at));
    log->read(at, part);
    log->write(at, ByteView(part.data(), part.size()));
  }
  log->sync();
}

}  // namespace parley::storage
