// Histories of a keyspace whose last writer wins: true ones, and the same made false.
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/sim/ledger.h"
#include "tests/sim/story.h"

namespace parley::sim {
namespace {

using replication::Dot;
using replication::Sibling;
using replication::Stamp;
using replication::VersionSet;

const auto kA1 = dot_of(1, 1), kA2 = dot_of(1, 2);
const auto kB1 = dot_of(2, 1), kB2 = dot_of(2, 2);

Sibling stamped(const Dot& dot, Stamp stamp, bool tombstone = false) {
  return {dot, tombstone, {}, tombstone ? "" : "v", stamp};
}

VersionSet set_of(const Dot& dot, Stamp stamp) {
  VersionSet out;
  out.write({}, stamped(dot, stamp));
  return out;
}

// Calls whose writes the stores have stamped.
struct LastStory : Story {
  LastStory() { history.last_writer_wins = true; }
  void stamp(const Dot& dot, Stamp at, bool tombstone = false) {
    history.stamps.add("key", stamped(dot, at, tombstone), true);
  }
  WriteNumber put_at(Stamp at, const Dot& dot, const replication::VersionVector& seen = {},
                     std::set<WriteNumber> replaces = {}, bool is_delete = false) {
    stamp(dot, at, is_delete);
    return put(dot, seen, std::move(replaces), is_delete);
  }
};

struct LastLedger {
  LastLedger() { history.last_writer_wins = true; }
  void change(const VersionSet& before, const VersionSet& after, unsigned owner = 1) {
    const std::string node = "127.0.0." + std::to_string(owner);
    const StorageId own = dot_of(owner, 1).actor.storage;
    ledger.judge({node, "key", own, before, after}, Instant{} + 1s);
  }
  void hint(const VersionSet& before, const VersionSet& after) {
    ledger.judge_hint("127.0.0.4", {NodeId{}, {1, 0, "key"}}, before, after);
  }
  std::string found() const {
    std::string out;
    for (const auto& one : history.violations()) out += (out.empty() ? "" : " ") + one.rule;
    return out;
  }

  History history;
  Ledger ledger{history};
};

}  // namespace

TEST_CASE("last writer: of what a context covers the last is named", "[last_writer]") {
  Stamps stamps;
  CHECK(stamps.latest("key", vector_with({kA1})) == nullptr);
  CHECK(stamps.add("key", stamped(kA1, 7), true));
  CHECK(stamps.add("key", stamped(kB1, 7), true));
  CHECK(stamps.add("key", stamped(kA2, 3), true));
  CHECK(stamps.add("other", stamped(kB2, 9), true));
  CHECK(stamps.latest("key", vector_with({kA2}))->dot == kA1);
  CHECK(stamps.latest("key", vector_with({kA1, kB2}))->dot == kB1);  // equal stamps: by the dot
  CHECK(stamps.latest("key", {}) == nullptr);
  // Seen with another stamp, and minted again since the first try was undone.
  CHECK(stamps.add("key", stamped(kA1, 7), false));
  CHECK_FALSE(stamps.add("key", stamped(kA1, 8), false));
  CHECK(stamps.add("key", stamped(kA1, 9), true));
  CHECK(stamps.latest("key", vector_with({kA2, kB1}))->stamp == 9);
  CHECK(stamps.shows_latest("key", {}));
  CHECK(stamps.shows_latest("key", set_of(kA1, 9)));
  CHECK_FALSE(stamps.shows_latest("key", set_of(kA1, 7)));
  CHECK_FALSE(stamps.shows_latest("key", set_of(kA2, 3)));  // it has seen kA1
}

TEST_CASE("last writer: a run of true replies is accepted", "[last_writer]") {
  LastStory story;
  const auto late = story.put_at(9, kA1);
  const auto early = story.put_at(5, kB1);  // ok, and discarded at once
  CHECK(early == 1);
  story.read({{late, kA1}}, vector_with({kA1, kB1}));
  story.put_at(10, kB2, vector_with({kA1, kB1}), {late}, true);
  story.read({}, vector_with({kA1, kB2}));
  story.end_state({{2, kB2}}, vector_with({kA1, kB2}));
  CHECK(story.found().empty());
}

TEST_CASE("last writer: a read shows the last write of its context, and no other",
          "[last_writer]") {
  LastStory story;
  const auto late = story.put_at(9, kA1), early = story.put_at(5, kB1);
  const auto both = vector_with({kA1, kB1});
  SECTION("an earlier one") { story.read({{early, kB1}}, both); }
  SECTION("both") { story.read({{late, kA1}, {early, kB1}}, both); }
  SECTION("none") { story.read({}, both); }
  SECTION("at whatever level") { story.read({{early, kB1}}, both, "one"); }
  SECTION("what was deleted") {
    story.put_at(10, kB2, both, {late}, true);
    story.read({{late, kA1}}, vector_with({kA1, kB2}), "one");
  }
  SECTION("of a write that no store had") { story.read({}, vector_with({dot_of(3, 1)}), "one"); }
  CHECK(story.found() == "latest");
}

TEST_CASE("last writer: a majority has seen every ok write", "[last_writer]") {
  LastStory story;
  const auto late = story.put_at(9, kA1);
  story.put_at(5, kB1);
  SECTION("the discarded one too") {
    story.read({{late, kA1}}, vector_with({kA1}));
    CHECK(story.found() == "backwards");
  }
  SECTION("whatever the receipt's context says of it") {
    story.stamp(kB2, 6);
    auto reply = ok_write(kB2, {});
    reply.context.clear();
    story.end(story.begin({}, {}), reply);
    story.read({{late, kA1}}, vector_with({kA1, kB1}));
    CHECK(story.found() == "backwards");
  }
  SECTION("what an ok write replaced is gone") {
    const auto by = story.put_at(4, kB2, vector_with({kA1}), {late});  // a stamp that is false
    story.read({{late, kA1}}, vector_with({kA1, kB2}));
    CHECK(by == 2);
    CHECK(story.found() == "resurrected");
  }
}

TEST_CASE("last writer: the end is the last write, and has seen all", "[last_writer]") {
  LastStory story;
  const auto late = story.put_at(9, kA1), early = story.put_at(5, kB1);
  const auto both = vector_with({kA1, kB1});
  SECTION("true") {
    story.end_state({{late, kA1}}, both);
    CHECK(story.found().empty());
  }
  SECTION("an earlier one") {
    story.end_state({{early, kB1}}, both);
    CHECK(story.found() == "latest");
  }
  SECTION("both") {
    story.end_state({{late, kA1}, {early, kB1}}, both);
    CHECK(story.found() == "latest");
  }
  SECTION("an ok write was never seen") {
    story.end_state({{late, kA1}}, vector_with({kA1}));
    CHECK(story.found() == "lost");
  }
  SECTION("nothing at all") {
    story.end_state({}, {});
    CHECK(story.found() == "lost lost");
  }
}

TEST_CASE("last writer: a set may lose elements, and gets none from nobody", "[last_writer]") {
  LastStory story;
  story.stamp(kA1, 5);
  const auto put = story.begin({}, {});
  story.history.write(put).elements = {put};
  story.end(put, ok_write(kA1, {}));
  const auto over = story.put_at(9, kB1);
  story.read({{over, kB1}}, vector_with({kA1, kB1}));
  FinalState state;
  state.siblings = {{over, kB1, false}};
  state.context = vector_with({kA1, kB1});
  story.history.judge_final("key", state);
  CHECK(story.found().empty());
  state.elements = {7};
  story.history.judge_final("key", state);
  CHECK(story.found() == "set");
}

TEST_CASE("last writer: a clock that is off refuses where there are stamps alone",
          "[last_writer]") {
  Story story;
  const bool lww = story.history.last_writer_wins = GENERATE(false, true);
  const bool wrong = GENERATE(false, true);
  story.history.clocks_were_wrong = [wrong] { return wrong; };
  story.end(story.begin({}, {}), no_write(client::Outcome::NotWritten, ErrorCode::ClockSkew));
  CHECK(story.found() == (lww && wrong ? "" : "receipt"));
}

TEST_CASE("last writer: what a store holds is the last write that it has seen", "[last_writer]") {
  LastLedger desk;
  const VersionSet late = set_of(kA1, 9), early = set_of(kB1, 5);
  VersionSet both = early;
  both.merge(late);
  desk.change({}, late);
  desk.change({}, early, 2);
  desk.change(early, both, 2);
  desk.hint({}, late);
  desk.hint(late, both);
  CHECK(desk.found().empty());
  SECTION("an earlier one, which has seen the later one") {
    VersionSet wrong;
    wrong.write(vector_with({kA1}), stamped(dot_of(3, 1), 6));
    desk.change({}, wrong, 3);
    CHECK(desk.found() == "latest");
  }
  SECTION("another stamp of the same write") {
    desk.change({}, set_of(kA1, 10), 3);
    CHECK(desk.found() == "dot latest");
  }
  SECTION("an earlier one in place of a later one") {
    desk.change(late, early);
    CHECK(desk.found() == "forgets stamp");
  }
  SECTION("the same of a hint") {
    desk.hint(late, early);
    CHECK(desk.found() == "stamp forgets");
  }
  SECTION("a write without a stamp") {
    VersionSet plain;
    plain.write({}, {dot_of(3, 1), false, {}, "v"});
    desk.change({}, plain);
    CHECK(desk.found() == "stamp");
  }
  SECTION("a stamp where siblings are kept") {
    desk.history.last_writer_wins = false;
    desk.change({}, late);
    CHECK(desk.found() == "stamp");
  }
}

TEST_CASE("last writer: a mint is later than what was there and what its client had seen",
          "[last_writer]") {
  LastLedger desk;
  desk.change({}, set_of(kB1, 9), 2);
  WriteRecord& write = desk.history.new_write(0, "key", "quorum");
  write.op.octets[0] = 7;
  write.seen = vector_with({kB1});
  desk.history.begin_write(write.number, Instant{});
  const OpId op = write.op;
  const auto minted = [&op](const Dot& dot, Stamp at, const replication::VersionVector& seen) {
    VersionSet out;
    Sibling sibling = stamped(dot, at);
    sibling.op = op;
    out.write(seen, std::move(sibling));
    return out;
  };
  SECTION("later") {
    desk.change({}, minted(kA1, 10, vector_with({kB1})));
    desk.hint({}, minted(dot_of(4, 1), 11, vector_with({kB1})));
    CHECK(desk.found().empty());
  }
  SECTION("not later than what its client had seen") {
    desk.change({}, minted(kA1, 9, {}));
    CHECK(desk.found() == "stamp");
  }
  SECTION("nor in a hint") {
    desk.hint({}, minted(kA1, 8, {}));
    CHECK(desk.found() == "stamp");
  }
  SECTION("as late as what was there") {
    desk.change({}, set_of(kA1, 20));
    // By hand: production does not make it.
    VersionSet same = set_of(kA2, 20);
    desk.change(set_of(kA1, 20), same);
    CHECK(desk.found() == "stamp");
  }
  SECTION("an earlier try was undone") {
    desk.change({}, set_of(kA1, 20));
    desk.change({}, set_of(kA1, 12));
    CHECK(desk.found().empty());
  }
}

TEST_CASE("last writer: with right clocks a stamp is of its call's time", "[last_writer]") {
  LastLedger desk;
  bool wrong = false;
  desk.history.clocks_were_wrong = [&wrong] { return wrong; };
  WriteRecord& write = desk.history.new_write(0, "key", "quorum");
  write.op.octets[0] = 7;
  desk.history.begin_write(write.number, Instant{});
  const auto mint = [&](WallTime at) {
    VersionSet out;
    Sibling sibling = stamped(kA1, static_cast<Stamp>(at.millis) << 16);
    sibling.op = write.op;
    out.write({}, std::move(sibling));
    desk.change({}, out);  // at one second
  };
  const std::int64_t begun = fake::wall_at(Instant{}).millis;
  SECTION("it is") { mint({begun + 900}); }
  SECTION("clocks drift") { mint({begun - 1000}); }
  SECTION("a clock was wrong") {
    wrong = true;
    mint({begun + 3'600'000});
  }
  CHECK(desk.found().empty());
  SECTION("it only counts") {
    mint({1});
    CHECK(desk.found() == "time");
  }
  SECTION("it is of the process's start") {
    mint({begun - 10'000});
    CHECK(desk.found() == "time");
  }
  SECTION("it is ahead") {
    mint({begun + 10'000});
    CHECK(desk.found() == "time");
  }
}

}  // namespace parley::sim
