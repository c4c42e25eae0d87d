// One run: a cluster, clients and a nemesis, all drawn from one seed; then healing, convergence and
// the judgement.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/units.h"
#include "membership/view.h"
#include "tests/sim/history.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/told.h"

namespace parley::sim {

enum class Mode : std::uint8_t {
  Safety,    // faults come and go until everything is healed
  Liveness,  // then some nodes are healed, the others stay as broken as they are, and those must do
};
const char* to_text(Mode mode);

struct RunOptions {
  std::uint64_t seed = 1;
  Duration span = 60s;  // of faults; healing and convergence come after
  LogLevel log = LogLevel::Off;

  // Given instead of drawn from the seed; the rest stays as drawn, as far as it can.
  std::optional<Mode> mode;
  std::optional<membership::ConflictRule> rule;
  std::optional<std::size_t> nodes, clients, keys;
  std::optional<std::vector<std::string>> levels;
  std::optional<std::vector<Fault>> faults;
  std::optional<std::set<std::size_t>> strikes;  // by number; the others do not happen

  // Tells of every change of this key's record and hints; changes nothing.
  std::optional<std::string> watch;
};

struct RunReport {
  std::uint64_t seed = 0;
  std::uint64_t digest = 0;  // of every event: equal for equal runs
  std::uint64_t events = 0;
  std::uint64_t calls = 0, ok = 0, not_written = 0, unknown = 0;
  Duration virtual_time{};
  // As they were in the end, drawn or given.
  Mode mode = Mode::Safety;
  std::size_t nodes = 0, clients = 0, keys = 0;
  std::vector<Fault> faults;
  std::vector<Violation> violations;
  std::vector<Strike> strikes;  // what the nemesis did by plan
  std::vector<Told> story;      // and all that came of it
  std::vector<Told> timeline;   // of the key that was watched, else of the first one in trouble
};

// One at a time in a process: SQLite's default VFS and KJ's loop are the run's.
RunReport run_seed(const RunOptions& options);

}  // namespace parley::sim
