#include "api/client_call.h"

#include "tests/catch.h"

namespace parley::client {
namespace {

const Endpoint kA{"127.0.0.1", 1}, kB{"127.0.0.2", 1}, kC{"127.0.0.3", 1}, kD{"127.0.0.4", 1},
    kE{"127.0.0.5", 1};
const std::vector<Endpoint> kAll{kA, kB, kC, kD, kE};
const Instant kStart = Instant{} + 100s;

Verdict refused(ErrorCode code) { return {Outcome::NotWritten, Error{code, "no", 0}}; }
const Verdict kOk{Outcome::Ok, std::nullopt};

// Plays the driver: asks while the plan wants it, over `order`.
struct Driven {
  CallPlan plan;
  std::vector<Endpoint> order;
  std::vector<Endpoint> asked;

  explicit Driven(Purpose purpose, std::vector<Endpoint> over = kAll, Duration timeout = 2s)
      : plan(purpose, kStart, timeout), order(std::move(over)) {}

  CallPlan::What run(Duration after = 0ms) {
    for (;;) {
      const auto step = plan.step(kStart + after);
      if (step.what != CallPlan::What::Ask) return step.what;
      const auto endpoint = plan.pick(order);
      if (!endpoint) {
        plan.exhausted();
        continue;
      }
      asked.push_back(*endpoint);
      plan.begin(*endpoint, kStart + after);
    }
  }
  Outcome outcome() { return plan.ending().outcome; }
  ErrorCode code() { return plan.ending().error->code; }
};

TEST_CASE("call: ok ends it with that attempt", "[api][call]") {
  for (const Purpose purpose : {Purpose::Read, Purpose::Write, Purpose::Admin}) {
    Driven call(purpose);
    REQUIRE(call.run() == CallPlan::What::Wait);
    CHECK(call.asked == std::vector<Endpoint>{kA});
    call.plan.sent(0);
    call.plan.answered(0, kOk);
    REQUIRE(call.run() == CallPlan::What::End);
    CHECK(call.outcome() == Outcome::Ok);
    CHECK(call.plan.ending().attempt == 0u);
    CHECK(call.plan.ending().connected);
    CHECK_FALSE(call.plan.ending().maybe_elsewhere);
  }
}

TEST_CASE("call: endpoints that cannot be reached are passed once, then it ends", "[api][call]") {
  Driven call(Purpose::Write);
  for (std::size_t i = 0; i < kAll.size(); ++i) {
    REQUIRE(call.run() == CallPlan::What::Wait);
    call.plan.not_sent(i, {ErrorCode::Unreachable, "refused", 0});
  }
  REQUIRE(call.run() == CallPlan::What::End);
  CHECK(call.asked == kAll);
  CHECK(call.outcome() == Outcome::NotWritten);
  CHECK(call.code() == ErrorCode::Unreachable);
  CHECK_FALSE(call.plan.ending().connected);
}

TEST_CASE("call: a refusal that others may not share goes on to the next node", "[api][call]") {
  for (const ErrorCode code : {ErrorCode::NotReady, ErrorCode::Overloaded, ErrorCode::WrongRing,
                               ErrorCode::Expired, ErrorCode::DiskFull, ErrorCode::Damaged}) {
    Driven call(Purpose::Write);
    call.run();
    call.plan.sent(0);
    call.plan.answered(0, refused(code));
    REQUIRE(call.run() == CallPlan::What::Wait);
    CHECK(call.asked == std::vector<Endpoint>{kA, kB});
    call.plan.sent(1);
    call.plan.answered(1, kOk);
    REQUIRE(call.run() == CallPlan::What::End);
    CHECK(call.outcome() == Outcome::Ok);
    CHECK_FALSE(call.plan.ending().maybe_elsewhere);
  }
}

TEST_CASE("call: a refusal that every node would give ends it", "[api][call]") {
  for (const ErrorCode code : {ErrorCode::InvalidArgument, ErrorCode::TooLarge,
                               ErrorCode::BadContext, ErrorCode::SiblingCap, ErrorCode::Unsupported,
                               ErrorCode::NotFound, ErrorCode::WrongCluster, ErrorCode::Refused}) {
    for (const Purpose purpose : {Purpose::Read, Purpose::Write, Purpose::Admin}) {
      Driven call(purpose);
      call.run();
      call.plan.sent(0);
      call.plan.answered(0, refused(code));
      REQUIRE(call.run() == CallPlan::What::End);
      CHECK(call.outcome() == Outcome::NotWritten);
      CHECK(call.code() == code);
      CHECK(call.plan.ending().attempt == 0u);
    }
  }
}

TEST_CASE("call: unavailable is asked of two more and then believed", "[api][call]") {
  for (const Purpose purpose : {Purpose::Read, Purpose::Write}) {
    Driven call(purpose);
    for (std::size_t i = 0; i < 3; ++i) {
      REQUIRE(call.run() == CallPlan::What::Wait);
      call.plan.sent(i);
      call.plan.answered(i, refused(ErrorCode::Unavailable));
    }
    REQUIRE(call.run() == CallPlan::What::End);
    CHECK(call.asked.size() == 3);
    CHECK(call.outcome() == Outcome::NotWritten);
    CHECK(call.code() == ErrorCode::Unavailable);
  }
}

TEST_CASE("call: of several refusals the one that tells most is given", "[api][call]") {
  Driven call(Purpose::Write, {kA, kB, kC});
  const ErrorCode codes[] = {ErrorCode::Unavailable, ErrorCode::NotReady, ErrorCode::Overloaded};
  for (std::size_t i = 0; i < 3; ++i) {
    call.run();
    call.plan.sent(i);
    call.plan.answered(i, refused(codes[i]));
  }
  REQUIRE(call.run() == CallPlan::What::End);
  CHECK(call.code() == ErrorCode::Unavailable);
  CHECK(call.plan.ending().attempt == 0u);
}

TEST_CASE("call: which of two refusals tells more, whichever came first", "[api][call]") {
  // Descending; a final one ends the call, so it comes last or alone.
  const std::vector<std::pair<ErrorCode, ErrorCode>> pairs = {
      {ErrorCode::Unavailable, ErrorCode::DiskFull}, {ErrorCode::Unavailable, ErrorCode::NotReady},
      {ErrorCode::DiskFull, ErrorCode::Damaged},     {ErrorCode::Overloaded, ErrorCode::Expired},
      {ErrorCode::WrongRing, ErrorCode::NotReady},   {ErrorCode::Overloaded, ErrorCode::NotReady}};
  for (const auto& [more, less] : pairs) {
    for (const bool more_first : {true, false}) {
      Driven call(Purpose::Write, {kA, kB});
      for (std::size_t i = 0; i < 2; ++i) {
        call.run();
        call.plan.sent(i);
        call.plan.answered(i, refused((i == 0) == more_first ? more : less));
      }
      REQUIRE(call.run() == CallPlan::What::End);
      CHECK(call.code() == more);
      CHECK(call.plan.ending().attempt == (more_first ? 0u : 1u));
    }
  }
  Driven final(Purpose::Write, {kA, kB});
  for (std::size_t i = 0; i < 2; ++i) {
    final.run();
    final.plan.sent(i);
    final.plan.answered(i, refused(i == 0 ? ErrorCode::Unavailable : ErrorCode::SiblingCap));
  }
  REQUIRE(final.run() == CallPlan::What::End);
  CHECK(final.code() == ErrorCode::SiblingCap);
}

TEST_CASE("call: of several broken connections the best endpoint's is tried anew", "[api][call]") {
  Driven call(Purpose::Read, {kA, kB});
  for (std::size_t i = 0; i < 4; ++i) {
    REQUIRE(call.run() == CallPlan::What::Wait);
    call.plan.sent(i);
    call.plan.broke(i, {ErrorCode::NoAnswer, "reset", 0});
  }
  REQUIRE(call.run() == CallPlan::What::End);
  CHECK(call.asked == std::vector<Endpoint>{kA, kB, kA, kB});
}

TEST_CASE("call: what was not sent stays unsent, whatever is heard of it later", "[api][call]") {
  Driven call(Purpose::Write, {kA});
  call.run();
  call.plan.not_sent(0, {ErrorCode::Unreachable, "refused", 0});
  call.plan.sent(0);
  REQUIRE(call.run() == CallPlan::What::End);
  CHECK(call.outcome() == Outcome::NotWritten);
  CHECK_FALSE(call.plan.ending().connected);
}

TEST_CASE("call: the first ok is the answer", "[api][call]") {
  Driven call(Purpose::Write);
  call.run();
  call.plan.sent(0);
  call.run(500ms);
  call.plan.sent(1);
  call.plan.answered(1, kOk);
  call.plan.answered(0, kOk);
  REQUIRE(call.run(500ms) == CallPlan::What::End);
  CHECK(call.plan.ending().attempt == 1u);
  CHECK(call.plan.ending().maybe_elsewhere);
}

TEST_CASE("call: what one node cannot tell the end of, another is asked for, but for writes",
          "[api][call]") {
  for (const Purpose purpose : {Purpose::Read, Purpose::Admin}) {
    Driven call(purpose, {kA, kB});
    call.run();
    call.plan.sent(0);
    call.plan.answered(0, {Outcome::Unknown, Error{ErrorCode::Unknown, "some did not end", 0}});
    REQUIRE(call.run() == CallPlan::What::Wait);
    CHECK(call.asked == std::vector<Endpoint>{kA, kB});
    call.plan.sent(1);
    call.plan.answered(1, kOk);
    REQUIRE(call.run() == CallPlan::What::End);
    CHECK(call.outcome() == Outcome::Ok);
    CHECK(call.plan.ending().attempt == 1u);
  }
}

TEST_CASE("call: silence is named as such while somebody is silent", "[api][call]") {
  Driven call(Purpose::Read, {kA, kB});
  call.run();
  call.plan.sent(0);
  call.plan.broke(0, {ErrorCode::NoAnswer, "reset", 0});
  call.run();
  call.plan.sent(1);
  REQUIRE(call.run(2s) == CallPlan::What::End);
  CHECK(call.plan.ending().error->message == "no answer within 2000 ms");
  Driven broken(Purpose::Read, {kA});
  for (std::size_t i = 0; i < 2; ++i) {
    broken.run();
    broken.plan.sent(i);
    broken.plan.broke(i, {ErrorCode::NoAnswer, "reset", 0});
  }
  REQUIRE(broken.run() == CallPlan::What::End);
  CHECK(broken.plan.ending().error->message == "reset");
}

TEST_CASE("call: many unreachable nodes make a message of bounded length", "[api][call]") {
  Driven call(Purpose::Write);
  for (std::size_t i = 0; i < kAll.size(); ++i) {
    call.run();
    call.plan.not_sent(i, {ErrorCode::Unreachable, std::string(150, 'x'), 0});
  }
  REQUIRE(call.run() == CallPlan::What::End);
  const std::string& message = call.plan.ending().error->message;
  CHECK(message.size() > 400);
  CHECK(message.size() < 600);
}

TEST_CASE("call: a silent node is joined by the next after a quarter of the deadline",
          "[api][call]") {
  Driven call(Purpose::Write);
  call.run();
  call.plan.sent(0);
  CHECK(call.plan.step(kStart).until == kStart + 500ms);
  CHECK(call.run(499ms) == CallPlan::What::Wait);
  CHECK(call.asked.size() == 1);
  CHECK(call.run(500ms) == CallPlan::What::Wait);
  CHECK(call.asked == std::vector<Endpoint>{kA, kB});
  CHECK(call.run(1000ms) == CallPlan::What::Wait);
  CHECK(call.asked.size() == 3);
  Driven brief(Purpose::Read, kAll, 400ms);
  brief.run();
  CHECK(brief.plan.step(kStart).until == kStart + 250ms);
  CallPlan patient(Purpose::Admin, kStart, 60s, false);
  patient.begin(kA, kStart);
  CHECK(patient.step(kStart + 30s).until == kStart + 60s);
}

TEST_CASE("call: once an attempt may have been sent only ok or unknown remain", "[api][call]") {
  SECTION("silent, and the other refuses") {
    Driven call(Purpose::Write, {kA, kB});
    call.run();
    call.plan.sent(0);
    call.run(500ms);
    call.plan.sent(1);
    call.plan.answered(1, refused(ErrorCode::Unavailable));
    REQUIRE(call.run(600ms) == CallPlan::What::Wait);
    REQUIRE(call.run(2s) == CallPlan::What::End);
    CHECK(call.outcome() == Outcome::Unknown);
    CHECK(call.code() == ErrorCode::Unknown);
  }
  SECTION("silent, the other refuses for good, then the first refuses too") {
    Driven call(Purpose::Write, {kA, kB});
    call.run();
    call.plan.sent(0);
    call.run(500ms);
    call.plan.sent(1);
    call.plan.answered(1, refused(ErrorCode::SiblingCap));
    REQUIRE(call.run(600ms) == CallPlan::What::Wait);
    call.plan.answered(0, refused(ErrorCode::SiblingCap));
    REQUIRE(call.run(600ms) == CallPlan::What::End);
    CHECK(call.outcome() == Outcome::NotWritten);
  }
  SECTION("broken, and the others refuse") {
    Driven call(Purpose::Write, {kA, kB});
    call.run();
    call.plan.sent(0);
    call.plan.broke(0, {ErrorCode::NoAnswer, "reset", 0});
    call.run();
    call.plan.sent(1);
    call.plan.answered(1, refused(ErrorCode::NotReady));
    REQUIRE(call.run() == CallPlan::What::Wait);  // the broken one is worth another try
    CHECK(call.asked == std::vector<Endpoint>{kA, kB, kA});
    call.plan.not_sent(2, {ErrorCode::Unreachable, "refused", 0});
    REQUIRE(call.run() == CallPlan::What::End);
    CHECK(call.outcome() == Outcome::Unknown);
    CHECK(call.plan.ending().connected);
  }
  SECTION("a node says unknown") {
    Driven call(Purpose::Write);
    call.run();
    call.plan.sent(0);
    call.plan.answered(0, {Outcome::Unknown, Error{ErrorCode::Unknown, "1 of 2 acked", 0}});
    REQUIRE(call.run() == CallPlan::What::End);
    CHECK(call.asked.size() == 1);
    CHECK(call.outcome() == Outcome::Unknown);
    CHECK(call.plan.ending().attempt == 0u);  // its receipt
  }
  SECTION("unknown from one, ok from the other that is still out") {
    Driven call(Purpose::Write);
    call.run();
    call.plan.sent(0);
    call.run(500ms);
    call.plan.sent(1);
    call.plan.answered(0, {Outcome::Unknown, Error{ErrorCode::Unknown, "late", 0}});
    REQUIRE(call.run(600ms) == CallPlan::What::Wait);
    call.plan.answered(1, kOk);
    REQUIRE(call.run(600ms) == CallPlan::What::End);
    CHECK(call.outcome() == Outcome::Ok);
    CHECK(call.plan.ending().maybe_elsewhere);
  }
}

TEST_CASE("call: nothing sent by the deadline is not_written and not connected", "[api][call]") {
  Driven call(Purpose::Write, {kA});
  call.run();  // still dialling
  REQUIRE(call.run(2s) == CallPlan::What::End);
  CHECK(call.outcome() == Outcome::NotWritten);
  CHECK_FALSE(call.plan.ending().connected);
}

TEST_CASE("call: a read that nobody answers is unavailable, not unknown", "[api][call]") {
  Driven call(Purpose::Read, {kA});
  call.run();
  call.plan.sent(0);
  REQUIRE(call.run(2s) == CallPlan::What::End);
  CHECK(call.outcome() == Outcome::NotWritten);
  CHECK(call.code() == ErrorCode::Unavailable);
  CHECK(call.plan.ending().connected);
}

TEST_CASE("call: an admin call that nobody answers says so", "[api][call]") {
  Driven call(Purpose::Admin, {kA});
  call.run();
  call.plan.sent(0);
  call.plan.broke(0, {ErrorCode::NoAnswer, "reset", 0});
  call.run();
  call.plan.sent(1);
  call.plan.broke(1, {ErrorCode::NoAnswer, "reset again", 0});
  REQUIRE(call.run() == CallPlan::What::End);
  CHECK(call.asked.size() == 2);
  CHECK(call.code() == ErrorCode::NoAnswer);
}

TEST_CASE("call: an order that may have been carried out is not told as refused", "[api][call]") {
  SECTION("a node does not know what became of it: nobody else is asked") {
    Driven call(Purpose::Change, {kA, kB});
    call.run();
    call.plan.sent(0);
    call.plan.answered(0, {Outcome::Unknown, Error{ErrorCode::Unknown, "1 of 2 members", 0}});
    REQUIRE(call.run() == CallPlan::What::End);
    CHECK(call.asked.size() == 1);
    CHECK(call.code() == ErrorCode::Unknown);
  }
  SECTION("the connection broke, and another node refuses") {
    Driven call(Purpose::Change, {kA, kB});
    call.run();
    call.plan.sent(0);
    call.plan.broke(0, {ErrorCode::NoAnswer, "reset", 0});
    call.run();
    call.plan.sent(1);
    call.plan.answered(1, refused(ErrorCode::NotFound));
    REQUIRE(call.run() == CallPlan::What::End);
    CHECK(call.outcome() == Outcome::Unknown);
    CHECK(call.code() == ErrorCode::NoAnswer);
  }
  SECTION("refused before anything was done, it is refused") {
    Driven call(Purpose::Change, {kA});
    call.run();
    call.plan.sent(0);
    call.plan.answered(0, refused(ErrorCode::NotFound));
    REQUIRE(call.run() == CallPlan::What::End);
    CHECK(call.code() == ErrorCode::NotFound);
  }
}

TEST_CASE("call: events after its end or of an ended attempt change nothing", "[api][call]") {
  Driven call(Purpose::Write);
  call.run();
  call.plan.sent(0);
  call.plan.answered(0, kOk);
  call.plan.broke(0, {ErrorCode::NoAnswer, "late", 0});
  call.plan.not_sent(0, {ErrorCode::Unreachable, "late", 0});
  call.plan.answered(0, refused(ErrorCode::Internal));
  REQUIRE(call.run() == CallPlan::What::End);
  CHECK(call.outcome() == Outcome::Ok);

  Driven late(Purpose::Write, {kA});
  late.run();
  late.plan.sent(0);
  REQUIRE(late.run(2s) == CallPlan::What::End);
  late.plan.answered(0, kOk);
  REQUIRE(late.run(3s) == CallPlan::What::End);
  CHECK(late.outcome() == Outcome::Unknown);
}

TEST_CASE("call: an abandoned one says what is true of it", "[api][call]") {
  Driven fresh(Purpose::Write);
  fresh.plan.abandon();
  REQUIRE(fresh.run() == CallPlan::What::End);
  CHECK(fresh.outcome() == Outcome::NotWritten);
  Driven sent(Purpose::Write);
  sent.run();
  sent.plan.sent(0);
  sent.plan.abandon();
  REQUIRE(sent.run() == CallPlan::What::End);
  CHECK(sent.outcome() == Outcome::Unknown);
}

}  // namespace
}  // namespace parley::client
