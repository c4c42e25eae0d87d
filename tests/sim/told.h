// What happened in a run, line by line: merged from all who saw some of it.
#pragma once

#include <string>
#include <vector>

#include "base/units.h"

namespace parley::sim {

struct Told {
  Instant at{};
  std::string what;
};

// Virtual seconds since the run began, and the line; in order of time, else as given.
std::string text_of(std::vector<Told> lines);

}  // namespace parley::sim
