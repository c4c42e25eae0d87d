#include "tests/sim/nemesis.h"

#include <algorithm>
#include <utility>

#include "api/fault_desk.h"
#include "base/check.h"
#include "base/hash.h"

namespace parley::sim {
namespace {

constexpr Duration kDownMost = 12s;
constexpr Duration kStirPause = 6s;
constexpr Duration kFirstStartMost = 2s;
// Without trouble a node joins in 200 ms; amid too much of it nobody ever does.
constexpr Duration kFoundingPauses[] = {200ms, 500ms, 1s};
constexpr Duration kBadSpellMost = 15s;

std::uint64_t drawn(const std::string& concern, std::uint64_t seed) {
  return hash64(concern, seed);
}

}  // namespace

const char* to_text(Fault fault) {
  switch (fault) {
    case Fault::Kill: return "kill";
    case Fault::PowerCut: return "power-cut";
    case Fault::Pause: return "pause";
    case Fault::Cut: return "cut";
    case Fault::OneWay: return "one-way";
    case Fault::Flap: return "flap";
    case Fault::Loss: return "loss";
    case Fault::Corrupt: return "corrupt";
    case Fault::Slow: return "slow";
    case Fault::Skew: return "skew";
    case Fault::DiskError: return "disk-error";
    case Fault::DiskFull: return "disk-full";
    case Fault::ReadError: return "read-error";
    case Fault::Restarts: return "restarts";
    case Fault::Drift: return "drift";
    case Fault::SlowCpu: return "slow-cpu";
    case Fault::Swizzle: return "swizzle";
    case Fault::Partial: return "partial";
    case Fault::ClientCut: return "client-cut";
    case Fault::Damage: return "damage";
    case Fault::OldCopy: return "old-copy";
    case Fault::Wipe: return "wipe";
    case Fault::ClientKill: return "client-kill";
    case Fault::ClientPause: return "client-pause";
    case Fault::ClientLink: return "client-link";
    case Fault::Stranger: return "stranger";
    case Fault::Founding: return "founding";
    case Fault::Firewall: return "firewall";
    case Fault::Operator: return "operator";
    case Fault::Stop: return "stop";
    case Fault::CountOfFaults: break;
  }
  PARLEY_UNREACHABLE();
}

std::optional<Fault> fault_of(const std::string& text) {
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(Fault::CountOfFaults); ++i) {
    if (text == to_text(static_cast<Fault>(i))) return static_cast<Fault>(i);
  }
  return std::nullopt;
}

Nemesis::Nemesis(fake::World& world, std::vector<std::unique_ptr<SimProcess>>& nodes,
                 Clients& clients, NemesisOptions options)
    : world_(world),
      nodes_(nodes),
      clients_(clients),
      options_(std::move(options)),
      host_(world.node("nemesis")),
      bad_disk_(drawn("bad disk", options_.seed)),
      old_copy_(drawn("old copy", options_.seed)),
      old_copy_shows_(drawn("old copy shows", options_.seed) % 2 == 0) {}

std::vector<Fault> Nemesis::draw(Random random) {
  // A copy that can ask nobody whether it is old serves like any restarted node (decision 11).
  const auto alone = random.below(16);
  if (alone == 0) {
    if (random.below(2) == 0) return {Fault::OldCopy, Fault::Skew};
    return {Fault::OldCopy,  Fault::Skew,     Fault::Kill,
            Fault::PowerCut, Fault::Restarts, Fault::Stop};
  }
  std::vector<Fault> on;
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(Fault::Damage); ++i) {
    if (random.below(2) == 0) on.push_back(static_cast<Fault>(i));
  }
  // One owner without what it acknowledged is what a majority can bear.
  if (alone == 1) {
    on.push_back(Fault::Wipe);
  } else if (random.below(2) == 0) {
    on.push_back(Fault::Damage);
  }
  for (const Fault fault : {Fault::ClientKill, Fault::ClientPause, Fault::ClientLink,
                            Fault::Firewall, Fault::Operator}) {
    if (random.below(2) == 0) on.push_back(fault);
  }
  for (const Fault fault : kOfTheWholeRun) {
    if (random.below(4) == 0) on.push_back(fault);
  }
  if (random.below(6) == 0) on.push_back(Fault::Stop);
  return on;
}

bool Nemesis::has(Fault fault) const {
  return std::count(options_.on.begin(), options_.on.end(), fault) > 0;
}

void Nemesis::tell(const std::string& line) { story_.push_back({world_.now(), line}); }

void Nemesis::tell(const Stroke& stroke, const std::string& what) {
  tell("#" + std::to_string(stroke.strike.number) + " " + to_text(stroke.strike.fault) + " " +
       what);
}

void Nemesis::undo_later(Stroke& stroke, Duration most, std::function<void()> task) {
  const Duration pause = stroke.up_to(most);
  if (!stroke.lasting) after(pause, std::move(task));
}

// What could go on to the end does so in half of the cases; in the others what follows meets the
// change back.
void Nemesis::undo_perhaps(Stroke& stroke, std::function<void()> task) {
  if (stroke.random.below(2) == 0) undo_later(stroke, kBadSpellMost, std::move(task));
}

void Nemesis::after(Duration pause, std::function<void()> task) {
  host_.loop().start_timer(world_.now() + pause, alive_.guard(std::move(task)));
}

void Nemesis::start() {
  Plan plan{Random(drawn("strikes", options_.seed)), options_.on, options_.mean_pause, 1};
  for (const Fault fault : kOfTheWholeRun) std::erase(plan.faults, fault);
  if (!plan.faults.empty()) follow(std::make_shared<Plan>(std::move(plan)));
  if (!has(Fault::Stranger)) return;
  follow(std::make_shared<Plan>(
      Plan{Random(drawn("stirring", options_.seed)), {Fault::Stranger}, kStirPause, kStirring}));
}

// What can go on while nobody holds anything yet, whatever else the run has.
void Nemesis::start_founding() {
  for (const auto& node : nodes_) {
    const auto word = drawn("first start of " + node->address(), options_.seed);
    after(Duration(static_cast<std::int64_t>(word %
                                             static_cast<std::uint64_t>(kFirstStartMost.count()))),
          [this, one = node.get()] { start_again(*one); });
  }
  Plan plan{Random(drawn("founding", options_.seed)),
            {Fault::Kill, Fault::PowerCut, Fault::Restarts, Fault::Pause, Fault::SlowCpu,
             Fault::Cut, Fault::OneWay, Fault::Flap, Fault::Swizzle, Fault::Partial,
             Fault::Firewall, Fault::Loss, Fault::Corrupt, Fault::Slow, Fault::Skew, Fault::Drift,
             Fault::DiskError, Fault::ReadError, Fault::DiskFull},
            {},
            kFounding};
  plan.mean_pause = kFoundingPauses[plan.random.below(std::size(kFoundingPauses))];
  follow(std::make_shared<Plan>(std::move(plan)));
}

void Nemesis::follow(std::shared_ptr<Plan> plan) {
  const auto most = static_cast<std::uint64_t>((2 * plan->mean_pause).count());
  const auto pause = Duration(static_cast<std::int64_t>(plan->random.below(most)));
  const Fault fault = plan->faults[plan->random.below(plan->faults.size())];
  after(pause, [this, fault, plan] {
    if (auto stroke = begin(plan->number++, fault)) strike(std::move(*stroke));
    follow(plan);
  });
}

std::optional<Nemesis::Stroke> Nemesis::begin(std::size_t number, Fault fault) {
  if (options_.only && !options_.only->contains(number)) return std::nullopt;
  strikes_.push_back({number, fault});
  return Stroke{{number, fault}, Random(drawn("strike " + std::to_string(number), options_.seed))};
}

void Nemesis::supervise() {
  for (const auto& node : nodes_) {
    if (!node->failed()) continue;
    tell(node->address() + " ended: " + node->failed()->message);
    if (node->running()) node->die(Death::Kill);
    node->forget_failure();
    if (core_ && !core_->contains(node->address())) continue;  // it stays as it is
    const auto key = node->address() + " ended " + std::to_string(node->lives());
    const auto pause = drawn(key, options_.seed) % static_cast<std::uint64_t>(kDownMost.count());
    after(Duration(static_cast<std::int64_t>(pause)),
          [this, victim = node.get()] { start_again(*victim); });
  }
}

void Nemesis::start_again(SimProcess& victim) {
  if (victim.running()) return;
  tell("start " + victim.address());
  victim.start();
}

void Nemesis::heal_node(SimProcess& node) {
  node.disk().faults.clear();
  node.host().set_turn_cost(0ms);
  if (node.host().paused()) node.host().resume();
  if (auto* desk = node.fault_desk()) PARLEY_CHECK(desk->heal(0, "").ok());
  // Nobody waits for one that is stopping.
  if ((node.failed() || node.stopping()) && node.running()) node.die(Death::Kill);
  if (!node.running()) start_again(node);
}

void Nemesis::heal() {
  core_.reset();
  alive_.reset();
  world_.forget_own_rules();
  world_.heal_all();
  tell("heal all");
  for (const auto& node : nodes_) {
    node->host().loop().set_wall_skew(Duration{0});
    node->host().loop().set_rate(1);
    heal_node(*node);
  }
  for (const auto& client : clients_) {
    if (client->host().paused()) client->host().resume();
  }
}

std::set<std::string> Nemesis::unfit() const {
  std::set<std::string> out;
  if (has(Fault::Damage)) out.insert(nodes_[bad_disk_ % nodes_.size()]->address());
  if (has(Fault::OldCopy)) out.insert(nodes_[old_copy_ % nodes_.size()]->address());
  if (lost_ != nullptr) out.insert(lost_->address());
  return out;
}

void Nemesis::freeze(const std::set<std::string>& core) {
  core_ = core;
  alive_.reset();  // whatever would have undone a fault does not
  std::string names;
  for (const auto& address : core) names += " " + address;
  tell("freeze all but" + names);
  heal_inside(core);
  strike_outside(core);
}

void Nemesis::heal_inside(const std::set<std::string>& core) {
  for (const auto& a : core) {
    for (const auto& b : core) {
      world_.forget_own_rules(a, b);
      if (a < b) world_.heal(a, b);
    }
    for (const auto& client : clients_) {
      world_.forget_own_rules(a, client->address());
      world_.forget_own_rules(client->address(), a);
      world_.heal(a, client->address());
    }
  }
  for (const auto& client : clients_) {
    if (client->host().paused()) client->host().resume();
  }
  for (const auto& node : nodes_) {
    if (core.contains(node->address())) heal_node(*node);
  }
}

// Each of the others gets one thing or two, chosen from what can last.
void Nemesis::strike_outside(const std::set<std::string>& core) {
  static constexpr Fault kLasting[] = {
      Fault::Kill,      Fault::PowerCut, Fault::Pause,     Fault::OneWay,
      Fault::OneWay,    Fault::Cut,      Fault::Loss,      Fault::Corrupt,
      Fault::Slow,      Fault::Skew,     Fault::DiskError, Fault::DiskFull,
      Fault::ReadError, Fault::Firewall, Fault::Operator,  Fault::Stop};
  const std::size_t kinds = std::size(kLasting) - (has(Fault::Stop) ? 0 : 1);
  std::vector<SimProcess*> inside;
  for (const auto& node : nodes_) {
    if (core.contains(node->address())) inside.push_back(node.get());
  }
  std::size_t number = kFrozen;
  for (const auto& node : nodes_) {
    if (core.contains(node->address())) continue;
    for (int i = 0; i < 2; ++i, ++number) {
      const auto word = drawn("lasting " + std::to_string(number), options_.seed);
      auto stroke = begin(number, kLasting[word % kinds]);
      if (!stroke) continue;
      stroke->lasting = true;
      const Fault fault = stroke->strike.fault;
      if (fault == Fault::OneWay || fault == Fault::Cut || fault == Fault::Loss ||
          fault == Fault::Corrupt || fault == Fault::Slow || fault == Fault::Firewall) {
        // Towards some of the core, in this direction or the other.
        for (SimProcess* other : inside) {
          const auto way = stroke->random.below(3);
          if (way == 0) strike_link(*stroke, *node, *other);
          if (way == 1) strike_link(*stroke, *other, *node);
        }
      } else {
        strike_at(*stroke, *node);
      }
    }
  }
}

}  // namespace parley::sim
