// The command line of `parley shell`.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "tools/cli/command_line.h"

namespace parley::cli {

void declare_shell(CLI::App& app, std::string& level, CommandLine& line);

}  // namespace parley::cli
