// What nodes say of themselves: words that are true, and the same made false.
#include "tests/sim/verdicts.h"

#include <functional>

#include "tests/catch.h"
#include "tests/sim/node_metrics.h"

namespace parley::sim {
namespace {

const std::string kOne = "127.0.0.1", kTwo = "127.0.0.2", kThree = "127.0.0.3";

client::InspectRow copy_at(const std::string& address) {
  client::InspectRow row;
  row.address = address;
  row.version = "a:2:1";
  row.digest = "d1";
  row.reachable = true;
  return row;
}

client::InspectResult equal_copies() {
  client::InspectResult out;
  for (const auto& address : {kOne, kTwo, kThree}) out.replicas.push_back(copy_at(address));
  return out;
}

std::vector<client::GossipRow> members() {
  std::vector<client::GossipRow> out;
  for (const auto& address : {kOne, kTwo, kThree}) {
    client::GossipRow row;
    row.address = address;
    row.liveness = "alive";
    out.push_back(row);
  }
  return out;
}

using SpoilCopy = std::function<void(client::InspectRow&)>;
using SpoilMembers = std::function<void(std::vector<client::GossipRow>&)>;

// A node's metrics, all empty, as far as bounds and rest are about them.
struct Meters {
  Meters() {
    for (const char* name :
         {"store_write_queue", "store_read_queue", "in_flight", "hint_bytes", "hints_pending",
          "read_repair_queue", "damaged_records_waiting", "rpc_outstanding", "client_connections",
          "client_unread_bytes", "client_calls_in_flight", "members", "hints_useless_total"}) {
      gauges.push_back(std::make_unique<Gauge>(registry, name, "", [this, name] {
        const auto found = values.find(name);
        return found == values.end() ? 0.0 : found->second;
      }));
    }
  }
  MetricRegistry registry;
  std::map<std::string, double> values;
  std::vector<std::unique_ptr<Gauge>> gauges;
};

}  // namespace

TEST_CASE("verdicts: copies are equal when nothing about them differs", "[verdicts]") {
  CHECK(all_equal(equal_copies(), {}));
  auto rotten = equal_copies();
  rotten.replicas[0].hints_pending = 2;
  CHECK_FALSE(all_equal(rotten, {}, 1));
  CHECK(all_equal(rotten, {}, 2));
  CHECK_FALSE(all_equal({}, {}));
  const auto [what, spoil] = GENERATE(table<std::string, SpoilCopy>({
      {"another value", [](auto& row) { row.digest = "d2"; }},
      {"another version", [](auto& row) { row.version = "a:2:2"; }},
      {"unreachable", [](auto& row) { row.reachable = false; }},
      {"damaged", [](auto& row) { row.damaged = true; }},
      {"a hint waits", [](auto& row) { row.hints_pending = 1; }},
  }));
  INFO(what);
  auto result = equal_copies();
  spoil(result.replicas[2]);
  CHECK_FALSE(all_equal(result, {}));
  CHECK_FALSE(all_equal(result, {kTwo}));
  CHECK(all_equal(result, {kThree}));
}

TEST_CASE("verdicts: the members are all the nodes, alive", "[verdicts]") {
  const Addresses nodes = {kOne, kTwo, kThree};
  CHECK(wrong_members(members(), nodes, {}).empty());
  const auto [what, spoil] = GENERATE(table<std::string, SpoilMembers>({
      {"one is dead", [](auto& rows) { rows[1].liveness = "dead"; }},
      {"one is suspect", [](auto& rows) { rows[1].liveness = "suspect"; }},
      {"one has left", [](auto& rows) { rows[1].liveness = "left"; }},
      {"one is missing", [](auto& rows) { rows.pop_back(); }},
      {"one is a stranger", [](auto& rows) { rows[1].address = "127.0.0.4"; }},
      {"one is there twice", [](auto& rows) { rows.push_back(rows[0]); }},
  }));
  INFO(what);
  auto rows = members();
  spoil(rows);
  CHECK_FALSE(wrong_members(rows, nodes, {}).empty());
  // One that was lost is dead, or had said goodbye, and nothing else.
  CHECK_FALSE(wrong_members(members(), nodes, {kTwo}).empty());
  CHECK(wrong_members(rows, nodes, {kTwo}).empty() ==
        (what == "one is dead" || what == "one has left"));
}

TEST_CASE("verdicts: views are one when each node says the same of itself", "[verdicts]") {
  std::map<std::string, std::vector<client::GossipRow>> told;
  for (const auto& address : {kOne, kTwo, kThree}) told[address] = members();
  CHECK(other_view({}).empty());
  CHECK(other_view(told).empty());
  // What others last heard of a node is not what it holds now.
  told[kOne][2].view_digest = "what it said before it served";
  CHECK(other_view(told).empty());
  const auto [what, spoil] = GENERATE(table<std::string, SpoilMembers>({
      {"other records", [](auto& rows) { rows[2].view_digest = "v2"; }},
      {"another ring", [](auto& rows) { rows[2].ring_digest = "r2"; }},
      {"it is not there", [](auto& rows) { rows.pop_back(); }},
  }));
  INFO(what);
  spoil(told[kThree]);
  CHECK_FALSE(other_view(told).empty());
  told.erase(kThree);
  CHECK(other_view(told).empty());
}

TEST_CASE("verdicts: nobody in the core is dead, whoever stands still is", "[verdicts]") {
  const Addresses core = {kOne, kTwo}, still = {kThree};
  const auto [who, liveness, in_core, alive] =
      GENERATE(table<std::size_t, std::string, bool, bool>({
          {2, "dead", true, false},
          {2, "left", true, false},
          {2, "suspect", true, true},
          {2, "alive", true, true},
      }));
  auto rows = members();
  rows[who].liveness = liveness;
  CHECK(dead_in_core(rows, core).empty() == in_core);
  CHECK(thought_alive(rows, still).empty() == !alive);
  CHECK(thought_alive(rows, {}).empty());
  rows = members();
  rows[1].liveness = liveness;
  CHECK(dead_in_core(rows, core).empty() == alive);
  // Whoever is forgotten is neither alive nor dead.
  rows = members();
  rows.erase(rows.begin() + 1);
  CHECK_FALSE(dead_in_core(rows, core).empty());
  rows = members();
  rows[2].liveness = "dead";
  CHECK(thought_alive(rows, still).empty());
  rows.pop_back();
  CHECK_FALSE(thought_alive(rows, still).empty());
}

TEST_CASE("verdicts: the core's copies are equal, whatever the others hold", "[verdicts]") {
  const Addresses core = {kOne, kTwo};
  auto result = equal_copies();
  result.replicas[2].digest = "d2";
  CHECK(core_equal(result, core));
  CHECK_FALSE(core_equal({}, core));
  SECTION("another value") { result.replicas[1].digest = "d2"; }
  SECTION("the first is unreachable") { result.replicas[0].reachable = false; }
  SECTION("unreachable") { result.replicas[1].reachable = false; }
  CHECK_FALSE(core_equal(result, core));
}

TEST_CASE("verdicts: each of a node's queues has its own bound", "[verdicts]") {
  Meters meters;
  const api::NodeConfig config;
  CHECK(past_bounds(meters.registry, config, 3).empty());
  const std::vector<std::pair<std::string, std::uint64_t>> bounds = {
      {"store_write_queue", config.storage.write_queue_most()},
      {"store_read_queue", config.storage.read_queue_most()},
      {"in_flight", config.replication.in_flight_most()},
      {"hint_bytes", 2 * config.replication.hint_bytes_most()},
      {"read_repair_queue", config.repair.background_most()},
      {"damaged_records_waiting", 1024},
      {"rpc_outstanding", 4 * config.rpc.calls_most()},
      {"client_connections", config.serve.connections_most()},
      {"client_unread_bytes", 2 * config.serve.unread_bytes_most()},
      {"members", 3},
  };
  for (const auto& [name, most] : bounds) {
    INFO(name);
    meters.values = {{name, static_cast<double>(most)}};
    CHECK(past_bounds(meters.registry, config, 3).empty());
    meters.values[name] += 1;
    CHECK(past_bounds(meters.registry, config, 3).size() == 1);
  }
}

TEST_CASE("verdicts: a clock is sound if half of the cluster's surely agree", "[verdicts]") {
  const WallTime right{1'000'000}, near{1'003'000}, off{1'003'001};
  CHECK(is_clock_sound(right, {right, near, right}, 5));
  CHECK(is_clock_sound(near, {right, near}, 4));
  CHECK_FALSE(is_clock_sound(right, {right, near}, 5));  // those outside may all differ
  CHECK_FALSE(is_clock_sound(right, {right, off, off}, 5));
  CHECK(is_clock_sound(off, {right, off, off, off}, 5));  // the many are right
  CHECK_FALSE(is_clock_sound(right, {right, off}, 3));
}

TEST_CASE("verdicts: a bound that no metric tells of is said", "[verdicts]") {
  const MetricRegistry none;
  const api::NodeConfig config;
  CHECK(past_bounds(none, config, 3).size() == 10);
  CHECK(not_at_rest(none).size() == 9);
}

TEST_CASE("verdicts: at rest nothing waits", "[verdicts]") {
  Meters meters;
  meters.values["members"] = 3;
  meters.values["client_connections"] = 1;
  CHECK(not_at_rest(meters.registry).empty());
  const std::string name =
      GENERATE("store_write_queue", "store_read_queue", "in_flight", "hints_pending", "hint_bytes",
               "read_repair_queue", "damaged_records_waiting", "client_calls_in_flight",
               "client_unread_bytes");
  INFO(name);
  meters.values[name] = 1;
  CHECK(not_at_rest(meters.registry).size() == 1);
}

// Simulator seeds 8001453 and 72005171: a node that had heard a later refutation suspected alone.
TEST_CASE("verdicts: a lonely suspicion lasts for as long as the options let it", "[verdicts]") {
  membership::MembershipOptions options;
  CHECK(lonely_suspicion(options) == 24s);
  REQUIRE(options.probe_interval.set(1500ms));
  REQUIRE(options.suspicion_factor_most.set(12));
  CHECK(lonely_suspicion(options) == 72s);
}

TEST_CASE("verdicts: so many hints may stay as have rotted", "[verdicts]") {
  Meters meters;
  meters.values["hints_pending"] = 2;
  meters.values["hint_bytes"] = 100;
  meters.values["hints_useless_total"] = 2;
  CHECK(not_at_rest(meters.registry, true).empty());
  CHECK(not_at_rest(meters.registry, false).size() == 2);
  meters.values["hints_pending"] = 3;
  CHECK(not_at_rest(meters.registry, true).size() == 1);
}

}  // namespace parley::sim
