#include "tools/cli/shell_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "base/option.h"
#include "replication/level.h"
#include "tools/cli/output.h"
#include "tools/cli/shell_words.h"
#include "tools/cli/split.h"
#include "tools/cli/standard_streams.h"
#include "tools/cli/verbs_conflicts.h"
#include "tools/cli/verbs_data.h"

namespace parley::cli {
namespace {

std::string folded(std::string word, int (*fold)(int)) {
  for (char& c : word) c = static_cast<char>(fold(static_cast<unsigned char>(c)));
  return word;
}
std::string upper(std::string word) { return folded(std::move(word), std::toupper); }
std::string lower(std::string word) { return folded(std::move(word), std::tolower); }

bool is_session_level(const std::string& word) {
  const auto level = replication::parse_level(word);
  return level.ok() && replication::to_text(*level) == word;
}

std::string level_text(const std::string& level) {
  return level.empty() ? "the keyspace's default" : level;
}

}  // namespace

struct ShellSession::Command {
  const char* name;
  const char* usage;
  const char* doc;  // "": not in the list
  int (ShellSession::*run)(const Words&);
  std::vector<std::string> words;  // that may follow,
  std::string type;                // and what else, also after them: see words_of_type()
};

const std::vector<ShellSession::Command>& ShellSession::commands() {
  static const std::vector<Command> kCommands = {
      {"CONSISTENCY",
       "[READ|WRITE] [LEVEL|DEFAULT]",
       "levels of the lines that follow",
       &ShellSession::consistency,
       {"READ", "WRITE", "DEFAULT"},
       "LEVEL"},
      {"CONTEXT",
       "[KEY | CLEAR]",
       "the context kept for a key; forget all",
       &ShellSession::context,
       {"CLEAR"},
       ""},
      {"KEYSPACE",
       "[NAME]",
       "keyspace of the lines that follow",
       &ShellSession::use,
       {},
       "KEYSPACE"},
      {"USE", "NAME", "the same", &ShellSession::use, {}, "KEYSPACE"},
      {"TRACING",
       "[ON|OFF]",
       "each replica's answer with its times",
       &ShellSession::tracing,
       {"ON", "OFF"},
       ""},
      {"SERIAL", "", "", &ShellSession::serial, {}, ""},
      {"HELP", "[VERB]", "this list; what a verb takes", &ShellSession::help, {}, ""},
      {"EXIT", "", "end; so do QUIT and Ctrl-D", &ShellSession::exit, {}, ""},
      {"QUIT", "", "", &ShellSession::exit, {}, ""}};
  return kCommands;
}

ShellSession::ShellSession(const CommandLine& shell, const Verbs& verbs, bool input_taken)
    : shell_(shell),
      verbs_(verbs),
      input_taken_(input_taken),
      keyspace_(shell.keyspace),
      read_level_(shell.level),
      write_level_(shell.level),
      tracing_(shell.trace) {}

int ShellSession::greet() {
  const auto client = client_for(shell_);
  if (!client) return fail(shell_, client.error());
  const auto status = (*client)->status();
  if (!status) {
    return fail_read(shell_, status.error(), status.error().code != ErrorCode::Unreachable);
  }
  const auto up = std::count_if(status->nodes.begin(), status->nodes.end(),
                                [](const auto& node) { return node.status.starts_with("U"); });
  std::fprintf(stderr, "cluster %s: %td of %zu nodes up. help lists what there is, exit ends.\n",
               status->cluster_name.c_str(), up, status->nodes.size());
  return kOk;
}

CommandNode ShellSession::tree() const {
  CommandNode tree = command_tree();
  std::erase_if(tree.verbs, [this](const CommandNode& verb) { return !is_verb(verb.name); });
  const std::vector<CommandNode> verbs = tree.verbs;
  if (const CommandNode* tuning = tree.find("consistency")) {
    CommandNode explain = *tuning->find("explain");
    tree.verbs.push_back(std::move(explain));
  }
  for (const Command& command : commands()) {
    CommandNode node;
    node.name = command.name;
    if (!command.type.empty()) node.positionals.push_back(command.type);
    for (const std::string& word : command.words) {
      CommandNode more;
      more.name = word;
      more.positionals = node.positionals;
      node.verbs.push_back(std::move(more));
    }
    if (node.name == "HELP") node.verbs = verbs;
    // `consistency` is both: what follows says which.
    for (CommandNode& verb : tree.verbs) {
      if (upper(verb.name) != node.name) continue;
      verb.verbs.insert(verb.verbs.end(), node.verbs.begin(), node.verbs.end());
      verb.positionals = node.positionals;
    }
    tree.verbs.push_back(std::move(node));
  }
  return tree;
}

std::vector<std::string> ShellSession::complete(const std::string& text,
                                                std::string& prefix) const {
  const std::size_t begin = text.find_last_of(" \t") + 1;  // 0 where there is none
  prefix = text.substr(begin);
  if (text.find_first_of("'\"\\") != std::string::npos) return {};  // quotes: not a plain word
  return completions(tree(), split(text.substr(0, begin), " \t"), prefix,
                     {keyspaces_.begin(), keyspaces_.end()});
}

int ShellSession::run(const std::string& line) {
  auto words = shell_words(line);
  if (!words) return refuse(words.error().message);
  if (words->empty()) return kOk;
  const std::string name = upper(words->front());
  const bool of_keyspace = name == "CONSISTENCY" && words->size() > 1 &&
                           find_verb(verbs_, "consistency " + (*words)[1]) != nullptr;
  for (const Command& command : commands()) {
    if (name == command.name && !of_keyspace) return (this->*command.run)(*words);
  }
  words->front() = lower(words->front());
  if (words->front() == "explain") words->insert(words->begin(), "consistency");
  return run_verb(std::move(*words));
}

// --- verbs of the command line ---

bool ShellSession::is_verb(const std::string& word) const {
  return std::any_of(verbs_.begin(), verbs_.end(), [&word](const auto& verb) {
    return verb.first == word || verb.first.starts_with(word + " ");
  });
}

int ShellSession::run_verb(Words words) {
  if (!words.front().starts_with("-") && !is_verb(words.front())) {
    return refuse("'" + words.front() + "' is nothing that this shell knows: help lists what is");
  }
  static constexpr const char* kForms[] = {"table", "json", "raw"};
  std::string endpoints;
  for (const std::string& one : shell_.endpoints) endpoints += (endpoints.empty() ? "" : ",") + one;
  Words all = {"parley", "-o", kForms[static_cast<std::size_t>(shell_.output)], "-e", endpoints};
  if (shell_.timeout_given) all.insert(all.end(), {"--timeout", duration_text(shell_.timeout)});
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  CommandLine line;
  line.keyspace = keyspace_;
  line.input_taken = input_taken_;
  line.trace = tracing_;
  const int ended = read_command_line(static_cast<int>(all.size()), argv.data(), line);
  if (ended >= 0) return ended;
  const auto* verb = find_verb(verbs_, line.verb);
  if (verb == nullptr) return refuse("'" + line.verb + "' is not for a shell");
  const auto client = client_for(line);
  if (!client) return fail(line, client.error());
  const bool data = line.verb == "get" || line.verb == "put" || line.verb == "del" ||
                    (line.verb == "conflicts" && !line.key.empty());
  const int code = data ? run_data_verb(**client, line) : (*verb)(**client, line);
  once_.reset();
  return exit_code_when_printed(line, code);
}

// Where a context is kept, a write replaces exactly what was seen; where a context, --replace or
// --blind is given, that is what was meant.
int ShellSession::run_data_verb(client::Client& client, CommandLine& line) {
  const bool resolves = line.conflicts.take || line.conflicts.merges;
  if (line.verb == "get" || (line.verb == "conflicts" && !resolves)) {
    if (line.level.empty()) line.level = read_level_;
    const client::ReadResult read = read_key(client, line);
    if (!read.error) contexts_.keep(line.keyspace, line.key, read.context);
    return line.verb == "get" ? print_read(line, read) : show_conflict(line, read);
  }
  if (line.level.empty()) line.level = write_level_;
  const Bytes* kept = contexts_.find(line.keyspace, line.key);
  // What --take numbers are the values of the read that it makes itself.
  if (kept != nullptr && !line.context && !line.replace && !line.blind && !line.conflicts.take) {
    line.context = *kept;
    say("with the context kept: what this shell last saw of the key is replaced");
  }
  client::WriteResult written;
  const ExitCode code = line.verb == "conflicts" ? resolve_conflict(client, line, written)
                                                 : write_key(client, line, written);
  // A context after a blind write covers next to nothing: better to look again.
  if (line.blind && written.outcome != client::Outcome::NotWritten) {
    contexts_.forget(line.keyspace, line.key);
  } else if (!written.context.empty()) {
    contexts_.keep(line.keyspace, line.key, written.context);
  }
  return code;
}

// Other endpoints or another deadline are for the one line that names them.
Result<client::Client*> ShellSession::client_for(const CommandLine& line) {
  const bool as_usual = line.endpoints == shell_.endpoints && line.timeout == shell_.timeout;
  auto& place = as_usual ? client_ : once_;
  if (place == nullptr) {
    client::ClientOptions options;
    options.endpoints = line.endpoints;
    options.timeout = line.timeout;
    options.learn_ring = false;
    auto made = client::Client::make(std::move(options));
    if (!made) return made.error();
    place = std::move(*made);
  }
  return place.get();
}

// --- commands about the session ---

int ShellSession::consistency(const Words& words) {
  Words rest(words.begin() + 1, words.end());
  const bool read_only = !rest.empty() && upper(rest.front()) == "READ";
  const bool write_only = !rest.empty() && upper(rest.front()) == "WRITE";
  if (read_only || write_only) rest.erase(rest.begin());
  if (rest.size() > 1) return refuse("CONSISTENCY takes [READ|WRITE] [LEVEL|DEFAULT]");
  if (!rest.empty()) {
    std::string level = lower(rest.front());
    if (level == "default") level.clear();
    if (!level.empty() && !is_session_level(level)) {
      return refuse("CONSISTENCY: '" + rest.front() +
                    "' is none of all, quorum, one, any, a number from 1 on, DEFAULT");
    }
    if (!write_only) read_level_ = level;
    if (!read_only) write_level_ = level;
  }
  if (shell_.output == OutputForm::Json) {
    print_json({{"read", level_json(read_level_)}, {"write", level_json(write_level_)}});
  } else {
    if (!write_only) print_line("read " + level_text(read_level_));
    if (!read_only) print_line("write " + level_text(write_level_));
  }
  return kOk;
}

int ShellSession::context(const Words& words) {
  if (words.size() > 2) return refuse("CONTEXT takes [KEY | CLEAR]");
  if (words.size() == 2 && words[1] == "CLEAR") {
    contexts_.clear();
    return kOk;
  }
  if (words.size() == 2) return print_context(words[1]);
  std::vector<std::vector<std::string>> rows = {{"KEYSPACE", "KEY", "BYTES"}};
  Json kept = Json::array();
  for (const auto& entry : contexts_.newest_first()) {
    const std::string key = is_utf8(entry.key) ? entry.key : "0x" + to_hex(entry.key);
    rows.push_back({entry.keyspace, key, std::to_string(entry.context.size())});
    kept.push_back(
        {{"keyspace", entry.keyspace}, {"key", key}, {"context", to_base64url(entry.context)}});
  }
  if (shell_.output == OutputForm::Json)
    print_json({{"contexts", std::move(kept)}});
  else
    std::fputs(table_text(rows).c_str(), stdout);
  return kOk;
}

int ShellSession::print_context(const Bytes& key) {
  const Bytes* kept = contexts_.find(keyspace_, key);
  if (shell_.output == OutputForm::Json) {
    print_json({{"context", kept == nullptr ? Json(nullptr) : Json(to_base64url(*kept))}});
  } else if (kept != nullptr) {
    print_line(to_base64url(*kept));
  }
  if (kept != nullptr) return kOk;
  std::fprintf(stderr, "parley: no context is kept for this key: get it first\n");
  return kNegative;
}

int ShellSession::use(const Words& words) {
  if (words.size() > 2) return refuse("KEYSPACE takes one NAME");
  if (words.size() == 1) {
    print_line(keyspace_);
    return kOk;
  }
  CommandLine line = shell_;
  const auto client = client_for(line);
  if (!client) return fail(line, client.error());
  const auto found = (*client)->keyspace(words[1]);
  if (!found) {
    return fail_read(line, found.error(), found.error().code != ErrorCode::Unreachable);
  }
  keyspace_ = found->name;
  keyspaces_.insert(found->name);
  return kOk;
}

int ShellSession::tracing(const Words& words) {
  const std::string word = words.size() == 2 ? upper(words[1]) : "";
  if (words.size() > 2 || (words.size() == 2 && word != "ON" && word != "OFF")) {
    return refuse("TRACING takes [ON|OFF]");
  }
  if (words.size() == 2) tracing_ = word == "ON";
  if (shell_.output == OutputForm::Json)
    print_json({{"tracing", tracing_}});
  else
    print_line(tracing_ ? "tracing on" : "tracing off");
  return kOk;
}

int ShellSession::serial(const Words&) {
  return refuse("there is no SERIAL CONSISTENCY: Parley has no conditional writes");
}

int ShellSession::exit(const Words&) {
  ended_ = true;
  return kOk;
}

int ShellSession::help(const Words& words) {
  if (words.size() > 1) {
    Words verb(words.begin() + 1, words.end());
    verb.push_back("--help");
    return run_verb(std::move(verb));
  }
  std::vector<std::vector<std::string>> rows;
  for (const Command& command : commands()) {
    if (*command.doc == '\0') continue;
    rows.push_back({std::string(command.name) + " " + command.usage, command.doc});
  }
  std::string names;
  std::string text = "Verbs of the command line:\n ";
  std::size_t column = 1;
  for (const auto& [name, verb] : verbs_) {
    if (name.find(' ') != std::string::npos) continue;
    if (column + name.size() + 1 > 78) {
      text += "\n ";
      column = 1;
    }
    text += " " + name;
    column += name.size() + 1;
  }
  text += " explain\n'help get' or 'get --help' says what a verb takes.\n\nOf this shell:\n";
  std::string table = table_text(rows);
  for (std::size_t at = 0; at < table.size();) {
    const std::size_t end = table.find('\n', at);
    text += "  " + table.substr(at, end - at) + "\n";
    at = end + 1;
  }
  std::fputs(text.c_str(), stdout);
  return kOk;
}

int ShellSession::refuse(const std::string& why) const {
  std::fprintf(stderr, "parley: %s\n", why.c_str());
  if (shell_.output == OutputForm::Json) {
    print_json({{"error", {{"code", "usage"}, {"message", why}}}});
  }
  return kUsage;
}

void ShellSession::say(const std::string& text) const {
  if (shell_.output == OutputForm::Table) std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace parley::cli
