// `parley completion`: a script for bash or zsh that completes verbs, options and their values.
#pragma once

#include "tools/cli/command_line.h"
#include "tools/cli/exit_code.h"

namespace parley::cli {

ExitCode completion(const CommandLine& line);

}  // namespace parley::cli
