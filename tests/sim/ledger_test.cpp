// The ledger of the stores: changes that are sound, and the same made false.
#include "tests/sim/ledger.h"

#include "tests/catch.h"
#include "tests/sim/story.h"

namespace parley::sim {
namespace {

using replication::Dot;
using replication::Sibling;
using replication::VersionSet;

constexpr const char* kHere = "127.0.0.1";
constexpr const char* kThere = "127.0.0.2";

// One write of a client, under an op-id, with 2 s.
struct Desk {
  Desk() {
    WriteRecord& write = history.new_write(0, "key", "quorum");
    write.op.octets[0] = 7;
    write.deadline = Instant{} + 2s;
    number = write.number;
    history.begin_write(number, Instant{});
    ledger.passed_on = [this](const auto&, const auto&) { return passed_on; };
  }
  VersionSet with(VersionSet set, const Dot& dot, const replication::VersionVector& seen = {}) {
    set.write(seen, Sibling{dot, false, history.write(number).op, "v"});
    return set;
  }
  void change(const VersionSet& before, const VersionSet& after, Instant at = Instant{} + 1s) {
    const StorageId own = dot_of(1, 1).actor.storage;
    ledger.judge({kHere, "key", own, before, after}, at);
  }
  std::string found() const {
    return history.violations().empty() ? "" : history.violations().front().rule;
  }

  History history;
  Ledger ledger{history};
  WriteNumber number = 0;
  bool passed_on = true;
};

}  // namespace

TEST_CASE("ledger: a record may only learn", "[ledger]") {
  Desk desk;
  const VersionSet one = desk.with({}, dot_of(2, 1)), other = desk.with({}, dot_of(3, 1));
  VersionSet both = one;
  both.merge(other);
  desk.change(one, both);
  CHECK(desk.found().empty());
  desk.change(one, other);
  CHECK(desk.found() == "forgets");
}

TEST_CASE("ledger: whose clock is off stamps nothing, once it has known for long", "[ledger]") {
  Desk desk;
  desk.history.last_writer_wins = true;
  Duration off{};
  desk.ledger.clock_off_for = [&](const std::string& node) {
    CHECK(node == kHere);
    return off;
  };
  VersionSet stamped;
  stamped.write({}, Sibling{dot_of(1, 1), false, desk.history.write(desk.number).op, "v", 1});
  SECTION("it is right") {}
  SECTION("a write was under way when it was found to be off") { off = 10s; }
  SECTION("no such write can be") { off = 11s; }
  bool hinted = false;
  SECTION("it comes from a hint, for which it was minted before") {
    off = 11s;
    hinted = true;
    desk.ledger.judge_hint(kThere, {{}, {1, 0, "key"}}, {}, stamped);
  }
  desk.change({}, stamped);
  CHECK(desk.found() == (off > 10s && !hinted ? "clock" : ""));
}

TEST_CASE("ledger: a retry mints nothing where its write is", "[ledger]") {
  Desk desk;
  const VersionSet first = desk.with({}, dot_of(1, 1));
  const VersionSet elsewhere = desk.with({}, dot_of(2, 1));
  desk.change(elsewhere, desk.with(elsewhere, dot_of(1, 1)));  // minted by another owner before
  desk.change(first, desk.with(first, dot_of(1, 2), vector_with({dot_of(1, 1)})));
  SECTION("nor does it replace it") { CHECK(desk.found() == "twice"); }
}

// Simulator seed 61008921: on a full disk an owner kept the write as a hint for itself, and had
// minted the retry when that hint was delivered.
TEST_CASE("ledger: what an owner minted onto a hint is no second mint when it arrives",
          "[ledger]") {
  Desk desk;
  const VersionSet hinted = desk.with({}, dot_of(1, 1));
  const VersionSet retried = desk.with({}, dot_of(1, 2));
  desk.ledger.hint_kept(kHere, {NodeId{}, {1, 0, "key"}}, hinted);
  desk.change({}, retried);
  VersionSet both = retried;
  both.merge(hinted);
  desk.change(retried, both);
  CHECK(desk.found().empty());
}

TEST_CASE("ledger: a write that was passed on is minted in time, or not at all", "[ledger]") {
  Desk desk;
  const auto minted = [&desk](std::uint64_t counter) { return desk.with({}, dot_of(1, counter)); };
  desk.change({}, minted(1), Instant{} + 3s);
  CHECK(desk.found().empty());
  desk.passed_on = false;
  desk.change({}, minted(2), Instant{} + 9s);
  CHECK(desk.found().empty());
  desk.passed_on = true;
  SECTION("late") {
    desk.change({}, minted(3), Instant{} + 9s);
    CHECK(desk.found() == "late");
  }
  SECTION("late, whatever was lost here") {
    desk.history.lost(kHere, Instant{});
    desk.change({}, minted(3), Instant{} + 9s);
    CHECK(desk.found() == "late");
  }
  SECTION("not minted: it comes back from others") {
    desk.change({}, minted(1), Instant{} + 9s);
    CHECK(desk.found().empty());
  }
}

TEST_CASE("ledger: a hint goes when its target has had it, and only grows", "[ledger]") {
  Desk desk;
  NodeId there;
  there.octets[0] = 2;
  const storage::HintKey key{there, {1, 0, "key"}};
  const VersionSet old = desk.with({}, dot_of(1, 1)), fresh = desk.with(old, dot_of(1, 2));
  desk.ledger.node_is(there, kThere);
  desk.ledger.judge_hint(kHere, key, old, fresh);
  desk.ledger.hint_kept(kHere, key, fresh);
  SECTION("all of it") {
    desk.ledger.stored(kThere, "key", fresh.context(), Instant{});
    desk.ledger.hint_erased(kHere, key);
    CHECK(desk.found().empty());
  }
  SECTION("the older part") {
    desk.ledger.stored(kThere, "key", old.context(), Instant{});
    desk.ledger.hint_erased(kHere, key);
    CHECK(desk.found() == "hint");
  }
  SECTION("all of it, in place of a target that owns the key no more") {
    for (std::uint8_t i = 3; i < 6; ++i) {
      NodeId owner;
      owner.octets[0] = i;
      const std::string address = "127.0.0." + std::to_string(i);
      desk.ledger.node_is(owner, address);
      // The last one has not had all of it.
      const bool all = i < 5 || GENERATE(true, false);
      desk.ledger.stored(address, "key", (all ? fresh : old).context(), Instant{});
      if (i < 5) continue;
      desk.ledger.hint_erased(kHere, key);
      CHECK(desk.found() == (all ? "" : "hint"));
    }
  }
  SECTION("one more, for a target that has its share") {
    desk.ledger.hint_begun(kHere, key, 65536, 65536);
    CHECK(desk.found().empty());
    desk.ledger.hint_begun(kHere, key, 65537, 65536);
    CHECK(desk.found() == "bounds");
  }
  SECTION("overwritten") {
    desk.ledger.judge_hint(kHere, key, fresh, old);
    CHECK(desk.found() == "forgets");
  }
}

}  // namespace parley::sim
