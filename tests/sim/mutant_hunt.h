// parley-sim-mutants: does the swarm find what was planted (tests/sim/mutant_switch.h)? Every seed
// runs in a process of its own, since a planted bug may also end it, or keep it for ever.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace parley::sim {

struct HuntSaid {
  std::string mutant;  // planted in the run that follows
  bool list = false, hunt = false;
  std::string replay, record;     // files
  std::vector<std::string> only;  // of the mutants
  std::uint64_t seeds = 10000;
  std::uint64_t jobs = 1;  // as for runs
};

void add_options(CLI::App& app, HuntSaid& said);
// The program's end, unless runs are to follow.
std::optional<int> run_hunt(const HuntSaid& said);

}  // namespace parley::sim
