// What each fault does, and what undoes it.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tests/sim/nemesis.h"

namespace parley::sim {
namespace {

constexpr Duration kDownMost = 12s;
constexpr Duration kPausedMost = 8s;
constexpr Duration kCutMost = 15s;
constexpr Duration kFullMost = 6s;

}  // namespace

void Nemesis::strike(Stroke stroke) {
  SimProcess& victim = node_for(stroke.random.next());
  switch (stroke.strike.fault) {
    case Fault::Kill:
    case Fault::PowerCut:
    case Fault::Pause:
    case Fault::Skew: return strike_process(stroke, victim);
    case Fault::DiskError:
    case Fault::DiskFull: return strike_disk(stroke, victim);
    case Fault::Damage: {
      SimProcess& rotten = node_for(bad_disk_);
      if (rotten.disk().damage("parley.db", ";..")) tell(stroke, rotten.address());
      return;
    }
    case Fault::OldCopy: return put_old_copy_back(node_for(old_copy_));
    default: break;
  }
  SimProcess& other = node_for(stroke.random.next());
  if (&victim != &other) strike_link(stroke, victim, other);
}

void Nemesis::strike_process(Stroke& stroke, SimProcess& victim) {
  if (!victim.running() || victim.host().paused()) return;
  tell(stroke, victim.address());
  switch (stroke.strike.fault) {
    case Fault::Skew: return victim.host().loop().set_wall_skew(stroke.up_to(2 * 3600s) - 3600s);
    case Fault::Pause:
      victim.host().pause();
      return undo_later(stroke, kPausedMost, [&victim] { victim.host().resume(); });
    default: break;
  }
  victim.die(stroke.strike.fault == Fault::Kill ? Death::Kill : Death::PowerCut);
  undo_later(stroke, kDownMost, [this, &victim] { start_again(victim); });
}

void Nemesis::strike_disk(Stroke& stroke, SimProcess& victim) {
  if (!victim.running()) return;
  tell(stroke, victim.address());
  if (stroke.strike.fault == Fault::DiskFull) {
    victim.disk().fault = [](DiskCall call) {
      return call == DiskCall::Write ? DiskVerdict::NoSpace : DiskVerdict::Proceed;
    };
    return undo_later(stroke, kFullMost, [&victim] { victim.disk().fault = nullptr; });
  }
  const DiskCall bad = stroke.random.below(3) == 0 ? DiskCall::Write : DiskCall::Sync;
  victim.disk().fault = [bad, done = false](DiskCall call) mutable {
    const bool fails = call == bad && !std::exchange(done, true);
    return fails ? DiskVerdict::IoError : DiskVerdict::Proceed;
  };
}

void Nemesis::put_old_copy_back(SimProcess& victim) {
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

// `one`, and perhaps `other`, away from all the rest.
void Nemesis::cut(Stroke& stroke, SimProcess& one, SimProcess& other) {
  std::vector<std::string> inside = {one.address()};
  if (!stroke.lasting && stroke.random.below(2) == 0) inside.push_back(other.address());
  for (const auto& node : nodes_) {
    if (std::count(inside.begin(), inside.end(), node->address()) > 0) continue;
    for (const auto& in : inside) {
      world_.cut(in, node->address());
      undo_later(stroke, kCutMost, [this, in, out = node->address()] { world_.heal(in, out); });
    }
  }
}

void Nemesis::strike_link(Stroke& stroke, SimProcess& one, SimProcess& other) {
  const std::string a = one.address(), b = other.address();
  tell(stroke, a + " " + b);
  switch (stroke.strike.fault) {
    case Fault::Cut:
      if (!stroke.lasting) return cut(stroke, one, other);
      return world_.cut(a, b);
    case Fault::OneWay:
      world_.cut_one_way(a, b);
      return undo_later(stroke, kCutMost, [this, a, b] { world_.heal(a, b); });
    case Fault::Flap:
      for (int i = 0; i < 6; ++i) {
        undo_later(stroke, kCutMost, [this, a, b] { world_.cut(a, b); });
        undo_later(stroke, kCutMost, [this, a, b] { world_.heal(a, b); });
      }
      return after(kCutMost, [this, a, b] { world_.heal(a, b); });
    case Fault::Loss: {
      fake::LinkRules& link = world_.rules(a, b);
      link.datagram_loss = stroke.random.unit() * 0.5;
      link.datagram_twice = stroke.random.unit() * 0.3;
      link.latency_most = link.latency_least + stroke.up_to(60ms);
      return;
    }
    case Fault::Corrupt: world_.rules(a, b).corrupt = stroke.random.unit() * 0.02; return;
    case Fault::Slow: {
      fake::LinkRules& link = world_.rules(a, b);
      link.latency_least = stroke.up_to(200ms);
      link.latency_most = link.latency_least + stroke.up_to(100ms);
      return;
    }
    default: PARLEY_UNREACHABLE();
  }
}

}  // namespace parley::sim
