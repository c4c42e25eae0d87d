// Each checker is shown a history that is false in one thing, and the true one beside it: what a
// checker does not find here it finds in no run.
#include "tests/catch.h"
#include "tests/sim/story.h"

namespace parley::sim {
namespace {

const auto kA1 = dot_of(1, 1), kA2 = dot_of(1, 2), kA3 = dot_of(1, 3);
const auto kB1 = dot_of(2, 1), kB2 = dot_of(2, 2);

}  // namespace

TEST_CASE("history: a run of true replies is accepted", "[history]") {
  Story story;
  const auto first = story.put(kA1);
  story.read({{first, kA1}}, vector_with({kA1}));
  const auto second = story.put(kA2, vector_with({kA1}), {first});
  const auto beside = story.put(kB1);
  story.read({{second, kA2}, {beside, kB1}}, vector_with({kA2, kB1}));
  const auto gone = story.put(kB2, vector_with({kA2, kB1}), {second, beside}, true);
  story.read({}, vector_with({kA2, kB2}));
  const auto last = story.put(kA3, vector_with({kA2, kB2}));
  story.end_state({{last, kA3}}, vector_with({kA3, kB2}));
  CHECK(gone == 3);
  CHECK(story.found().empty());
}

TEST_CASE("history: a majority that has forgotten an ok write is found", "[history]") {
  Story story;
  const auto put = story.put(kA1);
  SECTION("the read knows nothing of it") {
    story.read({}, {});
    CHECK(story.found() == "backwards unseen");
  }
  SECTION("the read has its version in the context, and not the value") {
    story.read({}, vector_with({kA1}));
    CHECK(story.found() == "unseen");
  }
  SECTION("the read began before the reply (nothing is promised)") {
    Story other;
    const auto write = other.begin({}, {});
    const auto read = other.begin_read();
    other.end(write, ok_write(kA1, {}));
    other.end_read(read, {}, {});
    CHECK(other.found().empty());
  }
  SECTION("something begun may have replaced it (either is true)") {
    story.begin(vector_with({kA1}), {put});
    story.read({}, vector_with({kA2}));
    CHECK(story.found().empty());
  }
}

TEST_CASE("history: what a write that was refused would have replaced is there", "[history]") {
  Story story;
  const auto put = story.put(kA1);
  const auto by = story.begin(vector_with({kA1}), {put});
  const auto outcome = GENERATE(client::Outcome::NotWritten, client::Outcome::Unknown);
  const bool refused = outcome == client::Outcome::NotWritten;
  story.end(by, no_write(outcome, refused ? ErrorCode::Unavailable : ErrorCode::Unknown));
  story.read({}, vector_with({kA1}));
  CHECK(story.found() == (refused ? "unseen" : ""));
}

TEST_CASE("history: reads go back with a disk, as far as they must", "[history]") {
  Story story;
  story.history.set_owners("key", three_owners());
  const auto put = story.put(kA1);
  SECTION("its copy may be counted") {
    story.history.went_back("127.0.0.1", story.now);
    story.read({}, {});
    CHECK(story.found().empty());
  }
  SECTION("before it goes back") {
    story.read({}, {});
    CHECK(story.found() == "backwards unseen");
  }
  SECTION("it owns no copy") {
    story.history.went_back("127.0.0.4", story.now);
    story.read({}, {});
    CHECK(story.found() == "backwards unseen");
  }
  SECTION("all are asked, the others too") {
    story.history.went_back("127.0.0.1", story.now);
    story.read({}, {}, "all");
    CHECK(story.found() == "backwards unseen");
  }
  SECTION("it has all again") {
    story.history.went_back("127.0.0.1", story.now);
    story.history.holds("127.0.0.2", "key", vector_with({kA1}), story.now);
    story.read({}, {});
    CHECK(story.found().empty());
    story.history.holds("127.0.0.1", "key", vector_with({kA1}), story.now);
    const auto early = story.begin_read();
    story.read({{put, kA1}}, vector_with({kA1}));
    story.end_read(early, {}, {});  // begun when it was whole
    CHECK(story.found().empty());
    story.read({}, {});
    CHECK(story.found() == "backwards unseen");
  }
  SECTION("it has all again but what it acked before, and others now") {
    const auto write = story.begin({}, {});
    story.history.went_back("127.0.0.1", story.now);
    story.history.holds("127.0.0.1", "key", vector_with({kA1}), story.now);
    story.end(write, ok_write(kB1, {}));
    story.read({{put, kA1}}, vector_with({kA1}));
    CHECK(story.found().empty());
    story.history.holds("127.0.0.1", "key", vector_with({kB1}), story.now);
    story.now += 1ms;
    story.read({{put, kA1}}, vector_with({kA1}));
    CHECK(story.found() == "backwards unseen");
  }
  SECTION("it has all again but a write that its own token does not cover") {
    const auto other = story.put(kB1);
    const auto write = story.begin(vector_with({kB1}), {other});
    // Of the same actor as a sibling that its writer has not seen.
    auto result = ok_write(kA2, {});
    result.context = token_of(vector_with({kB1}));
    story.end(write, result);
    story.history.went_back("127.0.0.1", story.now);
    story.history.holds("127.0.0.1", "key", vector_with({kA1, kB1}), story.now);
    story.now += 1ms;
    story.read({{put, kA1}}, vector_with({kA1, kB1}));
    CHECK(story.found().empty());
    story.history.holds("127.0.0.1", "key", vector_with({kA2, kB1}), story.now);
    story.now += 1ms;
    story.read({{put, kA1}}, vector_with({kA1, kB1}));
    CHECK(story.found() == "unseen");
  }
}

TEST_CASE("history: every write that ended is told, whatever its outcome", "[history]") {
  Story story;
  std::vector<client::Outcome> told;
  story.history.on_write = [&told](const auto&, const auto& said) { told.push_back(said.outcome); };
  story.put(kA1);
  story.end(story.begin({}, {}), no_write(client::Outcome::Unknown, ErrorCode::Unknown));
  CHECK(told == std::vector{client::Outcome::Ok, client::Outcome::Unknown});
}

TEST_CASE("history: two reads at a majority do not go backwards", "[history]") {
  Story story;
  const auto write = story.begin({}, {});
  story.end(write, no_write(client::Outcome::Unknown, ErrorCode::Unknown));
  story.read({{write, kA1}}, vector_with({kA1}));
  story.read({}, {});
  CHECK(story.found() == "backwards");
}

TEST_CASE("history: what an ok write replaced does not come back during the run", "[history]") {
  Story story;
  const auto old = story.put(kA1);
  const auto gone = story.put(kA2, vector_with({kA1}), {old}, true);
  CHECK(gone == 1);
  story.read({{old, kA1}}, vector_with({kA2}));
  CHECK(story.found() == "resurrected");
}

TEST_CASE("history: what a majority found replaced does not come back", "[history]") {
  Story story;
  const auto old = story.begin({}, {});
  story.end(old, no_write(client::Outcome::Unknown, ErrorCode::Unknown));
  story.read({{old, kA1}}, vector_with({kA1}));
  const auto by = story.begin(vector_with({kA1}), {old});
  story.end(by, no_write(client::Outcome::Unknown, ErrorCode::Unknown));
  story.read({{by, kA2}}, vector_with({kA2}));
  story.read({{old, kA1}, {by, kA2}}, vector_with({kA2}));
  CHECK(story.found() == "resurrected");
}

TEST_CASE("history: a write to memory may be gone, unless a majority has shown it", "[history]") {
  Story story;
  WriteRecord& record = story.history.new_write(0, "key", "quorum");
  record.memory = true;
  record.value_hash = hash64(value_of(record.number, 8));
  story.again(0);
  auto reply = ok_write(kA1, {});
  for (auto& replica : reply.replicas) replica.state = "memory";
  story.end(0, reply);
  SECTION("not shown") {
    story.read({}, {});
    story.end_state({}, {});
    CHECK(story.found().empty());
  }
  SECTION("shown") {
    story.read({{0, kA1}}, vector_with({kA1}));
    story.read({}, {});
    CHECK(story.found() == "backwards");
  }
}

TEST_CASE("history: a refused write is seen by nobody", "[history]") {
  Story story;
  const auto write = story.begin({}, {});
  story.end(write, no_write(client::Outcome::NotWritten, ErrorCode::Unavailable));
  SECTION("a read sees it") {
    story.read({{write, kA1}}, vector_with({kA1}));
    CHECK(story.found() == "ghost");
  }
  SECTION("it is there in the end") {
    story.end_state({{write, kA1}}, vector_with({kA1}));
    CHECK(story.found() == "ghost");
  }
  SECTION("its retry was not refused (it may be there)") {
    story.again(write);
    story.end(write, no_write(client::Outcome::Unknown, ErrorCode::Unknown));
    story.read({{write, kA1}}, vector_with({kA1}));
    story.end_state({{write, kA1}}, vector_with({kA1}));
    CHECK(story.found().empty());
  }
}

TEST_CASE("history: a retry is one value for readers", "[history]") {
  Story story;
  const auto write = story.put(kA1);
  story.again(write);
  story.end(write, ok_write(kB1, {}));
  story.read({{write, kA1}, {write, kB1}}, vector_with({kA1, kB1}));
  CHECK(story.found() == "twice");
}

TEST_CASE("history: a version names one write for ever", "[history]") {
  Story story;
  story.put(kA1);
  story.put(kA1);
  CHECK(story.found() == "dot");
}

TEST_CASE("history: bytes that nobody wrote are found", "[history]") {
  Story story;
  const auto write = story.put(kA1);
  const auto number = story.begin_read();
  client::ReadResult result;
  result.outcome = client::Outcome::Ok;
  result.level = "quorum";
  result.required = result.asked = result.answered = result.agreed = 2;
  result.found = true;
  result.context = token_of(vector_with({kA1}));
  SECTION("another length") { result.values.push_back({value_of(write, 90), to_text(kA1)}); }
  SECTION("a write that never was") { result.values.push_back({value_of(7, 8), to_text(kA1)}); }
  story.history.end_read(number, {story.begun, 2s}, result, story.now);
  CHECK(story.found().starts_with("phantom"));
}

TEST_CASE("history: a call that outlives its deadline is found", "[history]") {
  Story story;
  const auto write = story.begin({}, {});
  story.end(write, no_write(client::Outcome::Unknown, ErrorCode::Unknown), 2100ms);
  CHECK(story.found() == "deadline");
}

TEST_CASE("history: every ok write is there in the end, or was seen by one that is", "[history]") {
  Story story;
  const auto one = story.put(kA1), other = story.put(kB1);
  SECTION("concurrent writes both survive") {
    story.end_state({{one, kA1}, {other, kB1}}, vector_with({kA1, kB1}));
    CHECK(story.found().empty());
  }
  SECTION("one of two concurrent writes is gone") {
    story.end_state({{one, kA1}}, vector_with({kA1, kB1}));
    CHECK(story.found() == "lost");
  }
  SECTION("it was replaced by a write that is gone too") {
    const auto by = story.begin(vector_with({kB1}), {other});
    story.end(by, no_write(client::Outcome::Unknown, ErrorCode::Unknown));
    story.end_state({{one, kA1}}, vector_with({kA1, kB2}));
    CHECK(story.found() == "lost");
  }
  SECTION("it was replaced by a write of unknown outcome that is there") {
    const auto by = story.begin(vector_with({kB1}), {other});
    story.end(by, no_write(client::Outcome::Unknown, ErrorCode::Unknown));
    story.end_state({{one, kA1}, {by, kB2}}, vector_with({kA1, kB2}));
    CHECK(story.found().empty());
  }
  SECTION("a delete that had seen it was itself replaced, unseen as deletes are") {
    story.put(kB2, vector_with({kA1, kB1}), {one, other}, true);
    const auto by = story.put(kA2, vector_with({kA1, kB2}));
    story.end_state({{by, kA2}}, vector_with({kA2, kB2}));
    CHECK(story.found().empty());
  }
  SECTION("only the context had seen it, and not the writer") {
    const auto by = story.put(kA2, vector_with({kA1, kB1}), {one});
    story.end_state({{by, kA2}}, vector_with({kA2, kB1}));
    CHECK(story.found() == "lost");
  }
  SECTION("one at less than a majority, where a disk loses what it alone had") {
    auto& write = story.history.write(other);
    write.level = "one";
    for (auto& replica : write.result.replicas) replica.state = "no_answer";
    write.result.replicas[1].state = "durable";
    const auto [address, after, rule] = GENERATE(table<std::string, Duration, std::string>({
        {"127.0.0.2", 100ms, ""},
        {"127.0.0.2", -100ms, "lost"},  // it had lost it before
        {"127.0.0.1", 100ms, "lost"},   // another one's
    }));
    story.history.lost(address, story.now + after);
    story.end_state({{one, kA1}}, vector_with({kA1}));
    CHECK(story.found() == rule);
  }
}

TEST_CASE("history: an ok delete is there in the end", "[history]") {
  Story story;
  const auto put = story.put(kA1);
  const auto gone = story.put(kA2, vector_with({kA1}), {put}, true);
  SECTION("as a tombstone") {
    story.end_state({{gone, kA2}}, vector_with({kA2}));
    CHECK(story.found().empty());
  }
  SECTION("not at all, and the value is back") {
    story.end_state({{put, kA1}}, vector_with({kA1}));
    CHECK(story.found() == "lost resurrected");
  }
  SECTION("with the value beside it") {
    story.end_state({{put, kA1}, {gone, kA2}}, vector_with({kA2}));
    CHECK(story.found() == "resurrected");
  }
}

TEST_CASE("history: a replaced value comes back by a late retry alone", "[history]") {
  Story story;
  const auto put = story.begin({}, {});
  const bool retried = GENERATE(false, true);
  story.end(put, ok_write(kA1, {}));
  if (retried) {
    story.again(put);
    story.end(put, no_write(client::Outcome::Unknown, ErrorCode::Unknown));
  }
  const auto by = story.put(kA2, vector_with({kA1}), {put});
  story.end_state({{put, kB1}, {by, kA2}}, vector_with({kA2, kB1}));
  CHECK(story.found() == (retried ? "" : "resurrected"));
}

TEST_CASE("history: every acknowledged element of a set is in it", "[history]") {
  Story story;
  const auto first = story.begin({}, {});
  story.history.write(first).elements = {first};
  story.end(first, ok_write(kA1, {}));
  const auto second = story.begin(vector_with({kA1}), {first});
  story.history.write(second).elements = {first, second};
  story.end(second, ok_write(kA2, vector_with({kA1})));
  FinalState state;
  state.siblings = {{second, kA2, false}};
  state.context = vector_with({kA2});
  SECTION("one is missing from what a majority shows") {
    story.history.write(second).elements = {second};
    story.read({{second, kA2}}, vector_with({kA2}));
    CHECK(story.found() == "set");
  }
  SECTION("all") {
    state.elements = {first, second};
    story.history.judge_final("key", state);
    CHECK(story.found().empty());
  }
  SECTION("one is missing") {
    state.elements = {second};
    story.history.judge_final("key", state);
    CHECK(story.found() == "set");
  }
  SECTION("one was never added") {
    state.elements = {first, second, 9};
    story.history.judge_final("key", state);
    CHECK(story.found() == "set");
  }
}

TEST_CASE("history: versions and values are read as they are written", "[history]") {
  CHECK(parse_dot(to_text(kB2)) == kB2);
  CHECK_FALSE(parse_dot("").has_value());
  CHECK_FALSE(parse_dot("00:1:2").has_value());
  CHECK(write_of(value_of(17, 30)) == 17);
  CHECK_FALSE(write_of("write w;").has_value());
  CHECK_FALSE(write_of("write w1x;").has_value());
  CHECK(elements_of(set_value_of(17, {3, 17})) == std::set<WriteNumber>{3, 17});
  CHECK(elements_of(value_of(17, 30)).empty());
}

}  // namespace parley::sim
