// KJ on the real loop and real sockets.
#include <kj/async-io.h>

#include <functional>
#include <memory>
#include <string>

#include "runtime/asio_loop.h"
#include "runtime/kj_port.h"
#include "tests/catch.h"

namespace parley::runtime {
namespace {

struct RealWorld {
  MetricRegistry metrics;
  std::unique_ptr<AsioWorld> asio = make_asio_world(Logger(), metrics);
  KjPort port{asio->loop()};
  std::unique_ptr<Listener> listener;
  Endpoint at{"127.77.12.1", 0};

  // The first free port from 20000 on.
  void listen(std::function<void(std::unique_ptr<Connection>)> on_accept) {
    for (std::uint16_t p = 20000; p < 20200; ++p) {
      at.port = p;
      auto got = asio->network().listen(at, on_accept);
      if (!got) continue;
      listener = std::move(*got);
      return;
    }
    FAIL("no free port");
  }
  void dial(std::function<void(std::unique_ptr<Connection>)> then) {
    asio->network().connect("", at, 5s, [then](Result<std::unique_ptr<Connection>> c) {
      REQUIRE(c.ok());
      then(std::move(*c));
    });
  }
  // Runs until stop(); false when that took longer than 20 s.
  bool run() {
    bool in_time = true;
    Timer limit(asio->loop());
    limit.after(20s, [&] {
      in_time = false;
      asio->stop();
    });
    asio->run();
    return in_time;
  }
};

TEST_CASE("kj on asio: megabytes there and back, with both ends under back-pressure",
          "[runtime][kj]") {
  RealWorld world;
  const KjStreamLimits limits{.capnp_frames = false, .buffered_bytes_most = 32_KiB};
  kj::Own<kj::AsyncIoStream> server, client;
  kj::Promise<void> echoing = nullptr, reading = nullptr, writing = nullptr;
  Bytes sent(6'000'000, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 7);
  Bytes received(sent.size(), '\0');
  bool equal = false;

  world.listen([&](std::unique_ptr<Connection> c) {
    server = kj_stream(std::move(c), limits);
    echoing = server->pumpTo(*server).ignoreResult().eagerlyEvaluate(nullptr);
  });
  world.dial([&](std::unique_ptr<Connection> c) {
    client = kj_stream(std::move(c), limits);
    writing = client->write(sent.data(), sent.size()).eagerlyEvaluate(nullptr);
    reading = client->read(received.data(), received.size(), received.size())
                  .then([&](std::size_t) {
                    equal = received == sent;
                    world.asio->stop();
                  })
                  .eagerlyEvaluate(nullptr);
  });
  CHECK(world.run());
  CHECK(equal);
}

TEST_CASE("kj on asio: a hostile segment count closes that connection only", "[runtime][kj]") {
  RealWorld world;
  std::vector<kj::Own<kj::AsyncIoStream>> streams;
  std::vector<kj::Promise<void>> readers;
  std::string failure;
  char buffer[64];
  int refused = 0;
  KjStreamLimits limits;
  limits.on_refused = [&](const Error&) { ++refused; };
  world.listen([&](std::unique_ptr<Connection> c) {
    streams.push_back(kj_stream(std::move(c), limits));
    readers.push_back(streams.back()
                          ->tryRead(buffer, 1, sizeof buffer)
                          .then([](std::size_t) {},
                                [&](kj::Exception&& e) { failure = e.getDescription().cStr(); })
                          .eagerlyEvaluate(nullptr));
  });
  std::unique_ptr<Connection> hostile;
  bool closed = false;
  world.dial([&](std::unique_ptr<Connection> c) {
    hostile = std::move(c);
    hostile->listen_to([](ByteView) {},
                       [&](const Error&) {
                         closed = true;
                         world.asio->stop();
                       });
    hostile->send(Bytes("\xff\xff\xff\xff\0\0\0\0", 8));
  });
  CHECK(world.run());
  CHECK(closed);
  CHECK(refused == 1);
  CHECK(failure.find("4294967296 segments refused") != std::string::npos);
}

TEST_CASE("kj on asio: timers ring", "[runtime][kj]") {
  RealWorld world;
  const Instant start = world.asio->loop().now();
  auto ring = world.port.timer()
                  .afterDelay(30 * kj::MILLISECONDS)
                  .then([&] { world.asio->stop(); })
                  .eagerlyEvaluate(nullptr);
  CHECK(world.run());
  CHECK(world.asio->loop().now() - start >= 30ms);
}

}  // namespace
}  // namespace parley::runtime
