#include <kj/async-io.h>

#include "tests/unit/runtime/kj_pair.h"

namespace parley::runtime {
namespace {

using kj::Own;

// A plain byte stream here, a raw end there.
struct StreamPair : KjPair {
  Own<kj::AsyncIoStream> stream;
  RawEnd raw;

  explicit StreamPair(KjStreamLimits limits = {.capnp_frames = false}) {
    connect([&](std::unique_ptr<Connection> c) { stream = kj_stream(std::move(c), limits); },
            [&](std::unique_ptr<Connection> c) { raw.take(std::move(c)); });
  }
  void send(Bytes bytes) {
    raw.connection->send(std::move(bytes));
    world.run_for(5ms);
  }
};

std::string read_text(StreamPair& pair, std::size_t least, std::size_t most) {
  std::string text(most, '\0');
  const std::size_t got = pair.await(pair.stream->tryRead(text.data(), least, most));
  text.resize(got);
  return text;
}

TEST_CASE("kj stream: reads give buffered bytes, and wait for the rest", "[runtime][kj]") {
  StreamPair pair;
  pair.send("hello");
  CHECK(read_text(pair, 1, 3) == "hel");
  CHECK(read_text(pair, 0, 10) == "lo");
  CHECK(read_text(pair, 0, 10).empty());

  char buffer[8] = {};
  std::size_t got = 0;
  auto waiting = pair.stream->tryRead(buffer, 4, 8)
                     .then([&](std::size_t n) { got = n; })
                     .eagerlyEvaluate(nullptr);
  pair.send("ab");
  CHECK(got == 0);
  pair.send("cdefghijkl");
  CHECK(got == 8);
  CHECK(std::string(buffer, 8) == "abcdefgh");
  CHECK(read_text(pair, 1, 10) == "ijkl");
}

TEST_CASE("kj stream: the end gives what there is, then nothing", "[runtime][kj]") {
  StreamPair pair;
  pair.send("tail");
  char buffer[16] = {};
  std::size_t got = 0;
  auto waiting = pair.stream->tryRead(buffer, 10, 16)
                     .then([&](std::size_t n) { got = n; })
                     .eagerlyEvaluate(nullptr);
  pair.raw.connection.reset();
  pair.world.run_for(5ms);
  CHECK(got == 4);
  CHECK(read_text(pair, 1, 10).empty());
  CHECK(pair.failure_of(pair.stream->read(buffer, 1)).find("disconnected") != std::string::npos);
  CHECK(pair.failure_of(pair.stream->write("x", 1)).find("connection is closed") !=
        std::string::npos);
}

TEST_CASE("kj stream: writes leave in order, gathered", "[runtime][kj]") {
  StreamPair pair;
  pair.await(pair.stream->write("one ", 4));
  const kj::ArrayPtr<const kj::byte> pieces[] = {kj::StringPtr("two ").asBytes(),
                                                 kj::StringPtr("").asBytes(),
                                                 kj::StringPtr("three").asBytes()};
  pair.await(pair.stream->write(kj::arrayPtr(pieces, 3)));
  pair.await(pair.stream->write("", std::size_t{0}));
  pair.world.run_for(5ms);
  CHECK(pair.raw.received == "one two three");
}

TEST_CASE("kj stream: reading pauses while too much is unread", "[runtime][kj]") {
  StreamPair pair({.capnp_frames = false, .buffered_bytes_most = 1000});
  Bytes sent;
  for (int i = 0; i < 100; ++i) {
    const Bytes piece(500, static_cast<char>('a' + i % 26));
    sent += piece;
    pair.send(piece);
  }
  // 1,000 may be buffered and one piece tips it over; the rest waits in the network.
  Bytes all;
  all.resize(2000);
  const std::size_t first = pair.await(pair.stream->tryRead(all.data(), 1, 2000));
  CHECK(first == 1500);
  all.resize(first);
  while (all.size() < sent.size()) {
    const std::string more = read_text(pair, 1, 700);
    REQUIRE_FALSE(more.empty());
    all += more;
  }
  CHECK(all == sent);
}

TEST_CASE("kj stream: one read larger than the buffer limit is filled", "[runtime][kj]") {
  StreamPair pair({.capnp_frames = false, .buffered_bytes_most = 1000});
  for (int i = 0; i < 40; ++i) pair.send(Bytes(500, 'x'));
  CHECK(read_text(pair, 20000, 20000) == Bytes(20000, 'x'));
}

TEST_CASE("kj stream: a write waits while too much is unsent", "[runtime][kj]") {
  StreamPair pair({.capnp_frames = false, .buffered_bytes_most = 1000});
  pair.raw.connection->set_reading(false);
  bool written = false;
  const Bytes large(200'000, 'w');
  auto write = pair.stream->write(large.data(), large.size())
                   .then([&] { written = true; })
                   .eagerlyEvaluate(nullptr);
  pair.world.run_for(2s);
  CHECK_FALSE(written);
  pair.raw.connection->set_reading(true);
  CHECK(pair.world.run_until([&] { return written; }, 100ms));
  CHECK(pair.raw.received == large);
  pair.await(pair.stream->write("more", 4));
}

TEST_CASE("kj stream: a peer that takes nothing is given up", "[runtime][kj]") {
  StreamPair pair({.capnp_frames = false, .buffered_bytes_most = 1000, .write_stall_most = 10s});
  pair.raw.connection->set_reading(false);
  const Bytes large(200'000, 'w');
  const Instant start = pair.world.now();
  auto write = pair.stream->write(large.data(), large.size());
  CHECK(pair.failure_of(kj::mv(write), 60s).find("takes no bytes") != std::string::npos);
  CHECK(pair.world.now() - start >= 10s);
  CHECK(pair.world.now() - start < 11s);
  pair.await(pair.stream->whenWriteDisconnected());
}

TEST_CASE("kj stream: a trickle is no reason to wait for ever", "[runtime][kj]") {
  StreamPair pair({.capnp_frames = false, .buffered_bytes_most = 1000, .write_stall_most = 10s});
  Connection& peer = *pair.raw.connection;
  // It takes one small piece a second.
  peer.listen_to([&](ByteView) { peer.set_reading(false); }, [](const Error&) {});
  peer.set_reading(false);
  for (int i = 0; i < 60; ++i) {
    pair.await(pair.stream->write("0123456789", 10));
    pair.world.run_for(2ms);
  }
  const Bytes large(200'000, 'w');
  const Instant start = pair.world.now();
  bool given_up = false;
  auto write = pair.stream->write(large.data(), large.size())
                   .then([] {}, [&](kj::Exception&&) { given_up = true; })
                   .eagerlyEvaluate(nullptr);
  for (int i = 0; i < 20 && !given_up; ++i) {
    peer.set_reading(true);
    pair.world.run_for(1s);
  }
  CHECK(given_up);
  CHECK(pair.world.now() - start >= 10s);
}

TEST_CASE("kj stream: steady but slow reading is no reason to wait for ever either",
          "[runtime][kj]") {
  constexpr std::size_t kPiece = 20'000;
  StreamPair pair({.capnp_frames = false,
                   .buffered_bytes_most = 1000,
                   .answers_first = true,
                   .write_stall_most = 10s,
                   .write_progress_least = kPiece});
  Connection& peer = *pair.raw.connection;
  std::size_t taken = 0, wanted = 0;
  peer.listen_to(
      [&](ByteView bytes) {
        taken += bytes.size();
        if (taken >= wanted) peer.set_reading(false);
      },
      [](const Error&) {});
  peer.set_reading(false);
  bool given_up = false;
  auto gone =
      pair.stream->whenWriteDisconnected().then([&] { given_up = true; }).eagerlyEvaluate(nullptr);
  const auto write = [&](std::size_t pieces) {
    const Bytes piece(kPiece, 'w');
    for (std::size_t i = 0; i < pieces; ++i) {
      pair.await(pair.stream->write(piece.data(), piece.size()));
      pair.world.run_for(1ms);
    }
  };
  // Two pieces every second: far more than the least.
  const auto take = [&](int seconds) {
    const Instant start = pair.world.now();
    for (int i = 0; i < seconds && !given_up; ++i) {
      wanted = taken + 2 * kPiece;
      peer.set_reading(true);
      pair.world.run_for(1s);
    }
    return pair.world.now() - start;
  };
  SECTION("what it was behind with gets too old") {
    write(500);
    const Duration lasted = take(100);
    CHECK(given_up);
    CHECK(lasted > 38s);
    CHECK(lasted < 42s);
  }
  SECTION("but who has caught up begins anew") {
    for (int i = 0; i < 4; ++i) {
      write(50);
      take(30);
    }
    CHECK_FALSE(given_up);
    CHECK(taken == 4 * 50 * kPiece);
  }
}

TEST_CASE("kj stream: a server's reader gets nothing while answers wait", "[runtime][kj]") {
  std::size_t backlog = 0;
  StreamPair pair({.capnp_frames = false,
                   .buffered_bytes_most = 1000,
                   .answers_first = true,
                   .on_output = [&](std::size_t, std::size_t unsent) { backlog = unsent; }});
  pair.raw.connection->set_reading(false);
  pair.send("before");
  const Bytes large(200'000, 'w');
  pair.await(pair.stream->write(large.data(), large.size()));
  const std::size_t one = backlog;
  CHECK(one > 100'000);
  pair.await(pair.stream->write(large.data(), large.size()));
  CHECK(backlog == one + large.size());
  char buffer[64];
  std::size_t got = 0;
  auto read = pair.stream->tryRead(buffer, 1, sizeof buffer)
                  .then([&](std::size_t n) { got = n; })
                  .eagerlyEvaluate(nullptr);
  for (int i = 0; i < 100; ++i) pair.send("more");
  CHECK(got == 0);
  pair.raw.connection->set_reading(true);
  CHECK(pair.world.run_until([&] { return got > 0; }, 100ms));
  CHECK(backlog == 0);
  CHECK(std::string(buffer, 6) == "before");
  pair.send("end");
  const std::string rest = read_text(pair, 409 - got, 500);
  CHECK(rest.ends_with("moreend"));
}

TEST_CASE("kj stream: a server's reader hears of the end while answers wait", "[runtime][kj]") {
  std::size_t backlog = 0;
  StreamPair pair({.capnp_frames = false,
                   .buffered_bytes_most = 1000,
                   .answers_first = true,
                   .write_stall_most = 10s,
                   .on_output = [&](std::size_t, std::size_t unsent) { backlog = unsent; }});
  pair.raw.connection->set_reading(false);
  const Bytes large(200'000, 'w');
  pair.await(pair.stream->write(large.data(), large.size()));
  char buffer[64];
  bool ended = false;
  auto read = pair.stream->tryRead(buffer, 1, sizeof buffer)
                  .then([&](std::size_t) { ended = true; }, [&](kj::Exception&&) { ended = true; })
                  .eagerlyEvaluate(nullptr);
  pair.await(pair.stream->whenWriteDisconnected(), 11s);
  CHECK(pair.world.run_until([&] { return ended; }, 1s));
  CHECK(backlog == 0);
  CHECK(pair.failure_of(pair.stream->write("x", 1)).find("takes no bytes") != std::string::npos);
}

TEST_CASE("kj stream: a dropped read keeps no pointer and loses no later byte", "[runtime][kj]") {
  StreamPair pair;
  {
    const auto buffer = std::make_unique<char[]>(16);
    auto dropped = pair.stream->tryRead(buffer.get(), 1, 16);
  }
  pair.send("kept");
  CHECK(read_text(pair, 4, 10) == "kept");
}

TEST_CASE("kj stream: a dropped write does not stop the next", "[runtime][kj]") {
  StreamPair pair({.capnp_frames = false, .buffered_bytes_most = 1000});
  const Bytes large(200'000, 'w');
  { auto dropped = pair.stream->write(large.data(), large.size()); }
  pair.await(pair.stream->write("end", 3));
  pair.world.run_for(50ms);
  CHECK(pair.raw.received == large + "end");
}

TEST_CASE("kj stream: destroyed while it reads and writes, it fails both and flushes",
          "[runtime][kj]") {
  StreamPair pair({.capnp_frames = false, .buffered_bytes_most = 1000});
  char buffer[16];
  const Bytes large(100'000, 'w');
  auto read = pair.stream->tryRead(buffer, 1, 16);
  auto write = pair.stream->write(large.data(), large.size());
  auto gone = pair.stream->whenWriteDisconnected();
  pair.stream = nullptr;
  CHECK(pair.failure_of(kj::mv(read)).find("destroyed") != std::string::npos);
  CHECK(pair.failure_of(kj::mv(write)).find("destroyed") != std::string::npos);
  pair.world.run_for(1s);
  CHECK(pair.raw.received == large);
  CHECK(pair.raw.closed);
}

TEST_CASE("kj stream: one read and one write at a time", "[runtime][kj]") {
  StreamPair pair({.capnp_frames = false, .buffered_bytes_most = 10});
  char buffer[16];
  auto read = pair.stream->tryRead(buffer, 1, 16);
  CHECK_THROWS_AS(pair.stream->tryRead(buffer, 1, 16), kj::Exception);
  const Bytes large(100'000, 'w');
  auto write = pair.stream->write(large.data(), large.size());
  CHECK_THROWS_AS(pair.stream->write("x", 1), kj::Exception);
}

TEST_CASE("kj stream: the peer's leaving is told to all who ask", "[runtime][kj]") {
  StreamPair pair;
  auto first = pair.stream->whenWriteDisconnected();
  auto second = pair.stream->whenWriteDisconnected();
  pair.raw.connection.reset();
  pair.await(kj::mv(first));
  pair.await(kj::mv(second));
}

TEST_CASE("kj stream: shutting the write side down flushes, closes and ends reads",
          "[runtime][kj]") {
  StreamPair pair;
  pair.send("unread");
  pair.await(pair.stream->write("goodbye", 7));
  pair.stream->shutdownWrite();
  pair.world.run_for(50ms);
  CHECK(pair.raw.received == "goodbye");
  CHECK(pair.raw.closed);
  CHECK(read_text(pair, 1, 10) == "unread");
  CHECK(read_text(pair, 1, 10).empty());
  pair.stream->shutdownWrite();  // again: nothing happens
}

TEST_CASE("kj stream: aborting reads throws the rest away and still sees the end",
          "[runtime][kj]") {
  StreamPair pair({.capnp_frames = false, .buffered_bytes_most = 100});
  for (int i = 0; i < 20; ++i) pair.send(Bytes(100, 'x'));
  pair.stream->abortRead();
  CHECK(read_text(pair, 1, 10).empty());
  auto gone = pair.stream->whenWriteDisconnected();
  pair.send("more");
  pair.await(pair.stream->write("still writes", 12));
  pair.raw.connection.reset();
  pair.await(kj::mv(gone));
}

TEST_CASE("kj stream: a refused message fails the stream after what came before it",
          "[runtime][kj]") {
  int refused = 0;
  std::string why;
  KjStreamLimits limits;
  limits.on_refused = [&](const Error& error) {
    ++refused;
    why = error.message;
  };
  StreamPair pair(limits);
  const Bytes good("\0\0\0\0\1\0\0\0goodword", 16);
  pair.send(good + Bytes("\xff\xff\xff\xff", 4));
  CHECK(refused == 1);
  CHECK(why.find("4294967296 segments refused") != std::string::npos);
  CHECK(read_text(pair, 16, 16) == good);
  char buffer[8];
  const std::string failure = pair.failure_of(pair.stream->tryRead(buffer, 1, 8));
  CHECK(failure.find("segments refused") != std::string::npos);
  CHECK(failure.find("127.0.0.2") != std::string::npos);  // whose
  CHECK(pair.failure_of(pair.stream->write("x", 1)) != "no failure");
  pair.await(pair.stream->whenWriteDisconnected());
  pair.world.run_for(10ms);
  CHECK(pair.raw.closed);
}

TEST_CASE("kj stream: a waiting read fails with the refusal", "[runtime][kj]") {
  StreamPair pair{KjStreamLimits{}};
  char buffer[8];
  auto read = pair.stream->tryRead(buffer, 8, 8);
  pair.send(Bytes("\0\0\0\0\0\0\0\x10", 8));
  CHECK(pair.failure_of(kj::mv(read)).find("larger than 8388608 bytes refused") !=
        std::string::npos);
}

// A server's stream with a clock for messages, and why it gave its peer up.
struct ClockedPair {
  std::string given_up;
  StreamPair pair;

  static KjStreamLimits limits_of(std::string& given_up) {
    KjStreamLimits limits;
    limits.first_message_most = 10s;
    limits.message_most = 30s;
    limits.answers_first = true;
    limits.buffered_bytes_most = 1000;
    limits.write_stall_most = 1h;
    limits.on_given_up = [&](const Error& error) { given_up = error.message; };
    return limits;
  }
  ClockedPair() : pair(limits_of(given_up)) {}
  bool closed() const { return pair.raw.closed; }
};
const Bytes kMessage("\0\0\0\0\2\0\0\0one word two word", 24);

TEST_CASE("kj stream: a peer without a first message is given up", "[runtime][kj]") {
  ClockedPair clocked;
  const auto trickle = GENERATE(false, true);
  for (int i = 0; i < 9; ++i) {
    if (trickle) clocked.pair.send(kMessage.substr(static_cast<std::size_t>(i), 1));
    clocked.pair.world.run_for(990ms);
  }
  CHECK_FALSE(clocked.closed());
  char buffer[64];
  auto read = clocked.pair.stream->tryRead(buffer, 64, 64);
  clocked.pair.world.run_for(2s);
  CHECK(clocked.closed());
  CHECK(clocked.given_up == "no first message within 10000 ms");
  CHECK(clocked.pair.failure_of(kj::mv(read)).find("no first message") != std::string::npos);
  clocked.pair.await(clocked.pair.stream->whenWriteDisconnected());
}

TEST_CASE("kj stream: a peer may be silent between messages, not within one", "[runtime][kj]") {
  ClockedPair clocked;
  clocked.pair.send(kMessage);
  clocked.pair.world.run_for(1h);
  CHECK_FALSE(clocked.closed());
  CHECK(read_text(clocked.pair, 24, 24) == kMessage);
  // A slow one, and a second that begins with its last byte, each get their own time.
  clocked.pair.send(kMessage.substr(0, 20));
  clocked.pair.world.run_for(29s);
  clocked.pair.send(kMessage.substr(20) + kMessage.substr(0, 3));
  clocked.pair.world.run_for(29s);
  CHECK_FALSE(clocked.closed());
  clocked.pair.world.run_for(2s);
  CHECK(clocked.closed());
  CHECK(clocked.given_up == "a message not whole within 30000 ms");
}

TEST_CASE("kj stream: the time in which the server does not read is not the peer's",
          "[runtime][kj]") {
  ClockedPair clocked;
  auto& pair = clocked.pair;
  pair.raw.connection->set_reading(false);
  pair.send(kMessage + kMessage.substr(0, 10));
  const Bytes large(200'000, 'w');
  pair.await(pair.stream->write(large.data(), large.size()));
  pair.world.run_for(60s);
  CHECK_FALSE(clocked.closed());
  pair.raw.connection->set_reading(true);
  pair.world.run_for(29s);
  CHECK_FALSE(clocked.closed());
  pair.world.run_for(2s);
  CHECK(clocked.closed());
}

TEST_CASE("kj stream: a server that was stopped reads before it gives anybody up",
          "[runtime][kj]") {
  ClockedPair clocked;
  // The timer may run before the socket is looked at.
  clocked.pair.here.loop().set_lag(20s);
  clocked.pair.world.run_for(20s);
  CHECK_FALSE(clocked.closed());
  clocked.pair.here.loop().set_lag(0s);
  SECTION("its bytes had come") {
    clocked.pair.send(kMessage);
    clocked.pair.world.run_for(60s);
    CHECK_FALSE(clocked.closed());
  }
  SECTION("nothing had") {
    clocked.pair.world.run_for(2s);
    CHECK(clocked.closed());
  }
}

TEST_CASE("kj stream: an end within a message is a cut", "[runtime][kj]") {
  StreamPair pair{KjStreamLimits{}};
  pair.send(Bytes("\0\0\0\0\2\0\0\0halfword", 16));
  pair.raw.connection.reset();
  char buffer[64];
  CHECK(pair.failure_of(pair.stream->tryRead(buffer, 24, 64)).find("cut within a message") !=
        std::string::npos);
}

}  // namespace
}  // namespace parley::runtime
