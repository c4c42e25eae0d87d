// `parley conflicts`: keys with several live values, and one of them resolved.
#pragma once

#include "api/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_code.h"

namespace parley::cli {

// The verb: the list without a key; a key's values, numbered, without --take or --merge.
ExitCode conflicts(client::Client& client, const CommandLine& line);

// Its parts, for those who go on with what was answered.
ExitCode show_conflict(const CommandLine& line, const client::ReadResult& read);
// With the context of the read that it makes, or for --merge with the one that is given: what comes
// in between stays beside it.
ExitCode resolve_conflict(client::Client& client, CommandLine line, client::WriteResult& written);

}  // namespace parley::cli
