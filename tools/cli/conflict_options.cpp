#include "tools/cli/conflict_options.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tools/cli/standard_streams.h"

namespace parley::cli {
namespace {

constexpr long long kLimitMost = 1'000'000;
// The server's own limit is smaller and says so itself.
constexpr std::size_t kFileBytesMost = 64_MiB;

Result<Bytes> read_merged(const std::string& file, bool input_taken) {
  if (file == "-" && input_taken) {
    return Error{ErrorCode::InvalidArgument,
                 "--merge - is standard input, which holds the shell's lines"};
  }
  if (file == "-") return read_standard_input(kFileBytesMost);
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  Bytes out;
  char part[65536];
  while (in.read(part, sizeof(part)) || in.gcount() > 0) {
    out.append(part, static_cast<std::size_t>(in.gcount()));
    if (out.size() > kFileBytesMost) {
      return Error{ErrorCode::InvalidArgument, "--merge: " + file + " is too large for a value"};
    }
  }
  if (!in.eof() || in.bad()) {
    return Error{ErrorCode::InvalidArgument,
                 "--merge: cannot read " + file + ": " + std::strerror(errno != 0 ? errno : EIO)};
  }
  return out;
}

}  // namespace

void declare_conflicts(CLI::App& verb, TypedConflicts& typed) {
  verb.add_option("--take", typed.take, "Resolve KEY: the Nth of its values, as get prints them")
      ->type_name("N");
  verb.add_option("--merge", typed.merge, "Resolve KEY: what this file holds; - is standard input")
      ->type_name("FILE");
  verb.add_option("--limit", typed.limit, "Without KEY: list so many keys at most [100]")
      ->type_name("N");
  verb.add_option("--after-hex", typed.after_hex, "Without KEY: go on behind this key")
      ->type_name("HEX");
  verb.footer(
      "Examples:\n"
      "  parley conflicts                     keys with more than one live value\n"
      "  parley conflicts cart                its values, numbered, and their context\n"
      "  parley conflicts cart --take 2\n"
      "  parley conflicts cart --merge merged.json --context TOKEN\n"
      "A value that comes in between stays beside the one written. For --merge this\n"
      "holds from the read whose context is given, else from the one it makes itself.");
}

std::optional<std::string> understand_conflicts(const TypedConflicts& typed, CommandLine& line) {
  line.conflicts.merges = !typed.merge.empty();
  const bool resolves = typed.take || line.conflicts.merges;
  if (resolves && line.key.empty()) return "--take and --merge want a KEY";
  if (typed.take && line.conflicts.merges) return "--take and --merge exclude each other";
  if (line.context && !line.conflicts.merges) return "--context is for --merge";
  if (typed.take && (*typed.take < 1 || *typed.take > 1'000'000)) {
    return "--take wants the number of a value, from 1 on";
  }
  if (typed.take) line.conflicts.take = static_cast<std::size_t>(*typed.take);
  if (typed.limit < 1 || typed.limit > kLimitMost) {
    return "--limit must be in 1.." + std::to_string(kLimitMost);
  }
  line.conflicts.limit = static_cast<std::size_t>(typed.limit);
  const auto after = from_hex(typed.after_hex);
  if (!after) return "--after-hex is not hexadecimal: '" + typed.after_hex + "'";
  line.conflicts.after = *after;
  if (line.conflicts.merges) {
    auto value = read_merged(typed.merge, line.input_taken);
    if (!value) return value.error().message;
    line.value = std::move(*value);
  }
  return std::nullopt;
}

}  // namespace parley::cli
