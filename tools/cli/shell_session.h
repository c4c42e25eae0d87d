// ShellSession: what a shell remembers between its lines, and what each line does. A line is
// either a verb of the command line, with this session's keyspace, levels and contexts, or a
// command about the session itself.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/command_tree.h"
#include "tools/cli/context_memory.h"
#include "tools/cli/verbs.h"

namespace parley::cli {

class ShellSession {
 public:
  using Words = std::vector<std::string>;

  // `shell`: endpoints, form of output, deadline, keyspace and level to begin with. `input_taken`:
  // lines come from standard input.
  ShellSession(const CommandLine& shell, const Verbs& verbs, bool input_taken);

  // The exit code of this line, as if it were a command of its own.
  int run(const std::string& line);
  bool ended() const { return ended_; }
  const std::string& keyspace() const { return keyspace_; }
  // What may stand where the last word of the text does; that word in `prefix`.
  std::vector<std::string> complete(const std::string& text, std::string& prefix) const;
  // Whether some node answers, and which cluster it is of: a line for a person, or the exit code.
  int greet();

 private:
  struct Command;
  static const std::vector<Command>& commands();
  CommandNode tree() const;

  int consistency(const Words& words);
  int context(const Words& words);
  int exit(const Words& words);
  int help(const Words& words);
  int serial(const Words& words);
  int tracing(const Words& words);
  int use(const Words& words);

  bool is_verb(const std::string& word) const;
  int run_verb(Words words);
  int run_data_verb(client::Client& client, CommandLine& line);
  int print_context(const Bytes& key);
  int refuse(const std::string& why) const;
  void say(const std::string& text) const;  // prose, for a person
  Result<client::Client*> client_for(const CommandLine& line);

  CommandLine shell_;
  const Verbs& verbs_;
  const bool input_taken_;
  std::unique_ptr<client::Client> client_, once_;
  std::string keyspace_, read_level_, write_level_;  // levels: empty is the keyspace's default
  std::set<std::string> keyspaces_ = {"default"};    // that are known to be there
  bool tracing_;
  ContextMemory contexts_;
  bool ended_ = false;
};

}  // namespace parley::cli
