// Links between the nodes of a local cluster that runs with --allow-faults, cut and healed through
// the client library.
#pragma once

#include <string>
#include <vector>

#include "tools/local/local_cluster.h"

namespace parley::demo {

using Side = std::vector<std::size_t>;

local::LocalClusterOptions breakable(std::size_t nodes);

// False when a node did not take it.
bool cut_apart(const local::LocalCluster& cluster, const Side& one, const Side& other);
// What `from` sends to `to` is lost.
bool cut_one_way(const local::LocalCluster& cluster, std::size_t from, std::size_t to);
bool heal_all(const local::LocalCluster& cluster);

}  // namespace parley::demo
