// A run as a command line says it: what is given instead of drawn. Both ways, so that a run that
// was cut down can be told and played again.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "tests/sim/run.h"

namespace parley::sim {

struct RunFlag {
  const char* name;  // without the dashes
  const char* help;
};
const std::vector<RunFlag>& run_flags();

// InvalidArgument for what no run can be.
Status set_flag(RunOptions& options, const std::string& name, const std::string& value);

// "parley-sim --seed 7 --nodes 3 --strikes 2,5-7"; and back.
std::string to_command(const RunOptions& options);
Result<RunOptions> parse_command(const std::string& command);

}  // namespace parley::sim
