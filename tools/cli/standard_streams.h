// Standard input and output as files that may fail: what could not be read is not stored, and what
// could not be printed was not told.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "tools/cli/command_line.h"

namespace parley::cli {

// Before anything else is opened: a standard stream that is closed stays one that fails, instead of
// becoming the next socket, which would then be sent what is printed.
void hold_closed_streams();

// All of it, up to `most` bytes. Errors are InvalidArgument.
Result<Bytes> read_standard_input(std::size_t most);

// The exit code of a command that wanted to end with `code`: kInternal, and a line on standard
// error, when what it had to say could not be printed. The code of a refusal stays, since it says
// whether something was written.
int exit_code_when_printed(const CommandLine& line, int code);

}  // namespace parley::cli
