#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>

#include "tools/cli/output.h"
#include "tools/cli/trace_output.h"
#include "tools/cli/verbs.h"
#include "tools/cli/verbs_data.h"

namespace parley::cli {
namespace {

client::ReadOptions read_options(const CommandLine& line) {
  client::ReadOptions options;
  options.level = line.level;
  options.keyspace = line.keyspace;
  options.trace = line.trace;
  options.timeout = line.timeout;
  return options;
}

// A write with less left than this would most likely end as "may have been written".
constexpr Duration kWriteTimeLeast = 50ms;

client::WriteResult refused(const CommandLine& line, Error error) {
  client::WriteResult result;
  result.error = std::move(error);
  result.level = line.level;
  return result;
}

void print_receipt(const client::WriteResult& result) {
  std::string text = result.version.empty() ? "" : "version " + result.version + " ";
  text += fmt::format("level {} (needed {})\n", result.level.empty() ? "?" : result.level,
                      result.required);
  for (const auto& replica : result.replicas) {
    text += fmt::format("  {:<15}  {}{}\n", replica.address, replica.state,
                        replica.hint_holder.empty() ? "" : "  held by " + replica.hint_holder);
  }
  if (!result.hint_holders.empty()) {
    text += "  hints held by";
    for (const auto& holder : result.hint_holders) text += " " + holder;
    text += "\n";
  }
  std::fputs(text.c_str(), stderr);
}

// What the question and the write itself were traced to do.
void print_traces(const CommandLine& line, const std::vector<client::TraceRow>& read,
                  const std::vector<client::TraceRow>& write) {
  if (line.output == OutputForm::Json) return;  // stands in the JSON
  std::string text;
  if (!read.empty()) text += trace_text("trace of the read before it", read);
  if (!write.empty()) text += trace_text("trace", write);
  std::fputs(text.c_str(), stderr);
}

Json write_json(const client::WriteResult& result, const std::vector<client::TraceRow>& read) {
  Json json = put_json(result);
  if (!read.empty()) json["read_trace"] = trace_json(read);
  if (!result.trace.empty()) json["trace"] = trace_json(result.trace);
  return json;
}

ExitCode print_write(const CommandLine& line, const client::WriteResult& result,
                     const std::vector<client::TraceRow>& read = {}) {
  print_traces(line, read, result.trace);
  if (result.outcome != client::Outcome::Ok) {
    if (result.connected && !result.replicas.empty() && line.output != OutputForm::Json) {
      print_receipt(result);
    }
    const ExitCode code = fail(line, *result.error, result.connected, write_json(result, read));
    return result.connected && result.outcome == client::Outcome::Unknown ? kUnknown : code;
  }
  if (line.output == OutputForm::Json) {
    print_json(write_json(result, read));
  } else if (line.output == OutputForm::Raw) {
    print_line(to_base64url(result.context));
  } else {
    print_receipt(result);
    print_line("ok");
  }
  return kOk;
}

// A write refused before it was sent still says of whom: no owner was asked.
void name_owners(client::Client& client, const CommandLine& line, client::WriteResult& result) {
  if (!result.connected) return;
  const auto owners = client.endpoints(line.key, line.keyspace);
  if (!owners.ok()) return;
  for (const auto& owner : *owners) {
    result.replicas.push_back({owner.node, owner.address, "failed", {}});
  }
}

ExitCode conflict(client::Client& client, const CommandLine& line, const client::ReadResult& seen) {
  client::WriteResult result = refused(line, {ErrorCode::SiblingCap, ""});
  result.level = seen.level;
  result.required = seen.required;
  name_owners(client, line, result);
  const std::string message = fmt::format(
      "not written: the key has {} concurrent values; resolve them with --context of a get, or say "
      "--replace or --blind",
      seen.values.size());
  std::fprintf(stderr, "parley: %s\n", message.c_str());
  if (line.output == OutputForm::Json) {
    Json json = {{"error", {{"code", "conflict"}, {"message", message}}}};
    const Json receipt = put_json(result);
    for (const auto& [name, value] : receipt.items()) json[name] = value;
    print_json(json);
  }
  return kConflict;
}

// What a put without a context replaces. Says in `code` when the command ends here instead.
std::optional<Bytes> read_first(client::Client& client, const CommandLine& line,
                                std::optional<ExitCode>& code,
                                std::vector<client::TraceRow>& trace) {
  const client::ReadResult seen = read_key(client, line);
  trace = seen.trace;
  if (seen.error) {
    const bool nothing_to_ask =
        line.level == "any" && seen.connected && seen.error->code == ErrorCode::Unavailable;
    if (nothing_to_ask) return std::nullopt;  // the write goes on blind
    client::WriteResult result = refused(line, *seen.error);
    result.level = seen.level.empty() ? line.level : seen.level;
    result.required = seen.required;
    result.connected = seen.connected;
    result.error->message = "not written, as the read before it failed: " + result.error->message;
    name_owners(client, line, result);
    code = fail_read(line, *result.error, seen.connected, put_json(result));
    return std::nullopt;
  }
  if (seen.values.size() > 1 && !line.replace) {
    code = conflict(client, line, seen);
    return std::nullopt;
  }
  if (seen.context.empty()) return std::nullopt;
  return seen.context;
}

ExitCode write_now(client::Client& client, const CommandLine& line, client::WriteOptions options,
                   client::WriteResult& written, const std::vector<client::TraceRow>& read = {}) {
  written = line.verb == "del" ? client.del(line.key, std::move(options))
                               : client.put(line.key, line.value, std::move(options));
  return print_write(line, written, read);
}

// What a put is to replace matters only where siblings are kept. Not known: as if they were.
bool last_writer_wins(const Result<client::KeyspaceInfo>& keyspace) {
  return keyspace.ok() && keyspace->conflict_rule == "lww";
}

// The read before a write is made at the write's level, also when that is the keyspace's default.
ExitCode write_after_read(client::Client& client, CommandLine line, client::WriteOptions options,
                          client::WriteResult& written) {
  const auto begun = std::chrono::steady_clock::now();
  const Duration all = line.timeout;
  const auto left = [&] {
    const auto taken = std::chrono::steady_clock::now() - begun;
    return all - std::chrono::duration_cast<Duration>(taken);
  };
  const auto keyspace = client.keyspace(line.keyspace);
  if (const auto unknown = settle_write_level(keyspace, line)) return *unknown;
  options.level = line.level;
  options.timeout = left();
  if (*options.timeout < kWriteTimeLeast && *options.timeout < all / 2) {
    Error error =
        keyspace.ok() ? Error{ErrorCode::Unavailable, "no time was left"} : keyspace.error();
    error.message = "not written, after asking for the keyspace: " + error.message;
    const bool connected = error.code != ErrorCode::Unreachable;
    if (error.code == ErrorCode::NoAnswer) error.code = ErrorCode::Unavailable;
    return fail_read(line, error, connected, put_json(refused(line, error)));
  }
  if (last_writer_wins(keyspace)) return write_now(client, line, std::move(options), written);
  line.timeout = *options.timeout;
  std::optional<ExitCode> ended;
  std::vector<client::TraceRow> read_trace;
  options.context = read_first(client, line, ended, read_trace);
  if (ended) {
    print_traces(line, read_trace, {});
    return *ended;
  }
  options.timeout = left();
  if (*options.timeout < kWriteTimeLeast && *options.timeout < all / 2) {
    client::WriteResult late =
        refused(line, {ErrorCode::Unavailable, "not written: the read before it left no time"});
    return print_write(line, late, read_trace);
  }
  return write_now(client, line, std::move(options), written, read_trace);
}

}  // namespace

std::optional<ExitCode> settle_write_level(const Result<client::KeyspaceInfo>& keyspace,
                                           CommandLine& line) {
  if (!line.level.empty()) return std::nullopt;
  if (keyspace.ok()) {
    line.level = keyspace->write_level;
    return std::nullopt;
  }
  Error error = keyspace.error();
  const bool connected = error.code != ErrorCode::Unreachable;
  error.message = "not written, as the keyspace's levels are not known: " + error.message;
  return fail_read(line, error, connected, put_json(refused(line, error)));
}

ExitCode write_key(client::Client& client, const CommandLine& line, client::WriteResult& written,
                   std::optional<Duration> left) {
  client::WriteOptions options;
  options.level = line.level;
  options.keyspace = line.keyspace;
  options.context = line.context;
  options.memory_durability = line.memory_durability;
  options.trace = line.trace;
  options.timeout = left;
  if (left && *left < kWriteTimeLeast && *left < line.timeout / 2) {
    return print_write(line, refused(line, {ErrorCode::Unavailable,
                                            "not written: the read before it left no time"}));
  }
  if (!line.context && !line.blind) {
    return write_after_read(client, line, std::move(options), written);
  }
  return write_now(client, line, std::move(options), written);
}

ExitCode put_or_del(client::Client& client, const CommandLine& line) {
  client::WriteResult written;
  return write_key(client, line, written);
}

namespace {

void print_values(const CommandLine& line, const client::ReadResult& result) {
  for (const auto& value : result.values) {
    if (line.output != OutputForm::Raw) {
      print_line(value.value);
      continue;
    }
    std::fwrite(value.value.data(), 1, value.value.size(), stdout);
    if (result.values.size() > 1) std::fputc('\n', stdout);
  }
}

}  // namespace

client::ReadResult read_key(client::Client& client, const CommandLine& line) {
  return client.get(line.key, read_options(line));
}

ExitCode get(client::Client& client, const CommandLine& line) {
  return print_read(line, read_key(client, line));
}

ExitCode print_read(const CommandLine& line, const client::ReadResult& result) {
  print_traces(line, {}, result.trace);
  Json receipt = get_json(result);
  if (!result.trace.empty()) receipt["trace"] = trace_json(result.trace);
  if (result.error) {
    receipt.erase("found");  // nobody can say
    receipt.erase("values");
    return fail_read(line, *result.error, result.connected, std::move(receipt));
  }
  if (line.output == OutputForm::Json) {
    print_json(receipt);
  } else {
    if (line.output == OutputForm::Table && !result.context.empty()) {
      std::fprintf(stderr,
                   "context %s\nlevel %s: asked %u, answered %u, agreed %u, repaired %u%s\n",
                   to_base64url(result.context).c_str(), result.level.c_str(), result.asked,
                   result.answered, result.agreed, result.repaired,
                   result.from_hint ? " (from a hint: no replica answered)" : "");
    }
    print_values(line, result);
  }
  if (!result.found) {
    std::fprintf(stderr, "parley: not found\n");
    return kNegative;
  }
  if (result.values.size() > 1) {
    std::fprintf(stderr, "parley: %zu siblings: write with the context to resolve them\n",
                 result.values.size());
    return kConflict;
  }
  return kOk;
}

namespace {

const char* summary_of(const client::InspectResult& result) {
  const auto count = [&result](auto is) {
    return std::count_if(result.replicas.begin(), result.replicas.end(), is);
  };
  const auto all = std::ssize(result.replicas);
  const auto silent = count([](const auto& row) { return !row.reachable; });
  const auto spoke =
      count([](const auto& row) { return row.reachable && !row.not_ready && !row.damaged; });
  if (silent == all) return "no replica could be asked";
  if (!result.exists && spoke < all) return "no replica that could say has this key";
  if (!result.exists) return "nobody has this key";
  return result.diverged ? "diverged" : "all replicas are equal";
}

}  // namespace

ExitCode inspect(client::Client& client, const CommandLine& line) {
  const auto result = client.inspect(line.key, line.keyspace);
  if (!result.ok()) {
    return fail_read(line, result.error(), result.error().code != ErrorCode::Unreachable);
  }
  if (line.output == OutputForm::Json) {
    Json rows = Json::array();
    for (const auto& row : result->replicas) {
      rows.push_back({{"address", row.address},
                      {"version", row.version},
                      {"context", row.context},
                      {"digest", row.digest},
                      {"tombstone", row.tombstone},
                      {"hints_pending", row.hints_pending},
                      {"reachable", row.reachable},
                      {"node", row.node},
                      {"damaged", row.damaged},
                      {"not_ready", row.not_ready}});
    }
    print_json({{"replicas", std::move(rows)}, {"diverged", result->diverged}});
  } else {
    std::vector<std::vector<std::string>> rows = {
        {"REPLICA", "STATE", "DIGEST", "TOMB", "HINTS", "VERSION", "CONTEXT"}};
    for (const auto& row : result->replicas) {
      const char* state = !row.reachable        ? "unreachable"
                          : row.not_ready       ? "not ready"
                          : row.damaged         ? "damaged"
                          : row.context.empty() ? "missing"
                                                : "has it";
      rows.push_back({row.address, state, row.digest, row.tombstone ? "yes" : "no",
                      std::to_string(row.hints_pending), row.version, row.context});
    }
    std::fputs(table_text(rows).c_str(), stdout);
    std::fprintf(stderr, "%s\n", summary_of(*result));
  }
  return result->diverged || !result->exists ? kNegative : kOk;
}

ExitCode endpoints(client::Client& client, const CommandLine& line) {
  const auto result = client.endpoints(line.key, line.keyspace);
  if (!result.ok()) {
    return fail_read(line, result.error(), result.error().code != ErrorCode::Unreachable);
  }
  if (line.output == OutputForm::Json) {
    Json rows = Json::array();
    for (const auto& row : *result) rows.push_back({{"address", row.address}, {"node", row.node}});
    print_json({{"replicas", std::move(rows)}});
  } else {
    for (const auto& row : *result) print_line(row.address + "  " + row.node);
  }
  return kOk;
}

}  // namespace parley::cli
