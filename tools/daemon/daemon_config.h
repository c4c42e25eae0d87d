// parleyd's command line and configuration file, turned into a NodeConfig.
#pragma once

#include <string>

#include "api/node_config.h"
#include "base/log.h"

namespace parley::daemon {

struct DaemonConfig {
  api::NodeConfig node;
  LogLevel log_level = LogLevel::Info;
  bool check_only = false;
  // node.console_token is this process's own, and lies in the data directory.
  bool console_token_made = false;
};

// Exit code to end with now (0 after --help or --version, 2 after a bad option, its one line
// already printed), or -1: go on with `config`. The file is read first, flags win over it.
int read_command_line(int argc, char** argv, DaemonConfig& config);

}  // namespace parley::daemon
