// Reads numbers out of a node's /metrics.
#pragma once

#include <cstdlib>
#include <sstream>
#include <string>

#include "tests/process/sockets.h"
#include "tools/local/local_cluster.h"

namespace parley::process_test {

// Sum of all lines of a metric whose name (and labels) begin so; 0 when there is none.
inline double metric(const std::string& text, const std::string& begins) {
  std::istringstream in(text);
  double sum = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(begins)) sum += std::atof(line.c_str() + line.rfind(' '));
  }
  return sum;
}

inline double metric_of_all(local::LocalCluster& cluster, const std::string& begins) {
  double sum = 0;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    if (!cluster.running(i)) continue;
    sum += metric(http_get(cluster.address(i), 7402, "/metrics").body, begins);
  }
  return sum;
}

}  // namespace parley::process_test
