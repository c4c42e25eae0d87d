// What the disks of a run hold for certain: asked whether what replies say is there. The bytes that
// a power cut would leave are opened by the real SQLite and read as the store reads them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "replication/version.h"
#include "storage/store.h"
#include "tests/sim/history.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_vfs.h"
#include "tests/sim/synced.h"

namespace parley::sim {

// One key on one disk.
struct DurableCopy {
  storage::Condition condition = storage::Condition::Missing;
  replication::VersionSet record;
  struct Hint {
    NodeId target;
    replication::VersionSet set;
  };
  std::vector<Hint> hints;
};

class DiskReader;

class Truth {
 public:
  // Every reply is held against what was committed and synced (synced.h); behind one in `sampling`
  // the disks themselves are looked at, and behind each that the commits do not bear out.
  Truth(SimVfs& vfs, History& history, Random random, std::uint64_t sampling);
  ~Truth();
  void add(const std::string& address, const std::string& directory, SimDisk& disk);
  // Its disk was emptied: it is another node's now.
  void forget(const std::string& address);
  void committed(const std::string& address, const std::string& key,
                 const replication::VersionVector& context);
  void hint_gone(const std::string& address, const std::string& name);
  // What its disk had may be gone.
  void lost(const std::string& address);
  // Of a hint's target; empty: not known.
  std::function<std::string(const NodeId&)> address_of;

  // Error: the image is no database (yet).
  Result<DurableCopy> look(const std::string& address, const std::string& key);

  // Judge a reply at the moment when it is there. What a reply says is true from before it left,
  // and copies only grow, so whatever happened since takes nothing away.
  void judge(const WriteRecord& write, const client::WriteResult& result);
  void judge(const ReadRecord& read);
  // What all owners of each key hold in the end, when nothing writes any more; nullopt, with a
  // violation, when it is not one thing. Each disk is opened once for all keys.
  std::vector<std::optional<FinalState>> judge_end(const std::vector<std::string>& keys);
  // Writes that were refused and whose bytes are on a disk after all.
  void judge_refused();

  // Hints are dropped soon.
  bool hints_age = false;
  std::uint64_t looks() const { return looks_; }

 private:
  struct NodeDisk {
    std::string directory;
    SimDisk* disk = nullptr;
    Synced synced;
    // Stays open until a look in a later life of the disk, or an error: opening costs thirty times
    // what a look does.
    std::unique_ptr<DiskReader> reader;
    std::uint64_t reader_life = 0;
    std::unique_ptr<DiskReader>& reader_of(std::uint64_t life);
  };
  using Copies = std::map<std::string, Result<DurableCopy>>;  // of one key, by address
  std::vector<Result<DurableCopy>> look(const std::string& address,
                                        const std::vector<std::string>& keys);
  static std::vector<Result<DurableCopy>> read(const std::string& path,
                                               const std::vector<std::string>& keys,
                                               std::unique_ptr<DiskReader>& reader);
  std::optional<FinalState> judge_end(const std::string& key, const Copies& copies);
  void judge_strays(const std::string& key, const Copies& copies,
                    const replication::VersionSet& held);
  bool is_synced(const std::string& address, const std::string& name,
                 const replication::VersionVector& context);
  // What was said of a replica to a call that began then.
  struct Claim {
    const std::string& key;
    const replication::VersionVector& context;
    Instant begun;
    bool look;  // whatever the commits say
  };
  // Does this disk bear it out? One that has lost it since proves nothing (losses.h).
  bool bears_out(const std::string& address, const Claim& claim);
  // Does it keep a hint of that for this target?
  bool hints(const std::string& address, const std::string& target, const Claim& claim);
  // Where the last writer wins: what covers a write is worth nothing beside an earlier value.
  bool shows_latest(const std::string& key, const replication::VersionSet& set) const;

  SimVfs& vfs_;
  History& history_;
  Random random_;
  const std::uint64_t sampling_;
  SimDisk scratch_;
  std::map<std::string, NodeDisk> nodes_;
  std::uint64_t looks_ = 0;
};

}  // namespace parley::sim
