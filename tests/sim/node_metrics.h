// What a node's metrics say, read as a scraper reads them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/node_config.h"
#include "base/metric.h"

namespace parley::sim {

// By name, without the common prefix; labels added up, histograms left out.
std::map<std::string, double> read_metrics(const MetricRegistry& registry);

// One line for each queue, table or memory of the node that is past its configured bound.
std::vector<std::string> past_bounds(const MetricRegistry& registry, const api::NodeConfig& config,
                                     std::size_t nodes);

// One line for each that should be empty when nobody asks anything and all is repaired.
std::vector<std::string> not_at_rest(const MetricRegistry& registry);

}  // namespace parley::sim
