#include "tools/cli/completion.h"

#include <cstdio>
#include <string>

#include "tools/cli/command_tree.h"

namespace parley::cli {
namespace {

// No node lists its keyspaces yet, and only this one is always there.
const std::vector<std::string> kKeyspaces = {"default"};

struct Dialect {
  const char* head;
  const char* words;  // the typed words, the program's name being number 0, as ${words[@]}
  const char* offer;  // completes with the words in $1
  const char* files;
  const char* folders;
  const char* foot;
};

constexpr Dialect kBash = {
    "# Completion of parley for bash: source <(parley completion bash)\n",
    "  local typed=(\"${COMP_WORDS[@]}\") last=$COMP_CWORD\n",
    "_parley_offer() { COMPREPLY=($(compgen -W \"$1\" -- \"${COMP_WORDS[COMP_CWORD]}\")); }\n",
    "COMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))",
    "COMPREPLY=($(compgen -d -- \"${COMP_WORDS[COMP_CWORD]}\"))",
    "complete -F _parley parley\n"};

constexpr Dialect kZsh = {
    "#compdef parley\n"
    "# Completion of parley for zsh: source <(parley completion zsh), after compinit; or this "
    "text\n"
    "# as a file _parley in a folder of $fpath.\n",
    "  emulate -L zsh\n  setopt ksh_arrays\n"
    "  local -a typed\n  typed=(\"${words[@]}\")\n  local last=$((CURRENT - 1))\n",
    "_parley_offer() { local -a offered; offered=(${=1}); compadd -a offered; }\n",
    "_files",
    "_files -/",
    "if [ \"$funcstack[1]\" = _parley ]; then _parley \"$@\"; else compdef _parley parley; fi\n"};

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// Written while the tree is walked; a verb's place is "/hints/drop", the program's "".
struct Cases {
  const Dialect& dialect;
  std::string verbs, values, words;

  std::string offer_of(const std::string& type) const {
    if (type == "FILE") return dialect.files;
    if (type == "DIRECTORY") return dialect.folders;
    const std::string said = joined(words_of_type(type, kKeyspaces));
    return said.empty() ? ":" : "_parley_offer '" + said + "'";
  }

  void add(const CommandNode& node, const std::string& place, const std::string& inherited) {
    std::string options = inherited, plain;
    for (const OptionNode& option : node.options) {
      options += (options.empty() ? "" : " ") + joined(option.names);
      if (!option.takes_value) continue;
      std::string patterns;
      for (const std::string& name : option.names) {
        patterns += (patterns.empty() ? "" : "|") + place + "*:" + name;
      }
      values += "    " + patterns + ") " + offer_of(option.type) + "; return ;;\n";
    }
    for (const CommandNode& verb : node.verbs) {
      verbs += (verbs.empty() ? "" : "|") + place + "/" + verb.name;
      plain += (plain.empty() ? "" : " ") + verb.name;
      add(verb, place + "/" + verb.name, options);
    }
    if (!node.positionals.empty()) {
      const std::string more = joined(words_of_type(node.positionals.front(), kKeyspaces));
      if (!more.empty()) plain += (plain.empty() ? "" : " ") + more;
    }
    words += "    " + (place.empty() ? "''" : place) + ") plain='" + plain + "' options='" +
             options + "' ;;\n";
  }
};

std::string script(const Dialect& dialect) {
  Cases cases{dialect, {}, {}, {}};
  cases.add(command_tree(), "", "");
  return std::string(dialect.head) + dialect.offer + "_parley() {\n" + dialect.words +
         "  local place='' i plain='' options=''\n"
         "  for ((i = 1; i < last; i++)); do\n"
         "    case \"$place/${typed[i]}\" in\n"
         "      " +
         cases.verbs +
         ") place=\"$place/${typed[i]}\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$place:${typed[last-1]}\" in\n" +
         cases.values +
         "  esac\n"
         "  case \"$place\" in\n" +
         cases.words +
         "  esac\n"
         "  case \"${typed[last]}\" in\n"
         "    -*) _parley_offer \"$options\" ;;\n"
         "    *) _parley_offer \"$plain\" ;;\n"
         "  esac\n"
         "}\n" +
         dialect.foot;
}

}  // namespace

ExitCode completion(const CommandLine& line) {
  std::fputs(script(line.completion == "zsh" ? kZsh : kBash).c_str(), stdout);
  return kOk;
}

}  // namespace parley::cli
