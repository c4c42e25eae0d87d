// Two connected ends in a fake world, with a KjPort on its thread.
#pragma once

#include <kj/debug.h>

#include <memory>
#include <utility>

#include "runtime/kj_port.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"

namespace parley::runtime {

struct KjPair {
  fake::World world{7};
  fake::Node& here = world.node("127.0.0.1");
  fake::Node& there = world.node("127.0.0.2");
  // One thread, one port; both ends' streams may live on it.
  KjPort port{here.loop()};
  std::uint16_t next_port = 7400;

  // {accepted end, dialled end}; `take` gets both in the turns in which they are received.
  template <typename Accept, typename Dial>
  void connect(Accept accept, Dial dial) {
    bool accepted = false, dialled = false;
    const Endpoint at{"127.0.0.1", next_port++};
    auto listener = here.network().listen(at, [&](std::unique_ptr<Connection> connection) {
      accept(std::move(connection));
      accepted = true;
    });
    REQUIRE(listener.ok());
    there.network().connect("", at, 1s, [&](Result<std::unique_ptr<Connection>> connection) {
      REQUIRE(connection.ok());
      dial(std::move(*connection));
      dialled = true;
    });
    REQUIRE(world.run_until([&] { return accepted && dialled; }, 1s));
  }

  // Runs the world until the promise is done, at most `limit` of virtual time. The value, or the
  // exception thrown again.
  template <typename T>
  T await(kj::Promise<T> promise, Duration limit = 5s) {
    kj::Maybe<T> value;
    kj::Maybe<kj::Exception> failure;
    auto done = promise
                    .then([&](T&& v) { value = kj::mv(v); },
                          [&](kj::Exception&& e) { failure = kj::mv(e); })
                    .eagerlyEvaluate(nullptr);
    REQUIRE(world.run_until([&] { return value != nullptr || failure != nullptr; }, limit));
    KJ_IF_MAYBE (e, failure) {
      kj::throwFatalException(kj::mv(*e));
    }
    return kj::mv(KJ_REQUIRE_NONNULL(value));
  }
  void await(kj::Promise<void> promise, Duration limit = 5s) {
    await(promise.then([] { return true; }), limit);
  }
  // The text of the exception that the promise must end with.
  template <typename T>
  std::string failure_of(kj::Promise<T> promise, Duration limit = 5s) {
    try {
      await(kj::mv(promise), limit);
    } catch (const kj::Exception& e) {
      return e.getDescription().cStr();
    }
    return "no failure";
  }
};

// The far end as bare bytes: what a hostile or plain client is.
struct RawEnd {
  std::unique_ptr<Connection> connection;
  Bytes received;
  bool closed = false;

  void take(std::unique_ptr<Connection> given) {
    connection = std::move(given);
    connection->listen_to([this](ByteView bytes) { received += bytes; },
                          [this](const Error&) { closed = true; });
  }
};

}  // namespace parley::runtime
