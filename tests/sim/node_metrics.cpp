#include "tests/sim/node_metrics.h"

#include <sstream>
#include <string_view>
#include <utility>

namespace parley::sim {
namespace {

constexpr double kDamagedWaitingMost = 1024;  // repair/damage_mender

std::string line_of(const std::string& name, double is, double most) {
  std::ostringstream out;
  out << "parley_" << name << " is " << is << ", at most " << most << " are allowed";
  return out.str();
}

}  // namespace

std::vector<std::string> past_bounds(const MetricRegistry& registry, const api::NodeConfig& config,
                                     std::size_t nodes) {
  const auto peers = static_cast<double>(nodes - 1);
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  const std::pair<const char*, double> bounds[] = {
      {"store_write_queue", number(config.storage.write_queue_most())},
      {"store_read_queue", number(config.storage.read_queue_most())},
      {"in_flight", number(config.replication.in_flight_most())},
      {"hint_bytes", peers * number(config.replication.hint_bytes_most())},
      {"read_repair_queue", number(config.repair.background_most())},
      {"damaged_records_waiting", kDamagedWaitingMost},
      {"rpc_outstanding", 2 * peers * number(config.rpc.calls_most())},  // foreground and bulk
      {"client_connections", number(config.serve.connections_most())},
      {"client_unread_bytes", 2 * number(config.serve.unread_bytes_most())},
      {"members", number(nodes)}};
  std::vector<std::string> out;
  for (const auto& [name, most] : bounds) {
    const auto value = registry.total(name);
    if (!value) {
      out.push_back("parley_" + std::string(name) + " is not among the metrics");
    } else if (*value > most) {
      out.push_back(line_of(name, *value, most));
    }
  }
  return out;
}

std::vector<std::string> not_at_rest(const MetricRegistry& registry, bool rot) {
  std::vector<std::string> out;
  const double useless = rot ? registry.total("hints_useless_total").value_or(0) : 0;
  for (const char* name : {"store_write_queue", "store_read_queue", "in_flight", "hints_pending",
                           "hint_bytes", "read_repair_queue", "damaged_records_waiting",
                           "client_calls_in_flight", "client_unread_bytes"}) {
    const std::string_view of(name);
    if (of == "hint_bytes" && useless > 0) continue;
    const double most = of == "hints_pending" ? useless : 0;
    const auto value = registry.total(name);
    if (!value) {
      out.push_back("parley_" + std::string(name) + " is not among the metrics");
    } else if (*value > most) {
      out.push_back(line_of(name, *value, most));
    }
  }
  return out;
}

}  // namespace parley::sim
