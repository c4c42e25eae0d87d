// The nodes of a cluster directory as processes that outlive the command.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/client.h"
#include "tools/local/cluster_directory.h"
#include "tools/local/detached_process.h"

namespace parley::local {

// What parleyd itself says of the plan's flags. InvalidArgument: it would not run with them.
Status check_flags(const std::string& parleyd, const ClusterPlan& plan);

class DetachedCluster {
 public:
  using Nodes = std::vector<std::size_t>;
  enum class State { Running, Paused, Dead };

  // Finds the nodes that run.
  explicit DetachedCluster(ClusterDirectory directory);

  ClusterDirectory& directory() { return directory_; }
  const ClusterPlan& plan() const { return directory_.plan(); }
  State state(std::size_t i) const;
  pid_t pid(std::size_t i) const;  // 0: dead
  Nodes in_state(State state) const;

  // Of nodes that are dead. Unavailable: a port is taken; then none was started. Internal: nodes
  // before the one named may have been started.
  Status start(const std::string& parleyd, const Nodes& nodes);
  void signal(std::size_t i, int number) const;
  // SIGTERM, also to one that is paused.
  void ask_to_end(std::size_t i) const;
  // True when it has no process any more.
  bool wait_dead(std::size_t i, WallDuration limit);

  // "" when the node says that it is ready, otherwise why it is not.
  std::string why_not_ready(std::size_t i) const;
  // What the first node that answers says; by name of that node.
  std::optional<std::pair<std::string, client::ClusterStatus>> ask_cluster(Duration timeout) const;

  // Until all of them are ready; `settled`: and each sees all of them up. Unavailable: one ended.
  // Unknown: not so within `limit`. Ends early, with either, once `stop` says so.
  Status wait_ready(
      const Nodes& nodes, bool settled, WallDuration limit,
      const std::function<bool()>& stop = [] { return false; });

 private:
  struct Node {
    std::optional<DetachedProcess> process;
    std::uintmax_t log_before = 0;  // bytes in its log when it was started
  };
  std::unique_ptr<client::Client> client_of(std::size_t i, Duration timeout) const;
  std::string last_words(std::size_t i) const;

  ClusterDirectory directory_;
  std::vector<Node> nodes_;
};

}  // namespace parley::local
