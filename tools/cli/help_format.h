// How `--help` looks: at most 80 columns, verbs in groups.
#pragma once

#include <CLI/CLI.hpp>

#include <memory>

namespace parley::cli {

// To be set before the verbs are declared: they inherit it.
std::shared_ptr<CLI::FormatterBase> help_format();
// Once they are declared. A verb that is in no group yet stands under "Other".
void group_verbs(CLI::App& app);

}  // namespace parley::cli
