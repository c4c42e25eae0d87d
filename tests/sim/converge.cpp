#include "tests/sim/converge.h"

#include <set>

#include "tests/sim/node_metrics.h"

namespace parley::sim {
namespace {

constexpr Duration kConvergeMost = 120s;
constexpr Duration kMembersMost = 30s;
constexpr Duration kRestMost = 15s;

bool all_equal(const Result<client::InspectResult>& result) {
  if (!result.ok() || (result->diverged && result->exists)) return false;
  for (const auto& row : result->replicas) {
    if (!row.reachable || row.hints_pending != 0) return false;
  }
  return true;
}

std::string text_of(const Result<client::InspectResult>& result) {
  if (!result.ok()) return " " + result.error().message;
  std::string out;
  for (const auto& row : result->replicas) {
    out += " " + row.address + (row.reachable ? " [" : " unreachable [") + row.version +
           "] hints " + std::to_string(row.hints_pending);
  }
  return out;
}

// What is wrong with the members as this node sees them; empty: nothing.
std::string wrong_members(Scene& scene, const SimProcess& node) {
  const auto rows = scene.door(node).gossip();
  if (!rows.ok()) return node.address() + " does not tell them: " + rows.error().message;
  std::string out;
  std::set<std::string> missing;
  for (const auto& other : scene.nodes) missing.insert(other->address());
  for (const auto& row : *rows) {
    if (missing.erase(row.address) == 0) out += " " + row.address + " is no node of this cluster";
    if (row.liveness != "alive") out += " " + row.address + " is " + row.liveness;
  }
  for (const auto& address : missing) out += " " + address + " is not known";
  return out.empty() ? out : "as " + node.address() + " sees it," + out;
}

}  // namespace

bool converge(Scene& scene) {
  const Instant limit = scene.world.now() + kConvergeMost;
  for (const std::string& key : scene.history.keys()) {
    auto last = scene.door(*scene.nodes[0]).inspect(key);
    while (!all_equal(last) && scene.world.now() < limit) {
      scene.pass(200ms);
      last = scene.door(*scene.nodes[0]).inspect(key);
    }
    if (!all_equal(last)) {
      scene.fail("converge", key,
                 "the replicas differ 120 s after everything was healed:" + text_of(last));
      return false;
    }
  }
  return true;
}

bool agree_on_members(Scene& scene) {
  const Instant limit = scene.world.now() + kMembersMost;
  for (const auto& node : scene.nodes) {
    std::string wrong = wrong_members(scene, *node);
    while (!wrong.empty() && scene.world.now() < limit) {
      scene.pass(500ms);
      wrong = wrong_members(scene, *node);
    }
    if (wrong.empty()) continue;
    scene.fail("members", "", "long after everything was healed, " + wrong);
    return false;
  }
  return true;
}

bool repair_is_quiet(Scene& scene) {
  Door& door = scene.door(*scene.nodes[0]);
  // A comparison under way may still hold what differed before; its round takes it along.
  const auto first = door.repair();
  const auto second = door.repair();
  if (!first.ok() || !second.ok()) {
    const auto& error = first.ok() ? second.error() : first.error();
    scene.fail("second-round", "", "a round of repair failed: " + error.message);
    return false;
  }
  if (*second == 0) return true;
  scene.fail("second-round", "",
             "after convergence the first round of repair moved " + std::to_string(*first) +
                 " keys and the second " + std::to_string(*second));
  return false;
}

void must_be_at_rest(Scene& scene) {
  const Instant limit = scene.world.now() + kRestMost;
  for (const auto& node : scene.nodes) {
    auto left = not_at_rest(node->metrics());
    while (!left.empty() && scene.world.now() < limit) {
      scene.pass(500ms);
      left = not_at_rest(node->metrics());
    }
    if (!left.empty()) scene.fail("at-rest", "", node->address() + ": " + left.front());
  }
}

void judge_values(Scene& scene) {
  for (const std::string& key : scene.history.keys()) {
    client::ReadResult result;
    for (int i = 0; i < 5 && result.outcome != client::Outcome::Ok; ++i) {
      result = scene.door(*scene.nodes[0]).read(key, "all");
    }
    if (result.outcome != client::Outcome::Ok) {
      scene.fail("available", key,
                 "a read at all is refused although nothing is broken: " + result.error->message);
      continue;
    }
    std::set<WriteNumber> values;
    for (const auto& value : result.values) {
      if (const auto write = write_of(value.value)) values.insert(*write);
    }
    scene.history.judge_final(key, values);
  }
}

}  // namespace parley::sim
