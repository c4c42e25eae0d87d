#include "storage/sqlite_vfs_shim.h"

#include <sqlite3.h>

#include <chrono>
#include <new>

#include "base/check.h"

namespace parley::storage {

struct VfsRegistration {
  sqlite3_vfs vfs{};  // first: base_of() casts back
  sqlite3_vfs* base = nullptr;
};

namespace {

struct ShimFile {
  sqlite3_file base;  // first: SQLite sees a sqlite3_file
  VfsShim* shim;
  VfsFile kind;
  sqlite3_file* real;  // in the same allocation, behind this struct
};

ShimFile& shim_of(sqlite3_file* file) { return *reinterpret_cast<ShimFile*>(file); }
sqlite3_file* real_of(sqlite3_file* file) { return shim_of(file).real; }
sqlite3_vfs* base_of(sqlite3_vfs* vfs) { return reinterpret_cast<VfsRegistration*>(vfs)->base; }

int failure_code(VfsVerdict verdict, VfsCall call) {
  if (verdict == VfsVerdict::NoSpace) return SQLITE_FULL;
  switch (call) {
    case VfsCall::Read: return SQLITE_IOERR_READ;
    case VfsCall::Write: return SQLITE_IOERR_WRITE;
    case VfsCall::Truncate: return SQLITE_IOERR_TRUNCATE;
    case VfsCall::Sync: return SQLITE_IOERR_FSYNC;
  }
  PARLEY_UNREACHABLE();
}

template <typename Call>
int guarded(sqlite3_file* file, VfsCall call, ByteView data, sqlite3_int64 offset, Call&& next) {
  ShimFile& own = shim_of(file);
  const VfsEvent event{own.kind, call, data, offset};
  const VfsVerdict verdict = own.shim->before(event);
  if (verdict != VfsVerdict::Proceed) return failure_code(verdict, call);
  if (call != VfsCall::Sync) {
    const int code = next(own.real);
    if (code == SQLITE_OK) own.shim->after(event, Duration{0});
    return code;
  }
  const auto begin = std::chrono::steady_clock::now();
  const int code = next(own.real);
  if (code == SQLITE_OK) own.shim->after(event, std::chrono::steady_clock::now() - begin);
  return code;
}

int file_close(sqlite3_file* file) {
  const int code = real_of(file)->pMethods->xClose(real_of(file));
  file->pMethods = nullptr;
  return code;
}
int file_read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  return guarded(file, VfsCall::Read, {}, offset,
                 [&](sqlite3_file* real) { return real->pMethods->xRead(real, to, size, offset); });
}
int file_write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  const ByteView data(static_cast<const char*>(from), static_cast<std::size_t>(size));
  return guarded(file, VfsCall::Write, data, offset, [&](sqlite3_file* real) {
    return real->pMethods->xWrite(real, from, size, offset);
  });
}
int file_truncate(sqlite3_file* file, sqlite3_int64 size) {
  return guarded(file, VfsCall::Truncate, {}, size,
                 [&](sqlite3_file* real) { return real->pMethods->xTruncate(real, size); });
}
int file_sync(sqlite3_file* file, int flags) {
  return guarded(file, VfsCall::Sync, {}, 0,
                 [&](sqlite3_file* real) { return real->pMethods->xSync(real, flags); });
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
int file_lock(sqlite3_file* file, int level) {
  return real_of(file)->pMethods->xLock(real_of(file), level);
}
int file_unlock(sqlite3_file* file, int level) {
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
int file_check_reserved(sqlite3_file* file, int* out) {
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}
int file_control(sqlite3_file* file, int op, void* argument) {
  return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}
int file_sector_size(sqlite3_file* file) {
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}
int file_characteristics(sqlite3_file* file) {
  return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
int file_shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}
int file_shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}
void file_shm_barrier(sqlite3_file* file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }
int file_shm_unmap(sqlite3_file* file, int erase) {
  return real_of(file)->pMethods->xShmUnmap(real_of(file), erase);
}

const sqlite3_io_methods kMethods = {
    2,  // version 2: shared memory, no xFetch, so no memory mapping
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
    file_shm_map,
    file_shm_lock,
    file_shm_barrier,
    file_shm_unmap,
    nullptr,
    nullptr,
};

VfsFile kind_of(int flags) {
  if ((flags & SQLITE_OPEN_MAIN_DB) != 0) return VfsFile::Database;
  if ((flags & SQLITE_OPEN_WAL) != 0) return VfsFile::Wal;
  if ((flags & SQLITE_OPEN_MAIN_JOURNAL) != 0) return VfsFile::Journal;
  return VfsFile::Other;
}

int vfs_open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  auto* own = new (file) ShimFile{};
  own->shim = static_cast<VfsShim*>(vfs->pAppData);
  own->kind = kind_of(flags);
  own->real = reinterpret_cast<sqlite3_file*>(own + 1);
  const int code = base_of(vfs)->xOpen(base_of(vfs), path, own->real, flags, out_flags);
  // Without methods SQLite does not close it. A base that fails may still want its close.
  if (own->real->pMethods != nullptr) own->base.pMethods = &kMethods;
  return code;
}
int vfs_delete(sqlite3_vfs* vfs, const char* path, int sync) {
  return base_of(vfs)->xDelete(base_of(vfs), path, sync);
}
int vfs_access(sqlite3_vfs* vfs, const char* path, int flags, int* out) {
  return base_of(vfs)->xAccess(base_of(vfs), path, flags, out);
}
int vfs_full_path(sqlite3_vfs* vfs, const char* path, int size, char* out) {
  return base_of(vfs)->xFullPathname(base_of(vfs), path, size, out);
}
int vfs_randomness(sqlite3_vfs* vfs, int size, char* out) {
  return base_of(vfs)->xRandomness(base_of(vfs), size, out);
}
int vfs_sleep(sqlite3_vfs* vfs, int micros) { return base_of(vfs)->xSleep(base_of(vfs), micros); }
int vfs_time(sqlite3_vfs* vfs, double* out) {
  return base_of(vfs)->xCurrentTime(base_of(vfs), out);
}
int vfs_last_error(sqlite3_vfs* vfs, int size, char* out) {
  return base_of(vfs)->xGetLastError(base_of(vfs), size, out);
}

}  // namespace

VfsShim::VfsShim(const std::string& base) : registration_(std::make_unique<VfsRegistration>()) {
  // The address is a name that nobody else in the process has while this object lives.
  name_ = "parley-" + std::to_string(reinterpret_cast<std::uintptr_t>(this));
  registration_->base = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
  if (registration_->base == nullptr) return;
  sqlite3_vfs& vfs = registration_->vfs;
  vfs.iVersion = 1;
  vfs.szOsFile = static_cast<int>(sizeof(ShimFile)) + registration_->base->szOsFile;
  vfs.mxPathname = registration_->base->mxPathname;
  vfs.zName = name_.c_str();
  vfs.pAppData = this;
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_full_path;
  vfs.xRandomness = vfs_randomness;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_time;
  vfs.xGetLastError = vfs_last_error;
  if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK) registration_->base = nullptr;
}

VfsShim::~VfsShim() {
  if (usable()) sqlite3_vfs_unregister(&registration_->vfs);
}

bool VfsShim::usable() const { return registration_->base != nullptr; }

}  // namespace parley::storage
