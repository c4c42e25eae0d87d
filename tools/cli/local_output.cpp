#include "tools/cli/local_output.h"

#include <algorithm>

#include "tools/local/node_command.h"

namespace parley::cli {

using local::ClusterDirectory;
using local::ClusterPlan;
using local::DetachedCluster;

Result<DetachedCluster> open_local_cluster(const CommandLine& line, ClusterDirectory::Use use) {
  auto directory = ClusterDirectory::open(line.local.directory, use);
  if (!directory.ok()) return directory.error();
  return DetachedCluster(std::move(*directory));
}

Result<DetachedCluster::Nodes> nodes_named(const ClusterPlan& plan,
                                           const std::vector<std::string>& names) {
  DetachedCluster::Nodes out;
  for (const std::string& name : names) {
    std::size_t i = 0;
    while (i < plan.nodes && name != plan.name(i) && name != plan.address(i) &&
           name != std::to_string(i + 1)) {
      ++i;
    }
    if (i == plan.nodes) {
      const std::string there = plan.nodes == 1 ? "is n1" : "are n1 to " + plan.name(i - 1);
      return Error{ErrorCode::InvalidArgument, "there is no node '" + name + "': there " + there};
    }
    if (std::find(out.begin(), out.end(), i) == out.end()) out.push_back(i);
  }
  return out;
}

const char* to_text(DetachedCluster::State state) {
  switch (state) {
    case DetachedCluster::State::Running: return "running";
    case DetachedCluster::State::Paused: return "paused";
    case DetachedCluster::State::Dead: return "dead";
  }
  return "?";
}

std::string names_of(const ClusterPlan& plan, const DetachedCluster::Nodes& nodes) {
  if (nodes.size() == plan.nodes && nodes.size() > 2) return "n1 to " + plan.name(plan.nodes - 1);
  std::string out;
  for (const std::size_t i : nodes) out += (out.empty() ? "" : ", ") + plan.name(i);
  return out;
}

std::string endpoints_of(const ClusterPlan& plan) {
  std::string out;
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    out += (i == 0 ? "" : ",") + local::client_endpoint_of(plan.address(i));
  }
  return out;
}

std::string pid_text(const DetachedCluster& cluster, std::size_t i) {
  const pid_t pid = cluster.pid(i);
  return pid == 0 ? "-" : std::to_string(pid);
}

Json node_json(const DetachedCluster& cluster, std::size_t i) {
  const ClusterPlan& plan = cluster.plan();
  const pid_t pid = cluster.pid(i);
  return {{"name", plan.name(i)},
          {"address", plan.address(i)},
          {"endpoint", local::client_endpoint_of(plan.address(i))},
          {"http", local::http_endpoint_of(plan.address(i))},
          {"rack", plan.rack(i)},
          {"pid", pid == 0 ? Json(nullptr) : Json(pid)},
          {"state", to_text(cluster.state(i))}};
}

}  // namespace parley::cli
