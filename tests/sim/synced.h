// What a disk holds for certain, kept up with the commits: a commit after which nothing on the
// disk waits for a sync is there after a power cut, and so is all that was committed before it.
// Cheap enough to be asked at each reply; truth.h opens the database behind some of them, and
// behind every reply that this does not bear out.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "replication/version.h"
#include "tests/sim/sim_disk.h"

namespace parley::sim {

class Synced {
 public:
  Synced(const SimDisk& disk, std::string database) : disk_(disk), database_(std::move(database)) {}

  // The store says that it has committed this; only learned of, no more, when it is to be durable.
  void committed(const std::string& key, const replication::VersionVector& context) {
    settle();
    waiting_.emplace_back(key, context);
    settle();
  }

  // The disk has lost something, or a hint is gone.
  void forget() {
    held_.clear();
    waiting_.clear();
  }
  void forget(const std::string& key) {
    settle();
    held_.erase(key);
    std::erase_if(waiting_, [&key](const auto& one) { return one.first == key; });
  }

  bool covers(const std::string& key, const replication::VersionVector& claim) {
    settle();
    const auto found = held_.find(key);
    return found != held_.end() && found->second.covers(claim);
  }

 private:
  void settle() {
    if (disk_.images() != images_) {  // what is there now is another past
      held_.clear();
      waiting_.clear();
      images_ = disk_.images();
    }
    if (disk_.life() != life_) {
      waiting_.clear();
      life_ = disk_.life();
    }
    if (waiting_.empty() || !disk_.is_durable_as_read(database_)) return;
    for (auto& [key, context] : waiting_) held_[key] = std::move(context);
    waiting_.clear();
  }

  const SimDisk& disk_;
  const std::string database_;
  std::uint64_t images_ = 0, life_ = 0;
  std::vector<std::pair<std::string, replication::VersionVector>> waiting_;
  std::map<std::string, replication::VersionVector> held_;
};

}  // namespace parley::sim
