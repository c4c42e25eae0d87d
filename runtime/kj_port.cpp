// Destruction order of everything on KJ: RPC systems and HTTP servers, vat networks, streams, the
// KjPort, the Loop.
#include "runtime/kj_port.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "base/lifetime.h"
#include "runtime/kj_internal.h"

namespace parley::runtime {

namespace {

// Bounds a turn at about a millisecond (an event costs 0.1 to 1 us), so that KJ cannot starve
// membership and peers.
constexpr unsigned kEventsPerTurn = 1000;

kj::TimePoint kj_time(Instant at) {
  return kj::origin<kj::TimePoint>() + at.time_since_epoch().count() * kj::NANOSECONDS;
}

Instant instant_of(kj::TimePoint at) {
  return Instant(Duration((at - kj::origin<kj::TimePoint>()) / kj::NANOSECONDS));
}

// Unlike a bare TimerImpl its now() is the Loop's, also when KJ was idle for long: a delay that is
// started outside KJ would else be measured from KJ's last turn.
class LoopTimer final : public kj::Timer {
 public:
  explicit LoopTimer(Loop& loop) : loop_(loop), due_(kj_time(loop.now())), wake_(loop) {}

  kj::TimePoint now() const override { return kj_time(loop_.now()); }
  kj::Promise<void> atTime(kj::TimePoint when) override {
    auto promise = due_.atTime(when);
    set_wake();
    return promise;
  }
  kj::Promise<void> afterDelay(kj::Duration delay) override { return atTime(now() + delay); }

 private:
  void advance() {
    due_.advanceTo(std::max(due_.now(), now()));
    set_wake();
  }
  // Waking for a promise that was dropped since is harmless and cheaper than cancelling.
  void set_wake() {
    KJ_IF_MAYBE (next, due_.nextEvent()) {
      const Instant at = instant_of(*next);
      if (wake_.pending() && wake_at_ <= at) return;
      wake_at_ = at;
      wake_.at(std::max(at, loop_.now()), [this] { advance(); });
    }
  }

  Loop& loop_;
  kj::TimerImpl due_;
  Instant wake_at_;
  runtime::Timer wake_;
};

}  // namespace

struct KjPort::State final : public kj::EventPort {
  explicit State(Loop& on_loop) : loop(on_loop), timer(on_loop), kj_loop(*this), scope(kj_loop) {}

  // The thread belongs to the Loop: a KJ promise that waits here would stop the node.
  bool wait() override { PARLEY_UNREACHABLE(); }

  // Only accept_wake() polls.
  bool poll() override { return woken.exchange(false); }

  // Comes from inside KJ events and from any other code on the thread: only ever posts. KJ says
  // true once, when its queue becomes non-empty, and not again before a run() has emptied it.
  void setRunnable(bool runnable) override {
    if (runnable) post_turn();
  }

  void wake() const override {
    if (woken.exchange(true)) return;
    loop.post(lifetime.guard([self = self] { self->accept_wake(); }));
  }

  void post_turn() {
    if (turn_posted) return;
    turn_posted = true;
    loop.post(lifetime.guard([this] { turn(); }));
  }

  void turn() {
    turn_posted = false;
    kj_loop.run(kEventsPerTurn);
    if (kj_loop.isRunnable()) post_turn();
  }

  // WaitScope::poll() is KJ's only door for events from other threads. It leaves KJ believing that
  // its queue is not empty; the run() in turn() mends that, or setRunnable(true) would never come
  // again.
  void accept_wake() {
    scope.poll();
    turn();
  }

  Loop& loop;
  LoopTimer timer;
  kj::EventLoop kj_loop;
  kj::WaitScope scope;
  bool turn_posted = false;
  mutable std::atomic<bool> woken{false};
  State* const self = this;  // wake() is const, what it causes is not
  Lifetime lifetime;

  static thread_local State* of_this_thread;
};

thread_local KjPort::State* KjPort::State::of_this_thread = nullptr;

KjPort::KjPort(Loop& loop) {
  PARLEY_CHECK(State::of_this_thread == nullptr);
  state_ = std::make_unique<State>(loop);
  State::of_this_thread = state_.get();
}

KjPort::~KjPort() {
  PARLEY_CHECK(State::of_this_thread == state_.get());
  state_.reset();
  State::of_this_thread = nullptr;
}

kj::Timer& KjPort::timer() { return state_->timer; }

Loop& KjPort::loop_of_this_thread() {
  PARLEY_CHECK(State::of_this_thread != nullptr);
  return State::of_this_thread->loop;
}

Loop& loop_of_kj_port() { return KjPort::loop_of_this_thread(); }

}  // namespace parley::runtime
