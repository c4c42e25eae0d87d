// Cap'n Proto RPC over kj_stream, with a capability that needs no schema.
#include <capnp/any.h>
#include <capnp/capability.h>
#include <capnp/rpc-twoparty.h>
#include <kj/debug.h>

#include "base/random.h"
#include "tests/unit/runtime/kj_pair.h"

namespace parley::runtime {
namespace {

constexpr std::uint64_t kInterface = 0xdeadbeefcafef00dULL;

// Method 0 answers the text that it is given; 1 throws; 2 never answers.
class Echo final : public capnp::Capability::Server {
 public:
  explicit Echo(int& calls) : calls_(calls) {}
  DispatchCallResult dispatchCall(
      std::uint64_t interface_id, std::uint16_t method,
      capnp::CallContext<capnp::AnyPointer, capnp::AnyPointer> context) override {
    KJ_REQUIRE(interface_id == kInterface);
    ++calls_;
    KJ_REQUIRE(method != 1, "refused on purpose");
    if (method == 2) return {kj::NEVER_DONE, false};
    context.getResults().setAs<capnp::Text>(context.getParams().getAs<capnp::Text>());
    return {kj::READY_NOW, false};
  }

 private:
  int& calls_;
};

struct RpcServer {
  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;
  RpcServer(kj::Own<kj::AsyncIoStream> s, int& calls)
      : stream(kj::mv(s)),
        network(*stream, capnp::rpc::twoparty::Side::SERVER),
        system(capnp::makeRpcServer(network, capnp::Capability::Client(kj::heap<Echo>(calls)))) {}
};

struct RpcClient {
  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyClient client;
  capnp::Capability::Client echo;
  explicit RpcClient(kj::Own<kj::AsyncIoStream> s)
      : stream(kj::mv(s)), client(*stream), echo(client.bootstrap()) {}

  kj::Promise<kj::String> call(std::uint16_t method, kj::StringPtr text) {
    auto request = echo.typelessRequest(kInterface, method, nullptr);
    request.setAs<capnp::Text>(text);
    return request.send().then([](capnp::Response<capnp::AnyPointer>&& response) {
      return kj::str(response.getAs<capnp::Text>());
    });
  }
};

struct RpcPair : KjPair {
  int calls = 0;
  std::vector<std::unique_ptr<RpcServer>> servers;
  int refused = 0;
  KjStreamLimits limits;

  RpcPair() {
    limits.on_refused = [this](const Error&) { ++refused; };
  }
  auto serve() {
    return [this](std::unique_ptr<Connection> c) {
      servers.push_back(std::make_unique<RpcServer>(kj_stream(std::move(c), limits), calls));
    };
  }
  std::unique_ptr<RpcClient> client() {
    std::unique_ptr<RpcClient> made;
    connect(serve(), [&](std::unique_ptr<Connection> c) {
      made = std::make_unique<RpcClient>(kj_stream(std::move(c), KjStreamLimits{}));
    });
    return made;
  }
};

TEST_CASE("kj rpc: calls are answered over the one loop", "[runtime][kj]") {
  RpcPair pair;
  const auto client = pair.client();
  CHECK(pair.await(client->call(0, "hello")) == kj::StringPtr("hello"));
  CHECK(pair.failure_of(client->call(1, "x")).find("refused on purpose") != std::string::npos);
  CHECK(pair.await(client->call(0, "again")) == kj::StringPtr("again"));
}

TEST_CASE("kj rpc: a thousand pipelined calls and large bodies arrive whole", "[runtime][kj]") {
  RpcPair pair;
  const auto client = pair.client();
  const auto large = kj::heapString(3 << 20);
  for (char& c : const_cast<kj::String&>(large)) c = 'v';
  kj::Vector<kj::Promise<void>> all;
  for (int i = 0; i < 1000; ++i) {
    auto text = kj::str("call ", i);
    auto answer = client->call(0, text);
    all.add(answer.then([text = kj::mv(text)](kj::String&& got) { KJ_REQUIRE(got == text); }));
  }
  for (int i = 0; i < 3; ++i) {
    all.add(client->call(0, large).then([&](kj::String&& got) { KJ_REQUIRE(got == large); }));
  }
  pair.await(kj::joinPromises(all.releaseAsArray()), 60s);
  CHECK(pair.calls == 1003);
}

// A Connection whose owner asks for its bytes in vain while it is deaf.
class DeafConnection final : public Connection {
 public:
  DeafConnection(std::unique_ptr<Connection> inner, DeafConnection*& self)
      : inner_(std::move(inner)) {
    self = this;
    inner_->set_reading(false);
  }
  void hear(bool on) {
    deaf_ = !on;
    inner_->set_reading(on);
  }
  void listen_to(std::function<void(ByteView)> on_bytes,
                 std::function<void(const Error&)> on_closed) override {
    inner_->listen_to(std::move(on_bytes), std::move(on_closed));
  }
  void send(Bytes bytes) override { inner_->send(std::move(bytes)); }
  std::size_t unsent_bytes() const override { return inner_->unsent_bytes(); }
  void set_reading(bool on) override {
    if (!deaf_) inner_->set_reading(on);
  }
  Endpoint remote() const override { return inner_->remote(); }

 private:
  std::unique_ptr<Connection> inner_;
  bool deaf_ = true;
};

// Many calls of one client that reads no answer until it is told to.
struct DeafCaller {
  RpcPair pair;
  DeafConnection* ears = nullptr;
  std::unique_ptr<RpcClient> client;
  std::vector<kj::Promise<void>> answers;
  int answered = 0, failed = 0;

  DeafCaller() {
    pair.limits.answers_first = true;
    pair.limits.buffered_bytes_most = 64_KiB;
    KjStreamLimits patient;
    patient.write_stall_most = 1h;
    pair.connect(pair.serve(), [&](std::unique_ptr<Connection> c) {
      client = std::make_unique<RpcClient>(
          kj_stream(std::make_unique<DeafConnection>(std::move(c), ears), patient));
    });
  }
  void ask(int times, std::size_t size) {
    const auto text = kj::heapString(size);
    for (char& c : const_cast<kj::String&>(text)) c = 'v';
    for (int i = 0; i < times; ++i) {
      answers.push_back(
          client->call(0, text)
              .then([this](kj::String&&) { ++answered; }, [this](kj::Exception&&) { ++failed; })
              .eagerlyEvaluate(nullptr));
    }
  }
};

TEST_CASE("kj rpc: a client that reads no answers is asked for no more questions",
          "[runtime][kj]") {
  constexpr std::size_t kEnvelope = 64;  // at least, around each answer
  // {calls, bytes of each answer}: what is answered must fit the buffers of both ends.
  for (const auto& [calls, size] : {std::pair{20'000, 10}, std::pair{500, 20'000}}) {
    DeafCaller deaf;
    deaf.ask(calls, static_cast<std::size_t>(size));
    deaf.pair.world.run_for(1s);
    INFO(calls << " calls of " << size << " bytes: " << deaf.pair.calls << " served");
    CHECK(deaf.answered == 0);
    CHECK(deaf.pair.calls > 0);
    CHECK(static_cast<std::size_t>(deaf.pair.calls) * (kEnvelope + static_cast<std::size_t>(size)) <
          256_KiB);
    // It reads a little now and then: slow is no crime.
    for (int i = 0; i < 20; ++i) {
      deaf.ears->hear(true);
      deaf.pair.world.run_for(1ms);
      deaf.ears->hear(false);
      deaf.pair.world.run_for(10s);
    }
    CHECK(deaf.failed == 0);
    deaf.ears->hear(true);
    CHECK(deaf.pair.world.run_until([&] { return deaf.answered == calls; }, 60s));
    CHECK(deaf.pair.calls == calls);
  }
}

TEST_CASE("kj rpc: a client that never reads its answers is given up", "[runtime][kj]") {
  DeafCaller deaf;
  deaf.ask(500, 20'000);
  deaf.pair.world.run_for(25s);
  CHECK(deaf.failed == 0);
  deaf.pair.world.run_for(10s);
  deaf.ears->hear(true);
  CHECK(deaf.pair.world.run_until([&] { return deaf.failed > 0; }, 5s));
}

TEST_CASE("kj rpc: dropped calls and a vanished peer leave nothing behind", "[runtime][kj]") {
  RpcPair pair;
  auto client = pair.client();
  { auto dropped = client->call(2, "never"); }
  auto pending = client->call(2, "never");
  pair.world.run_for(50ms);
  CHECK(pair.calls >= 1);

  SECTION("the server goes") {
    pair.servers.clear();
    CHECK(pair.failure_of(kj::mv(pending)) != "no failure");
  }
  SECTION("the client goes, and the server serves another") {
    pending = nullptr;
    client.reset();
    pair.world.run_for(50ms);
    const auto other = pair.client();
    CHECK(pair.await(other->call(0, "other")) == kj::StringPtr("other"));
  }
}

// What an honest client's first bytes look like, to be damaged.
Bytes bootstrap_bytes() {
  KjPair pair;
  RawEnd server;
  std::unique_ptr<RpcClient> client;
  pair.connect([&](std::unique_ptr<Connection> c) { server.take(std::move(c)); },
               [&](std::unique_ptr<Connection> c) {
                 client = std::make_unique<RpcClient>(kj_stream(std::move(c), KjStreamLimits{}));
               });
  auto call = client->call(0, "captured");
  REQUIRE(pair.world.run_until([&] { return server.received.size() > 64; }, 5s));
  return server.received;
}

TEST_CASE("kj rpc: hostile bytes end their stream and harm no other", "[runtime][kj]") {
  const Bytes honest = bootstrap_bytes();
  RpcPair pair;
  const auto good = pair.client();

  const auto attack = [&](const Bytes& bytes, bool hang_up) {
    RawEnd raw;
    pair.connect(pair.serve(), [&](std::unique_ptr<Connection> c) { raw.take(std::move(c)); });
    raw.connection->send(bytes);
    if (hang_up) raw.connection.reset();
    pair.world.run_for(20ms);
    return raw.closed;
  };

  CHECK(attack(Bytes("\xff\xff\xff\xff\0\0\0\0", 8), false));
  CHECK(pair.refused == 1);
  CHECK(attack(Bytes("\0\0\0\0\xff\xff\xff\xff", 8), false));
  CHECK(pair.refused == 2);
  CHECK(attack("GET / HTTP/1.1\r\nHost: x\r\n\r\n", false));
  CHECK(pair.refused == 3);
  attack(honest.substr(0, honest.size() / 2), true);
  CHECK(pair.await(good->call(0, "still here")) == kj::StringPtr("still here"));

  Random random(std::uint64_t{20260101});
  for (int round = 0; round < 400; ++round) {
    Bytes damaged = honest;
    const std::uint64_t flips = 1 + random.below(4);
    for (std::uint64_t i = 0; i < flips; ++i) {
      char& byte = damaged[random.below(damaged.size())];
      byte = static_cast<char>(byte ^ (1 << random.below(8)));
    }
    if (random.below(4) == 0) damaged.resize(random.below(damaged.size()));
    attack(damaged, random.below(2) == 0);
  }
  CHECK(pair.await(good->call(0, "still here")) == kj::StringPtr("still here"));
}

}  // namespace
}  // namespace parley::runtime
