// The command line of `parley conflicts`.
#pragma once

#include <CLI/CLI.hpp>

#include <optional>
#include <string>

#include "tools/cli/command_line.h"

namespace parley::cli {

// As typed, before any of it is understood.
struct TypedConflicts {
  std::string merge, after_hex;
  std::optional<long long> take;
  long long limit = 100;
};

void declare_conflicts(CLI::App& verb, TypedConflicts& typed);
// What is wrong with the options; nullopt: nothing. Reads the file of --merge.
std::optional<std::string> understand_conflicts(const TypedConflicts& typed, CommandLine& line);

}  // namespace parley::cli
