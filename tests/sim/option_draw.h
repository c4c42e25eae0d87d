// The options of a run's nodes: each seed turns some of them, within their declared bounds. An
// option is turned for all nodes alike, or for each of them by itself, as no cluster is changed at
// one stroke.
#pragma once

#include <functional>
#include <string>

#include "api/node_config.h"
#include "base/random.h"
#include "tests/sim/run.h"

namespace parley::sim {

// A generator for one concern of the run; the same one gives the same draws again.
using Draw = std::function<Random(const std::string& concern)>;

// `address`: of the node.
void draw_options(api::NodeConfig& config, const std::string& address, Mode mode, const Draw& draw);

}  // namespace parley::sim
