// What the verbs of `parley cluster` share: which nodes are meant, and what is printed of them.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/output.h"
#include "tools/local/detached_cluster.h"

namespace parley::cli {

Result<local::DetachedCluster> open_local_cluster(const CommandLine& line,
                                                  local::ClusterDirectory::Use use);
// In the order given, each once. InvalidArgument: no such node.
Result<local::DetachedCluster::Nodes> nodes_named(const local::ClusterPlan& plan,
                                                  const std::vector<std::string>& names);

const char* to_text(local::DetachedCluster::State state);
std::string names_of(const local::ClusterPlan& plan, const local::DetachedCluster::Nodes& nodes);
std::string endpoints_of(const local::ClusterPlan& plan);  // of every node, for PARLEY_ENDPOINTS
std::string pid_text(const local::DetachedCluster& cluster, std::size_t i);
Json node_json(const local::DetachedCluster& cluster, std::size_t i);

}  // namespace parley::cli
