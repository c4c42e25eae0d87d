#include "tools/cli/shell_options.h"

namespace parley::cli {

void declare_shell(CLI::App& app, std::string& level, CommandLine& line) {
  CLI::App* shell = app.add_subcommand("shell", "Verbs line by line: history, Tab, kept contexts");
  shell->add_option("-x,--execute", line.shell.commands, "Run this line and end; several in order")
      ->allow_extra_args(false)
      ->type_name("LINE");
  shell->add_option("-k,--keyspace", line.keyspace, "Keyspace to begin with [default]")
      ->type_name("KEYSPACE");
  shell->add_option("-c,--consistency", level, "Level to begin with [the keyspace's defaults]")
      ->type_name("LEVEL");
  shell->add_flag("--trace", line.trace, "Begin with TRACING ON");
  shell->footer(
      "Examples:\n"
      "  parley shell                     on a terminal: help lists what it knows\n"
      "  parley shell < script            no prompt; ends as its first failing line\n"
      "  parley shell -x 'get k' -x 'put k v'\n");
}

}  // namespace parley::cli
