#include "tests/sim/nemesis.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tests/sim/sim_rot.h"

namespace parley::sim {
namespace {

constexpr Duration kDownMost = 12s;
constexpr Duration kPausedMost = 8s;
constexpr Duration kCutMost = 15s;
constexpr Duration kFullMost = 6s;

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
    case Fault::Damage: return "damage";
    case Fault::OldCopy: return "old-copy";
    case Fault::CountOfFaults: break;
  }
  PARLEY_UNREACHABLE();
}

Nemesis::Nemesis(fake::World& world, std::vector<std::unique_ptr<SimProcess>>& nodes,
                 std::vector<Fault> on, Duration mean_pause, Random random)
    : world_(world),
      nodes_(nodes),
      on_(std::move(on)),
      mean_pause_(mean_pause),
      random_(std::move(random)),
      host_(world.node("nemesis")),
      bad_disk_(random_.below(nodes.size())),
      old_copy_(random_.below(nodes.size())) {}

std::vector<Fault> Nemesis::draw(Random& random) {
  // A copy that can ask nobody whether it is old serves like any restarted node (decision 11).
  if (random.below(16) == 0) return {Fault::OldCopy, Fault::Skew};
  std::vector<Fault> on;
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(Fault::OldCopy); ++i) {
    if (random.below(2) == 0) on.push_back(static_cast<Fault>(i));
  }
  return on;
}

void Nemesis::tell(const std::string& line) {
  story_.push_back(std::to_string(to_millis(world_.now().time_since_epoch()) - 1'000'000) +
                   " ms  " + line);
}

void Nemesis::later(Duration most, std::function<void()> task) {
  host_.loop().start_timer(world_.now() + up_to(most), alive_.guard(std::move(task)));
}

void Nemesis::start() {
  if (on_.empty()) return;
  later(2 * mean_pause_, [this] { strike(); });
}

void Nemesis::supervise() {
  for (const auto& node : nodes_) {
    if (!node->failed()) continue;
    tell(node->address() + " ended: " + node->failed()->message);
    if (node->running()) node->die(Death::Kill);
    node->forget_failure();
    later(kDownMost, [this, victim = node.get()] { start_again(*victim); });
  }
}

void Nemesis::stop() { stopped_ = true; }

void Nemesis::strike() {
  if (stopped_) return;
  const Fault fault = on_[random_.below(on_.size())];
  switch (fault) {
    case Fault::Kill:
    case Fault::PowerCut:
    case Fault::Pause:
    case Fault::Skew: strike_process(fault, any_node()); break;
    case Fault::DiskError:
    case Fault::DiskFull:
    case Fault::Damage: strike_disk(fault, any_node()); break;
    case Fault::OldCopy: put_old_copy_back(); break;
    default: strike_link(fault);
  }
  start();
}

void Nemesis::strike_process(Fault fault, SimProcess& victim) {
  if (!victim.running() || victim.host().paused()) return;
  tell(std::string(to_text(fault)) + " " + victim.address());
  if (fault == Fault::Skew) {
    const auto skew = up_to(2 * 3600s) - 3600s;
    return victim.host().loop().set_wall_skew(skew);
  }
  if (fault == Fault::Pause) {
    victim.host().pause();
    return later(kPausedMost, [&victim] { victim.host().resume(); });
  }
  victim.die(fault == Fault::Kill ? Death::Kill : Death::PowerCut);
  later(kDownMost, [this, &victim] { start_again(victim); });
}

void Nemesis::strike_disk(Fault fault, SimProcess& victim) {
  if (fault == Fault::Damage) {
    SimProcess& rotten = *nodes_[bad_disk_];
    const bool hit = rotten.running() && rot_record("/" + rotten.address(), random_);
    if (hit) tell("damage " + rotten.address());
    return;
  }
  if (!victim.running()) return;
  tell(std::string(to_text(fault)) + " " + victim.address());
  if (fault == Fault::DiskFull) {
    victim.disk().fault = [](DiskCall call) {
      return call == DiskCall::Write ? DiskVerdict::NoSpace : DiskVerdict::Proceed;
    };
    return later(kFullMost, [&victim] { victim.disk().fault = nullptr; });
  }
  const DiskCall bad = random_.below(3) == 0 ? DiskCall::Write : DiskCall::Sync;
  victim.disk().fault = [bad, done = false](DiskCall call) mutable {
    const bool fails = call == bad && !std::exchange(done, true);
    return fails ? DiskVerdict::IoError : DiskVerdict::Proceed;
  };
}

void Nemesis::put_old_copy_back() {
  SimProcess& victim = *nodes_[old_copy_];
  if (!backup_) {
    tell("backup of " + victim.address());
    backup_ = victim.disk().durable_image();
    return;
  }
  if (std::exchange(put_back_, true)) return;
  tell("old copy of " + victim.address());
  victim.die(Death::Kill);
  victim.disk().restore(*backup_);
  victim.start();
}

void Nemesis::start_again(SimProcess& victim) {
  if (victim.running()) return;
  tell("start " + victim.address());
  victim.start();
}

void Nemesis::strike_link(Fault fault) {
  SimProcess& one = any_node();
  SimProcess& other = any_node();
  if (&one == &other) return;
  const std::string a = one.address(), b = other.address();
  tell(std::string(to_text(fault)) + " " + a + " " + b);
  switch (fault) {
    case Fault::Cut: {
      // `one`, and perhaps `other`, away from all the rest.
      const bool both = random_.below(2) == 0;
      std::vector<std::string> inside = {a};
      if (both) inside.push_back(b);
      for (const auto& node : nodes_) {
        if (std::count(inside.begin(), inside.end(), node->address()) > 0) continue;
        for (const auto& in : inside) {
          world_.cut(in, node->address());
          later(kCutMost, [this, in, out = node->address()] { world_.heal(in, out); });
        }
      }
      return;
    }
    case Fault::OneWay:
      world_.cut_one_way(a, b);
      return later(kCutMost, [this, a, b] { world_.heal(a, b); });
    case Fault::Flap:
      for (int i = 0; i < 6; ++i) {
        later(kCutMost, [this, a, b] { world_.cut(a, b); });
        later(kCutMost, [this, a, b] { world_.heal(a, b); });
      }
      return later(kCutMost + 1s, [this, a, b] { world_.heal(a, b); });
    case Fault::Loss: {
      fake::LinkRules& link = world_.rules(a, b);
      link.datagram_loss = random_.unit() * 0.5;
      link.datagram_twice = random_.unit() * 0.3;
      link.latency_most = link.latency_least + up_to(60ms);
      return;
    }
    case Fault::Corrupt: world_.rules(a, b).corrupt = random_.unit() * 0.02; return;
    case Fault::Slow: {
      fake::LinkRules& link = world_.rules(a, b);
      link.latency_least = up_to(200ms);
      link.latency_most = link.latency_least + up_to(100ms);
      return;
    }
    default: PARLEY_UNREACHABLE();
  }
}

void Nemesis::heal() {
  stop();
  alive_.reset();
  world_.forget_own_rules();
  world_.heal_all();
  tell("heal all");
  for (const auto& node : nodes_) {
    node->host().loop().set_wall_skew(Duration{0});
    node->disk().fault = nullptr;
    if (node->host().paused()) node->host().resume();
    if (node->failed() && node->running()) node->die(Death::Kill);
    if (!node->running()) node->start();
  }
}

}  // namespace parley::sim
