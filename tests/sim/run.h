// One run: a cluster, clients and a nemesis, all drawn from one seed; then healing, convergence and
// the judgement.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/units.h"
#include "tests/sim/history.h"

namespace parley::sim {

struct RunOptions {
  std::uint64_t seed = 1;
  Duration span = 60s;  // of faults; healing and convergence come after
  LogLevel log = LogLevel::Off;
};

struct RunReport {
  std::uint64_t seed = 0;
  std::uint64_t digest = 0;  // of every event: equal for equal runs
  std::uint64_t events = 0;
  std::uint64_t calls = 0, ok = 0, not_written = 0, unknown = 0;
  Duration virtual_time{};
  std::vector<Violation> violations;
  std::vector<std::string> story;  // what the nemesis did
  std::string timeline;            // of the first key in trouble
};

// One at a time in a process: SQLite's default VFS and KJ's loop are the run's.
RunReport run_seed(const RunOptions& options);

}  // namespace parley::sim
