#include "tests/sim/ledger.h"

#include <algorithm>

#include "tests/fake/fake_world.h"
#include "tests/sim/levels.h"

namespace parley::sim {
namespace {

// Ages are measured to within what clocks drift and quick trips differ in two minutes, and what is
// begun in time may wait for the processor (decision 5).
constexpr Duration kLateMost = 1500ms;
constexpr Duration kClocksApartMost = 4s;  // that are taken for right
// A write that was begun before may still be under way.
constexpr Duration kClockKnownOffMost = 10s;

std::string name_of(WriteNumber number) { return "w" + std::to_string(number); }

}  // namespace

void Ledger::judge(const Change& change, Instant now) {
  last_change_ = now;
  // A record is only ever merged into or written onto: what it has seen, it has seen for good.
  if (!change.after.context().covers(change.before.context())) {
    history_.fail("forgets", change.key, change.node + " stores a version set that has seen less");
  }
  judge_stamps({change.node, change.key, change.before, change.after, &change.own});
  for (const auto& sibling : change.after.siblings()) {
    const bool own = sibling.dot.actor.storage == change.own;
    if (!own || change.before.context().covers(sibling.dot)) continue;
    // What was lost here, or minted for a hint, comes back, and is no mint.
    if (!own_dots_.insert({change.node, sibling.dot}).second) continue;
    if (hinted_.contains(sibling.dot)) continue;
    last_mint_ = now;
    judge_mint(change, sibling, now);
  }
}

// Where the last writer wins: what is held is the last write that it has seen. Else no stamps.
void Ledger::judge_stamps(const Held& held) {
  const auto wrong = [&](const char* rule, const std::string& what) {
    history_.fail(rule, held.key, held.node + " " + what);
  };
  for (const auto& sibling : held.after.siblings()) {
    if ((sibling.stamp != 0) != history_.last_writer_wins) {
      return wrong("stamp", "stores a write whose stamp is " + std::to_string(sibling.stamp));
    }
    if (!history_.last_writer_wins) continue;
    if (!history_.stamps.knows(held.key, sibling.dot)) judge_first_stamp(held, sibling);
    if (history_.stamps.add(held.key, sibling, held.mints(sibling.dot))) continue;
    wrong("dot", "has " + to_text(sibling.dot) + " with another stamp than others");
  }
  if (!history_.last_writer_wins) return;
  if (held.after.stamp() < held.before.stamp()) wrong("stamp", "stores an earlier write");
  if (history_.stamps.shows_latest(held.key, held.after)) return;
  const auto* latest = history_.stamps.latest(held.key, held.after.context());
  wrong("latest", "does not hold the last write that it has seen, " +
                      (latest == nullptr ? std::string("none") : to_text(*latest)));
}

// docs/versions.md: later than all that its minter held and that its client had seen. (A hint may
// be minted by one node and kept by another one.)
void Ledger::judge_first_stamp(const Held& held, const replication::Sibling& minted) {
  const auto number = history_.write_with(minted.op);
  const auto* seen =
      number ? history_.stamps.latest(held.key, history_.write(*number).seen) : nullptr;
  const replication::Stamp least = std::max<replication::Stamp>(
      held.mints(minted.dot) ? held.before.stamp() : 0, seen != nullptr ? seen->stamp : 0);
  if (minted.stamp > least) return;
  history_.fail("stamp", held.key,
                held.node + " has " + to_text(minted.dot) + " minted at " +
                    std::to_string(minted.stamp) + ", after a write at " + std::to_string(least));
}

// While all clocks are right a stamp is of the time between the call's begin and now: then of two
// writes the one that began after the other's end is the last one, whoever minted it.
void Ledger::judge_time(const Change& change, const replication::Sibling& minted,
                        const WriteRecord& write, Instant now) {
  if (!history_.last_writer_wins || !history_.clocks_were_wrong || history_.clocks_were_wrong()) {
    return;
  }
  const auto at = replication::wall_of(minted.stamp).millis;
  const auto slack = to_millis(kClocksApartMost);
  const auto begun = fake::wall_at(write.begun).millis, ends = fake::wall_at(now).millis;
  if (at >= begun - slack && at <= ends + slack) return;
  history_.fail("time", change.key,
                change.node + " stamps " + to_text(minted.dot) + " " + std::to_string(at - begun) +
                    " ms after its call began, and it is " + std::to_string(ends - begun));
}

void Ledger::judge_mint(const Change& change, const replication::Sibling& minted, Instant now) {
  const auto number = history_.write_with(minted.op);
  if (!number) return;
  const WriteRecord& write = history_.write(*number);
  judge_time(change, minted, write, now);
  // docs/versions.md: whose clock is off stamps nothing.
  if (history_.last_writer_wins && clock_off_for &&
      clock_off_for(change.node) > kClockKnownOffMost) {
    history_.fail("clock", change.key,
                  change.node + " stamps " + name_of(*number) + " and has known for " +
                      std::to_string(to_millis(clock_off_for(change.node))) +
                      " ms that its clock is off");
  }
  if (write.memory) return;
  // docs/versions.md: an owner that holds a write when its retry comes mints nothing.
  const auto& held = change.before.siblings();
  const bool again = std::any_of(held.begin(), held.end(), [&](const auto& one) {
    return one.op == minted.op && one.dot.actor.storage == change.own;
  });
  if (again) {
    history_.fail("twice", change.key,
                  change.node + " holds " + name_of(*number) + " and mints it again");
  }
  // Decision 5: whoever was stopped does not do what was given up meanwhile. Of what comes from
  // clients the age is not measured.
  if (now > write.deadline + kLateMost && passed_on && passed_on(write, change.node)) {
    history_.fail("late", change.key,
                  change.node + " mints " + name_of(*number) + ", which was passed to it, " +
                      std::to_string(to_millis(now - write.deadline)) +
                      " ms after the write's deadline");
  }
}

void Ledger::judge_hint(const std::string& holder, const storage::HintKey& key,
                        const replication::VersionSet& before,
                        const replication::VersionSet& after) {
  judge_stamps({holder, key.record.key, before, after});
  for (const auto& sibling : after.siblings()) hinted_.insert(sibling.dot);
  if (after.context().covers(before.context())) return;
  history_.fail("forgets", key.record.key, holder + " keeps a hint that has seen less");
}

// docs/options.md, replication.hint_bytes_most: for each target. Those that are being written when
// the last room is given away are not counted yet.
void Ledger::hint_begun(const std::string& holder, const storage::HintKey& key, std::uint64_t kept,
                        std::uint64_t most) {
  if (kept <= most) return;
  history_.fail("bounds", key.record.key,
                holder + " takes one more hint for " + address_of(key.target) + ", for which " +
                    std::to_string(kept) + " bytes are kept");
}

void Ledger::stored(const std::string& node, const std::string& key,
                    const replication::VersionVector& context, Instant now) {
  stored_[{node, key}].merge(context);
  history_.holds(node, key, context, now);
}

void Ledger::hint_kept(const std::string& holder, const storage::HintKey& key,
                       const replication::VersionSet& set) {
  // What it minted onto a hint comes to its record, if it does, when the hint is delivered.
  for (const auto& sibling : set.siblings()) own_dots_.insert({holder, sibling.dot});
  hints_[{holder, key}] = set.context();
  if (on_commit) {
    on_commit(holder, hint_name(address_of(key.target), key.record.key), set.context());
  }
}

// Nodes that have had it.
std::size_t Ledger::holders(const std::string& key, const replication::Dot& dot) const {
  std::size_t count = 0;
  for (const auto& [node, address] : addresses_) {
    const auto found = stored_.find({address, key});
    if (found != stored_.end() && found->second.covers(dot)) ++count;
  }
  return count;
}

// docs/repair.md: a delivered hint is erased only if its stored version is the one that was acked.
// Where somebody joined and the target owns the key no more, all who do have had it instead: as
// many others as a key has replicas, while a target that is one of them leaves fewer.
void Ledger::hint_erased(const std::string& holder, const storage::HintKey& key) {
  const auto hint = hints_.extract({holder, key});
  if (on_hint_gone) on_hint_gone(holder, hint_name(address_of(key.target), key.record.key));
  const auto target = addresses_.find(key.target);
  if (hint.empty() || target == addresses_.end()) return;
  const auto& there = stored_[{target->second, key.record.key}];
  for (const auto& [actor, counter] : hint.mapped().entries()) {
    const replication::Dot last{actor, counter};
    if (there.covers(last) || holders(key.record.key, last) >= kReplicas) continue;
    history_.fail(
        "hint", key.record.key,
        holder + " erases a hint of which " + target->second + " has not had " + to_text(last));
  }
}

}  // namespace parley::sim
