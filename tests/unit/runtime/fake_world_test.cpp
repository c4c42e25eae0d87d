// The fake world is what other floors' tests stand on, so it is tested itself.
#include "tests/fake/fake_world.h"

#include "tests/catch.h"

using namespace parley;

namespace {
using Stream = std::unique_ptr<runtime::Connection>;

struct Pair {
  fake::World world{1};
  fake::Node& a = world.node("127.0.0.1");
  fake::Node& b = world.node("127.0.0.2");
  std::unique_ptr<runtime::Listener> listener;
  Stream near, far;
  std::string got;
  bool closed = false;

  Pair() {
    listener = std::move(*b.network().listen({"127.0.0.2", 1}, [this](Stream c) {
      far = std::move(c);
      far->listen_to([this](ByteView bytes) { got += bytes; },
                     [this](const Error&) { closed = true; });
    }));
    a.network().connect("127.0.0.1", {"127.0.0.2", 1}, 1s, [this](auto dialled) {
      REQUIRE(dialled);
      near = std::move(*dialled);
    });
    REQUIRE(world.run_until([this] { return near && far; }, 1s));
  }
};
}  // namespace

TEST_CASE("fake world: timers run in order, cancelled ones do not") {
  fake::World world;
  auto& loop = world.node("127.0.0.1").loop();
  std::string order;
  loop.start_timer(world.now() + 20ms, [&] { order += 'b'; });
  loop.start_timer(world.now() + 10ms, [&] { order += 'a'; });
  loop.cancel_timer(loop.start_timer(world.now() + 15ms, [&] { order += 'x'; }));
  loop.post([&] { order += 'p'; });
  world.run_for(15ms);
  CHECK(order == "pa");
  CHECK(world.run_until([&] { return order == "pab"; }, 1s));
  CHECK_FALSE(world.run_until([] { return false; }, 1s));
}

TEST_CASE("fake world: bytes sent before the destruction of a stream arrive, then its end") {
  Pair p;
  p.near->send("hello ");
  p.near->send("world");
  p.near.reset();
  CHECK(p.world.run_until([&] { return p.closed; }, 1s));
  CHECK(p.got == "hello world");
}

TEST_CASE("fake world: a cut stalls a stream for twice its length and breaks nothing") {
  Pair p;
  p.world.cut("127.0.0.1", "127.0.0.2");
  p.near->send("late");
  p.world.run_for(10s);
  CHECK(p.got.empty());
  p.world.heal_all();
  p.world.run_for(9s);
  CHECK(p.got.empty());
  CHECK(p.world.run_until([&] { return p.got == "late"; }, 2s));
  CHECK_FALSE(p.closed);
}

TEST_CASE("fake world: a forgotten stream delivers nothing any more") {
  Pair p;
  p.world.forget_streams("127.0.0.1", "127.0.0.2");
  p.near->send("x");
  p.near.reset();
  p.world.run_for(100s);
  CHECK(p.got.empty());
  CHECK_FALSE(p.closed);
}

TEST_CASE("fake world: dialling is refused, or times out behind a cut") {
  Pair p;
  const Instant start = p.world.now();
  std::string first, second;
  p.a.network().connect("", {"127.0.0.2", 9}, 1s, [&](auto r) { first = r.error().message; });
  CHECK(p.world.run_until([&] { return !first.empty(); }, 1s));
  CHECK(p.world.now() - start == 2ms);
  CHECK(first == "cannot connect to 127.0.0.2:9: connection refused");
  p.world.cut_one_way("127.0.0.2", "127.0.0.1");
  p.a.network().connect("", {"127.0.0.2", 1}, 1s, [&](auto r) { second = r.error().message; });
  CHECK(p.world.run_until([&] { return !second.empty(); }, 2s));
  CHECK(second == "cannot connect to 127.0.0.2:1: timed out");
}

TEST_CASE("fake world: a paused node reads its sockets before its timers run") {
  Pair p;
  std::string order;
  p.far->listen_to([&](ByteView bytes) { order += bytes; }, [](const Error&) {});
  p.b.loop().start_timer(p.world.now() + 1s, [&] { order += 't'; });
  const auto cancelled = p.b.loop().start_timer(p.world.now() + 1s, [&] { order += 'x'; });
  p.b.pause();
  p.world.run_for(5s);
  p.near->send("s");
  p.world.run_for(5s);
  CHECK(order.empty());
  p.b.resume();
  p.b.loop().cancel_timer(cancelled);
  CHECK(p.b.loop().lag() == 10s);
  p.world.run_for(1s);
  CHECK(order == "st");
  CHECK(p.b.loop().lag() == 0s);
}

TEST_CASE("fake world: a drifting clock shows its own time, and its timers follow it") {
  fake::World world;
  auto& loop = world.node("127.0.0.1").loop();
  const Instant begun = loop.now();
  loop.set_rate(0.5);
  CHECK(loop.now() == begun);  // no jump
  bool ran = false;
  loop.start_timer(begun + 1s, [&] { ran = true; });
  world.run_for(1999ms);
  CHECK_FALSE(ran);
  world.run_for(1ms);
  CHECK(ran);
  CHECK(loop.now() == begun + 1s);
  loop.set_rate(1);
  world.run_for(1s);
  CHECK(loop.now() == begun + 2s);
  CHECK(world.now() == begun + 3s);
}

TEST_CASE("fake world: a slow node takes its turns one after another") {
  fake::World world;
  auto& node = world.node("127.0.0.1");
  node.set_turn_cost(10ms);
  std::vector<Duration> at;
  const Instant begun = world.now();
  const auto note = [&] { at.push_back(world.now() - begun); };
  for (int i = 0; i < 3; ++i) node.loop().post(note);
  const auto cancelled = node.loop().start_timer(begun + 1ms, note);
  node.loop().start_timer(begun + 2ms, note);
  node.loop().start_timer(begun + 2ms, [&] { node.loop().cancel_timer(cancelled); });
  world.run_for(5ms);
  node.loop().cancel_timer(cancelled);
  world.run_for(1s);
  CHECK(at == std::vector<Duration>{0ms, 10ms, 20ms, 40ms});
  node.set_turn_cost(0ms);
  at.clear();
  node.loop().post(note);
  node.loop().post(note);
  world.run_for(1s);
  REQUIRE(at.size() == 2);
  CHECK(at[0] == at[1]);
}

TEST_CASE("fake world: back-pressure shows as unsent bytes") {
  Pair p;
  p.far->set_reading(false);
  p.near->send(Bytes(100'000, 'x'));
  p.world.run_for(1s);
  CHECK(p.got.empty());
  CHECK(p.near->unsent_bytes() == 100'000 - 65'536);
  p.far->set_reading(true);
  p.world.run_for(1s);
  CHECK(p.got.size() == 100'000);
  CHECK(p.near->unsent_bytes() == 0);
}

TEST_CASE("fake world: datagrams arrive, are lost over a cut, and by chance") {
  fake::World world(7);
  auto& a = world.node("127.0.0.1");
  auto& b = world.node("127.0.0.2");
  int got = 0;
  auto from = std::move(*a.network().bind_datagrams({"127.0.0.1", 1}, [](auto&&...) {}));
  auto to = std::move(
      *b.network().bind_datagrams({"127.0.0.2", 1}, [&](const Endpoint& e, ByteView bytes) {
        CHECK(e == Endpoint{"127.0.0.1", 1});
        got += bytes == "ping";
      }));
  CHECK(from->send({"127.0.0.2", 1}, "ping"));
  world.run_for(1s);
  CHECK(got == 1);
  world.cut("127.0.0.1", "127.0.0.2");
  from->send({"127.0.0.2", 1}, "ping");
  world.run_for(1s);
  CHECK(got == 1);
  world.heal_all();
  world.set_datagram_loss(0.5);
  for (int i = 0; i < 200; ++i) from->send({"127.0.0.2", 1}, "ping");
  world.run_for(1s);
  CHECK(got > 50);
  CHECK(got < 150);
  to.reset();
  from->send({"127.0.0.2", 1}, "ping");
  world.run_for(1s);
  CHECK_FALSE(b.network().bind_datagrams({"127.0.0.1", 1}, [](auto&&...) {}));
}
