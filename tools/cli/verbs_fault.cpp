// Breaking nodes on purpose: each node concerned is told directly, through its client port, which
// no fault touches.
#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <memory>

#include "runtime/asio_loop.h"
#include "runtime/fault_table.h"
#include "tools/cli/fault_plan.h"
#include "tools/cli/output.h"
#include "tools/cli/verbs.h"

namespace parley::cli {
namespace {

using Nodes = std::vector<NamedNode>;

// Nodes that do not answer are many and slow: none of them gets the whole time.
constexpr Duration kOneNodeMost = 1s;

Result<std::unique_ptr<client::Client>> client_of(const CommandLine& line, const NamedNode& node) {
  client::ClientOptions options;
  options.endpoints = {to_text(Endpoint{node.address, node.client_port})};
  options.timeout = std::min<Duration>(line.timeout, kOneNodeMost);
  options.learn_ring = false;
  return client::Client::make(std::move(options));
}

// Asks one node; its name before what went wrong.
template <typename T>
Result<T> ask(const CommandLine& line, const NamedNode& node,
              const std::function<Result<T>(client::Client&)>& question) {
  auto client = client_of(line, node);
  if (!client) return client.error();
  Result<T> answer = question(**client);
  if (answer) return answer;
  Error error = answer.error();
  if (error.code != ErrorCode::Refused) error.message = node.address + ": " + error.message;
  return error;
}

Json fault_json(const client::FaultSpec& spec) {
  Json out = {{"kind", spec.kind}};
  if (spec.kind == "link") {
    out.update({{"peer", spec.peer}, {"direction", spec.direction}, {"traffic", spec.traffic}});
    out.update({{"cut", spec.cut}, {"drop", spec.drop}, {"duplicate", spec.duplicate}});
    out.update({{"reorder", spec.reorder}, {"corrupt", spec.corrupt}});
    out["bytes_per_second"] = spec.bytes_per_second;
  }
  if (spec.kind == "link" || spec.kind == "slow_disk") {
    out.update({{"delay_ms", spec.delay_ms}, {"jitter_ms", spec.jitter_ms}});
  }
  if (spec.kind == "skew") out["skew_ms"] = spec.skew_ms;
  out.update({{"for_ms", spec.for_ms}, {"note", spec.note}});
  return out;
}

Result<Nodes> learn_nodes(client::Client& client) {
  const auto status = client.status();
  if (!status) return status.error();
  return nodes_of(*status);
}

// Before any node was told to change something.
ExitCode failed(const CommandLine& line, const Error& error) {
  return fail_read(line, error, error.code != ErrorCode::Unreachable);
}

// What a node that was told answered, or did not: then it may have done it.
ExitCode answer_failed(const CommandLine& line, const Error& error) {
  return fail(line, error, error.code != ErrorCode::Unreachable);
}

// How many faults each node may have taken: those that it confirmed, and one whose answer was
// missed.
using Asked = std::map<std::size_t, std::size_t>;

// Marks the faults of this command, so that they can be taken back where no id came back.
void mark(std::vector<FaultOrder>& orders) {
  std::string token = " #";
  for (const char byte : runtime::os_entropy32().substr(0, 4)) {
    token += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  for (FaultOrder& order : orders) {
    std::string& note = order.spec.note;
    note.resize(std::min(note.size(), runtime::FaultTable::kNoteBytesMost - token.size()));
    note += token;
  }
}

// All or nothing: a partition that one node does not know of is none. False: some may stay.
bool take_back(const CommandLine& line, const Nodes& nodes, const Asked& asked,
               const std::string& note) {
  bool all = true;
  for (const auto& [node, faults] : asked) {
    const auto healed = ask<std::uint64_t>(
        line, nodes[node], [&](client::Client& client) { return client.heal_faults(0, "", note); });
    // A node that lacks the one whose answer was missed may still take it.
    if (healed && *healed >= faults) continue;
    all = false;
    std::fprintf(stderr, "parley: may be in force on %s: see `parley fault list`\n",
                 nodes[node].address.c_str());
  }
  return all;
}

ExitCode undo(const CommandLine& line, const Nodes& nodes, const Asked& asked,
              const FaultOrder& failed_at, const Error& error) {
  if (failed_at.spec.kind == "pause") {
    for (const auto& [node, pauses] : asked) {
      std::fprintf(stderr, "parley: %s may pause, and goes on by itself\n",
                   nodes[node].address.c_str());
    }
  }
  const bool undone = failed_at.spec.kind == "pause"
                          ? asked.empty()
                          : take_back(line, nodes, asked, failed_at.spec.note);
  const ExitCode code = answer_failed(line, error);
  return undone ? code : kUnknown;
}

ExitCode inject(client::Client& client, const CommandLine& line, const std::string& verb) {
  const auto nodes = learn_nodes(client);
  if (!nodes) return failed(line, nodes.error());
  auto orders = plan_faults(verb, line.fault, *nodes);
  if (!orders) return failed(line, orders.error());
  mark(*orders);
  Asked asked;
  Json injected = Json::array();
  for (const FaultOrder& order : *orders) {
    const auto id = ask<std::uint64_t>(line, (*nodes)[order.node], [&](client::Client& one) {
      return one.inject_fault(order.spec);
    });
    if (id || id.error().code == ErrorCode::NoAnswer) ++asked[order.node];
    if (!id) return undo(line, *nodes, asked, order, id.error());
    Json row = {{"address", (*nodes)[order.node].address}, {"id", *id}};
    row["fault"] = fault_json(order.spec);
    injected.push_back(std::move(row));
  }
  if (line.output == OutputForm::Json) {
    print_json({{"injected", std::move(injected)}});
  } else {
    const auto lasts = to_millis(line.fault.lasts);
    std::fprintf(stderr, "%s: %zu faults on their nodes, %s\n", verb.c_str(), orders->size(),
                 verb == "pause" ? "which go on by themselves"
                 : lasts > 0     ? fmt::format("for {} ms", lasts).c_str()
                                 : "until `parley fault heal`");
  }
  return kOk;
}

ExitCode heal(client::Client& client, const CommandLine& line) {
  const auto nodes = learn_nodes(client);
  if (!nodes) return failed(line, nodes.error());
  if (line.fault.words.size() > 1) {
    return failed(line, {ErrorCode::InvalidArgument, "heal wants NODES, such as 1,3, or nothing"});
  }
  const auto chosen =
      find_nodes(*nodes, line.fault.words.empty() ? "all" : line.fault.words.front());
  if (!chosen) return failed(line, chosen.error());
  if (line.fault.id != 0 && chosen->size() != 1) {
    return failed(line, {ErrorCode::InvalidArgument, "--id wants the one node whose fault it is"});
  }
  std::uint64_t healed = 0;
  std::optional<Error> first_failure;
  for (const std::size_t node : *chosen) {
    const auto one = ask<std::uint64_t>(line, (*nodes)[node], [&](client::Client& one_client) {
      return one_client.heal_faults(line.fault.id, "");
    });
    if (one) {
      healed += *one;
      continue;
    }
    // A node that allows none has none.
    if (one.error().code == ErrorCode::Refused && chosen->size() > 1) continue;
    if (!first_failure) first_failure = one.error();
    if (line.output != OutputForm::Json && chosen->size() > 1) {
      std::fprintf(stderr, "parley: %s\n", one.error().message.c_str());
    }
  }
  if (first_failure && chosen->size() == 1) return answer_failed(line, *first_failure);
  if (line.output == OutputForm::Json) {
    print_json({{"healed", healed}, {"all_answered", !first_failure}});
  } else {
    std::fprintf(stderr, "%llu faults healed\n", static_cast<unsigned long long>(healed));
  }
  // What a silent node has stays: the whole answer is not known.
  return first_failure ? kUnknown : kOk;
}

ExitCode list(client::Client& client, const CommandLine& line) {
  const auto nodes = learn_nodes(client);
  if (!nodes) return failed(line, nodes.error());
  using Faults = std::vector<client::FaultRow>;
  Json all = Json::array();
  std::vector<std::vector<std::string>> rows = {{"NODE", "ID", "FAULT", "LEFT", "NOTE"}};
  bool all_answered = true;
  for (const NamedNode& node : *nodes) {
    const auto faults = ask<Faults>(line, node, [](client::Client& one) { return one.faults(); });
    const bool allowed = faults || faults.error().code != ErrorCode::Refused;
    all_answered = all_answered && (faults || !allowed);
    Json entry = {
        {"address", node.address}, {"answered", faults || !allowed}, {"allowed", allowed}};
    entry["faults"] = Json::array();
    if (!faults && allowed && line.output != OutputForm::Json) {
      std::fprintf(stderr, "no answer from %s\n", node.address.c_str());
    }
    for (const client::FaultRow& fault : faults ? *faults : Faults{}) {
      Json row = fault_json(fault.spec);
      row.update({{"id", fault.id}, {"text", fault.text}, {"left_ms", fault.left_ms}});
      entry["faults"].push_back(std::move(row));
      rows.push_back({node.address, std::to_string(fault.id), fault.text,
                      fault.left_ms < 0
                          ? "until healed"
                          : fmt::format("{:.1f} s", static_cast<double>(fault.left_ms) / 1000),
                      fault.spec.note});
    }
    all.push_back(std::move(entry));
  }
  if (line.output == OutputForm::Json) {
    print_json({{"nodes", std::move(all)}});
  } else if (rows.size() > 1) {
    std::fputs(table_text(rows).c_str(), stdout);
  } else {
    std::fprintf(stderr, all_answered ? "no faults\n" : "no faults on the nodes that answered\n");
  }
  return all_answered ? kOk : kUnknown;
}

}  // namespace

ExitCode fault(client::Client& client, const CommandLine& line) {
  const std::string verb = line.verb.substr(line.verb.find(' ') + 1);
  if (verb == "heal") return heal(client, line);
  if (verb == "list") return list(client, line);
  return inject(client, line, verb);
}

}  // namespace parley::cli
