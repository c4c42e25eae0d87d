#include <fmt/format.h>

#include <cstdio>
#include <set>

#include "tools/cli/output.h"
#include "tools/cli/verbs.h"

namespace parley::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

template <typename T>
ExitCode failed(const CommandLine& line, const Result<T>& result, const std::string& before = "") {
  const bool connected = result.error().code != ErrorCode::Unreachable;
  const bool changes =
      line.verb == "hints drop" || line.verb == "repair" || line.verb == "consistency set";
  Error error = result.error();
  error.message = before + error.message;
  return changes ? fail(line, error, connected) : fail_read(line, error, connected);
}

// What is missing from what was asked of all nodes: in the table's case the names are prose.
void name_silent(const CommandLine& line, const std::vector<std::string>& no_answer) {
  if (line.output == OutputForm::Json) return;
  for (const std::string& address : no_answer) {
    std::fprintf(stderr, "no answer from %s\n", address.c_str());
  }
}

// Nobody shall take what was broken on purpose for the world's own doing.
void name_faults(const CommandLine& line, const client::ClusterStatus& status) {
  if (line.output == OutputForm::Json) return;
  for (const auto& node : status.nodes) {
    if (node.faults == 0) continue;
    std::fprintf(stderr, "%s has %llu faults put on it: parley fault list\n", node.address.c_str(),
                 static_cast<unsigned long long>(node.faults));
  }
}

// Either the JSON, or the table.
ExitCode print(const CommandLine& line, const Json& json, const Rows& rows) {
  if (line.output == OutputForm::Json)
    print_json(json);
  else
    std::fputs(table_text(rows).c_str(), stdout);
  return kOk;
}

}  // namespace

ExitCode status(client::Client& client, const CommandLine& line) {
  const auto result = client.status();
  if (!result.ok()) return failed(line, result);
  Json nodes = Json::array();
  Rows rows = {{"--", "Address", "Load", "Tokens", "Owns", "Hints-for", "Host ID", "Rack"}};
  for (const auto& node : result->nodes) {
    nodes.push_back({{"address", node.address},
                     {"status", node.status},
                     {"node", node.node},
                     {"rack", node.rack},
                     {"load_bytes", node.load_bytes},
                     {"owns", node.owns},
                     {"hints_for", node.hints_for},
                     {"faults", node.faults}});
    rows.push_back({node.status, node.address, bytes_text(node.load_bytes),
                    std::to_string(node.tokens), fmt::format("{:.1f}%", node.owns * 100),
                    std::to_string(node.hints_for), node.node, node.rack});
  }
  if (line.output != OutputForm::Json) {
    std::fprintf(stderr, "cluster %s  ring %s  views %s\n", result->cluster_name.c_str(),
                 result->ring_digest.c_str(), result->views_agree ? "agree" : "differ");
  }
  name_faults(line, *result);
  if (line.output != OutputForm::Json && !result->nodes.empty()) {
    const std::string head = "Datacenter: " + result->nodes.front().dc;
    print_line(head + "\n" + std::string(head.size(), '=') +
               "\nStatus=Up/Down\n|/ State=Normal/Leaving/Joining/Moving");
  }
  print(line,
        {{"nodes", std::move(nodes)},
         {"ring_digest", result->ring_digest},
         {"views_agree", result->views_agree},
         {"cluster", result->cluster_name},
         {"cluster_id", result->cluster_id},
         {"no_answer", result->no_answer}},
        rows);
  name_silent(line, result->no_answer);
  return kOk;
}

ExitCode ring(client::Client& client, const CommandLine& line) {
  const auto result = client.ring();
  if (!result.ok()) return failed(line, result);
  Json vnodes = Json::array();
  Rows rows = {{"SLOT", "TOKEN", "ADDRESS", "NODE"}};
  for (const auto& vnode : result->vnodes) {
    const std::string token = fmt::format("{:016x}", static_cast<std::uint64_t>(vnode.slot) << 48);
    vnodes.push_back(
        {{"slot", vnode.slot}, {"token", token}, {"address", vnode.address}, {"node", vnode.node}});
    rows.push_back({std::to_string(vnode.slot), token, vnode.address, vnode.node});
  }
  return print(line, {{"digest", result->digest}, {"vnodes", std::move(vnodes)}}, rows);
}

ExitCode info(client::Client& client, const CommandLine& line) {
  const auto result = client.info();
  if (!result.ok()) return failed(line, result);
  Json options = Json::object();
  for (const auto& [name, value] : result->options) options[name] = value;
  const Json json = {{"node", result->node},
                     {"address", result->address},
                     {"version", result->version},
                     {"ready", result->ready},
                     {"cluster", result->cluster_name},
                     {"cluster_id", result->cluster_id},
                     {"storage_id", result->storage_id},
                     {"generation", result->generation},
                     {"rack", result->rack},
                     {"dc", result->dc},
                     {"client_port", result->client_port},
                     {"peer_port", result->peer_port},
                     {"http_port", result->http_port},
                     {"data_dir", result->data_dir},
                     {"uptime_ms", result->uptime_ms},
                     {"load_bytes", result->load_bytes},
                     {"hints", result->hints},
                     {"options", options}};
  Rows rows;
  for (const auto& [name, value] : json.items()) {
    if (name == "options") continue;
    rows.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  for (const auto& [name, value] : result->options) rows.push_back({name, value});
  return print(line, json, rows);
}

ExitCode gossip(client::Client& client, const CommandLine& line) {
  const auto result = client.gossip();
  if (!result.ok()) return failed(line, result);
  Json members = Json::array();
  Rows rows = {
      {"ADDRESS", "LIVENESS", "GENERATION", "INCARNATION", "HEARD", "RTT", "VIEW", "RING", "NODE"}};
  for (const auto& row : *result) {
    members.push_back({{"address", row.address},
                       {"node", row.node},
                       {"liveness", row.liveness},
                       {"generation", row.generation},
                       {"incarnation", row.incarnation},
                       {"last_heard_ms", row.last_heard_ms},
                       {"rtt_ms", row.rtt_ms},
                       {"view_digest", row.view_digest},
                       {"ring_digest", row.ring_digest}});
    rows.push_back({row.address, row.liveness, std::to_string(row.generation),
                    std::to_string(row.incarnation), age_text(row.last_heard_ms),
                    row.rtt_ms < 0 ? "?" : fmt::format("{:.2f} ms", row.rtt_ms), row.view_digest,
                    row.ring_digest, row.node});
  }
  return print(line, {{"members", std::move(members)}}, rows);
}

ExitCode hints(client::Client& client, const CommandLine& line) {
  const auto result = client.hints();
  if (!result.ok()) return failed(line, result);
  Json held = Json::array();
  Rows rows = {{"HOLDER", "TARGET", "HINTS", "SOLE", "BYTES", "OLDEST"}};
  std::uint64_t total = 0;
  for (const auto& row : result->rows) {
    total += row.hints;
    held.push_back({{"holder", row.holder},
                    {"target", row.target},
                    {"target_node", row.target_node},
                    {"hints", row.hints},
                    {"sole_hints", row.sole_hints},
                    {"bytes", row.bytes},
                    {"oldest_ms", row.oldest_ms}});
    rows.push_back({row.holder, row.target, std::to_string(row.hints),
                    std::to_string(row.sole_hints), bytes_text(row.bytes),
                    age_text(row.oldest_ms)});
  }
  name_silent(line, result->no_answer);
  return print(
      line, {{"hints", std::move(held)}, {"total", total}, {"no_answer", result->no_answer}}, rows);
}

ExitCode hints_drop(client::Client& client, const CommandLine& line) {
  const auto result = client.drop_hints(line.target);
  if (!result.ok()) return failed(line, result);
  const auto left = client.hints();
  if (!left.ok()) return failed(line, left, fmt::format("{} dropped; what stayed: ", *result));
  std::uint64_t kept = 0;
  for (const auto& row : left->rows) {
    const bool meant =
        line.target.empty() || line.target == row.target || line.target == row.target_node;
    if (meant) kept += row.sole_hints;
  }
  name_silent(line, left->no_answer);
  if (line.output == OutputForm::Json) {
    print_json({{"dropped", *result}, {"kept", kept}, {"no_answer", left->no_answer}});
    return kOk;
  }
  print_line(fmt::format("dropped {}", *result));
  if (kept > 0) {
    std::fprintf(
        stderr, "%s\n",
        fmt::format("{} kept: they may be the only copy of an acknowledged write", kept).c_str());
  }
  return kOk;
}

namespace {

// The nodes on the ring that are down, so that nobody compares with them: each shares keys with
// some other.
void add_down(const client::ClusterStatus& status, std::set<std::string>& out) {
  for (const auto& node : status.nodes) {
    if (node.status == "DN") out.insert(node.address);
  }
}

ExitCode repair_and_wait(client::Client& client, const CommandLine& line) {
  // Before and after: who dies or returns meanwhile may have been passed over.
  std::set<std::string> not_compared;
  const auto before = client.status();
  if (!before.ok()) return failed(line, before, "not begun: ");
  add_down(*before, not_compared);
  const auto result = client.repair(true);
  if (!result.ok()) return failed(line, result);
  const auto after = client.status();
  if (!after.ok()) return failed(line, after, "ended, but who was down is not known: ");
  add_down(*after, not_compared);
  if (line.output == OutputForm::Json) {
    print_json(
        {{"finished", not_compared.empty()}, {"keys", *result}, {"not_compared", not_compared}});
    return kOk;
  }
  for (const std::string& address : not_compared) {
    std::fprintf(stderr, "not compared, as it is down: %s\n", address.c_str());
  }
  print_line(fmt::format("{}; keys sent or received: {}",
                         not_compared.empty() ? "finished" : "finished among those that are up",
                         *result));
  return kOk;
}

}  // namespace

ExitCode repair(client::Client& client, const CommandLine& line) {
  if (line.wait) return repair_and_wait(client, line);
  const auto result = client.repair(false);
  if (!result.ok()) return failed(line, result);
  if (line.output == OutputForm::Json)
    print_json({{"finished", false}, {"keys", *result}});
  else
    print_line("started");
  return kOk;
}

ExitCode repair_status(client::Client& client, const CommandLine& line) {
  const auto result = client.repair_status();
  if (!result.ok()) return failed(line, result);
  Json pairs = Json::array();
  Rows rows = {{"NODE", "PEER", "LAST", "EQUAL", "RUNNING", "KEYS-LAST", "KEYS-TOTAL"}};
  for (const auto& row : result->rows) {
    pairs.push_back({{"address", row.holder},
                     {"peer", row.peer},
                     {"last_sync_ms", row.last_sync_ms},
                     {"equal", row.equal},
                     {"running", row.running},
                     {"keys_last", row.keys_last},
                     {"keys_total", row.keys_total}});
    rows.push_back({row.holder, row.peer, age_text(row.last_sync_ms), row.equal ? "yes" : "no",
                    row.running ? "yes" : "no", std::to_string(row.keys_last),
                    std::to_string(row.keys_total)});
  }
  name_silent(line, result->no_answer);
  return print(line, {{"pairs", std::move(pairs)}, {"no_answer", result->no_answer}}, rows);
}

ExitCode consistency(client::Client& client, const CommandLine& line) {
  const bool set = line.verb == "consistency set";
  const auto result = set ? client.set_consistency(line.keyspace, line.read_level, line.write_level)
                          : client.keyspace(line.keyspace);
  if (!result.ok()) return failed(line, result);
  return print(line,
               {{"keyspace", result->name},
                {"id", result->id},
                {"replication_factor", result->replication_factor},
                {"conflict_rule", result->conflict_rule},
                {"read", level_json(result->read_level)},
                {"write", level_json(result->write_level)},
                {"version", result->version}},
               {{"KEYSPACE", "RF", "RULE", "READ", "WRITE"},
                {result->name, std::to_string(result->replication_factor), result->conflict_rule,
                 result->read_level, result->write_level}});
}

}  // namespace parley::cli
