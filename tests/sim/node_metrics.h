// What a node's metrics say.
#pragma once

#include <string>
#include <vector>

#include "api/node_config.h"
#include "base/metric.h"

namespace parley::sim {

// One line for each queue, table or memory of the node that is past its configured bound.
std::vector<std::string> past_bounds(const MetricRegistry& registry, const api::NodeConfig& config,
                                     std::size_t nodes);

// One line for each that should be empty when nobody asks anything and all is repaired.
// `rot`: hints may have rotted, and are left in place (docs/repair.md).
std::vector<std::string> not_at_rest(const MetricRegistry& registry, bool rot = false);

}  // namespace parley::sim
