// What each fault does, and what undoes it.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/sim_rot.h"

namespace parley::sim {
namespace {

constexpr Duration kDownMost = 12s;
constexpr Duration kRestartMost = 300ms;
constexpr Duration kPausedMost = 8s;
constexpr Duration kCutMost = 15s;
constexpr Duration kFlapMost = 3s;
constexpr Duration kFullMost = 6s;
constexpr Duration kSlowMost = 10s;
constexpr Duration kTurnMost = 4ms;
constexpr Duration kShortLifeMost = 1500ms;
// Four times what NTP slews. The age of a request allows no more (decision 5).
constexpr double kDriftMost = 0.002;
constexpr Duration kSwizzleStep = 1s;
constexpr std::uint16_t kHeirsPort = 7500;
constexpr std::uint64_t kCallsBeforeCut = 24;  // a few batches, or amid a checkpoint

}  // namespace

void Nemesis::strike(Stroke stroke) {
  SimProcess& victim = node_for(stroke.random.next());
  if (strike_at(stroke, victim)) return;
  if (stroke.strike.fault == Fault::Partial) return part(stroke);
  SimProcess& other = node_for(stroke.random.next());
  if (&victim != &other) strike_link(stroke, victim, other);
}

bool Nemesis::strike_at(Stroke& stroke, SimProcess& victim) {
  switch (stroke.strike.fault) {
    case Fault::Kill:
    case Fault::PowerCut:
    case Fault::Restarts: strike_lives(stroke, victim); return true;
    case Fault::Stop: stop(stroke, victim); return true;
    case Fault::Pause:
    case Fault::Skew:
    case Fault::Drift:
    case Fault::SlowCpu: strike_time(stroke, victim); return true;
    case Fault::DiskError:
    case Fault::DiskFull:
    case Fault::ReadError: strike_disk(stroke, victim); return true;
    case Fault::Swizzle: swizzle(stroke, victim); return true;
    case Fault::Operator: order(stroke, victim); return true;
    case Fault::OldCopy: put_old_copy_back(stroke, node_for(old_copy_)); return true;
    case Fault::Wipe: wipe(stroke, victim); return true;
    case Fault::Stranger: tell(stroke, options_.stir_strangers(stroke.random)); return true;
    case Fault::Damage: {
      SimProcess& rotten = node_for(bad_disk_);
      // The file, of which the log may have something newer, or a record that is read for certain.
      const bool hit = stroke.random.below(2) == 0
                           ? rotten.disk().damage("parley.db", ";..")
                           : rotten.running() && rot_record("/" + rotten.address(), stroke.random);
      if (hit) tell(stroke, rotten.address());
      if (hit && on_loss) on_loss(rotten.address());
      return true;
    }
    default: return strike_clients(stroke, victim);
  }
}

void Nemesis::strike_lives(Stroke& stroke, SimProcess& victim) {
  if (!victim.running() || victim.host().paused()) return;
  tell(stroke, victim.address());
  const bool power = stroke.strike.fault == Fault::PowerCut;
  if (power && !stroke.lasting && stroke.random.below(2) == 0) return cut_at_work(stroke, victim);
  victim.die(power ? Death::PowerCut : Death::Kill);
  if (stroke.strike.fault != Fault::Restarts) {
    return undo_later(stroke, kDownMost, [this, &victim] { start_again(victim); });
  }
  Duration at{0};
  for (std::uint64_t left = 3 + stroke.random.below(4); left > 0; --left) {
    const auto how = stroke.random.below(2) == 0 ? Death::Kill : Death::PowerCut;
    at += stroke.up_to(300ms);
    after(at, [this, &victim] { start_again(victim); });
    at += stroke.up_to(kShortLifeMost);
    if (left == 1) return;
    after(at, [&victim, how] {
      if (victim.running() && !victim.failed()) victim.die(how);
    });
  }
}

// In half of the cases it starts again at once, as in a rolling restart.
void Nemesis::stop(Stroke& stroke, SimProcess& victim) {
  const bool at_once = stroke.random.below(2) == 0;
  const Duration down = stroke.up_to(at_once ? kRestartMost : kDownMost);
  if (!victim.running() || victim.failed() || victim.stopping()) return;
  tell(stroke, victim.address());
  if (stroke.lasting) return victim.stop([] {});
  victim.stop(alive_.guard([this, &victim, down] {
    tell(victim.address() + " has stopped");
    after(down, [this, &victim] { start_again(victim); });
  }));
}

// The power goes amid what the disk does: before one of its next writes, truncations or syncs, with
// whatever is unsynced then. (Between two batches nothing is.)
void Nemesis::cut_at_work(Stroke& stroke, SimProcess& victim) {
  auto left = static_cast<int>(stroke.random.below(kCallsBeforeCut));
  const Duration down = stroke.up_to(kDownMost);
  victim.disk().add_fault(
      [this, &victim, left, down, life = victim.lives()](DiskCall call, const auto&) mutable {
        const bool over = victim.lives() != life;  // what another life does is not what was meant
        if (over || call == DiskCall::Read || left < 0 || left-- > 0) return DiskVerdict::Proceed;
        victim.disk().power_cut();
        // The machine follows in a turn of its own: this one is deep inside SQLite.
        after(0ms, [this, &victim, down, life] {
          if (!victim.running() || victim.lives() != life) return;
          victim.die(Death::PowerCut);
          victim.forget_failure();
          after(down, [this, &victim] { start_again(victim); });
        });
        return DiskVerdict::Proceed;
      });
}

void Nemesis::strike_time(Stroke& stroke, SimProcess& victim) {
  if (!victim.running() || victim.host().paused()) return;
  tell(stroke, victim.address());
  fake::Loop& loop = victim.host().loop();
  switch (stroke.strike.fault) {
    case Fault::Skew:
      loop.set_wall_skew(stroke.up_to(2 * 3600s) - 3600s);
      return undo_perhaps(stroke, [&loop] { loop.set_wall_skew(Duration{0}); });
    case Fault::Drift:
      loop.set_rate(1 + kDriftMost * (2 * stroke.random.unit() - 1));
      return undo_perhaps(stroke, [&loop] { loop.set_rate(1); });
    case Fault::SlowCpu:
      victim.host().set_turn_cost(stroke.up_to(kTurnMost));
      return undo_later(stroke, kSlowMost, [&victim] { victim.host().set_turn_cost(0ms); });
    default:
      victim.host().pause();
      return undo_later(stroke, kPausedMost, [&victim] { victim.host().resume(); });
  }
}

void Nemesis::strike_disk(Stroke& stroke, SimProcess& victim) {
  if (!victim.running()) return;
  tell(stroke, victim.address());
  SimDisk& disk = victim.disk();
  if (stroke.strike.fault == Fault::DiskFull) {
    const auto full = disk.add_fault([](DiskCall call, const auto&) {
      return call == DiskCall::Write ? DiskVerdict::NoSpace : DiskVerdict::Proceed;
    });
    return undo_later(stroke, kFullMost, [&disk, full] { disk.faults.erase(full); });
  }
  DiskCall bad = stroke.random.below(3) == 0 ? DiskCall::Write : DiskCall::Sync;
  if (stroke.strike.fault == Fault::ReadError) bad = DiskCall::Read;
  // The log is what a checkpoint and a start need; in it is what was written last.
  static constexpr const char* kFiles[] = {"", "", "parley.db", "parley.db-wal"};
  const std::string only = kFiles[stroke.random.below(std::size(kFiles))];
  disk.add_fault([bad, only, done = false](DiskCall call, const std::string& file) mutable {
    if (call != bad || !(only.empty() || only == file)) return DiskVerdict::Proceed;
    return std::exchange(done, true) ? DiskVerdict::Proceed : DiskVerdict::IoError;
  });
}

void Nemesis::wipe(Stroke& stroke, SimProcess& victim) {
  if (lost_ != nullptr || victim.host().paused()) return;
  tell(stroke, victim.address());
  lost_ = &victim;
  if (victim.running()) victim.die(Death::PowerCut);
  victim.disk().wipe();
  if (on_loss) on_loss(victim.address());
  if (has(Fault::Stranger) && stroke.random.below(2) == 0) {
    // Its machine is another cluster's from now on, at the same address. Not for our clients: they
    // could not tell, so that their endpoints are their users' affair.
    api::NodeConfig& config = victim.config();
    config.cluster = "heirs";
    config.seeds.clear();
    config.client_port = kHeirsPort;
  }
  undo_later(stroke, kDownMost, [this, &victim] { start_again(victim); });
}

void Nemesis::put_old_copy_back(Stroke& stroke, SimProcess& victim) {
  if (!backup_) {
    tell("backup of " + victim.address());
    backup_ = victim.disk().durable_image();
    if (!old_copy_shows_ || !victim.running()) return;
    victim.die(Death::Kill);
    return after(stroke.up_to(kShortLifeMost), [this, &victim] { start_again(victim); });
  }
  // A life of which nobody has heard is none. One that only nodes know that are down is known to
  // nobody, and the copy serves as any restarted node does (decision 11).
  const bool all_ready = std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return node->running() && node->ready();
  });
  if (old_copy_shows_ && !all_ready) return;
  if (std::exchange(put_back_, true)) return;
  tell("old copy of " + victim.address());
  victim.die(Death::Kill);
  victim.disk().restore(*backup_);
  if (on_loss) on_loss(victim.address());
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
      undo_later(stroke, kCutMost, [this, in, out = node->address()] { world_.mend(in, out); });
    }
  }
}

// Datagrams pass and streams do not, or the reverse, in both directions or one. Or it forgot which
// streams it had let through: these end without a word, and new ones work.
void Nemesis::filter(Stroke& stroke, const std::string& a, const std::string& b) {
  const auto way = stroke.random.below(5);
  if (way == 4) {
    tell(stroke, "forgets streams of " + a + " " + b);
    return world_.forget_streams(a, b);
  }
  const auto what = way < 2 ? fake::Traffic::Datagrams : fake::Traffic::Streams;
  tell(stroke, std::string(what == fake::Traffic::Datagrams ? "no datagrams " : "no streams ") + a +
                   (way % 2 == 0 ? " <-> " : " -> ") + b);
  if (way % 2 == 0) {
    world_.cut(a, b, what);
    return undo_later(stroke, kCutMost, [this, a, b, what] { world_.mend(a, b, what); });
  }
  world_.cut_one_way(a, b, what);
  undo_later(stroke, kCutMost, [this, a, b, what] { world_.mend_one_way(a, b, what); });
}

// A node's own firewall: all of one kind, from and to everybody.
void Nemesis::filter_all(Stroke& stroke, SimProcess& one) {
  const auto what = stroke.random.below(2) == 0 ? fake::Traffic::Datagrams : fake::Traffic::Streams;
  tell(stroke, std::string(what == fake::Traffic::Datagrams ? "no datagrams " : "no streams ") +
                   "of " + one.address());
  const Duration span = stroke.up_to(kCutMost);
  for (const auto& node : nodes_) {
    if (node.get() == &one) continue;
    world_.cut(one.address(), node->address(), what);
    after(span, [this, a = one.address(), b = node->address(), what] { world_.mend(a, b, what); });
  }
}

void Nemesis::swizzle(Stroke& stroke, SimProcess& victim) {
  tell(stroke, victim.address());
  Duration at{0};
  for (const auto& other : nodes_) {
    if (other.get() == &victim) continue;
    const std::string a = victim.address(), b = other->address();
    at += stroke.up_to(kSwizzleStep);
    after(at, [this, a, b] { world_.cut(a, b); });
    const auto most = static_cast<std::int64_t>(nodes_.size()) * kSwizzleStep;
    after(most + stroke.up_to(2 * most), [this, a, b] { world_.mend(a, b); });
  }
}

// Each node is on one side, on the other, or between them.
void Nemesis::part(Stroke& stroke) {
  std::vector<std::string> left, right;
  for (const auto& node : nodes_) {
    const auto side = stroke.random.below(3);
    if (side == 0) left.push_back(node->address());
    if (side == 1) right.push_back(node->address());
  }
  std::string names;
  for (const auto& a : left) names += a + " ";
  names += "|";
  for (const auto& b : right) names += " " + b;
  tell(stroke, names);
  const Duration span = stroke.up_to(kCutMost);
  for (const auto& a : left) {
    for (const auto& b : right) {
      world_.cut(a, b);
      after(span, [this, a, b] { world_.mend(a, b); });
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
      return undo_later(stroke, kCutMost, [this, a, b] { world_.mend_one_way(a, b); });
    case Fault::Flap:
      for (int i = 0; i < 6; ++i) {
        const Duration begin = stroke.up_to(kCutMost), end = begin + 1ms + stroke.up_to(kFlapMost);
        after(begin, [this, a, b] { world_.cut(a, b); });
        after(end, [this, a, b] { world_.mend(a, b); });
      }
      return;
    case Fault::Loss: {
      fake::LinkRules& link = world_.rules(a, b);
      link.datagram_loss = stroke.random.unit() * 0.5;
      link.datagram_twice = stroke.random.unit() * 0.3;
      link.latency_most = link.latency_least + stroke.up_to(60ms);
      return undo_perhaps(stroke, [this, a, b] { world_.forget_own_rules(a, b); });
    }
    case Fault::Firewall:
      if (stroke.lasting || stroke.random.below(2) == 0) return filter(stroke, a, b);
      return filter_all(stroke, one);
    case Fault::Corrupt:
      world_.rules(a, b).corrupt = stroke.random.unit() * 0.02;
      return undo_perhaps(stroke, [this, a, b] { world_.forget_own_rules(a, b); });
    case Fault::Slow: {
      fake::LinkRules& link = world_.rules(a, b);
      link.latency_least = stroke.up_to(200ms);
      link.latency_most = link.latency_least + stroke.up_to(100ms);
      return undo_perhaps(stroke, [this, a, b] { world_.forget_own_rules(a, b); });
    }
    default: PARLEY_UNREACHABLE();
  }
}

}  // namespace parley::sim
