// `parley consistency measure | predict | advise`, as the command line declares them.
#pragma once

#include <CLI/CLI.hpp>

#include <optional>
#include <string>

#include "tools/cli/command_line.h"

namespace parley::cli {

// As typed, before any of it is understood.
struct TypedTuning {
  std::string read, write, at, duration, staleness;
};

bool is_tuning_verb(const std::string& verb);
void declare_tuning_verbs(CLI::App& consistency, TypedTuning& typed, CommandLine& line);
// What is wrong with the options; nullopt: nothing.
std::optional<std::string> understand_tuning(const TypedTuning& typed, CommandLine& line);

}  // namespace parley::cli
