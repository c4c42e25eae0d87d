#include "replication/write_quorum.h"

#include "tests/catch.h"

namespace parley::replication {
namespace {

constexpr auto kFsync = storage::Durability::Fsync;
constexpr auto kMemory = storage::Durability::Memory;

WriteQuorum asked_all(std::size_t owners, std::size_t required, bool hint_counts = false) {
  WriteQuorum quorum(owners, required, hint_counts);
  for (std::size_t i = 0; i < owners; ++i) quorum.asked(i);
  return quorum;
}

}  // namespace

TEST_CASE("write quorum: every combination of answers of three owners", "[replication][quorum]") {
  // Per owner: 0 awaited, 1 durable, 2 memory, 3 failed, 4 no answer, 5 never asked.
  for (std::size_t required = 1; required <= 3; ++required) {
    for (int combination = 0; combination < 216; ++combination) {
      WriteQuorum quorum(3, required, false);
      std::size_t acks = 0, awaited = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        const int answer = combination / (i == 0 ? 1 : i == 1 ? 6 : 36) % 6;
        if (answer != 5) quorum.asked(i);
        if (answer == 1) quorum.acked(i, kFsync);
        if (answer == 2) quorum.acked(i, kMemory);
        if (answer == 3) quorum.failed(i);
        if (answer == 4) quorum.no_answer(i);
        acks += answer == 1 || answer == 2 ? 1U : 0U;
        awaited += answer == 0 ? 1U : 0U;
        const ReplicaState states[] = {ReplicaState::Pending,  ReplicaState::Durable,
                                       ReplicaState::Memory,   ReplicaState::Failed,
                                       ReplicaState::NoAnswer, ReplicaState::Failed};
        REQUIRE(quorum.state(i) == states[answer]);
        REQUIRE(quorum.needs_hint(i) == (answer != 1 && answer != 2));
      }
      REQUIRE(quorum.ack_count() == acks);
      REQUIRE(quorum.settled() == (awaited == 0));
      REQUIRE(quorum.hints_settled());
      REQUIRE(quorum.verdict() == (acks >= required             ? Verdict::Reached
                                   : acks + awaited >= required ? Verdict::Pending
                                                                : Verdict::Unreachable));
    }
  }
}

TEST_CASE("write quorum: late and duplicate replies change nothing", "[replication][quorum]") {
  auto quorum = asked_all(3, 2);
  quorum.acked(0, kFsync);
  quorum.acked(0, kMemory);
  quorum.failed(0);
  quorum.no_answer(0);
  quorum.asked(0);
  CHECK(quorum.answer(0) == WriteQuorum::Answer::Durable);
  quorum.no_answer(1);
  quorum.acked(1, kFsync);
  quorum.asked(1);
  CHECK(quorum.answer(1) == WriteQuorum::Answer::NoAnswer);
  CHECK(quorum.ack_count() == 1);
  // an ack of nobody's question
  WriteQuorum silent(1, 1, false);
  silent.acked(0, kFsync);
  CHECK(silent.answer(0) == WriteQuorum::Answer::NotAsked);
}

TEST_CASE("write quorum: a refusal may be asked again", "[replication][quorum]") {
  auto quorum = asked_all(1, 1);
  quorum.failed(0);
  CHECK(quorum.verdict() == Verdict::Unreachable);
  quorum.asked(0);
  CHECK(quorum.verdict() == Verdict::Pending);
  quorum.acked(0, kFsync);
  CHECK(quorum.verdict() == Verdict::Reached);
}

TEST_CASE("write quorum: hints never count below any", "[replication][quorum]") {
  auto quorum = asked_all(3, 1);
  for (std::size_t i = 0; i < 3; ++i) {
    quorum.failed(i);
    quorum.hint_begun(i);
    CHECK_FALSE(quorum.needs_hint(i));
    CHECK_FALSE(quorum.hints_settled());
    quorum.hint_kept(i, "holder");
    CHECK(quorum.state(i) == ReplicaState::Hinted);
    CHECK(quorum.hint_holder(i) == "holder");
  }
  CHECK(quorum.verdict() == Verdict::Unreachable);
  CHECK(quorum.settled());
  CHECK(quorum.size() == 3);
}

TEST_CASE("write quorum: at any a kept hint decides once no replica can", "[replication][quorum]") {
  auto quorum = asked_all(2, 1, true);
  quorum.hint_begun(0);
  quorum.failed(0);
  CHECK(quorum.verdict() == Verdict::Pending);  // owner 1 is awaited
  quorum.no_answer(1);
  CHECK(quorum.verdict() == Verdict::Pending);  // the hint is being written
  CHECK_FALSE(quorum.settled());
  SECTION("it is kept") {
    quorum.hint_kept(0, "a");
    CHECK(quorum.verdict() == Verdict::Reached);
    quorum.hint_lost(0);
    quorum.hint_begun(0);
    quorum.hint_kept(0, "b");
    CHECK(quorum.hint_holder(0) == "a");
    CHECK(quorum.verdict() == Verdict::Reached);
  }
  SECTION("it is lost") {
    quorum.hint_lost(0);
    CHECK(quorum.verdict() == Verdict::Unreachable);
    CHECK(quorum.state(0) == ReplicaState::Failed);
    CHECK_FALSE(quorum.needs_hint(0));  // it was tried
    CHECK(quorum.settled());
  }
  SECTION("none is begun") {
    CHECK(quorum.needs_hint(1));
    CHECK(quorum.state(1) == ReplicaState::NoAnswer);
  }
}

TEST_CASE("write quorum: at any a replica decides alone", "[replication][quorum]") {
  auto quorum = asked_all(2, 1, true);
  quorum.hint_begun(1);
  quorum.acked(0, kFsync);
  CHECK(quorum.verdict() == Verdict::Reached);
  CHECK_FALSE(quorum.hints_settled());
  quorum.acked(1, kFsync);  // its hint does not matter any more
  CHECK(quorum.hints_settled());
  CHECK(quorum.state(1) == ReplicaState::Durable);
  quorum.hint_lost(0);  // there was none
  CHECK(quorum.state(0) == ReplicaState::Durable);
}

TEST_CASE("write quorum: a kept hint outlives the silence of its target", "[replication][quorum]") {
  auto quorum = asked_all(1, 1);
  quorum.hint_begun(0);
  quorum.hint_kept(0, "a");
  CHECK(quorum.state(0) == ReplicaState::Hinted);
  CHECK_FALSE(quorum.settled());  // still awaited
  quorum.acked(0, kMemory);
  CHECK(quorum.state(0) == ReplicaState::Memory);
}

}  // namespace parley::replication
