#include "replication/pass_ledger.h"

#include "tests/catch.h"

namespace parley::replication {
namespace {

using Step = PassLedger::Step;

WriteReply reply_of(Outcome outcome, ErrorCode code = ErrorCode::SiblingCap) {
  WriteReply reply;
  reply.outcome = outcome;
  if (outcome != Outcome::Ok) reply.error = Error{code, "told"};
  return reply;
}
PassLedger passing(std::size_t asked, std::size_t owners = 3) {
  PassLedger ledger;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < owners; ++i) order.push_back(i);
  ledger.plan(order);
  for (std::size_t i = 0; i < asked; ++i) REQUIRE(ledger.next() == i);
  return ledger;
}

}  // namespace

TEST_CASE("pass ledger: hands out each owner once", "[replication][pass]") {
  auto ledger = passing(0, 2);
  CHECK(ledger.step() == Step::TryNext);
  CHECK(ledger.can_hedge());
  CHECK(ledger.next() == 0U);
  CHECK(ledger.next() == 1U);
  CHECK_FALSE(ledger.can_hedge());
  CHECK_FALSE(ledger.next());
  CHECK(ledger.outstanding() == 2);
  CHECK(ledger.step() == Step::Wait);
  CHECK(passing(0, 0).step() == Step::NobodyReached);
}

TEST_CASE("pass ledger: ok is given at once, whatever is outstanding", "[replication][pass]") {
  auto ledger = passing(2);
  ledger.answered(reply_of(Outcome::Ok));
  CHECK(ledger.step() == Step::Give);
  CHECK(ledger.best()->outcome == Outcome::Ok);
  ledger.answered(reply_of(Outcome::NotWritten));
  CHECK(ledger.best()->outcome == Outcome::Ok);
}

TEST_CASE("pass ledger: what an owner refuses for good is given", "[replication][pass]") {
  for (const ErrorCode code : {ErrorCode::SiblingCap, ErrorCode::TooLarge, ErrorCode::BadContext,
                               ErrorCode::InvalidArgument}) {
    auto ledger = passing(1);
    ledger.answered(reply_of(Outcome::NotWritten, code));
    CHECK(ledger.step() == Step::Give);
    CHECK_FALSE(ledger.maybe_sent());
  }
}

TEST_CASE("pass ledger: an owner that cannot take it now leaves it to the next",
          "[replication][pass]") {
  for (const ErrorCode code : {ErrorCode::DiskFull, ErrorCode::Damaged, ErrorCode::NotReady}) {
    auto ledger = passing(1, 2);
    ledger.answered(reply_of(Outcome::NotWritten, code));
    CHECK(ledger.step() == Step::TryNext);
    CHECK_FALSE(ledger.maybe_sent());
    ledger.next();
    ledger.answered(reply_of(Outcome::NotWritten, code));
    CHECK(ledger.step() == Step::NobodyReached);
    CHECK(ledger.last_error()->code == code);
    CHECK_FALSE(ledger.best());
  }
}

TEST_CASE("pass ledger: an owner that takes the others for dead is not the last word",
          "[replication][pass]") {
  auto ledger = passing(1);
  ledger.answered(reply_of(Outcome::NotWritten, ErrorCode::Unavailable));
  CHECK(ledger.step() == Step::TryNext);
  CHECK_FALSE(ledger.maybe_sent());
  auto second = ledger;
  REQUIRE(second.next() == 1U);
  second.answered(reply_of(Outcome::Ok));
  CHECK(second.step() == Step::Give);
  CHECK(second.best()->outcome == Outcome::Ok);
  // When all of them do, it is given.
  REQUIRE(ledger.next() == 1U);
  ledger.failed({ErrorCode::Unreachable, "told"});
  REQUIRE(ledger.next() == 2U);
  ledger.answered(reply_of(Outcome::NotWritten, ErrorCode::Unavailable));
  CHECK(ledger.step() == Step::Give);
  CHECK(ledger.best()->error->code == ErrorCode::Unavailable);
  CHECK_FALSE(ledger.maybe_sent());
}

TEST_CASE("pass ledger: what another owner refuses for good outweighs a view of the members",
          "[replication][pass]") {
  auto ledger = passing(1);
  ledger.answered(reply_of(Outcome::NotWritten, ErrorCode::Unavailable));
  REQUIRE(ledger.next() == 1U);
  ledger.answered(reply_of(Outcome::NotWritten, ErrorCode::SiblingCap));
  CHECK(ledger.step() == Step::Give);
  CHECK(ledger.best()->error->code == ErrorCode::SiblingCap);
  // What an owner says of itself does not.
  auto other = passing(1);
  other.answered(reply_of(Outcome::NotWritten, ErrorCode::Unavailable));
  REQUIRE(other.next() == 1U);
  other.answered(reply_of(Outcome::NotWritten, ErrorCode::Internal));
  CHECK(other.best()->error->code == ErrorCode::Unavailable);
}

TEST_CASE("pass ledger: a refusal and then a silence is no refusal", "[replication][pass]") {
  auto ledger = passing(1, 2);
  ledger.answered(reply_of(Outcome::NotWritten, ErrorCode::Unavailable));
  REQUIRE(ledger.next() == 1U);
  ledger.failed({ErrorCode::NoAnswer, "told"});
  CHECK(ledger.maybe_sent());
  CHECK(ledger.step() == Step::NobodyReached);
}

TEST_CASE("pass ledger: what an owner sheds is not spread over the others", "[replication][pass]") {
  auto ledger = passing(1, 3);
  ledger.answered(reply_of(Outcome::NotWritten, ErrorCode::Overloaded));
  CHECK(ledger.step() == Step::Give);
  CHECK(ledger.best()->error->code == ErrorCode::Overloaded);
}

TEST_CASE("pass ledger: a refusal without a reason is given", "[replication][pass]") {
  auto ledger = passing(1);
  ledger.answered({});
  CHECK(ledger.step() == Step::Give);
}

TEST_CASE("pass ledger: an owner that fell short counts as silent while others are left",
          "[replication][pass]") {
  auto ledger = passing(1, 2);
  ledger.answered(reply_of(Outcome::Unknown, ErrorCode::Unknown));
  CHECK(ledger.step() == Step::TryLater);
  CHECK(ledger.maybe_sent());
  ledger.next();
  CHECK(ledger.step() == Step::Wait);
  SECTION("and another one may reach them") {
    ledger.answered(reply_of(Outcome::Ok));
    CHECK(ledger.step() == Step::Give);
    CHECK(ledger.best()->outcome == Outcome::Ok);
  }
  SECTION("or has nothing better to say") {
    ledger.answered(reply_of(Outcome::NotWritten, ErrorCode::Unavailable));
    CHECK(ledger.step() == Step::Give);
    CHECK(ledger.best()->outcome == Outcome::Unknown);
  }
}

TEST_CASE("pass ledger: an owner that others acked and one refused is not asked past",
          "[replication][pass]") {
  auto ledger = passing(1, 2);
  auto reply = reply_of(Outcome::Unknown, ErrorCode::Unknown);
  reply.replicas.resize(3);
  reply.replicas[0].state = reply.replicas[1].state = ReplicaState::Durable;
  reply.replicas[2].state = ReplicaState::Failed;
  ledger.answered(reply);
  CHECK(ledger.step() == Step::Give);
}

TEST_CASE("pass ledger: of two that fell short the one with more acks is given",
          "[replication][pass]") {
  auto ledger = passing(2);
  auto reply = reply_of(Outcome::Unknown, ErrorCode::Unknown);
  reply.replicas.resize(3);
  reply.replicas[0].state = ReplicaState::Durable;
  ledger.answered(reply);
  reply.replicas[1].state = ReplicaState::Memory;
  ledger.answered(reply);
  CHECK(ledger.best()->replicas[1].state == ReplicaState::Memory);
  CHECK(ledger.step() == Step::Give);
}

TEST_CASE("pass ledger: it waits for a better answer of a hedge", "[replication][pass]") {
  auto ledger = passing(2, 2);
  ledger.answered(reply_of(Outcome::NotWritten));
  CHECK(ledger.step() == Step::Wait);
  ledger.answered(reply_of(Outcome::Unknown, ErrorCode::Unknown));
  CHECK(ledger.best()->outcome == Outcome::Unknown);
  CHECK(ledger.step() == Step::Give);
}

TEST_CASE("pass ledger: which failures prove that nothing was done", "[replication][pass]") {
  for (int code = 1; code <= static_cast<int>(ErrorCode::NotFound); ++code) {
    const auto error = static_cast<ErrorCode>(code);
    auto ledger = passing(1, 2);
    ledger.failed({error, "failed"});
    const bool provable = error == ErrorCode::Unreachable || error == ErrorCode::Overloaded ||
                          error == ErrorCode::NotReady || error == ErrorCode::Expired ||
                          error == ErrorCode::WrongCluster || error == ErrorCode::Unsupported ||
                          error == ErrorCode::NotFound || error == ErrorCode::WrongRing;
    INFO(to_text(error));
    CHECK(ledger.maybe_sent() == !provable);
    CHECK(ledger.last_error()->code == error);
    CHECK(ledger.step() == Step::TryNext);
    ledger.next();
    ledger.failed({ErrorCode::Unreachable, "failed"});
    CHECK(ledger.step() == (error == ErrorCode::WrongRing ? Step::Replan : Step::NobodyReached));
  }
}

TEST_CASE("pass ledger: a refusal after a silence is not the last word", "[replication][pass]") {
  auto ledger = passing(1, 2);
  ledger.failed({ErrorCode::NoAnswer, "silent"});
  ledger.next();
  ledger.answered(reply_of(Outcome::NotWritten));
  CHECK(ledger.maybe_sent());
  CHECK(ledger.step() == Step::NobodyReached);  // nobody left who could turn it into ok
}

TEST_CASE("pass ledger: a new plan forgets the ring, not what was sent", "[replication][pass]") {
  auto ledger = passing(2, 2);
  ledger.failed({ErrorCode::WrongRing, "differs"});
  CHECK(ledger.step() == Step::Wait);
  ledger.failed({ErrorCode::NoAnswer, "silent"});
  CHECK(ledger.step() == Step::Replan);
  ledger.plan({4});
  CHECK(ledger.step() == Step::TryNext);
  CHECK(ledger.maybe_sent());
  CHECK(ledger.next() == 4U);
  ledger.failed({ErrorCode::Unreachable, "gone"});
  CHECK(ledger.step() == Step::NobodyReached);
}

}  // namespace parley::replication
