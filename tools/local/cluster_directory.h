// What a cluster of `parley cluster` is on the disk: one directory with
//
//   parley-cluster.json   who the nodes are; its presence makes the directory ours
//   n1/ n2/ ...           the nodes' data directories
//   n1.pid ...            which process a node runs as (detached_process.h)
//   n1.out n1.log ...     their standard output and error
//
// Commands that change something hold an flock on the directory itself.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "tools/local/process.h"

namespace parley::local {

// What `parley cluster up` was told; kept, so that the nodes are always started in the same way.
struct ClusterPlan {
  std::size_t nodes = 5, racks = 3;
  bool allow_faults = false;
  std::vector<std::string> flags = {};  // for every parleyd
  std::string prefix = {};              // of the addresses: "127.x.y."

  // Nodes are counted from 0; what people see is n1, n2, ...
  std::string name(std::size_t i) const { return "n" + std::to_string(i + 1); }
  std::string address(std::size_t i) const { return prefix + std::to_string(i + 1); }
  std::string rack(std::size_t i) const { return "r" + std::to_string(i % racks + 1); }
};
std::string plan_text(const ClusterPlan& plan);
Result<ClusterPlan> parse_plan(const std::string& text);

class ClusterDirectory {
 public:
  // Holds the directory alone, or only reads there beside whoever holds it.
  enum class Use { Alone, Read };

  // InvalidArgument: no cluster is there, or another command has held it for a while.
  static Result<ClusterDirectory> open(const std::string& path, Use use);
  // Held alone. Made if it is not there; `is_new` until `save`. InvalidArgument: as above, or it
  // holds something that is not a cluster.
  static Result<ClusterDirectory> open_or_make(const std::string& path);
  ~ClusterDirectory();
  ClusterDirectory(ClusterDirectory&& other) noexcept;
  ClusterDirectory& operator=(ClusterDirectory&&) = delete;

  bool is_new() const { return plan_.prefix.empty(); }
  const ClusterPlan& plan() const { return plan_; }
  Status save(ClusterPlan plan);

  const std::string& path() const { return path_; }  // absolute, without links
  std::string data_dir(std::size_t i) const { return file(i, ""); }
  std::string pid_file(std::size_t i) const { return file(i, ".pid"); }
  std::string out_file(std::size_t i) const { return file(i, ".out"); }
  std::string log_file(std::size_t i) const { return file(i, ".log"); }

  // Removes all that is ours, and the directory unless other things are in it: then false.
  Result<bool> wipe();

 private:
  ClusterDirectory(std::string path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}
  static Result<ClusterDirectory> open_held(const std::string& path);
  Status read_plan();
  std::string file(std::size_t i, const char* ending) const;

  std::string path_;
  int descriptor_ = -1;  // of the directory, with the lock; -1: only read
  ClusterPlan plan_;
};

}  // namespace parley::local
