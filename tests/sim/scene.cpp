#include "tests/sim/scene.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

#include "tests/sim/ledger_tap.h"
#include "tests/sim/levels.h"
#include "tests/sim/node_metrics.h"
#include "tests/sim/option_draw.h"
#include "tests/sim/store_tap.h"
#include "tests/sim/verdicts.h"

namespace parley::sim {
namespace {

constexpr Duration kFormMost = 60s;
constexpr Duration kLateStartMost = 1s;
constexpr Duration kNewsMost = 2s;
constexpr int kAsksMost = 50;
constexpr Duration kFarLeast = 20ms, kFarMost = 80ms;
constexpr Duration kLateMost = 10s;      // by then nobody joins any more, who has not
constexpr Duration kFoundingMost = 10s;  // of trouble in it
constexpr Duration kBoundsPause = 1s;
constexpr Duration kStopSlack = 1s;           // beyond serve.drain
constexpr Duration kSlowDiskMost = 8ms;       // for a batch
constexpr Duration kHintsLast = 3600s;        // longer than a run
constexpr std::uint64_t kTruthSampling = 32;  // one reply in so many is held against the disks

// Lines with virtual time.
class TimedLog final : public LogSink {
 public:
  TimedLog(const fake::World& world, LogLevel least) : world_(world), least_(least) {}
  bool wants(LogLevel level) const override { return level >= least_; }
  void write(LogLevel, std::string_view floor, std::string_view event,
             const std::vector<LogField>& fields) override {
    std::string line;
    for (const auto& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    std::fprintf(stderr, "%10.3f %.*s %.*s%s\n", to_seconds(world_.now().time_since_epoch()) - 1000,
                 static_cast<int>(floor.size()), floor.data(), static_cast<int>(event.size()),
                 event.data(), line.c_str());
  }

 private:
  const fake::World& world_;
  const LogLevel least_;
};

// Mostly five: one failed, one cut off, and still a majority. At times more, so that most nodes own
// nothing of a key.
std::size_t draw_nodes(Random random) {
  return random.below(8) == 0 ? 6 + random.below(2) : 3 + random.below(3);
}

membership::ConflictRule draw_rule(Random random) {
  return random.below(6) == 0 ? membership::ConflictRule::LastWriterWins
                              : membership::ConflictRule::Siblings;
}

// Amid faults nobody could tell who should have joined.
bool may_be_early(const std::vector<Fault>& faults) {
  return std::none_of(std::begin(kOfTheWholeRun), std::end(kOfTheWholeRun), [&](Fault fault) {
    return std::count(faults.begin(), faults.end(), fault) > 0;
  });
}

}  // namespace

Scene::Scene(const RunOptions& run)
    : options(run),
      faults(run.faults ? *run.faults : Nemesis::draw(draw("faults"))),
      world(draw("world").next()),
      rule_(run.rule.value_or(draw_rule(draw("conflict rule")))),
      log_(run.log == LogLevel::Off ? nullptr : new TimedLog(world, run.log)),
      kj(world.node("kj").loop()),
      vfs(draw("vfs").next(), [this] { return world.node("kj").loop().wall(); }),
      truth(vfs, history, draw("truth"), kTruthSampling),
      early_(draw("early clients").below(6) == 0 && may_be_early(faults)) {
  report.seed = run.seed;
  report.faults = faults;
  report.nodes = run.nodes.value_or(draw_nodes(draw("nodes")));
  history.last_writer_wins = rule_ == membership::ConflictRule::LastWriterWins;
  world.shuffle_ties(draw("ties").next());
  ledger.on_commit = [this](const auto& node, const auto& key, const auto& context) {
    truth.committed(node, key, context);
  };
  history.clocks_were_wrong = [this] { return clocks_were_wrong(); };
  ledger.on_hint_gone = [this](const auto& holder, const auto& name) {
    truth.hint_gone(holder, name);
  };
  truth.address_of = [this](const NodeId& node) { return ledger.address_of(node); };
}

Scene::~Scene() {
  // Whoever ends may still decide what waits for its store.
  ledger.clock_off_for = nullptr;
  ledger.passed_on = nullptr;
  doors_.clear();
  level_setter.reset();
  clients.clear();
  nemesis.reset();
  strangers.reset();
  for (const auto& node : nodes) truth.forget(node->address());  // it has their disks open
  nodes.clear();
}

Random Scene::draw(const std::string& concern) const {
  return Random(hash64(concern, options.seed));
}

bool Scene::settle_strangers() {
  if (std::count(faults.begin(), faults.end(), Fault::Stranger) == 0) return true;
  strangers = std::make_unique<Strangers>(*this);
  if (strangers->settle()) return true;
  fail("forming", "", "the other cluster did not form");
  return false;
}

void Scene::make_nodes() {
  std::vector<Endpoint> seeds;
  for (std::size_t i = 0; i < report.nodes; ++i) {
    seeds.push_back({"127.0.0." + std::to_string(i + 1), 7401});
  }
  // Others take no time: then each batch is one request, which is an order of its own.
  const bool slow_disks = draw("disks").below(2) == 0;
  for (const Endpoint& seed : seeds) {
    nodes.push_back(std::make_unique<SimProcess>(world, kj, vfs, seed.address, seeds,
                                                 draw("node " + seed.address), log_.get()));
    api::NodeConfig& config = nodes.back()->config();
    draw_options(config, seed.address, report.mode,
                 [this](const std::string& concern) { return draw(concern); });
    config.conflict_rule = rule_;
    truth.hints_age = config.replication.hint_age_most() < kHintsLast;
    nodes.back()->on_end = [this] { history.process_ended(world.now()); };
    if (slow_disks) {
      auto random = std::make_shared<Random>(draw("disk of " + seed.address));
      nodes.back()->disk_delay = [random, most = kSlowDiskMost] {
        return Duration(
            static_cast<std::int64_t>(random->below(static_cast<std::uint64_t>(most.count()))));
      };
    }
    endpoints_.push_back(nodes.back()->client_endpoint());
    truth.add(seed.address, "/" + seed.address, nodes.back()->disk());
    listen(*nodes.back());
  }
}

void Scene::start_nodes() {
  if (nemesis && nemesis->has(Fault::Founding)) {
    nemesis->start_founding();
    pass(Duration(static_cast<std::int64_t>(
        draw("founding").below(static_cast<std::uint64_t>(kFoundingMost.count())))));
    nemesis->heal();
    return;
  }
  // Far from each other, so that joining takes long enough for calls to come amid it.
  if (early_) world.set_latency(kFarLeast, kFarMost);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    SimProcess& node = *nodes[i];
    const auto most = static_cast<std::uint64_t>(kLateStartMost.count());
    const bool late = early_ && i >= kReplicas;
    if (!late) {
      node.start();
      continue;
    }
    const auto pause = draw("late start of " + node.address()).below(most);
    world.node("operator")
        .loop()
        .start_timer(world.now() + Duration(static_cast<std::int64_t>(pause)),
                     [&node] { node.start(); });
  }
}

bool Scene::enough_nodes() {
  const auto ready = [this] {
    return static_cast<std::size_t>(
        std::count_if(nodes.begin(), nodes.end(), [](const auto& node) { return node->ready(); }));
  };
  if (!world.run_until([&] { return ready() >= kReplicas; }, kFormMost)) return fail_to_form();
  const auto most = static_cast<std::uint64_t>(kLateStartMost.count());
  world.run_for(Duration(static_cast<std::int64_t>(draw("early start").below(most))));
  return true;
}

bool Scene::form() {
  const auto all_ready = [this] {
    return std::all_of(nodes.begin(), nodes.end(), [](auto& node) { return node->ready(); });
  };
  const bool formed = world.run_until(all_ready, early_ ? kLateMost : kFormMost);
  if (!early_) return formed || fail_to_form();
  const auto& writes = history.writes();
  const bool has_data =
      std::any_of(writes.begin(), writes.end(), [](const auto& write) { return !write.never(); });
  if (!formed && !has_data) return fail_to_form();
  world.run_for(kNewsMost);  // of the last one
  leave_out_the_late();
  const fake::LinkRules usual;
  world.set_latency(usual.latency_least, usual.latency_most);
  learn_owners();
  return true;
}

bool Scene::fail_to_form() {
  const auto unready =
      std::find_if(nodes.begin(), nodes.end(), [](const auto& node) { return !node->ready(); });
  fail("forming", "", "the cluster did not form: " + (*unready)->address() + " is not in it");
  return false;
}

void Scene::leave_out_the_late() {
  for (auto& node : nodes) {
    if (node->ready()) continue;
    node->die(Death::Kill);
    truth.forget(node->address());
    outside_.push_back(std::move(node));
  }
  std::erase(nodes, nullptr);
  report.nodes = nodes.size();
}

void Scene::listen(SimProcess& node) {
  node.tap = [this, &node](std::unique_ptr<storage::Store> store) {
    store = keep_ledger(
        std::move(store),
        {node.address(), [this] { return world.now(); }, [&node] { return node.wall(); },
         node.config().replication.hint_age_most(), node.config().replication.hint_bytes_most()},
        ledger);
    if (!options.watch) return store;
    return tap_store(std::move(store), node.address(), *options.watch,
                     [this](const std::string& line) {
                       changes.push_back({world.now(), line});
                     });
  };
}

// Of the keys and sets that were drawn, so many.
void Scene::limit_keys(std::size_t count) {
  workload.keys = draw_key_names(draw("keys"), count);
  workload.sets.clear();
  workload.weights[static_cast<std::size_t>(Act::Add)] = 0;
}

void Scene::make_clients() {
  Random random = draw("clients");
  const std::size_t drawn = 2 + random.below(4);
  Random work = draw("workload");
  workload = draw_workload(work, draw("keys"), drawn);
  workload.cut_batches = draw("cut batches").below(6) == 0;
  if (options.keys) limit_keys(*options.keys);
  if (options.levels) workload.levels = *options.levels;
  report.keys = workload.keys.size() + workload.sets.size();
  report.clients = options.clients.value_or(drawn);
  while (clients.size() < report.clients) add_client();
  if (!early_) learn_owners();
  if (draw("level setter").below(4) == 0) {
    level_setter =
        std::make_unique<LevelSetter>(world, endpoints_, draw("level setter's own"),
                                      draw("half levels").below(2) == 0, history.defaults);
  }
  ledger.clock_off_for = [this](const std::string& node) {
    look_at_clocks();  // it may have come right a moment ago
    const auto off = clock_off_.find(node);
    return off == clock_off_.end() ? Duration{0} : world.now() - off->second.since;
  };
  ledger.passed_on = [this](const auto& write, const auto& node) {
    return was_passed_on(write, node);
  };
  history.on_write = [this](const auto& write, const auto& said) { truth.judge(write, said); };
  history.on_read = [this](const auto& read) { truth.judge(read); };
}

// Its number is its place, also of those that are dead.
SimClient& Scene::add_client() {
  const auto number = static_cast<std::uint32_t>(clients.size());
  clients.push_back(std::make_unique<SimClient>(world, number, endpoints_, workload, history,
                                                draw("client " + std::to_string(number))));
  return *clients.back();
}

// Nobody joins or leaves later.
void Scene::learn_owners() {
  std::vector<std::string> keys = workload.keys;
  keys.insert(keys.end(), workload.sets.begin(), workload.sets.end());
  for (const std::string& key : keys) {
    std::vector<std::string> owners;
    auto result = door(*nodes[0]).inspect(key);
    // Clients that are early may have filled what few places the options leave.
    for (int i = 0; i < kAsksMost && !result.ok(); ++i) {
      world.run_for(100ms);
      result = door(*nodes[0]).inspect(key);
    }
    for (std::size_t i = 0; result.ok() && i < result->replicas.size(); ++i) {
      owners.push_back(result->replicas[i].address);
    }
    if (owners.size() != 3) fail("forming", key, "its owners are not known");
    history.set_owners(key, std::move(owners));
  }
}

// Another node did it for the client, and had it from the client at once.
bool Scene::was_passed_on(const WriteRecord& write, const std::string& minter) const {
  if (write.client >= clients.size()) return false;
  if (nemesis->has(Fault::ClientCut) || nemesis->has(Fault::SlowCpu)) return false;
  const SimClient& client = *clients[write.client];
  if (client.host().paused_since(write.begun)) return false;
  return !client.may_ask(minter) && std::all_of(nodes.begin(), nodes.end(), [&](const auto& node) {
    return !client.may_ask(node->address()) || !node->host().paused_since(write.begun);
  });
}

void Scene::lose(const std::string& address) {
  history.lost(address, world.now());
  truth.lost(address);
  // Whose later life others know serves nothing until it has all again (decision 11).
  if (!nemesis->has(Fault::OldCopy) || nemesis->old_copy_shows()) return;
  history.went_back(address, world.now());
  for (const std::string& key : history.owned_by(address)) {
    const auto copy = truth.look(address, key);
    if (copy.ok()) history.holds(address, key, copy->record.context(), world.now());
  }
}

void Scene::pass(Duration span) {
  const Instant end = world.now() + span;
  while (world.now() < end) {
    world.run_for(std::min<Duration>(100ms, end - world.now()));
    nemesis->supervise();
    clocks_were_wrong();
    if (history.last_writer_wins) look_at_clocks();
    if (world.now() < look_at_bounds_) continue;
    look_at_bounds_ = world.now() + kBoundsPause;
    for (const auto& node : nodes) check_bounds(*node);
  }
}

// Further than clocks drift.
bool Scene::clocks_were_wrong() {
  const WallTime right = world.node("kj").loop().wall();
  clocks_were_wrong_ =
      clocks_were_wrong_ || std::any_of(nodes.begin(), nodes.end(), [&](auto& node) {
        return !is_clock_sound(node->wall(), {right}, 1);
      });
  return clocks_were_wrong_;
}

void Scene::look_at_clocks() {
  for (const auto& node : nodes) {
    const auto off = node->ready() ? node->metrics().total("membership_clock_off_milliseconds")
                                   : std::optional<double>();
    // Not at the very edge, where it may be right between two looks.
    const Duration most = node->config().membership.clock_off_most() + 100ms;
    if (!off || std::abs(*off) <= static_cast<double>(to_millis(most))) {
      clock_off_.erase(node->address());
      continue;
    }
    ClockOff& known = clock_off_[node->address()];
    if (known.life != node->lives()) known = {node->lives(), world.now()};
  }
}

void Scene::check_bounds(SimProcess& node) {
  const auto since = node.stopping();
  const Duration most = node.config().serve.drain() + kStopSlack;
  if (since && !node.host().paused_since(*since) && world.now() > *since + most) {
    fail("stop", "",
         node.address() + " is still stopping, " + std::to_string(to_millis(world.now() - *since)) +
             " ms after the signal");
  }
  if (!node.ready()) return;  // its floors may not be built yet
  for (const auto& line : past_bounds(node.metrics(), node.config(), nodes.size())) {
    fail("bounds", "", node.address() + ": " + line);
  }
}

SimProcess& Scene::witness() const {
  for (const auto& node : nodes) {
    if (!nemesis->is_lost(*node)) return *node;
  }
  PARLEY_UNREACHABLE();
}

Door& Scene::door(const SimProcess& node) {
  auto& slot = doors_[node.address()];
  if (!slot) {
    slot = std::make_unique<Door>(world, node.client_endpoint(), draw("door " + node.address()));
  }
  return *slot;
}

}  // namespace parley::sim
