// The verbs under `parley fault`, as the command line declares them.
#pragma once

#include <CLI/CLI.hpp>

#include <optional>
#include <string>

#include "tools/cli/command_line.h"

namespace parley::cli {

// As typed, before any of it is understood.
struct TypedFault {
  std::string lasts, jitter;
};

void declare_fault_verbs(CLI::App& app, TypedFault& typed, CommandLine& line);
// What is wrong with the options; nullopt: nothing.
std::optional<std::string> understand_fault(const TypedFault& typed, CommandLine& line);

}  // namespace parley::cli
