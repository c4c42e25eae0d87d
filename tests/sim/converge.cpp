#include "tests/sim/converge.h"

#include <set>

namespace parley::sim {
namespace {

constexpr Duration kConvergeMost = 120s;

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
