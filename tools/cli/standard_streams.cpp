#include "tools/cli/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tools/cli/exit_code.h"

namespace parley::cli {
namespace {

Error cannot_read(const std::string& why) {
  return {ErrorCode::InvalidArgument, "cannot read the value from standard input: " + why, 0};
}

bool changes_something(const CommandLine& line) {
  const std::string& verb = line.verb;
  if (verb == "conflicts") return line.conflicts.take || line.conflicts.merges;
  if (is_local_verb(verb)) {
    return verb != "cluster status" && verb != "cluster env" && verb != "cluster logs";
  }
  if (verb.starts_with("fault ")) return verb != "fault list";
  return verb == "put" || verb == "del" || verb == "hints drop" || verb == "consistency set";
}

// The codes after which standard output holds what was asked for.
bool answers(const CommandLine& line, int code) {
  return code == kOk || code == kNegative || (code == kConflict && line.verb == "get");
}

}  // namespace

void hold_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free number is `stream`. Opened the wrong way round, so that using it fails.
    const int held = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (held != stream) _exit(kInternal);
  }
}

Result<Bytes> read_standard_input(std::size_t most) {
  Bytes out;
  std::array<char, 65536> part{};
  while (true) {
    const ssize_t got = read(STDIN_FILENO, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot_read(std::strerror(errno));
    if (got == 0) return out;
    out.append(part.data(), static_cast<std::size_t>(got));
    if (out.size() > most) {
      return cannot_read("it is larger than " + std::to_string(most) + " bytes");
    }
  }
}

int exit_code_when_printed(const CommandLine& line, int code) {
  const bool failed_before = std::ferror(stdout) != 0;
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && !failed_before) return code;
  const std::string why = errno != 0 ? std::string(": ") + std::strerror(errno) : "";
  const bool done = code == kOk && changes_something(line);
  const std::string first = done ? line.verb + " was done, but its" : "the";
  std::fprintf(stderr, "parley: %s output could not be printed%s\n", first.c_str(), why.c_str());
  return answers(line, code) ? kInternal : code;
}

}  // namespace parley::cli
