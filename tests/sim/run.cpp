#include "tests/sim/run.h"

#include "base/check.h"
#include "tests/sim/converge.h"
#include "tests/sim/liveness.h"
#include "tests/sim/scene.h"

namespace parley::sim {
namespace {

constexpr Duration kCallsEndMost = 30s;

std::string names_of(const WorkloadOptions& workload) {
  std::string out;
  for (const auto& name : workload.keys) out += " " + name;
  for (const auto& name : workload.sets) out += " " + name;
  return out;
}

void make_nemesis(Scene& scene) {
  NemesisOptions nemesis;
  nemesis.on = scene.faults;
  nemesis.only = scene.options.strikes;
  nemesis.seed = scene.options.seed;
  nemesis.stir_strangers = [&scene](Random& random) { return scene.strangers->stir(random); };
  nemesis.new_client = [&scene] { scene.add_client().start(); };
  scene.nemesis = std::make_unique<Nemesis>(scene.world, scene.nodes, scene.clients, nemesis);
  scene.nemesis->on_loss = [&scene](const std::string& address) { scene.lose(address); };
  for (const auto& node : scene.nodes) {
    node->config().allow_faults = scene.nemesis->has(Fault::Operator);
  }
}

void start_clients(Scene& scene) {
  scene.make_clients();
  for (const auto& client : scene.clients) client->start();
}

// Clients at work, and faults.
void work(Scene& scene) {
  if (!scene.clients_are_early()) start_clients(scene);
  if (scene.level_setter) scene.level_setter->start();
  scene.nemesis->start();
  scene.pass(scene.options.span);
}

// No further calls; those under way end.
void rest(Scene& scene) {
  for (const auto& client : scene.clients) client->stop();
  if (scene.level_setter) scene.level_setter->stop();
  const bool ended = scene.world.run_until(
      [&scene] {
        for (const auto& client : scene.clients) {
          if (!client->idle()) return false;
        }
        return !scene.level_setter || scene.level_setter->idle();
      },
      kCallsEndMost);
  if (!ended) scene.fail("deadline", "", "a call did not end");
}

void settle(Scene& scene) {
  if (scene.report.mode == Mode::Liveness) {
    Liveness liveness(scene);
    liveness.begin();
    liveness.must_serve();
    rest(scene);
    if (scene.report.violations.empty()) liveness.must_converge();
    if (scene.report.violations.empty()) liveness.must_convict();
    scene.nemesis->heal();
    return;
  }
  scene.nemesis->heal();
  rest(scene);
}

void end(Scene& scene) {
  if (!converge(scene) || !agree_on_members(scene) || !agree_on_defaults(scene)) return;
  if (!repair_is_quiet(scene)) return;
  if (scene.strangers) scene.strangers->judge();
  if (!agree_on_views(scene)) return;
  judge_values(scene);
  must_be_at_rest(scene);
}

void count(Scene& scene, Instant begun) {
  RunReport& report = scene.report;
  for (const auto& write : scene.history.writes()) {
    if (write.open > 0) continue;
    if (write.result.outcome == client::Outcome::Ok) ++report.ok;
    if (write.result.outcome == client::Outcome::NotWritten) ++report.not_written;
    if (write.result.outcome == client::Outcome::Unknown) ++report.unknown;
  }
  const auto& found = scene.history.violations();
  report.violations.insert(report.violations.end(), found.begin(), found.end());
  for (const auto& client : scene.clients) report.calls += client->calls();
  if (scene.nemesis) {
    report.story = scene.nemesis->story();
    report.strikes = scene.nemesis->strikes();
  }
  report.story.insert(report.story.begin(), {begun, "keys:" + names_of(scene.workload)});
  std::string key = scene.options.watch.value_or("");
  for (const Violation& one : report.violations) {
    if (key.empty()) key = one.key;
  }
  if (!key.empty()) report.timeline = scene.history.timeline(key);
  report.timeline.insert(report.timeline.end(), scene.changes.begin(), scene.changes.end());
  report.virtual_time = scene.world.now() - begun;
  report.digest = scene.world.digest();
  report.events = scene.world.events();
}

}  // namespace

const char* to_text(Mode mode) {
  switch (mode) {
    case Mode::Safety: return "safety";
    case Mode::Liveness: return "liveness";
  }
  PARLEY_UNREACHABLE();
}

RunReport run_seed(const RunOptions& options) {
  Scene scene(options);
  const bool liveness = scene.draw("mode").below(3) == 0;
  scene.report.mode = options.mode.value_or(liveness ? Mode::Liveness : Mode::Safety);
  const Instant begun = scene.world.now();
  if (!scene.settle_strangers()) return scene.report;
  scene.make_nodes();
  make_nemesis(scene);
  // One cluster, of all nodes: whoever was founded beside it would be missing from it for ever.
  scene.start_nodes();
  if (scene.clients_are_early() && scene.enough_nodes()) start_clients(scene);
  const bool founding = scene.nemesis->has(Fault::Founding);
  if (scene.report.violations.empty() && scene.form() && (!founding || agree_on_members(scene))) {
    work(scene);
    settle(scene);
    if (scene.report.violations.empty()) end(scene);
  }
  count(scene, begun);
  return scene.report;
}

}  // namespace parley::sim
