// Every interleaving of a small world: three replicas, two clients, one key. Minting, merging and
// counting are production's deciders; what a set of dots would do is the ideal they are held to.
//
// Steps, in any order: a client writes at any replica, blindly or with the context of a read of two
// replicas; a copy under way arrives (in any order, one of them twice); one replica forgets its
// record. What is under way may also never arrive, so nothing may depend on it.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/codec.h"
#include "base/hash.h"
#include "replication/mint.h"
#include "replication/write_quorum.h"
#include "tests/catch.h"

namespace parley::sim {
namespace {

using replication::Dot;
using replication::EpochBounds;
using replication::LocalState;
using replication::VersionSet;
using replication::VersionVector;
using storage::Condition;

constexpr std::size_t kReplicas = 3, kClients = 2;

struct Scope {
  std::size_t writes_most = 3;
  std::size_t writes_of_client_most = 2;
  bool twice = true;    // one copy may arrive twice
  bool amnesia = true;  // one replica may forget
};

// A sanitizer's build is twenty times slower.
#if defined(PARLEY_SANITIZED)
constexpr Scope kWithFaults{2, 2, true, true}, kWithout{2, 2, false, false};
#else
constexpr Scope kWithFaults{3, 2, true, true}, kWithout{4, 2, false, false};
#endif

StorageId storage_of(std::size_t replica) {
  StorageId id;
  id.octets[0] = static_cast<std::uint8_t>(replica + 1);
  return id;
}

struct Copy final : replication::EpochSource {
  LocalState local;
  EpochBounds limits;
  EpochBounds bounds() const override { return limits; }
  std::optional<std::uint64_t> draw() override { return limits.next++; }

  // As the Replica does it: the floor rises before the merge.
  void merge(const VersionSet& incoming, const StorageId& own) {
    auto decision = *decide_merge(local, incoming, own, limits);
    if (decision.forgotten) {
      limits.floor = *decision.forgotten + 1;
      limits.next = std::max(limits.next, limits.floor);
      decision = *decide_merge(local, incoming, own, limits);
      REQUIRE_FALSE(decision.forgotten.has_value());
    }
    if (decision.changed) local = {Condition::Sound, std::move(decision.set)};
  }
};

struct Write {
  std::string name;
  Dot dot;
  std::vector<std::size_t> replaces;  // numbers of writes, ascending
  std::array<bool, kReplicas> acked{};
};

struct UnderWay {
  std::size_t to, write;
  VersionSet set;
};

struct State {
  std::array<Copy, kReplicas> replicas;
  std::vector<Write> writes;
  std::vector<UnderWay> copies;
  std::array<std::size_t, kClients> written{};
  bool may_repeat = false, may_forget = false;

  // Equal for states that can go on in the same ways.
  Bytes fingerprint() const {
    ByteWriter out;
    for (const Copy& copy : replicas) {
      out.number(static_cast<std::uint8_t>(copy.local.condition));
      out.sized(copy.local.set.encode());
      out.number(copy.limits.floor);
      out.number(copy.limits.next);
    }
    for (const Write& write : writes) {
      out.sized(write.name);
      out.sized(to_text(write.dot));
      for (const auto number : write.replaces) out.number(static_cast<std::uint64_t>(number));
      for (const bool one : write.acked) out.number(static_cast<std::uint8_t>(one));
    }
    std::vector<Bytes> under_way;
    for (const UnderWay& copy : copies) {
      ByteWriter one;
      one.number(static_cast<std::uint64_t>(copy.to));
      one.number(static_cast<std::uint64_t>(copy.write));
      one.sized(copy.set.encode());
      under_way.push_back(one.take());
    }
    std::sort(under_way.begin(), under_way.end());
    for (const Bytes& one : under_way) out.sized(one);
    for (const auto count : written) out.number(static_cast<std::uint64_t>(count));
    out.number(static_cast<std::uint8_t>(may_repeat));
    out.number(static_cast<std::uint8_t>(may_forget));
    return out.take();
  }
};

class Explorer {
 public:
  explicit Explorer(const Scope& scope) : scope_(scope) {}

  std::size_t explore() {
    State start;
    start.may_repeat = scope_.twice;
    start.may_forget = scope_.amnesia;
    visit(std::move(start));
    while (!open_.empty()) {
      const State state = std::move(open_.back());
      open_.pop_back();
      go_on(state);
    }
    return seen_.size();
  }

 private:
  void visit(State state) {
    const Bytes print = state.fingerprint();
    // Of 128 bits: the chance that two of 10^7 states share them is below 10^-24.
    if (!seen_.insert({hash64(print, 1), hash64(print, 2)}).second) return;
    check(state);
    open_.push_back(std::move(state));
  }

  void go_on(const State& state) {
    for (std::size_t client = 0; client < kClients; ++client) write(state, client);
    for (std::size_t i = 0; i < state.copies.size(); ++i) arrive(state, i);
    for (std::size_t i = 0; state.may_forget && i < kReplicas; ++i) forget(state, i);
  }

  void write(const State& state, std::size_t client) {
    if (state.writes.size() >= scope_.writes_most) return;
    if (state.written[client] >= scope_.writes_of_client_most) return;
    // Replicas and clients differ in name only: the first write is the first client's at the first.
    if (client > 0 && state.written[client - 1] == 0) return;
    const std::size_t places = state.writes.empty() ? 1 : kReplicas;
    for (std::size_t at = 0; at < places; ++at) {
      mint(state, client, at, {});
      for (std::size_t one = 0; one < kReplicas; ++one) {
        VersionSet read = state.replicas[one].local.set;
        read.merge(state.replicas[(one + 1) % kReplicas].local.set);
        if (!read.empty()) mint(state, client, at, read);
      }
    }
  }

  void mint(State state, std::size_t client, std::size_t at, const VersionSet& read) {
    Write write;
    write.name = std::to_string(client) + "." + std::to_string(state.written[client]++);
    for (const auto& sibling : read.siblings()) {
      write.replaces.push_back(number_of(state, sibling.value));
    }
    std::sort(write.replaces.begin(), write.replaces.end());
    Copy& copy = state.replicas[at];
    replication::MintRequest request;
    request.value = write.name;
    request.seen = read.context();
    const auto decision =
        decide_mint(copy.local, request, storage_of(at), copy, {64, std::size_t{1} << 20});
    REQUIRE(decision.ok());
    copy.local = {Condition::Sound, decision->set};
    write.dot = decision->dot;
    write.acked[at] = true;
    for (std::size_t to = 0; to < kReplicas; ++to) {
      if (to != at) state.copies.push_back({to, state.writes.size(), decision->set});
    }
    state.writes.push_back(std::move(write));
    visit(std::move(state));
  }

  void arrive(const State& state, std::size_t which) {
    State next = state;
    const UnderWay copy = next.copies[which];
    next.replicas[copy.to].merge(copy.set, storage_of(copy.to));
    next.writes[copy.write].acked[copy.to] = true;
    if (state.may_repeat) {
      State again = next;
      again.may_repeat = false;
      visit(std::move(again));
    }
    next.copies.erase(next.copies.begin() + static_cast<std::ptrdiff_t>(which));
    visit(std::move(next));
  }

  void forget(State state, std::size_t replica) {
    if (state.replicas[replica].local.condition != Condition::Sound) return;
    state.replicas[replica].local = {};
    state.may_forget = false;
    visit(std::move(state));
  }

  static std::size_t number_of(const State& state, const Bytes& name) {
    for (std::size_t i = 0; i < state.writes.size(); ++i) {
      if (state.writes[i].name == name) return i;
    }
    FAIL("a value that nobody wrote");
    return 0;
  }

  static bool is_ok(const Write& write) {
    replication::WriteQuorum quorum(kReplicas, kReplicas / 2 + 1, false);
    for (std::size_t i = 0; i < kReplicas; ++i) {
      quorum.asked(i);
      if (write.acked[i]) quorum.acked(i, storage::Durability::Fsync);
    }
    return quorum.verdict() == replication::Verdict::Reached;
  }

  // What all replicas together hold is what the ideal set of dots holds.
  static void check(const State& state) {
    VersionSet all;
    for (const Copy& copy : state.replicas) all.merge(copy.local.set);
    std::vector<Dot> dots;
    for (const Write& write : state.writes) dots.push_back(write.dot);
    std::sort(dots.begin(), dots.end());
    demand(std::adjacent_find(dots.begin(), dots.end()) == dots.end(), "one dot names two writes");

    for (std::size_t i = 0; i < state.writes.size(); ++i) {
      const Write& write = state.writes[i];
      const bool known = all.context().covers(write.dot);
      const bool replaced =
          std::any_of(state.writes.begin(), state.writes.end(), [&](const Write& other) {
            return all.context().covers(other.dot) &&
                   std::count(other.replaces.begin(), other.replaces.end(), i) > 0;
          });
      const bool live = std::any_of(all.siblings().begin(), all.siblings().end(),
                                    [&](const auto& one) { return one.value == write.name; });
      demand(live || !known || replaced, "missing: " + write.name);
      demand(!live || (known && !replaced), "not replaced: " + write.name);
      demand(!is_ok(write) || live || replaced, "acknowledged and lost: " + write.name);
    }
  }

  // Not REQUIRE: it costs more than the states do.
  static void demand(bool holds, const std::string& what) {
    if (!holds) FAIL(what);
  }

  struct PairHash {
    std::size_t operator()(const std::pair<std::uint64_t, std::uint64_t>& both) const {
      return both.first;
    }
  };
  const Scope scope_;
  std::unordered_set<std::pair<std::uint64_t, std::uint64_t>, PairHash> seen_;
  std::vector<State> open_;
};

}  // namespace

TEST_CASE("deciders: agree with an ideal set of dots (every interleaving of three writes)",
          "[explorer]") {
  const std::size_t states = Explorer(kWithFaults).explore();
  WARN(states << " states");
  CHECK(states > 100);
}

TEST_CASE("deciders: agree with an ideal set of dots (every interleaving of four writes)",
          "[explorer]") {
  const std::size_t states = Explorer(kWithout).explore();
  WARN(states << " states");
  CHECK(states > 100);
}

}  // namespace parley::sim
