// A SQLite VFS that passes every call on to another one and lets a subclass see, and veto, the
// calls that move data: syncs are counted in production, and tests break them. No sqlite3 type
// shows here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/units.h"

namespace parley::storage {

enum class VfsFile : std::uint8_t { Database, Wal, Journal, Other };
enum class VfsCall : std::uint8_t { Read, Write, Truncate, Sync };
enum class VfsVerdict : std::uint8_t { Proceed, NoSpace, Fail };

struct VfsEvent {
  VfsFile file = VfsFile::Other;
  VfsCall call = VfsCall::Read;
  ByteView data;  // Write only; borrowed for the call
  std::int64_t offset = 0;
};

struct VfsRegistration;

// Registered with SQLite from construction to destruction, under a name of its own. Must outlive
// every connection opened through it. Memory mapping is not offered: it turns an I/O error into
// SIGBUS.
class VfsShim {
 public:
  // `base`: the VFS that does the work; empty for SQLite's default.
  explicit VfsShim(const std::string& base);
  virtual ~VfsShim();
  VfsShim(const VfsShim&) = delete;
  VfsShim& operator=(const VfsShim&) = delete;

  // False when there is no VFS of the name given as `base`.
  bool usable() const;
  const std::string& name() const { return name_; }

  // Called by whatever thread uses the connection. Fail is an I/O error of the call's kind.
  virtual VfsVerdict before(const VfsEvent&) { return VfsVerdict::Proceed; }
  // Only after calls that were let through and succeeded.
  virtual void after(const VfsEvent&, Duration /*elapsed; 0 but for Sync*/) {}

 private:
  std::string name_;
  std::unique_ptr<VfsRegistration> registration_;
};

}  // namespace parley::storage
