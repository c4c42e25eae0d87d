// How `parley` prints: data on standard output, prose on standard error.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "api/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_code.h"

namespace parley::cli {

using Json = nlohmann::ordered_json;

// "quorum", or a JSON number for a level given by number; null for a default that is not known.
Json level_json(const std::string& level);
Json error_json(const Error& error);
Json put_json(const client::WriteResult& result);
Json get_json(const client::ReadResult& result);

// Columns padded to their widest cell; the first row is the head.
std::string table_text(const std::vector<std::vector<std::string>>& rows);
std::string bytes_text(std::uint64_t bytes);  // "61.2 MiB"
std::string age_text(std::int64_t millis);    // "12 s ago", "never"

void print_line(const std::string& text);
void print_json(const Json& json);

// Prints the error in the form asked for (prose on stderr always) and gives the exit code.
ExitCode fail(const CommandLine& line, const Error& error, bool connected = true,
              Json receipt = Json::object());
// The same of a question: it changes nothing, so whatever kept the answer away, nothing was
// written.
ExitCode fail_read(const CommandLine& line, const Error& error, bool connected = true,
                   Json receipt = Json::object());

}  // namespace parley::cli
