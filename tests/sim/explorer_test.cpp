// Every interleaving of a small world: three replicas, two clients, one key. Minting, merging,
// reading, counting and hints are production's deciders (explorer_deciders.h); what a set of dots
// would do is the ideal they are held to.
//
// Steps, in any order: a client reads from a majority, which repairs first whom it must; a client
// writes at any replica, blindly or with what it read last, however long ago; a copy under way
// arrives (in any order, one of them twice); one replica forgets its record; with hints, a minter
// keeps a hint for a replica that has not answered, sends it as it is then, and erases it when it
// is stored there. What is under way may also never arrive, so nothing may depend on it.
//
// What keeps the number of states down, and why nothing is missed:
//  - A write is named by its replica and which of its mints it is, so two orders of steps at
//    different replicas meet in one state.
//  - Replicas differ in name only (nothing in the deciders orders storage ids but their
//    containers): the first write is the first replica's. So do clients: they are kept sorted.
//  - When no replica can forget any more, a copy that changes nothing where it arrives changes
//    nothing there later, for records only grow. It arrives at once: every later step stays
//    possible and does the same, and the write only has one more ack, which makes what is demanded
//    stronger.
//  - Of a write that is acknowledged it does not matter by whom. With hints it does: who has not
//    acknowledged may get one.
// The last tests hold this to explorations without it.
#include <algorithm>
#include <functional>
#include <unordered_set>
#include <vector>

#include "base/hash.h"
#include "tests/sim/explorer_deciders.h"

namespace parley::sim {
namespace {

struct Scope {
  std::size_t writes_most = 3;
  bool twice = true;    // one copy may arrive twice
  bool amnesia = true;  // one replica may forget
  bool hints = false;
  bool held = false;  // a client may write with what it read earlier, else in the same step
  bool reduced = true;
  std::size_t first_at = 0;  // the replica of the first write
};

struct Write {
  SetId minted = 0;  // what is sent to the others
  Slots replaces = 0;
  std::uint8_t slot = 0, epoch = 0, counter = 0;
  // By replica.
  std::uint8_t acked = 0, under_way = 0, hinted = 0, promised = 0;
  std::array<std::uint8_t, 3> unused{};
};

struct HintRow {
  SetId row = 0, listed = 0;  // what is kept, and what is on its way to the target
  bool operator==(const HintRow&) const = default;
};

// What it read last, and how often it has written.
struct Client {
  SetId held = 0;
  std::uint32_t written = 0;
  auto operator<=>(const Client&) const = default;
};

// Without padding: its bytes are compared by their hash.
struct State {
  std::array<SetId, kReplicas> sets{};
  std::array<Client, kClients> clients{};
  std::array<std::array<HintRow, kReplicas>, kReplicas> hints{};  // by holder and target
  std::array<Write, kWritesMost> writes{};                        // by slot; the rest is empty
  std::array<std::uint8_t, kReplicas> floors{}, nexts{}, minted{};
  std::uint8_t count = 0;
  std::uint16_t stored = 0;  // hints that arrived and are not erased yet, by holder and target
  std::uint16_t may_repeat = 0, may_forget = 0;

  Local local(std::size_t i) const { return {sets[i], floors[i], nexts[i]}; }
  std::uint64_t print() const {
    return hash64({reinterpret_cast<const char*>(this), sizeof *this});
  }
  void put(std::size_t i, const Local& local) {
    sets[i] = local.set;
    floors[i] = local.floor;
    nexts[i] = local.next;
  }
};
static_assert(std::has_unique_object_representations_v<State>);

std::size_t minter_of(const Write& write) { return write.slot / kWritesMost; }
std::uint8_t one(std::size_t replica) { return static_cast<std::uint8_t>(1U << replica); }
std::uint16_t pair_bit(std::size_t holder, std::size_t target) {
  return static_cast<std::uint16_t>(1U << (holder * kReplicas + target));
}

// Of 64 bits: the chance that two of 10^7 states share them, and one is missed, is 10^-6.
class Seen {
 public:
  bool insert(std::uint64_t print) {
    if (print == 0) print = 1;
    if (count_ * 4 >= slots_.size() * 3) grow();
    auto& slot = find(print);
    if (slot == print) return false;
    slot = print;
    ++count_;
    return true;
  }
  std::size_t size() const { return count_; }

 private:
  std::uint64_t& find(std::uint64_t print) {
    std::size_t at = print & (slots_.size() - 1);
    while (slots_[at] != 0 && slots_[at] != print) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }
  void grow() {
    std::vector<std::uint64_t> old(slots_.size() * 2);
    old.swap(slots_);
    for (const auto print : old) {
      if (print != 0) find(print) = print;
    }
  }
  std::vector<std::uint64_t> slots_ = std::vector<std::uint64_t>(1U << 16);
  std::size_t count_ = 0;
};

class Explorer {
 public:
  // `seen_by`: is told every state.
  explicit Explorer(const Scope& scope, Deciders& deciders,
                    std::function<void(const State&)> seen_by = nullptr)
      : scope_(scope), deciders_(deciders), seen_by_(std::move(seen_by)) {}

  std::size_t explore() {
    State start;
    start.may_repeat = scope_.twice ? 1 : 0;
    start.may_forget = scope_.amnesia ? 1 : 0;
    visit(start);
    while (!open_.empty()) {
      const State state = open_.back();
      open_.pop_back();
      go_on(state);
    }
    return seen_.size();
  }

  // The state that stands for this one.
  static void settle(State& state, Deciders& deciders, bool hints) {
    std::sort(state.clients.begin(), state.clients.end());
    for (std::size_t to = 0; state.may_forget == 0 && to < kReplicas; ++to) {
      const Local held = state.local(to);
      const auto is_old = [&](SetId set) { return deciders.merge(held, set, to) == held; };
      for (std::size_t i = 0; i < state.count; ++i) {
        Write& write = state.writes[i];
        if ((write.under_way & one(to)) == 0 || !is_old(write.minted)) continue;
        write.under_way &= static_cast<std::uint8_t>(~one(to));
        write.acked |= one(to);
      }
    }
    for (std::size_t i = 0; i < state.count; ++i) {
      Write& write = state.writes[i];
      // Who has acknowledged gets no hint, whether there was one or not; the others may get one.
      if (hints) {
        write.hinted &= static_cast<std::uint8_t>(~write.acked);
      } else if (deciders.reached(write.acked)) {
        write.acked = (1U << kReplicas) - 1;
      }
    }
  }

 private:
  void visit(State state) {
    if (scope_.hints) keep_promises(state);
    if (scope_.reduced) settle(state, deciders_, scope_.hints);
    if (!seen_.insert(state.print())) return;
    check(state);
    if (seen_by_) seen_by_(state);
    open_.push_back(state);
  }

  void go_on(const State& state) {
    for (std::size_t client = 0; client < kClients; ++client) {
      write(state, client);
      read(state, client);
    }
    for (std::size_t i = 0; i < state.count; ++i) {
      for (std::size_t to = 0; to < kReplicas; ++to) {
        if ((state.writes[i].under_way & one(to)) != 0) arrive(state, i, to);
        if (scope_.hints) keep_hint(state, i, to);
      }
    }
    for (std::size_t i = 0; state.may_forget != 0 && i < kReplicas; ++i) forget(state, i);
    for (std::size_t holder = 0; scope_.hints && holder < kReplicas; ++holder) {
      for (std::size_t to = 0; to < kReplicas; ++to) deliver_hint(state, holder, to);
    }
  }

  void write(const State& state, std::size_t client) {
    if (state.count >= scope_.writes_most || state.clients[client].written >= kWritesOfClient)
      return;
    for (std::size_t at = 0; at < kReplicas; ++at) {
      if (state.count == 0 && at != scope_.first_at) continue;
      mint(state, client, at, 0);
      const SetId held = state.clients[client].held;
      if (held != 0) mint(state, client, at, held);
    }
  }

  void read(const State& state, std::size_t client) {
    if (state.count >= scope_.writes_most || state.clients[client].written >= kWritesOfClient)
      return;
    for (std::size_t first = 0; first < kReplicas; ++first) {
      const std::size_t second = (first + 1) % kReplicas;
      const Reading reading = deciders_.read(state.sets[first], state.sets[second], first);
      if (reading.merged == 0) continue;
      State next = state;
      std::size_t holders = 0;
      for (std::size_t i = 0; i < kReplicas; ++i) {
        if (reading.repairs[i]) next.put(i, deciders_.merge(next.local(i), reading.merged, i));
        holders += deciders_.covers(next.sets[i], reading.merged) ? 1 : 0;
      }
      // So that the next majority read cannot go backwards.
      demand(holders >= kMajority, "a majority read returns what a majority does not hold");
      next.clients[client].held = reading.merged;
      if (scope_.held) {
        visit(next);
        continue;
      }
      for (std::size_t at = 0; at < kReplicas; ++at) mint(next, client, at, reading.merged);
    }
  }

  void mint(State state, std::size_t client, std::size_t at, SetId seen) {
    ++state.clients[client].written;
    if (!scope_.held) state.clients[client].held = 0;
    const std::size_t number = state.minted[at]++;
    const Minting minting = deciders_.mint(state.local(at), seen, at, number);
    state.put(at, minting.after);
    Write write;
    write.minted = minting.after.set;
    write.replaces = deciders_.live(seen);
    write.slot = static_cast<std::uint8_t>(slot_of_mint(at, number));
    write.epoch = minting.epoch;
    write.counter = minting.counter;
    write.acked = one(at);
    write.under_way = static_cast<std::uint8_t>(~one(at) & ((1U << kReplicas) - 1));
    const auto end = state.writes.begin() + state.count;
    const auto place = std::find_if(state.writes.begin(), end,
                                    [&](const Write& other) { return other.slot > write.slot; });
    std::move_backward(place, end, end + 1);
    *place = write;
    ++state.count;
    visit(state);
  }

  void arrive(State state, std::size_t which, std::size_t to) {
    Write& write = state.writes[which];
    state.put(to, deciders_.merge(state.local(to), write.minted, to));
    write.acked |= one(to);
    if (state.may_repeat != 0) {
      State again = state;
      again.may_repeat = 0;
      visit(again);
    }
    write.under_way &= static_cast<std::uint8_t>(~one(to));
    visit(state);
  }

  void forget(State state, std::size_t replica) {
    if (state.sets[replica] == 0) return;
    state.sets[replica] = 0;
    state.may_forget = 0;
    visit(state);
  }

  // The minter has waited long enough for this replica. Its copy may still arrive.
  void keep_hint(State state, std::size_t which, std::size_t to) {
    Write& write = state.writes[which];
    const std::size_t holder = minter_of(write);
    if (holder == to || !wants_hint(write, to)) return;
    HintRow& hint = state.hints[holder][to];
    hint.row = deciders_.hint(hint.row, write.minted);
    write.hinted |= one(to);
    // What the target stored and forgot again was not for a hint to keep.
    const bool had = (state.stored & pair_bit(holder, to)) != 0 && known(write, hint.listed);
    if (!had) write.promised |= one(to);
    visit(state);
  }
  static bool wants_hint(const Write& write, std::size_t to) {
    replication::WriteQuorum quorum(kReplicas, kMajority, false);
    for (std::size_t i = 0; i < kReplicas; ++i) {
      quorum.asked(i);
      if ((write.acked & one(i)) != 0) quorum.acked(i, storage::Durability::Fsync);
      if ((write.hinted & one(i)) != 0) {
        quorum.hint_begun(i);
        quorum.hint_kept(i, "minter");
      }
    }
    return quorum.needs_hint(to);
  }

  // Listed and sent; stored by the target; erased. After the first two it may go no further, and
  // begin anew.
  void deliver_hint(const State& state, std::size_t holder, std::size_t to) {
    const HintRow& hint = state.hints[holder][to];
    const bool stored = (state.stored & pair_bit(holder, to)) != 0;
    State next = state;
    HintRow& after = next.hints[holder][to];
    if (hint.listed == 0) {
      if (hint.row == 0) return;
      after.listed = hint.row;
      return visit(next);
    }
    if (!stored) {
      next.put(to, deciders_.merge(next.local(to), hint.listed, to));
      next.stored |= pair_bit(holder, to);
      return visit(next);
    }
    next.stored &= static_cast<std::uint16_t>(~pair_bit(holder, to));
    after.listed = 0;
    visit(next);
    if (!deciders_.erases(hint.row, hint.listed)) return;
    after.row = 0;
    visit(next);
  }

  // A hint's promise ends when its target has had the write; until then somebody must keep it.
  void keep_promises(State& state) const {
    for (std::size_t i = 0; i < state.count; ++i) {
      Write& write = state.writes[i];
      const std::size_t minter = minter_of(write);
      for (std::size_t to = 0; to < kReplicas; ++to) {
        if ((write.promised & one(to)) == 0) continue;
        if (known(write, state.sets[to])) {
          write.promised &= static_cast<std::uint8_t>(~one(to));
        } else {
          demand(known(write, state.hints[minter][to].row), "a hint is gone that nobody had");
        }
      }
    }
  }

  bool known(const Write& write, SetId set) const {
    return deciders_.covers(set, minter_of(write), write.epoch, write.counter);
  }

  // What all replicas together hold is what the ideal set of dots holds.
  void check(const State& state) {
    const SetId all = deciders_.join(deciders_.join(state.sets[0], state.sets[1]), state.sets[2]);
    const Slots live_ones = deciders_.live(all);
    Slots replaced_ones = 0, written = 0;
    for (std::size_t i = 0; i < state.count; ++i) {
      const Write& write = state.writes[i];
      if (known(write, all)) replaced_ones |= write.replaces;
      written |= bit(write.slot);
      for (std::size_t j = 0; j < i; ++j) {
        const Write& other = state.writes[j];
        demand(minter_of(write) != minter_of(other) || write.epoch != other.epoch ||
                   write.counter != other.counter,
               "one dot names two writes");
      }
    }
    demand((live_ones & ~written) == 0, "a value that nobody wrote");
    for (std::size_t i = 0; i < state.count; ++i) {
      const Write& write = state.writes[i];
      const bool live = (live_ones & bit(write.slot)) != 0;
      const bool replaced = (replaced_ones & bit(write.slot)) != 0;
      demand(live || replaced || !known(write, all), "a write is missing");
      demand(!live || (known(write, all) && !replaced), "a write is not replaced");
      demand(live || replaced || !deciders_.reached(write.acked), "acknowledged and lost");
    }
  }

  const Scope scope_;
  Deciders& deciders_;
  const std::function<void(const State&)> seen_by_;
  Seen seen_;
  std::vector<State> open_;
};

// A sanitizer's build is twenty times slower.
#if defined(PARLEY_SANITIZED)
constexpr std::size_t kFour = 3, kThree = 2;
#else
constexpr std::size_t kFour = 4, kThree = 3;
#endif

using Prints = std::unordered_set<std::uint64_t>;

Prints prints(const Scope& scope, Deciders& deciders) {
  Prints out;
  Explorer(scope, deciders, [&](const State& state) { out.insert(state.print()); }).explore();
  return out;
}

// Of the states of an unreduced exploration: those for which no state of the reduced one stands.
// One that may still repeat a copy can do all that its twin can which may not.
std::size_t unmatched(Scope scope, Deciders& deciders, const Prints& reduced) {
  std::size_t count = 0;
  scope.reduced = false;
  Explorer(scope, deciders, [&](State state) {
    Explorer::settle(state, deciders, scope.hints);
    if (reduced.contains(state.print())) return;
    state.may_repeat = 1;
    if (!reduced.contains(state.print())) ++count;
  }).explore();
  return count;
}

std::size_t explore(const Scope& scope) {
  Deciders deciders;
  const std::size_t states = Explorer(scope, deciders).explore();
  WARN(states << " states, " << deciders.sets() << " version sets");
  return states;
}

}  // namespace

TEST_CASE("deciders: agree with an ideal set of dots (every interleaving of four writes)",
          "[explorer]") {
  CHECK(explore({kFour, true, true, false, true}) > 1000);
}

TEST_CASE("deciders: no hint goes before its target had it (every interleaving)", "[explorer]") {
  CHECK(explore({kThree, true, false, true, false}) > 1000);
  CHECK(explore({2, true, true, true, true}) > 1000);
}

TEST_CASE("explorer: what it leaves out is what it reached already", "[explorer]") {
  for (const Scope& scope :
       {Scope{2, true, true, false, true}, Scope{2, true, false, true, true},
        Scope{kThree, true, true, false, false}, Scope{kThree, true, false, false, true}}) {
    INFO("writes " << scope.writes_most << " hints " << scope.hints << " held " << scope.held);
    // Where there are few states, every answer of a decider is asked for again.
    Deciders deciders(scope.writes_most == 2);
    const Prints reduced = prints(scope, deciders);
    CHECK(unmatched(scope, deciders, reduced) == 0);
  }
}

TEST_CASE("explorer: it does not matter where the first write is", "[explorer]") {
  Scope scope{2, true, true, false, true};
  Deciders deciders;
  const std::size_t states = prints(scope, deciders).size();
  for (scope.first_at = 1; scope.first_at < kReplicas; ++scope.first_at) {
    CHECK(prints(scope, deciders).size() == states);
  }
}

}  // namespace parley::sim
