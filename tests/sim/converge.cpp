#include "tests/sim/converge.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "tests/sim/node_metrics.h"
#include "tests/sim/verdicts.h"

namespace parley::sim {
namespace {

constexpr Duration kConvergeMost = 120s;
constexpr Duration kMembersMost = 30s;
constexpr Duration kRoundsMost = 60s;  // a frame cut short by a flipped bit is waited for 30 s
constexpr Duration kRestMost = 15s;
constexpr int kReadingsMost = 5;
constexpr Duration kBusyPause = 500ms;
constexpr Duration kQuiet = 1s, kQuietMost = 30s;
constexpr Duration kLateMost = 5s;  // by then links that were cut have carried what waited

Addresses lost_nodes(const Scene& scene) {
  Addresses out;
  for (const auto& node : scene.nodes) {
    if (scene.nemesis->is_lost(*node)) out.insert(node->address());
  }
  return out;
}

// docs/repair.md: a hint that rotted is left in place. Few runs have any.
std::uint64_t useless_hints(const Scene& scene) {
  if (!scene.nemesis->has(Fault::Damage)) return 0;
  double sum = 0;
  for (const auto& node : scene.nodes) {
    if (node->ready()) sum += node->metrics().total("hints_useless_total").value_or(0);
  }
  return static_cast<std::uint64_t>(sum);
}

bool all_equal(const Scene& scene, const Result<client::InspectResult>& result) {
  return result.ok() && sim::all_equal(*result, lost_nodes(scene), useless_hints(scene));
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
  Addresses nodes;
  for (const auto& other : scene.nodes) nodes.insert(other->address());
  const std::string out = sim::wrong_members(*rows, nodes, lost_nodes(scene));
  return out.empty() ? out : "as " + node.address() + " sees it," + out;
}

}  // namespace

bool converge(Scene& scene) {
  const Instant limit = scene.world.now() + kConvergeMost;
  for (const std::string& key : scene.history.keys()) {
    auto last = scene.door(scene.witness()).inspect(key);
    while (!all_equal(scene, last) && scene.world.now() < limit) {
      scene.pass(200ms);
      last = scene.door(scene.witness()).inspect(key);
    }
    if (!all_equal(scene, last)) {
      scene.fail("converge", key,
                 "the replicas differ 120 s after everything was healed:" + text_of(last));
      return false;
    }
  }
  return true;
}

bool agree_on_members(Scene& scene) {
  Duration most = kMembersMost;
  for (const auto& node : scene.nodes) {
    // Somebody is gone for good, and one of the others may be the last to suspect it.
    if (lost_nodes(scene).empty()) break;
    most = std::max(most, lonely_suspicion(node->config().membership) + kConvictSlack);
  }
  const Instant limit = scene.world.now() + most;
  for (const auto& node : scene.nodes) {
    if (scene.nemesis->is_lost(*node)) continue;
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

namespace {

// Empty: nothing.
std::string wrong_views(Scene& scene) {
  const bool wiped =
      scene.nemesis->has(Fault::Wipe);  // an old copy may wait for that node for ever
  std::map<std::string, std::vector<client::GossipRow>> told;
  for (const auto& node : scene.nodes) {
    if (scene.nemesis->is_lost(*node)) continue;
    if (!wiped && !node->ready()) return node->address() + " does not serve";
    auto rows = scene.door(*node).gossip();
    if (!rows.ok()) return node->address() + " does not tell: " + rows.error().message;
    told.emplace(node->address(), *std::move(rows));
  }
  return other_view(told);
}

}  // namespace

// A node that has rebuilt itself says so in its record, and two members exchange records once each
// membership.sync_interval at most (docs/membership.md), which is drawn up to 2 s: until then a
// read at `all` is refused, rightly, since who does not know that the third one serves must not
// ask it. What must be there at last is one view, of nodes that all serve; then no refusal is
// excused.
bool agree_on_views(Scene& scene) {
  const Instant limit = scene.world.now() + kMembersMost;
  std::string wrong = wrong_views(scene);
  for (; !wrong.empty() && scene.world.now() < limit; wrong = wrong_views(scene)) {
    scene.pass(200ms);
  }
  if (!wrong.empty()) scene.fail("members", "", "long after everything was healed, " + wrong);
  return wrong.empty();
}

namespace {

// Empty: every node shows the same, which may last.
std::string wrong_defaults(Scene& scene) {
  std::optional<DefaultLevels> first;
  for (const auto& node : scene.nodes) {
    if (scene.nemesis->is_lost(*node)) continue;
    const auto shown = scene.door(*node).keyspace();
    if (!shown.ok()) return node->address() + " does not tell: " + shown.error().message;
    if (shown->conflict_rule != membership::to_text(scene.rule())) {
      return node->address() + " has the conflict rule " + shown->conflict_rule;
    }
    const DefaultLevels levels{shown->read_level, shown->write_level};
    const std::string said =
        node->address() + " has the default levels " + levels.read + " and " + levels.write;
    if (first && *first != levels) return said + ", and others do not";
    first = levels;
    const auto read = scene.door(*node).read(scene.workload.keys.front(), "");
    if (read.outcome == client::Outcome::Ok && read.level != levels.read) {
      return said + ", and reads at " + read.level;
    }
    // A disk that lost something may have been in the majority that took the last change.
    const bool lost = !scene.history.losses().none();
    if (!lost && !scene.history.defaults.may_last(levels)) return said + ", which were changed";
  }
  return {};
}

}  // namespace

bool agree_on_defaults(Scene& scene) {
  const Instant limit = scene.world.now() + kMembersMost;
  std::string wrong = wrong_defaults(scene);
  for (; !wrong.empty() && scene.world.now() < limit; wrong = wrong_defaults(scene)) {
    scene.pass(500ms);
  }
  if (!wrong.empty()) scene.fail("defaults", "", wrong);
  return wrong.empty();
}

namespace {

struct Rounds {
  Result<std::uint64_t> first, second;
  bool done() const { return first.ok() && second.ok(); }
};

// Two rounds of this node with all its peers.
Rounds two_rounds(Scene& scene, const SimProcess& node) {
  Door& door = scene.door(node);
  const Instant limit = scene.world.now() + kRoundsMost;
  // A comparison under way may still hold what differed before: the first round takes it along.
  Rounds rounds{door.repair(), door.repair()};
  while (!rounds.done() && scene.world.now() < limit) {
    scene.pass(500ms);
    rounds.first = door.repair();
    rounds.second = door.repair();
  }
  return rounds;
}

bool second_round_is_quiet(Scene& scene, const SimProcess& node) {
  const Instant begun = scene.world.now();
  Rounds rounds = two_rounds(scene, node);
  if (rounds.done() && *rounds.second != 0 && scene.ledger.last_mint() >= begun) {
    // What a client sent over a link that was cut may arrive after the healing, whatever its age
    // (README, "What it does not do yet"): a retry is minted once more between the two.
    scene.pass(kLateMost);
    rounds = two_rounds(scene, node);
  }
  if (!rounds.done()) {
    const auto& error = rounds.first.ok() ? rounds.second.error() : rounds.first.error();
    scene.fail("second-round", "", "rounds of repair go on failing: " + error.message);
    return false;
  }
  if (*rounds.second == 0) return true;
  scene.fail("second-round", "",
             "after convergence the first round of repair of " + node.address() + " moved " +
                 std::to_string(*rounds.first) + " keys and the second " +
                 std::to_string(*rounds.second));
  return false;
}

}  // namespace

bool repair_is_quiet(Scene& scene) {
  for (const auto& node : scene.nodes) {
    if (scene.nemesis->is_lost(*node)) continue;
    if (!second_round_is_quiet(scene, *node)) return false;
  }
  return true;
}

void must_be_at_rest(Scene& scene) {
  if (scene.nemesis->has(Fault::Wipe)) return;  // hints wait for who never comes back
  const Instant limit = scene.world.now() + kRestMost;
  for (const auto& node : scene.nodes) {
    auto left = not_at_rest(node->metrics(), scene.nemesis->has(Fault::Damage));
    while (!left.empty() && scene.world.now() < limit) {
      scene.pass(500ms);
      left = not_at_rest(node->metrics(), scene.nemesis->has(Fault::Damage));
    }
    if (!left.empty()) scene.fail("at-rest", "", node->address() + ": " + left.front());
  }
}

namespace {

// What a read of each key shows; nullopt: it cannot be read.
std::vector<std::optional<std::set<WriteNumber>>> read_all(Scene& scene,
                                                           const std::vector<std::string>& keys) {
  const std::string level = scene.nemesis->has(Fault::Wipe) ? "quorum" : "all";
  std::vector<std::optional<std::set<WriteNumber>>> out;
  for (const std::string& key : keys) {
    auto& shown = out.emplace_back();
    client::ReadResult result;
    for (int i = 0; i < 5 && result.outcome != client::Outcome::Ok; ++i) {
      result = scene.door(scene.witness()).read(key, level);
      // What clients began over links that were cut may be under way still.
      if (result.error && result.error->code == ErrorCode::Overloaded) scene.pass(kBusyPause);
    }
    if (result.outcome != client::Outcome::Ok) {
      scene.fail("available", key,
                 "a read at " + level +
                     " is refused although nothing is broken: " + result.error->message);
      continue;
    }
    shown.emplace();
    for (const auto& value : result.values) {
      if (const auto write = write_of(value.value)) shown->insert(*write);
    }
  }
  return out;
}

// No record changes for a second: what is under way has arrived.
void wait_for_quiet(Scene& scene) {
  const Instant limit = scene.world.now() + kQuietMost;
  while (scene.world.now() < limit && scene.world.now() - scene.ledger.last_change() < kQuiet) {
    scene.pass(200ms);
  }
}

std::set<WriteNumber> live_of(const FinalState& state) {
  std::set<WriteNumber> live;
  for (const auto& sibling : state.siblings) {
    if (!sibling.tombstone) live.insert(sibling.write);
  }
  return live;
}

}  // namespace

void judge_values(Scene& scene) {
  for (const auto& node : scene.nodes) {
    if (scene.nemesis->is_lost(*node)) scene.truth.forget(node->address());
  }
  // The disks first, which a read may mend. Requests of clients that a cut held may come even now,
  // and be done (nobody measures their age): then all is looked at again.
  const auto all = scene.history.keys();
  const std::vector<std::string> keys(all.begin(), all.end());
  std::vector<std::optional<FinalState>> states;
  std::vector<std::optional<std::set<WriteNumber>>> shown;
  Instant begun;
  for (int i = 0; i < kReadingsMost && (i == 0 || scene.ledger.last_mint() >= begun); ++i) {
    wait_for_quiet(scene);
    begun = scene.world.now();
    states = scene.truth.judge_end(keys);
    shown = read_all(scene, keys);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!states[i] || !shown[i]) continue;
    const auto live = live_of(*states[i]);
    if (live != *shown[i]) {
      scene.fail("shown", keys[i],
                 "a read shows other siblings " + sim::text_of(*shown[i]) +
                     " than the disks hold, " + sim::text_of(live));
    }
    scene.history.judge_final(keys[i], *states[i]);
  }
  scene.truth.judge_refused();
}

}  // namespace parley::sim
