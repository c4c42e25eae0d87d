#include "tests/sim/node_metrics.h"

#include <cstdlib>
#include <sstream>
#include <string_view>

namespace parley::sim {
namespace {

constexpr double kDamagedWaitingMost = 1024;  // repair/damage_mender

std::string line_of(const std::string& name, double is, double most) {
  std::ostringstream out;
  out << "parley_" << name << " is " << is << ", at most " << most << " are allowed";
  return out.str();
}

}  // namespace

std::map<std::string, double> read_metrics(const MetricRegistry& registry) {
  static constexpr std::string_view kPrefix = "parley_";
  std::map<std::string, double> out;
  const std::string text = registry.render();
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos;
       at = end + 1) {
    std::string_view line(text.data() + at, end - at);
    if (!line.starts_with(kPrefix)) continue;
    line.remove_prefix(kPrefix.size());
    const auto name = line.substr(0, line.find_first_of(" {"));
    if (name.ends_with("_bucket")) continue;
    out[std::string(name)] += std::strtod(line.data() + line.rfind(' '), nullptr);
  }
  return out;
}

std::vector<std::string> past_bounds(const MetricRegistry& registry, const api::NodeConfig& config,
                                     std::size_t nodes) {
  const auto peers = static_cast<double>(nodes - 1);
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  const std::map<std::string, double> bounds = {
      {"store_write_queue", number(config.storage.write_queue_most())},
      {"store_read_queue", number(config.storage.read_queue_most())},
      {"in_flight", number(config.replication.in_flight_most())},
      {"hint_bytes", peers * number(config.replication.hint_bytes_most())},
      {"read_repair_queue", number(config.repair.background_most())},
      {"damaged_records_waiting", kDamagedWaitingMost},
      {"rpc_outstanding", peers * number(config.rpc.calls_most())},
      {"client_connections", number(config.serve.connections_most())},
      {"client_unread_bytes", 2 * number(config.serve.unread_bytes_most())},
      {"members", number(nodes)}};
  std::vector<std::string> out;
  const auto metrics = read_metrics(registry);
  for (const auto& [name, most] : bounds) {
    const auto found = metrics.find(name);
    if (found == metrics.end()) {
      out.push_back("parley_" + name + " is not among the metrics");
    } else if (found->second > most) {
      out.push_back(line_of(name, found->second, most));
    }
  }
  return out;
}

std::vector<std::string> not_at_rest(const MetricRegistry& registry) {
  std::vector<std::string> out;
  const auto metrics = read_metrics(registry);
  // docs/repair.md: a hint that rotted is left in place.
  const auto useless = metrics.find("hints_useless_total");
  const bool hints_stay = useless != metrics.end() && useless->second > 0;
  for (const std::string name :
       {"store_write_queue", "store_read_queue", "in_flight", "hints_pending", "hint_bytes",
        "read_repair_queue", "damaged_records_waiting", "client_calls_in_flight",
        "client_unread_bytes"}) {
    if (hints_stay && name.starts_with("hint")) continue;
    const auto found = metrics.find(name);
    if (found == metrics.end()) {
      out.push_back("parley_" + name + " is not among the metrics");
    } else if (found->second > 0) {
      out.push_back(line_of(name, found->second, 0));
    }
  }
  return out;
}

}  // namespace parley::sim
