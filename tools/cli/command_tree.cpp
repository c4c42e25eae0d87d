#include "tools/cli/command_tree.h"

#include <algorithm>
#include <cctype>

#include "tools/cli/split.h"

namespace parley::cli {
namespace {

const OptionNode* find_option(const CommandNode& verb, const std::string& name) {
  for (const OptionNode& option : verb.options) {
    if (std::find(option.names.begin(), option.names.end(), name) != option.names.end()) {
      return &option;
    }
  }
  return nullptr;
}

// Where the words lead.
struct Place {
  std::vector<const CommandNode*> path;
  std::size_t positionals = 0;          // of the last verb
  const OptionNode* waiting = nullptr;  // for its value

  explicit Place(const CommandNode& tree) : path{&tree} {}

  void take(const std::string& word) {
    if (waiting != nullptr) {
      waiting = nullptr;
    } else if (word.starts_with("-") && word.size() > 1) {
      for (const CommandNode* verb : path) {
        const OptionNode* option = find_option(*verb, word);
        if (option != nullptr && option->takes_value) waiting = option;
      }
    } else if (const CommandNode* verb = path.back()->find(word);
               verb != nullptr && positionals == 0) {
      path.push_back(verb);
    } else {
      ++positionals;
    }
  }
};

void add_options(const Place& place, std::vector<std::string>& out) {
  for (const CommandNode* verb : place.path) {
    for (const OptionNode& option : verb->options) {
      out.insert(out.end(), option.names.begin(), option.names.end());
    }
  }
}

bool begins(const std::string& word, const std::string& prefix, bool fold) {
  const auto same = [fold](char a, char b) {
    const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
    return fold ? lower(a) == lower(b) : a == b;
  };
  return word.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), word.begin(), same);
}

}  // namespace

// A shell's own commands may be typed in either case.
const CommandNode* CommandNode::find(const std::string& verb) const {
  for (const bool fold : {false, true}) {
    for (const CommandNode& one : verbs) {
      if (one.name.size() == verb.size() && begins(one.name, verb, fold)) return &one;
    }
  }
  return nullptr;
}

CommandNode tree_of(const CLI::App& app) {
  CommandNode node;
  node.name = app.get_name();
  for (const CLI::Option* option : app.get_options({})) {
    if (option->get_positional()) {
      node.positionals.push_back(option->get_type_name());
      continue;
    }
    OptionNode one;
    for (const std::string& name : option->get_snames()) one.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) one.names.push_back("--" + name);
    one.takes_value = option->get_items_expected_max() > 0;
    one.type = option->get_type_name();
    node.options.push_back(std::move(one));
  }
  for (const CLI::App* verb : app.get_subcommands({})) node.verbs.push_back(tree_of(*verb));
  return node;
}

std::vector<std::string> words_of_type(const std::string& type,
                                       const std::vector<std::string>& keyspaces) {
  if (type == "LEVEL") return {"all", "quorum", "one", "any"};
  if (type == "KEYSPACE") return keyspaces;
  if (type.find('|') == std::string::npos) return {};
  return split(type, "|");
}

std::vector<std::string> completions(const CommandNode& tree,
                                     const std::vector<std::string>& before,
                                     const std::string& prefix,
                                     const std::vector<std::string>& keyspaces) {
  Place place(tree);
  for (const std::string& word : before) place.take(word);
  std::vector<std::string> all;
  const CommandNode& verb = *place.path.back();
  if (place.waiting != nullptr) {
    all = words_of_type(place.waiting->type, keyspaces);
  } else if (prefix.starts_with("-")) {
    add_options(place, all);
  } else {
    if (place.positionals == 0) {
      for (const CommandNode& sub : verb.verbs) all.push_back(sub.name);
    }
    if (place.positionals < verb.positionals.size()) {
      for (auto& word : words_of_type(verb.positionals[place.positionals], keyspaces)) {
        all.push_back(std::move(word));
      }
    }
  }
  std::sort(all.begin(), all.end());
  std::vector<std::string> out;
  for (const bool fold : {false, true}) {
    if (!out.empty()) break;
    std::copy_if(all.begin(), all.end(), std::back_inserter(out),
                 [&](const std::string& word) { return begins(word, prefix, fold); });
  }
  return out;
}

}  // namespace parley::cli
