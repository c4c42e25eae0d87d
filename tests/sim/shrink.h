// Makes a failing run smaller for as long as the same rule fails: fewer strikes, nodes, clients,
// keys and levels, no strangers, a quiet founding, less time.
#pragma once

#include <functional>
#include <string>

#include "tests/sim/run.h"

namespace parley::sim {

using Runner = std::function<RunReport(const RunOptions&)>;

struct Shrunk {
  RunOptions options;
  RunReport report;  // of a run with them
  std::size_t runs = 0;
};

// `report`: of a run with `options` that failed. `out_of_time`: asked before each further run.
Shrunk shrink(const RunOptions& options, const RunReport& report, const Runner& run,
              const std::function<bool()>& out_of_time);

}  // namespace parley::sim
