#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "tools/cli/level_forecast.h"
#include "tools/cli/output.h"
#include "tools/cli/verbs.h"

namespace parley::cli {
namespace {

// A number does what the name does that needs as many.
bool is_named_above(const Forecast& one, const std::vector<Forecast>& levels) {
  return std::any_of(levels.begin(), levels.begin() + 3, [&one](const Forecast& named) {
    return one.level == std::to_string(named.required);
  });
}

Json json_of(const client::InspectResult& inspected, const std::vector<ReplicaNow>& replicas,
             const std::vector<Forecast>& levels, const client::KeyspaceInfo& keyspace) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    const auto& row = inspected.replicas[i];
    rows.push_back({{"address", row.address},
                    {"up", replicas[i].up},
                    {"state", state_of(row)},
                    {"version", row.version},
                    {"digest", row.digest},
                    {"hints_pending", row.hints_pending}});
  }
  Json verdicts = Json::array();
  for (const Forecast& one : levels) {
    Json entry = {{"level", level_json(one.level)}, {"required", one.required}};
    entry["get"] = {{"outcome", one.get}, {"why", one.get_why}};
    entry["put"] = {{"outcome", one.put}, {"why", one.put_why}};
    verdicts.push_back(std::move(entry));
  }
  return {{"replicas", std::move(rows)},
          {"levels", std::move(verdicts)},
          {"default_read", level_json(keyspace.read_level)},
          {"default_write", level_json(keyspace.write_level)}};
}

}  // namespace

namespace {

// What one node says of a key and of the others: views of two nodes must not mix.
struct OneView {
  client::KeyspaceInfo keyspace;
  client::ClusterStatus status;
  client::InspectResult inspected;
};

Result<OneView> ask_one(const CommandLine& line, const std::string& endpoint) {
  client::ClientOptions options;
  options.endpoints = {endpoint};
  options.timeout = line.timeout;
  options.learn_ring = false;
  const auto client = client::Client::make(std::move(options));
  if (!client) return client.error();
  auto keyspace = (*client)->keyspace(line.keyspace);
  if (!keyspace) return keyspace.error();
  auto status = (*client)->status();
  if (!status) return status.error();
  auto inspected = (*client)->inspect(line.key, line.keyspace);
  if (!inspected) return inspected.error();
  return OneView{std::move(*keyspace), std::move(*status), std::move(*inspected)};
}

// The first endpoint that answers.
Result<OneView> ask_first(const CommandLine& line, std::string& asked) {
  Result<OneView> view = Error{ErrorCode::Unreachable, "no endpoint"};
  for (const std::string& endpoint : line.endpoints) {
    asked = endpoint;
    view = ask_one(line, endpoint);
    if (view || view.error().code != ErrorCode::Unreachable) break;
  }
  return view;
}

}  // namespace

ExitCode consistency_explain(client::Client&, const CommandLine& line) {
  std::string asked;
  const auto view = ask_first(line, asked);
  if (!view) return fail_read(line, view.error(), view.error().code != ErrorCode::Unreachable);
  const auto replicas = replicas_now(view->inspected, view->status);
  const auto levels = forecast(replicas);
  if (line.output == OutputForm::Json) {
    print_json(json_of(view->inspected, replicas, levels, view->keyspace));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows = {{"REPLICA", "HERE", "STATE", "DIGEST", "HINTS"}};
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    const auto& row = view->inspected.replicas[i];
    rows.push_back({row.address, replicas[i].up ? "up" : "down", state_of(row), row.digest,
                    std::to_string(row.hints_pending)});
  }
  std::vector<std::vector<std::string>> table = {{"LEVEL", "NEEDS", "", "NOW", "WHY"}};
  for (const Forecast& one : levels) {
    if (is_named_above(one, levels)) continue;
    const std::string needs = one.level == "any" ? "1 or a hint" : std::to_string(one.required);
    table.push_back({one.level, needs, "get", one.get, one.get_why});
    table.push_back({"", "", "put", one.put, one.put_why});
  }
  std::fputs((table_text(rows) + "\n" + table_text(table)).c_str(), stdout);
  std::fprintf(stderr, "as %s sees it now; the default levels are get %s, put %s\n", asked.c_str(),
               view->keyspace.read_level.c_str(), view->keyspace.write_level.c_str());
  return kOk;
}

}  // namespace parley::cli
