#include "tools/cli/verbs_conflicts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "tools/cli/output.h"
#include "tools/cli/verbs.h"
#include "tools/cli/verbs_data.h"

namespace parley::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kPageMost = 256;

std::string key_text(const Bytes& key) {
  const bool plain = is_utf8(key) && std::none_of(key.begin(), key.end(), [](char c) {
                       return static_cast<unsigned char>(c) < ' ';
                     });
  return plain ? key : "0x" + to_hex(key);
}

Json row_json(const client::ConflictRow& row) {
  Json json;
  if (is_utf8(row.key))
    json["key"] = row.key;
  else
    json["key_base64"] = to_base64(row.key);
  json["siblings"] = row.versions.size();
  json["versions"] = row.versions;
  return json;
}

struct Listing {
  std::vector<client::ConflictRow> rows;
  std::vector<std::string> no_answer;  // of some page
  Bytes next;                          // not looked at: what comes after it
};

// Pages until there are enough rows, no more keys, or the deadline.
Result<Listing> gather(client::Client& client, const CommandLine& line) {
  const auto end = Clock::now() + line.timeout;
  Listing out;
  out.next = line.conflicts.after;
  while (true) {
    const auto left = std::chrono::duration_cast<Duration>(end - Clock::now());
    const std::size_t wanted = line.conflicts.limit - out.rows.size();
    auto page =
        client.conflicts(line.keyspace, out.next,
                         static_cast<std::uint32_t>(std::min<std::size_t>(wanted, kPageMost)),
                         std::max<Duration>(left, 1ms));
    if (!page) return page.error();
    for (auto& row : page->rows) out.rows.push_back(std::move(row));
    for (auto& address : page->no_answer) {
      const auto known = std::find(out.no_answer.begin(), out.no_answer.end(), address);
      if (known == out.no_answer.end()) out.no_answer.push_back(std::move(address));
    }
    out.next = std::move(page->next);
    // The next page would end after the deadline.
    const bool late = end - Clock::now() < line.timeout / 4;
    if (out.next.empty() || out.rows.size() >= line.conflicts.limit || late) return out;
  }
}

ExitCode list_conflicts(client::Client& client, const CommandLine& line) {
  const auto listing = gather(client, line);
  if (!listing) {
    return fail_read(line, listing.error(), listing.error().code != ErrorCode::Unreachable);
  }
  const bool cut = !listing->next.empty();
  if (line.output == OutputForm::Json) {
    Json rows = Json::array();
    for (const auto& row : listing->rows) rows.push_back(row_json(row));
    Json json = {{"conflicts", std::move(rows)}, {"no_answer", listing->no_answer}};
    json["next_hex"] = cut ? Json(to_hex(listing->next)) : Json(nullptr);
    print_json(json);
    return kOk;
  }
  std::vector<std::vector<std::string>> table = {{"KEY", "SIBLINGS", "VERSIONS"}};
  for (const auto& row : listing->rows) {
    for (std::size_t i = 0; i < row.versions.size(); ++i) {
      table.push_back({i == 0 ? key_text(row.key) : "",
                       i == 0 ? std::to_string(row.versions.size()) : "", row.versions[i]});
    }
  }
  std::fputs(table_text(table).c_str(), stdout);
  for (const auto& address : listing->no_answer) {
    std::fprintf(stderr, "no answer from %s\n", address.c_str());
  }
  if (cut) {
    std::fprintf(stderr, "there may be more: go on with --after-hex %s\n",
                 to_hex(listing->next).c_str());
  }
  return kOk;
}

ExitCode refuse(const CommandLine& line, ExitCode exit_code, const char* code,
                const std::string& why) {
  std::fprintf(stderr, "parley: not written: %s\n", why.c_str());
  if (line.output == OutputForm::Json) {
    print_json({{"error", {{"code", code}, {"message", "not written: " + why}}}});
  }
  return exit_code;
}

}  // namespace

ExitCode show_conflict(const CommandLine& line, const client::ReadResult& read) {
  if (line.output != OutputForm::Table || read.values.size() < 2) return print_read(line, read);
  std::vector<std::vector<std::string>> table = {{"N", "VERSION", "VALUE"}};
  for (std::size_t i = 0; i < read.values.size(); ++i) {
    table.push_back(
        {std::to_string(i + 1), read.values[i].version, key_text(read.values[i].value)});
  }
  std::fputs(table_text(table).c_str(), stdout);
  std::fprintf(stderr, "context %s\n", to_base64url(read.context).c_str());
  return kConflict;
}

ExitCode resolve_conflict(client::Client& client, CommandLine line, client::WriteResult& written) {
  const auto begun = Clock::now();
  if (const auto ended = settle_write_level(client.keyspace(line.keyspace), line)) return *ended;
  const client::ReadResult read = read_key(client, line);
  if (read.error) {
    Error error = *read.error;
    error.message = "not written, as the read before it failed: " + error.message;
    return fail_read(line, error, read.connected);
  }
  if (read.values.size() < 2) {
    return refuse(line, kNegative, "no_conflict",
                  read.found ? "the key has one value" : "the key has no value");
  }
  if (line.conflicts.take) {
    const std::size_t number = *line.conflicts.take;
    if (number > read.values.size()) {
      return refuse(
          line, kUsage, "usage",
          fmt::format("there are {} values, and none is number {}", read.values.size(), number));
    }
    const client::Value& taken = read.values[number - 1];
    line.value = taken.value;
    if (line.output == OutputForm::Table) {
      std::fprintf(stderr, "taken: %zu of %zu, version %s\n", number, read.values.size(),
                   taken.version.c_str());
    }
  }
  if (!line.context) line.context = read.context;
  line.verb = "put";
  const auto left = line.timeout - std::chrono::duration_cast<Duration>(Clock::now() - begun);
  return write_key(client, line, written, left);
}

ExitCode conflicts(client::Client& client, const CommandLine& line) {
  if (line.key.empty()) return list_conflicts(client, line);
  if (!line.conflicts.take && !line.conflicts.merges) {
    return show_conflict(line, read_key(client, line));
  }
  client::WriteResult written;
  return resolve_conflict(client, line, written);
}

}  // namespace parley::cli
