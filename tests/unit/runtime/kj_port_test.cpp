#include <kj/async.h>

#include <thread>
#include <vector>

#include "tests/unit/runtime/kj_pair.h"

namespace parley::runtime {
namespace {

TEST_CASE("kj port: what a handler starts runs in a later turn, not inside it", "[runtime][kj]") {
  KjPair kj;
  bool ran = false;
  auto promise = kj::evalLater([&] { ran = true; }).eagerlyEvaluate(nullptr);
  CHECK_FALSE(ran);
  kj.world.run_for(0ns);
  CHECK(ran);
  // And again, after KJ's queue ran empty.
  ran = false;
  promise = kj::evalLater([&] { ran = true; }).eagerlyEvaluate(nullptr);
  kj.world.run_for(0ns);
  CHECK(ran);
}

TEST_CASE("kj port: an endless chain of events lets others run", "[runtime][kj]") {
  KjPair kj;
  std::uint64_t links = 0;
  bool other_ran = false;
  bool stop = false;
  std::function<kj::Promise<void>()> link = [&]() -> kj::Promise<void> {
    ++links;
    if (stop) return kj::READY_NOW;
    return kj::evalLater([&] { return link(); });
  };
  auto chain = link().eagerlyEvaluate(nullptr);
  kj.here.loop().post([&] { kj.here.loop().post([&] { other_ran = true; }); });
  CHECK(kj.world.run_until([&] { return other_ran; }, 0ns));
  const std::uint64_t seen = links;
  CHECK(kj.world.run_until([&] { return links > seen + 5000; }, 0ns));  // and goes on
  stop = true;
  kj.await(kj::mv(chain));
}

TEST_CASE("kj port: timers follow the loop's clock", "[runtime][kj]") {
  KjPair kj;
  std::vector<int> order;
  const Instant start = kj.world.now();
  std::vector<Duration> at;
  const auto note = [&](int n) {
    return [&, n] {
      order.push_back(n);
      at.push_back(kj.world.now() - start);
    };
  };
  auto late = kj.port.timer().afterDelay(300 * kj::MILLISECONDS).then(note(2));
  auto early = kj.port.timer().afterDelay(100 * kj::MILLISECONDS).then(note(1));
  auto dropped = kj.port.timer().afterDelay(200 * kj::MILLISECONDS).then(note(9));
  dropped = nullptr;
  auto past = kj.port.timer().atTime(kj::origin<kj::TimePoint>()).then(note(0));
  auto a = late.eagerlyEvaluate(nullptr);
  auto b = early.eagerlyEvaluate(nullptr);
  auto c = past.eagerlyEvaluate(nullptr);
  kj.world.run_for(1s);
  CHECK(order == std::vector<int>{0, 1, 2});
  CHECK(at == std::vector<Duration>{0ms, 100ms, 300ms});
}

TEST_CASE("kj port: a delay counts from the loop's now (KJ idle before)", "[runtime][kj]") {
  KjPair kj;
  kj.world.run_for(60s);
  bool rang = false;
  auto wait = kj.port.timer()
                  .afterDelay(5 * kj::SECONDS)
                  .then([&] { rang = true; })
                  .eagerlyEvaluate(nullptr);
  kj.world.run_for(4999ms);
  CHECK_FALSE(rang);
  kj.world.run_for(1ms);
  CHECK(rang);
}

TEST_CASE("kj port: a timeout rejects and cancels", "[runtime][kj]") {
  KjPair kj;
  auto never =
      kj.port.timer().timeoutAfter(50 * kj::MILLISECONDS, kj::Promise<int>(kj::NEVER_DONE));
  CHECK(kj.failure_of(kj::mv(never)) == "operation timed out");
}

TEST_CASE("kj port: a fulfiller on another thread wakes it, again and again", "[runtime][kj]") {
  KjPair kj;
  for (int i = 0; i < 20; ++i) {
    auto pair = kj::newPromiseAndCrossThreadFulfiller<int>();
    int got = -1;
    auto wait = pair.promise.then([&](int n) { got = n; }).eagerlyEvaluate(nullptr);
    std::thread other([&] { pair.fulfiller->fulfill(kj::cp(i)); });
    CHECK(kj.world.run_real_until([&] { return got == i; }, 10s));
    other.join();
    // setRunnable() still comes after the poll that took the event.
    bool ran = false;
    auto later = kj::evalLater([&] { ran = true; }).eagerlyEvaluate(nullptr);
    CHECK(kj.world.run_real_until([&] { return ran; }, 10s));
  }
}

TEST_CASE("kj port: one after another on the same thread", "[runtime][kj]") {
  fake::World world;
  for (int i = 0; i < 3; ++i) {
    bool ran = false, late = false;
    {
      KjPort port(world.node("127.0.0.1").loop());
      auto promise = kj::evalLater([&] { ran = true; }).eagerlyEvaluate(nullptr);
      world.run_for(0ns);
      // A turn that is posted and a timer that is set when the port goes must do nothing.
      const auto run_late = [&] { late = true; };
      auto abandoned =
          port.timer().afterDelay(1 * kj::SECONDS).then(run_late).eagerlyEvaluate(nullptr);
      auto never_run = kj::evalLater(run_late).eagerlyEvaluate(nullptr);
    }
    CHECK(ran);
    world.run_for(2s);
    CHECK_FALSE(late);
  }
}

}  // namespace
}  // namespace parley::runtime
