// get, put and del for those who go on with what was answered.
#pragma once

#include "api/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_code.h"

namespace parley::cli {

client::ReadResult read_key(client::Client& client, const CommandLine& line);
ExitCode print_read(const CommandLine& line, const client::ReadResult& result);

// Asks and prints; a delete where the verb is "del". `written` stays as it is when nothing was
// sent.
ExitCode write_key(client::Client& client, const CommandLine& line, client::WriteResult& written);

}  // namespace parley::cli
