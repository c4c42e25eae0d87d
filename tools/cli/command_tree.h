// The command line's verbs and options as a tree, read out of what declares them, so that what
// completes them cannot say anything else.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace parley::cli {

struct OptionNode {
  std::vector<std::string> names;  // "-c", "--consistency"
  bool takes_value = false;
  std::string type;  // of the value: see words_of_type()
};

struct CommandNode {
  std::string name;
  std::vector<OptionNode> options;
  std::vector<std::string> positionals;  // their types, in order; the last may repeat
  std::vector<CommandNode> verbs;

  const CommandNode* find(const std::string& verb) const;
};

CommandNode tree_of(const CLI::App& app);
// Of `parley`.
CommandNode command_tree();

// What a value of this type can be: LEVEL, KEYSPACE, or words between bars; empty: anything.
std::vector<std::string> words_of_type(const std::string& type,
                                       const std::vector<std::string>& keyspaces);

// What may stand where `prefix` does, after these words (without the program's name), sorted.
std::vector<std::string> completions(const CommandNode& tree,
                                     const std::vector<std::string>& before,
                                     const std::string& prefix,
                                     const std::vector<std::string>& keyspaces);

}  // namespace parley::cli
