#include "tests/sim/sim_vfs.h"

#include <sqlite3.h>

#include <cstring>
#include <new>

#include "base/check.h"

namespace parley::sim {

struct VfsTable {
  sqlite3_vfs vfs{};
};

namespace {

struct Handle {
  sqlite3_file base;  // first: SQLite sees a sqlite3_file
  SimDisk* disk;
  std::uint64_t life;
  FilePtr file;
  std::shared_ptr<FileShare> share;
  std::string name;
  bool delete_on_close;
  int lock;
  unsigned shm_shared, shm_exclusive;  // bits
};

Handle& handle_of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }
bool is_dead(const Handle& handle) { return handle.life != handle.disk->life(); }

// What the call must fail with; SQLITE_OK: go on.
int trouble(Handle& handle, DiskCall call, int io_error) {
  if (is_dead(handle)) return io_error;
  const DiskVerdict verdict = handle.disk->before(call, handle.name);
  if (is_dead(handle)) return io_error;
  switch (verdict) {
    case DiskVerdict::Proceed: return SQLITE_OK;
    case DiskVerdict::NoSpace: return SQLITE_FULL;
    case DiskVerdict::IoError: return io_error;
  }
  PARLEY_UNREACHABLE();
}

int file_read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  Handle& own = handle_of(file);
  if (const int code = trouble(own, DiskCall::Read, SQLITE_IOERR_READ)) return code;
  const Bytes& bytes = own.file->written;
  const auto at = static_cast<std::size_t>(offset);
  const auto wanted = static_cast<std::size_t>(size);
  const std::size_t there = at >= bytes.size() ? 0 : std::min(wanted, bytes.size() - at);
  if (there > 0) std::memcpy(to, bytes.data() + at, there);
  if (there == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + there, 0, wanted - there);
  return SQLITE_IOERR_SHORT_READ;
}

int file_write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  Handle& own = handle_of(file);
  if (const int code = trouble(own, DiskCall::Write, SQLITE_IOERR_WRITE)) return code;
  own.disk->write(*own.file, offset,
                  ByteView(static_cast<const char*>(from), static_cast<std::size_t>(size)));
  return SQLITE_OK;
}

int file_truncate(sqlite3_file* file, sqlite3_int64 size) {
  Handle& own = handle_of(file);
  if (const int code = trouble(own, DiskCall::Truncate, SQLITE_IOERR_TRUNCATE)) return code;
  own.disk->truncate(*own.file, size);
  return SQLITE_OK;
}

int file_sync(sqlite3_file* file, int) {
  Handle& own = handle_of(file);
  if (const int code = trouble(own, DiskCall::Sync, SQLITE_IOERR_FSYNC)) {
    if (!is_dead(own)) own.disk->fail_sync(*own.file);
    return code;
  }
  own.disk->sync(*own.file);
  return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  Handle& own = handle_of(file);
  *size = static_cast<sqlite3_int64>(own.file->written.size());
  return is_dead(own) ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

// The five states of the unix VFS, for handles of one process.
int file_lock(sqlite3_file* file, int level) {
  Handle& own = handle_of(file);
  if (is_dead(own)) return SQLITE_IOERR_LOCK;
  FileShare& share = *own.share;
  if (own.lock >= level) return SQLITE_OK;
  const auto free_for = [&](const void* holder) { return holder == nullptr || holder == &own; };
  if (level == SQLITE_LOCK_SHARED) {
    if (!free_for(share.pending) || !free_for(share.exclusive)) return SQLITE_BUSY;
    ++share.shared;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (!free_for(share.reserved)) return SQLITE_BUSY;
    share.reserved = &own;
  } else {
    if (!free_for(share.pending)) return SQLITE_BUSY;
    share.pending = &own;
    if (level == SQLITE_LOCK_EXCLUSIVE) {
      if (share.shared > 1) return SQLITE_BUSY;
      share.exclusive = &own;
    }
  }
  own.lock = level;
  return SQLITE_OK;
}

int file_unlock(sqlite3_file* file, int level) {
  Handle& own = handle_of(file);
  FileShare& share = *own.share;
  if (own.lock <= level) return SQLITE_OK;
  for (const void** holder : {&share.reserved, &share.pending, &share.exclusive}) {
    if (*holder == &own) *holder = nullptr;
  }
  if (level == SQLITE_LOCK_NONE) --share.shared;
  own.lock = level;
  return SQLITE_OK;
}

int file_check_reserved(sqlite3_file* file, int* out) {
  *out = handle_of(file).share->reserved != nullptr;
  return SQLITE_OK;
}

int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int file_sector_size(sqlite3_file*) { return 4096; }
int file_characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  auto& regions = handle_of(file).share->regions;
  const auto index = static_cast<std::size_t>(region);
  *out = nullptr;
  if (index >= regions.size() && extend == 0) return SQLITE_OK;
  while (regions.size() <= index) {
    regions.push_back(std::make_unique<std::vector<char>>(static_cast<std::size_t>(size)));
  }
  *out = regions[index]->data();
  return SQLITE_OK;
}

bool shm_is_free(const Handle& own, std::size_t slot, bool exclusive) {
  const FileShare& share = *own.share;
  const unsigned bit = 1U << slot;
  if (share.shm_exclusive[slot] && (own.shm_exclusive & bit) == 0) return false;
  const int mine = (own.shm_shared & bit) != 0 ? 1 : 0;
  return !exclusive || share.shm_shared[slot] <= mine;
}

void shm_release(Handle& own, std::size_t slot) {
  const unsigned bit = 1U << slot;
  if ((own.shm_shared & bit) != 0) --own.share->shm_shared[slot];
  if ((own.shm_exclusive & bit) != 0) own.share->shm_exclusive[slot] = false;
  own.shm_shared &= ~bit;
  own.shm_exclusive &= ~bit;
}

int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  Handle& own = handle_of(file);
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  const auto first = static_cast<std::size_t>(offset);
  const auto end = first + static_cast<std::size_t>(count);
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    for (std::size_t slot = first; slot < end; ++slot) shm_release(own, slot);
    return SQLITE_OK;
  }
  for (std::size_t slot = first; slot < end; ++slot) {
    if (!shm_is_free(own, slot, exclusive)) return SQLITE_BUSY;
  }
  for (std::size_t slot = first; slot < end; ++slot) {
    const unsigned bit = 1U << slot;
    if (exclusive) {
      own.share->shm_exclusive[slot] = true;
      own.shm_exclusive |= bit;
    } else if ((own.shm_shared & bit) == 0) {
      ++own.share->shm_shared[slot];
      own.shm_shared |= bit;
    }
  }
  return SQLITE_OK;
}

void shm_barrier(sqlite3_file*) {}

int shm_unmap(sqlite3_file* file, int) {
  Handle& own = handle_of(file);
  for (std::size_t slot = 0; slot < FileShare::kShmLocks; ++slot) shm_release(own, slot);
  return SQLITE_OK;
}

int file_close(sqlite3_file* file) {
  Handle& own = handle_of(file);
  shm_unmap(file, 0);
  file_unlock(file, SQLITE_LOCK_NONE);
  if (own.delete_on_close && !is_dead(own)) own.disk->remove(own.name);
  own.~Handle();
  return SQLITE_OK;
}

const sqlite3_io_methods kMethods = {
    2,  // shared memory, no xFetch
    file_close,
    file_read,
    file_write,
    file_truncate,
    file_sync,
    file_size,
    file_lock,
    file_unlock,
    file_check_reserved,
    file_control,
    file_sector_size,
    file_characteristics,
    shm_map,
    shm_lock,
    shm_barrier,
    shm_unmap,
    nullptr,
    nullptr,
};

SimVfs& sim_of(sqlite3_vfs* vfs) { return *static_cast<SimVfs*>(vfs->pAppData); }

int vfs_open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  if (path == nullptr) return SQLITE_CANTOPEN;  // temporary files stay in memory
  const auto [disk, name] = sim_of(vfs).find(path);
  if (disk == nullptr) return SQLITE_CANTOPEN;
  auto opened = disk->open(name, (flags & SQLITE_OPEN_CREATE) != 0);
  if (opened == nullptr) return SQLITE_CANTOPEN;
  const auto share = opened->share;
  new (file) Handle{{&kMethods},
                    disk,
                    disk->life(),
                    std::move(opened),
                    share,
                    name,
                    (flags & SQLITE_OPEN_DELETEONCLOSE) != 0,
                    SQLITE_LOCK_NONE,
                    0,
                    0};
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs* vfs, const char* path, int) {
  const auto [disk, name] = sim_of(vfs).find(path);
  if (disk == nullptr || !disk->exists(name)) return SQLITE_IOERR_DELETE_NOENT;
  if (disk->before(DiskCall::Delete, name) != DiskVerdict::Proceed) return SQLITE_IOERR_DELETE;
  disk->remove(name);
  return SQLITE_OK;
}

int vfs_access(sqlite3_vfs* vfs, const char* path, int, int* out) {
  const auto [disk, name] = sim_of(vfs).find(path);
  *out = disk != nullptr && disk->exists(name);
  return SQLITE_OK;
}

int vfs_full_path(sqlite3_vfs*, const char* path, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", path);
  return SQLITE_OK;
}

int vfs_randomness(sqlite3_vfs* vfs, int size, char* out) {
  for (int i = 0; i < size; ++i) out[i] = static_cast<char>(sim_of(vfs).random().below(256));
  return size;
}

int vfs_sleep(sqlite3_vfs*, int microseconds) { return microseconds; }

// Milliseconds since noon of 24 November 4714 BC, as SQLite counts.
constexpr std::int64_t kJulianEpoch = 210866760000000;

int vfs_time_ms(sqlite3_vfs* vfs, sqlite3_int64* out) {
  *out = kJulianEpoch + sim_of(vfs).wall().millis;
  return SQLITE_OK;
}

int vfs_time(sqlite3_vfs* vfs, double* out) {
  sqlite3_int64 now = 0;
  vfs_time_ms(vfs, &now);
  *out = static_cast<double>(now) / 86400000.0;
  return SQLITE_OK;
}

int vfs_last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

void use_sqlite_in_one_thread() {
  PARLEY_CHECK(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
  PARLEY_CHECK(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
}

SimVfs::SimVfs(std::uint64_t seed, std::function<WallTime()> wall)
    : random_(seed), wall_(std::move(wall)), table_(std::make_unique<VfsTable>()) {
  sqlite3_initialize();
  sqlite3_vfs& vfs = table_->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(Handle);
  vfs.mxPathname = 512;
  vfs.zName = kName;
  vfs.pAppData = this;
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_full_path;
  vfs.xRandomness = vfs_randomness;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_time;
  vfs.xGetLastError = vfs_last_error;
  vfs.xCurrentTimeInt64 = vfs_time_ms;
  PARLEY_CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
  sqlite3_randomness(0, nullptr);  // start SQLite's own generator again, from this seed
}

SimVfs::~SimVfs() { sqlite3_vfs_unregister(&table_->vfs); }

std::pair<SimDisk*, std::string> SimVfs::find(const std::string& path) const {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {nullptr, path};
  const auto found = disks_.find(path.substr(0, slash));
  if (found == disks_.end()) return {nullptr, path};
  return {found->second, path.substr(slash + 1)};
}

}  // namespace parley::sim
