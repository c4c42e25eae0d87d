// get, put and del for those who go on with what was answered.
#pragma once

#include <optional>

#include "api/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_code.h"

namespace parley::cli {

client::ReadResult read_key(client::Client& client, const CommandLine& line);
ExitCode print_read(const CommandLine& line, const client::ReadResult& result);

// Asks and prints; a delete where the verb is "del". `written` stays as it is when nothing was
// sent.
// `left`: of the line's deadline, which an earlier question has begun to use.
ExitCode write_key(client::Client& client, const CommandLine& line, client::WriteResult& written,
                   std::optional<Duration> left = std::nullopt);

// Where no level is given: the keyspace's default for writes. The exit code when it is not known.
std::optional<ExitCode> settle_write_level(const Result<client::KeyspaceInfo>& keyspace,
                                           CommandLine& line);

}  // namespace parley::cli
