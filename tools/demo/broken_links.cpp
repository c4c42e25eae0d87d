#include "tools/demo/broken_links.h"

namespace parley::demo {
namespace {

bool put_on(const local::LocalCluster& cluster, std::size_t node, std::size_t peer,
            const std::string& direction) {
  client::FaultSpec spec;
  spec.peer = cluster.address(peer);
  spec.direction = direction;
  spec.cut = true;
  spec.note = "demo";
  return cluster.client({node})->inject_fault(spec).ok();
}

}  // namespace

local::LocalClusterOptions breakable(std::size_t nodes) {
  local::LocalClusterOptions options;
  options.nodes = nodes;
  options.name = "demo";
  options.flags = {"--allow-faults"};
  return options;
}

bool cut_apart(const local::LocalCluster& cluster, const Side& one, const Side& other) {
  bool taken = true;
  for (const std::size_t a : one) {
    for (const std::size_t b : other) {
      taken = put_on(cluster, a, b, "both") && put_on(cluster, b, a, "both") && taken;
    }
  }
  return taken;
}

bool cut_one_way(const local::LocalCluster& cluster, std::size_t from, std::size_t to) {
  return put_on(cluster, from, to, "out") && put_on(cluster, to, from, "in");
}

bool heal_all(const local::LocalCluster& cluster) {
  bool healed = true;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    healed = cluster.client({i})->heal_faults(0, "").ok() && healed;
  }
  return healed;
}

}  // namespace parley::demo
