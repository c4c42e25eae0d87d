#include "tools/cli/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace parley::cli {

Json level_json(const std::string& level) {
  if (level.empty()) return nullptr;
  const bool number = level.find_first_not_of("0123456789") == std::string::npos;
  return number ? Json(std::stoul(level)) : Json(level);
}

Json error_json(const Error& error) {
  Json json = {{"code", to_text(error.code)}, {"message", error.message}};
  if (error.retry_after_ms > 0) json["retry_after_ms"] = error.retry_after_ms;
  return json;
}

Json put_json(const client::WriteResult& result) {
  static constexpr std::array<const char*, 3> kOutcomes = {"ok", "not_written", "unknown"};
  Json replicas = Json::array();
  for (const auto& replica : result.replicas) {
    Json row = {{"node", replica.node}, {"address", replica.address}, {"state", replica.state}};
    if (!replica.hint_holder.empty()) row["hint_holder"] = replica.hint_holder;
    replicas.push_back(std::move(row));
  }
  return {{"outcome", kOutcomes[static_cast<std::size_t>(result.outcome)]},
          {"version", result.version},
          {"context", to_base64url(result.context)},
          {"level", level_json(result.level)},
          {"required", result.required},
          {"replicas", std::move(replicas)},
          {"hint_holders", result.hint_holders}};
}

Json get_json(const client::ReadResult& result) {
  Json values = Json::array();
  for (const auto& value : result.values) {
    Json row;
    if (is_utf8(value.value))
      row["value"] = value.value;
    else
      row["value_base64"] = to_base64(value.value);
    row["version"] = value.version;
    values.push_back(std::move(row));
  }
  return {{"found", result.found},
          {"values", std::move(values)},
          {"context", to_base64url(result.context)},
          {"level", level_json(result.level)},
          {"required", result.required},
          {"asked", result.asked},
          {"answered", result.answered},
          {"agreed", result.agreed},
          {"repaired", result.repaired},
          {"from_hint", result.from_hint}};
}

std::string table_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string text;
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

std::string bytes_text(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1024 && unit + 1 < kUnits.size()) {
    size /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, kUnits[unit]);
}

std::string age_text(std::int64_t millis) {
  if (millis < 0) return "never";
  if (millis < 1000) return fmt::format("{} ms ago", millis);
  if (millis < 120'000) return fmt::format("{} s ago", millis / 1000);
  return fmt::format("{} min ago", millis / 60'000);
}

void print_line(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void print_json(const Json& json) {
  // Names and addresses come from peers: never let bad UTF-8 turn into an exception.
  print_line(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

ExitCode fail(const CommandLine& line, const Error& error, bool connected, Json receipt) {
  std::fprintf(stderr, "parley: %s\n", error.message.c_str());
  if (line.output == OutputForm::Json) {
    Json json = {{"error", error_json(error)}};
    for (auto& [name, value] : receipt.items()) json[name] = value;
    print_json(json);
  }
  return connected ? exit_code_of(error.code) : kCannotConnect;
}

ExitCode fail_read(const CommandLine& line, const Error& error, bool connected, Json receipt) {
  const ExitCode code = fail(line, error, connected, std::move(receipt));
  return code == kUnknown ? kUnavailable : code;
}

}  // namespace parley::cli
