// The real loop and network, on loopback sockets and with real time: every wait has a deadline.
#include "runtime/asio_loop.h"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "base/hash.h"
#include "runtime/rpc.h"
#include "tests/catch.h"

using namespace parley;
using namespace parley::runtime;

namespace {

using Stream = std::unique_ptr<Connection>;

struct Real {
  MetricRegistry metrics;
  std::unique_ptr<AsioWorld> world = make_asio_world(Logger(), metrics);
  Loop& loop = world->loop();
  Network& network = world->network();

  // Runs the loop until `done`, looked at every millisecond; false after `limit`.
  bool run_until(const std::function<bool()>& done, Duration limit = 10s) {
    const Instant end = loop.now() + limit;
    bool reached = false;
    Timer look(loop);
    const std::function<void()> check = [&] {
      reached = done();
      if (reached || loop.now() > end) return world->stop();
      look.after(1ms, check);
    };
    look.after(0ms, check);
    world->run();
    return reached;
  }
  // A port that nobody listens on: the kernel's choice, given back at once.
  static Endpoint free_endpoint(const std::string& address = "127.0.0.1") {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    inet_pton(AF_INET, address.c_str(), &at.sin_addr);
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    socklen_t length = sizeof at;
    getsockname(fd, reinterpret_cast<sockaddr*>(&at), &length);
    close(fd);
    return {address, ntohs(at.sin_port)};
  }
};

struct RealPair : Real {
  Endpoint at = free_endpoint();
  std::unique_ptr<Listener> listener;
  Stream near, far;
  Bytes got;
  int reads = 0;
  std::optional<Error> far_closed;

  RealPair() {
    auto listening = network.listen(at, [this](Stream c) {
      far = std::move(c);
      far->listen_to(
          [this](ByteView bytes) {
            got += bytes;
            ++reads;
          },
          [this](const Error& why) { far_closed = why; });
    });
    REQUIRE(listening);
    listener = std::move(*listening);
    network.connect("127.0.0.1", at, 1s, [this](auto r) {
      REQUIRE(r);
      near = std::move(*r);
      near->listen_to([](ByteView) {}, [](const Error&) {});
    });
    REQUIRE(run_until([&] { return near && far; }));
  }
};

}  // namespace

TEST_CASE("asio loop: timers run in order and not after their cancellation") {
  Real r;
  std::string order;
  const Instant start = r.loop.now();
  r.loop.start_timer(start + 20ms, [&] { order += 'b'; });
  r.loop.start_timer(start + 10ms, [&] { order += 'a'; });
  r.loop.cancel_timer(r.loop.start_timer(start + 5ms, [&] { order += 'x'; }));
  r.loop.start_timer(start - 1s, [&] { order += '0'; });
  CHECK(r.run_until([&] { return order.size() == 3; }));
  CHECK(order == "0ab");
  CHECK(r.loop.now() - start >= 20ms);
}

TEST_CASE("asio loop: a task that posts runs its successor in a later turn") {
  Real r;
  std::string order;
  r.loop.post([&] {
    r.loop.post([&] { order += 'b'; });
    order += 'a';
  });
  r.loop.post([&] { order += 'c'; });
  CHECK(r.run_until([&] { return order.size() == 3; }));
  CHECK(order == "acb");
}

TEST_CASE("asio loop: posts of other threads all run, each thread's in order") {
  Real r;
  constexpr int kEach = 5000;
  std::array<int, 2> last{};
  bool ordered = true;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 1; i <= kEach; ++i) {
        r.loop.post([&, t, i] { ordered = ordered && std::exchange(last[t], i) == i - 1; });
      }
    });
  }
  CHECK(r.run_until([&] { return last[0] == kEach && last[1] == kEach; }));
  for (auto& thread : threads) thread.join();
  CHECK(ordered);
}

TEST_CASE("asio loop: a slow handler is counted and shows as lag") {
  Real r;
  Duration seen{};
  r.run_until([] { return true; });
  r.loop.post([&] {
    const Instant end = r.loop.now() + 250ms;
    while (r.loop.now() < end) {
    }
    seen = r.loop.lag();
  });
  CHECK(r.run_until([&] { return seen > 0ms; }));
  CHECK(seen >= 100ms);
  CHECK(r.metrics.render().find("parley_loop_slow_turns_total 0") == std::string::npos);
  CHECK(r.run_until([&] { return r.loop.lag() < 50ms; }));
  CHECK(r.metrics.render().find("parley_loop_lag_seconds 0\n") == std::string::npos);
}

TEST_CASE("asio loop: sockets are drained before timers that are late") {
  Real r;
  // More than one turn reads: it takes a real drain, not only the right order within a turn.
  constexpr int kPackets = 400;
  const Endpoint at = Real::free_endpoint("127.0.0.3");
  int got = 0;
  int got_before_timer = -1;
  auto socket = r.network.bind_datagrams(at, [&](const Endpoint&, ByteView) { ++got; });
  REQUIRE(socket);
  r.loop.start_timer(r.loop.now() + 30ms, [&] { got_before_timer = got; });
  r.loop.post([&] {
    for (int i = 0; i < kPackets; ++i) (*socket)->send(at, "x");
    // The loop is away for longer than the timer waits.
    const Instant end = r.loop.now() + 100ms;
    while (r.loop.now() < end) {
    }
  });
  CHECK(r.run_until([&] { return got_before_timer >= 0; }));
  CHECK(got_before_timer == kPackets);
}

TEST_CASE("asio loop: termination signals reach the handler") {
  Real r;
  int got = 0;
  r.world->on_termination([&](int signal) { got = signal; });
  r.loop.post([] { raise(SIGTERM); });
  CHECK(r.run_until([&] { return got == SIGTERM; }));
}

TEST_CASE("asio loop: tasks left at the end are destroyed with what they own") {
  auto owned = std::make_shared<int>(1);
  {
    RealPair p;
    auto stream = std::make_shared<Stream>(std::move(p.near));
    p.loop.post([stream, owned] {});
    p.loop.start_timer(p.loop.now() + 1h, [stream, owned] {});
    stream.reset();
    p.far.reset();
    p.listener.reset();
  }
  CHECK(owned.use_count() == 1);
}

TEST_CASE("asio network: what one turn sends arrives in order and in one piece") {
  RealPair p;
  p.loop.post([&] {
    for (char c = 'a'; c <= 'z'; ++c) p.near->send(Bytes(1, c));
    CHECK(p.near->unsent_bytes() == 26);
  });
  CHECK(p.run_until([&] { return p.got.size() == 26; }));
  CHECK(p.got == "abcdefghijklmnopqrstuvwxyz");
  CHECK(p.reads == 1);
  CHECK(p.near->unsent_bytes() == 0);
}

TEST_CASE("asio network: a large transfer survives back-pressure unharmed") {
  RealPair p;
  Bytes sent;
  for (std::uint64_t i = 0; sent.size() < 20_MiB; ++i) {
    sent.append(reinterpret_cast<const char*>(&i), sizeof i);
  }
  p.far->set_reading(false);
  p.near->send(sent);
  p.near->send("end");
  CHECK(p.run_until([&] { return p.near->unsent_bytes() < sent.size(); }));
  CHECK(p.near->unsent_bytes() > 0);
  CHECK(p.got.empty());
  p.far->set_reading(true);
  CHECK(p.run_until([&] { return p.got.size() == sent.size() + 3; }));
  CHECK(hash64(p.got) == hash64(sent + "end"));
}

TEST_CASE("asio network: a destroyed connection sends what it has, then the peer hears its end") {
  RealPair p;
  const Bytes sent(8_MiB, 'x');
  p.loop.post([&] {
    p.near->send(sent);
    p.near.reset();
  });
  CHECK(p.run_until([&] { return p.far_closed.has_value(); }));
  CHECK(p.got.size() == sent.size());
  CHECK(p.far_closed->message == "the peer closed the connection");
}

TEST_CASE("asio network: a connection may be destroyed inside its own callbacks") {
  RealPair p;
  bool destroyed = false;
  p.near->listen_to(
      [&](ByteView) {
        p.near.reset();
        destroyed = true;
      },
      [](const Error&) { FAIL("closed after destruction"); });
  p.far->send("x");
  CHECK(p.run_until([&] { return destroyed && p.far_closed; }));
}

TEST_CASE("asio network: the port in use is named") {
  RealPair p;
  const auto again = p.network.listen(p.at, [](Stream) {});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::InvalidArgument);
  CHECK(again.error().message == "cannot listen on " + to_text(p.at) + ": address already in use");
  CHECK_FALSE(p.network.listen({"no address", 1}, [](Stream) {}));
  CHECK(p.network.listen({"192.0.2.1", 7401}, [](Stream) {}).error().message ==
        "cannot listen on 192.0.2.1:7401: cannot assign requested address");
  p.listener.reset();
  CHECK(p.network.listen(p.at, [](Stream) {}));
}

TEST_CASE("asio network: connecting reports refusal, bad addresses and time-outs") {
  Real r;
  std::vector<std::string> errors;
  const auto report = [&](Result<Stream> outcome) {
    REQUIRE_FALSE(outcome);
    const bool refused = outcome.error().message.ends_with("connection refused");
    CHECK(outcome.error().code == (refused ? ErrorCode::Refused : ErrorCode::Unreachable));
    errors.push_back(outcome.error().message);
  };
  const Endpoint nobody = Real::free_endpoint("127.0.0.9");
  r.network.connect("127.0.0.8", nobody, 5s, report);
  r.network.connect("127.0.0.8", {"nonsense", 1}, 5s, report);
  CHECK(errors.empty());
  CHECK(r.run_until([&] { return errors.size() == 2; }));
  CHECK(errors[0] == "cannot connect to nonsense:1: invalid argument");
  CHECK(errors[1] == "cannot connect to " + to_text(nobody) + ": connection refused");

  // A listener whose backlog is full drops the handshake: the dial times out.
  const int full = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  inet_pton(AF_INET, "127.0.0.9", &at.sin_addr);
  REQUIRE(bind(full, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  socklen_t length = sizeof at;
  getsockname(full, reinterpret_cast<sockaddr*>(&at), &length);
  REQUIRE(listen(full, 0) == 0);
  const Endpoint busy{"127.0.0.9", ntohs(at.sin_port)};
  std::vector<Stream> connected;
  int done = 0;
  for (int i = 0; i < 4; ++i) {
    r.network.connect("", busy, 200ms, [&](Result<Stream> outcome) {
      ++done;
      if (outcome) {
        connected.push_back(std::move(*outcome));
      } else {
        CHECK(outcome.error().message == "cannot connect to " + to_text(busy) + ": timed out");
      }
    });
  }
  CHECK(r.run_until([&] { return done == 4; }));
  CHECK(connected.size() < 4);
  close(full);
}

TEST_CASE("asio network: dialling binds to the local address given") {
  Real r;
  const Endpoint at = Real::free_endpoint();
  Endpoint from;
  Stream near, far;
  auto listener = r.network.listen(at, [&](Stream c) {
    from = c->remote();
    far = std::move(c);
  });
  r.network.connect("127.0.0.77", at, 1s, [&](auto outcome) { near = std::move(*outcome); });
  CHECK(r.run_until([&] { return near && far; }));
  CHECK(from.address == "127.0.0.77");
  CHECK(near->remote() == at);
}

TEST_CASE("asio network: accepting goes on after the process ran out of descriptors") {
  RealPair p;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  std::vector<int> hoard;
  const rlimit few{200, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(p.at.port);
  inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  for (int fd = dup(0); fd >= 0; fd = dup(0)) hoard.push_back(fd);
  p.far.reset();
  p.run_until([] { return true; });
  for (int fd = dup(0); fd >= 0; fd = dup(0)) hoard.push_back(fd);
  connect(client, reinterpret_cast<sockaddr*>(&at), sizeof at);
  const Instant start = p.loop.now();
  p.run_until([&] { return p.loop.now() - start > 20ms; });
  const bool accepted_meanwhile = p.far != nullptr;
  // Before any assertion: the sanitizer's own checks need a descriptor.
  for (const int fd : hoard) close(fd);
  setrlimit(RLIMIT_NOFILE, &before);
  CHECK_FALSE(accepted_meanwhile);
  CHECK(p.run_until([&] { return p.far != nullptr; }));
  close(client);
}

TEST_CASE("asio network: datagrams") {
  Real r;
  const Endpoint a = Real::free_endpoint("127.0.0.3"), b = Real::free_endpoint("127.0.0.4");
  Endpoint from;
  int got = 0;
  auto left = r.network.bind_datagrams(a, [](auto&&...) {});
  auto right = r.network.bind_datagrams(b, [&](const Endpoint& e, ByteView bytes) {
    from = e;
    got += bytes == "ping";
  });
  REQUIRE(left);
  REQUIRE(right);
  CHECK(r.network.bind_datagrams(b, [](auto&&...) {}).error().message ==
        "cannot bind " + to_text(b) + " (UDP): address already in use");
  for (int i = 0; i < 300; ++i) CHECK((*left)->send(b, "ping"));
  CHECK(r.run_until([&] { return got == 300; }));
  CHECK(from == a);
  CHECK_FALSE((*left)->send({"not an address", 1}, "x"));
  CHECK_FALSE((*left)->send(b, Bytes(70'000, 'x')));
  // Nobody there: the kernel's complaint about it harms neither later sends nor the receiver.
  (*left)->send(Real::free_endpoint("127.0.0.5"), "x");
  CHECK((*left)->send(b, "ping"));
  CHECK(r.run_until([&] { return got == 301; }));
}

TEST_CASE("asio: rpc between two endpoints of one loop") {
  Real r;
  RpcOptions options;
  MetricRegistry other;
  RpcIdentity first, second;
  first.node.octets[0] = 1;
  second.node.octets[0] = 2;
  first.cluster.octets[0] = second.cluster.octets[0] = 9;
  const Endpoint a = Real::free_endpoint("127.0.0.6"), b = Real::free_endpoint("127.0.0.7");
  auto left = make_rpc(options, first, a, r.loop, r.network, Logger(), r.metrics);
  auto right = make_rpc(options, second, b, r.loop, r.network, Logger(), other);
  REQUIRE(left);
  REQUIRE(right);
  (*right)->serve(Verb::StoreCopy, Admission::Members, [](const RpcRequest& request, auto answer) {
    CHECK(request.remote.address == "127.0.0.6");
    answer(Bytes(request.body.rbegin(), request.body.rend()));
  });
  int done = 0;
  std::vector<CallHandle> calls;
  for (int i = 0; i < 1000; ++i) {
    const Bytes body = std::to_string(i) + Bytes(static_cast<std::size_t>(i), '.');
    calls.push_back((*left)->call(b, Verb::StoreCopy, body, {}, [&, body](Result<Bytes> answer) {
      REQUIRE(answer);
      CHECK(*answer == Bytes(body.rbegin(), body.rend()));
      ++done;
    }));
  }
  CHECK(r.run_until([&] { return done == 1000; }));
}

TEST_CASE("os entropy: 32 bytes that differ") {
  CHECK(os_entropy32().size() == 32);
  CHECK(os_entropy32() != os_entropy32());
}
