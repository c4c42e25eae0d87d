// The client port against clients that are none: bare bytes over loopback.
#include <arpa/inet.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "api/parley.capnp.h"
#include "base/random.h"
#include "tests/catch.h"
#include "tests/unit/api/served_client.h"

namespace parley {
namespace {

using client::Outcome;
using fake::client_of;
using fake::fresh_endpoint;
using fake::real_now;
using fake::ServedNode;

// Raw bytes to the port; reads until the node closes, at most `patience`.
class RawSocket {
 public:
  explicit RawSocket(const Endpoint& to) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.port);
    inet_pton(AF_INET, to.address.c_str(), &address.sin_addr);
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    timeval patience{5, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~RawSocket() { close(fd_); }
  // All of them, unless the node closes first.
  void flood(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void send_bytes(ByteView bytes) {
    // The node may have closed already: that is one of its right answers.
    (void)::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  bool closed_by_peer() {
    char buffer[4096];
    for (;;) {
      const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
      if (got == 0) return true;
      if (got < 0) return errno == ECONNRESET;
    }
  }

 private:
  int fd_;
};

TEST_CASE("client port: hostile bytes end their connection and nothing else", "[api][client]") {
  ServedNode node(fresh_endpoint());
  auto client = client_of({node.at()});
  REQUIRE(client->put("k", "v").outcome == Outcome::Ok);
  const auto hostile = [&](ByteView bytes) {
    RawSocket socket(node.at());
    socket.send_bytes(bytes);
    CHECK(socket.closed_by_peer());
  };
  hostile(Bytes(4, '\xff') + Bytes(64, 'x'));               // 2^32 segments
  hostile(Bytes("\x00\x00\x00\x00\xff\xff\xff\x7f", 8));    // one huge segment
  hostile(Bytes("\x10\x00\x00\x00", 4) + Bytes(64, '\0'));  // 17 segments
  hostile(Bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  {
    RawSocket truncated(node.at());
    truncated.send_bytes(Bytes("\x00\x00\x00\x00\x10\x00\x00\x00half", 12));
  }
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    Bytes bytes;
    // Well framed, so that the noise reaches Cap'n Proto itself.
    const auto words = static_cast<std::uint8_t>(1 + random.below(12));
    bytes += Bytes("\x00\x00\x00\x00", 4);
    bytes += static_cast<char>(words);
    bytes += Bytes(3, '\0');
    for (int i = 0; i < words * 8; ++i) {
      // Mostly small numbers: more of them pass for pointers and tags.
      bytes += static_cast<char>(random.below(4) == 0 ? random.below(256) : random.below(3));
    }
    RawSocket socket(node.at());
    socket.send_bytes(bytes);
  }
  CHECK(client->put("k", "v2").outcome == Outcome::Ok);
  CHECK(client->get("k").values.at(0).value == "v2");
}

// What a client may say without reading a word: the bootstrap, the KeyValue in it, then `gets`
// times get("k") of that.
Bytes questions(unsigned gets) {
  Bytes out;
  const auto ask = [&out](const std::function<void(capnp::rpc::Message::Builder)>& fill) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<capnp::rpc::Message>());
    const auto words = capnp::messageToFlatArray(message);
    out.append(words.asChars().begin(), words.asChars().size());
  };
  ask([](auto message) { message.initBootstrap().setQuestionId(0); });
  const auto call = [](capnp::rpc::Message::Builder message, unsigned id, unsigned of) {
    auto out_call = message.initCall();
    out_call.setQuestionId(id);
    auto answer = out_call.initTarget().initPromisedAnswer();
    answer.setQuestionId(of);
    if (of > 0) answer.initTransform(1)[0].setGetPointerField(0);
    return out_call;
  };
  ask([&](auto message) {
    auto key_value = call(message, 1, 0);
    key_value.setInterfaceId(capnp::typeId<api::schema::Parley>());
    key_value.setMethodId(0);
    key_value.initParams().getContent().template initAs<api::schema::Parley::KeyValueParams>();
  });
  for (unsigned i = 0; i < gets; ++i) {
    ask([&](auto message) {
      auto get = call(message, 2 + i, 1);
      get.setInterfaceId(capnp::typeId<api::schema::KeyValue>());
      get.setMethodId(2);
      auto params =
          get.initParams().getContent().template initAs<api::schema::KeyValue::GetParams>();
      params.setKey(kj::StringPtr("k").asBytes());
      params.initOptions().initLevel().setQuorum();
    });
  }
  return out;
}

TEST_CASE("client port: silence where a message is due ends a connection", "[api][client]") {
  ServedNode node(fresh_endpoint());
  auto client = client_of({node.at()});
  REQUIRE(client->put("k", "v").outcome == Outcome::Ok);
  node.on_thread([](ServedNode& n) {
    REQUIRE(n.options.first_message_most.set(200ms).ok());
    REQUIRE(n.options.message_most.set(300ms).ok());
  });
  RawSocket mute(node.at()), halting(node.at()), spoke(node.at());
  halting.send_bytes(Bytes("\x00\x00\x00\x00\x10\x00\x00\x00half", 12));
  const Bytes whole = questions(0);
  spoke.send_bytes(whole + whole.substr(0, 12));
  CHECK(mute.closed_by_peer());
  CHECK(halting.closed_by_peer());
  CHECK(spoke.closed_by_peer());
  CHECK(node.metric("client_connections_given_up_total") == 3);
  CHECK(client->get("k").found);  // the one that has spoken stays
  CHECK(node.metric("client_connections_total") == 4);
}

TEST_CASE("client port: who reads no answers is served no more, then disconnected",
          "[api][client]") {
  constexpr std::size_t kValue = 100'000;
  constexpr unsigned kGets = 2000;
  ServedNode node(fresh_endpoint());
  node.on_thread([](ServedNode& n) {
    REQUIRE(n.options.unread_most.set(1s).ok());
    n.coordinator().values["k"] = Bytes(kValue, 'v');
  });
  RawSocket deaf(node.at());
  deaf.flood(questions(kGets));
  const Instant begun = real_now();
  while (node.metric("client_connections_given_up_total") < 1 && real_now() - begun < 20s) {
    std::this_thread::yield();
  }
  CHECK(node.metric("client_connections_given_up_total") == 1);
  // What the kernel took, what may be unsent, and what was asked before that filled.
  INFO(node.coordinator().reads << " gets served");
  CHECK(node.coordinator().reads > 0);
  CHECK(static_cast<std::size_t>(node.coordinator().reads) * kValue < 32_MiB);
}

// Every read is found and waits until the test lets all go at once.
class HeldReads {
 public:
  HeldReads(ServedNode& node, std::size_t value_bytes) : node_(node) {
    node.on_thread([&](ServedNode& n) {
      n.coordinator().on_read = [this, value_bytes](auto, auto done) {
        answers_.push_back([done, value_bytes] {
          replication::ReadReply reply;
          reply.outcome = replication::Outcome::Ok;
          reply.found = true;
          reply.values = {{Bytes(value_bytes, 'v'), "v1"}};
          done(std::move(reply));
        });
      };
    });
  }
  // When `reads` have been asked for since the start.
  void answer(unsigned reads) {
    const Instant begun = real_now();
    while (node_.coordinator().reads < static_cast<int>(reads) && real_now() - begun < 20s) {
      std::this_thread::yield();
    }
    REQUIRE(node_.coordinator().reads == static_cast<int>(reads));
    node_.on_thread([&](ServedNode&) {
      for (const auto& answer : std::exchange(answers_, {})) answer();
    });
  }

 private:
  ServedNode& node_;
  std::vector<std::function<void()>> answers_;  // of the node's thread
};

TEST_CASE("client port: answers that all come at once are bounded too", "[api][client]") {
  constexpr std::size_t kValue = 200'000;
  constexpr unsigned kGets = 300;
  ServedNode node(fresh_endpoint(), {}, 3, [](api::ServeOptions& options) {
    REQUIRE(options.unread_bytes_most.set(16_MiB).ok());
    REQUIRE(options.unread_most.set(2s).ok());
  });
  HeldReads held(node, kValue);
  RawSocket deaf(node.at());
  deaf.flood(questions(kGets));
  const Instant begun = real_now();
  held.answer(kGets);
  // They wait there until the client is given up.
  double most = 0;
  while (node.metric("client_connections_given_up_total") < 1 && real_now() - begun < 30s) {
    most = std::max(most, node.metric("client_unread_bytes"));
  }
  CHECK(most > 0);
  CHECK(most < static_cast<double>(17_MiB));
  CHECK(node.metric("client_unread_bytes") == 0);
}

TEST_CASE("client port: who reads gets every answer, whatever others leave unread",
          "[api][client]") {
  constexpr std::size_t kValue = 1'000'000;
  constexpr unsigned kGets = 60, kSlow = 4, kKeys = 6;
  ServedNode node(fresh_endpoint(), {}, 3, [](api::ServeOptions& options) {
    REQUIRE(options.unread_bytes_most.set(16_MiB).ok());
    REQUIRE(options.unread_most.set(60s).ok());
  });
  auto honest = client_of({node.at()}, 10s);
  // Each leaves as much unread as it may, until the node has no room for one more.
  HeldReads held(node, kValue);
  std::vector<std::unique_ptr<RawSocket>> slow;
  for (unsigned i = 1; i <= kSlow; ++i) {
    slow.push_back(std::make_unique<RawSocket>(node.at()));
    slow.back()->flood(questions(kGets));
    held.answer(i * kGets);
  }
  const auto full = [&] {
    return node.metric("client_unread_bytes") + kValue > static_cast<double>(2 * 16_MiB);
  };
  const Instant begun = real_now();
  while (!full() && real_now() - begun < 10s) std::this_thread::yield();
  REQUIRE(full());

  std::vector<Bytes> keys;
  for (unsigned i = 0; i < kKeys; ++i) keys.push_back("k" + std::to_string(i));
  std::promise<std::vector<client::ReadResult>> read;
  std::thread asker([&] { read.set_value(honest->get_batch(keys)); });
  held.answer(kSlow * kGets + kKeys);
  const auto results = read.get_future().get();
  asker.join();
  REQUIRE(results.size() == kKeys);
  for (const auto& result : results) {
    INFO((result.error ? result.error->message : ""));
    CHECK(result.outcome == Outcome::Ok);
  }
  CHECK(node.coordinator().reads == kSlow * kGets + kKeys);  // none was sent again
  CHECK(full());
}

TEST_CASE("client port: a connection over the bound is closed", "[api][client]") {
  ServedNode node(fresh_endpoint());
  node.on_thread([](ServedNode& n) { REQUIRE(n.options.connections_most.set(1).ok()); });
  auto client = client_of({node.at()});
  REQUIRE(client->put("k", "v").outcome == Outcome::Ok);
  RawSocket second(node.at());
  CHECK(second.closed_by_peer());
  CHECK(client->get("k").found);
}

TEST_CASE("client port: a draining node ends what it has and refuses the rest", "[api][client]") {
  ServedNode node(fresh_endpoint());
  node.on_thread([](ServedNode& n) { n.coordinator().be_silent(); });
  auto client = client_of({node.at()}, 20s);
  std::promise<client::WriteResult> ended;
  client->put_async("k", "v", {},
                    [&](client::WriteResult result) { ended.set_value(std::move(result)); });
  const Instant begun = real_now();
  while (node.coordinator().writes == 0 && real_now() - begun < 10s) std::this_thread::yield();
  std::size_t under_way = 0;
  node.on_thread([&](ServedNode& n) {
    n.listener().drain();
    under_way = n.listener().calls_under_way();
  });
  CHECK(under_way == 1);
  CHECK(client->put("k", "v").error->code == ErrorCode::NotReady);
  CHECK(client_of({node.at()})->put("k", "v").error->code == ErrorCode::Unreachable);
  CHECK(node.coordinator().writes == 1);
  node.on_thread([](ServedNode& n) {
    replication::WriteReply reply;
    reply.outcome = replication::Outcome::Ok;
    for (const auto& done : std::exchange(n.coordinator().unanswered, {})) done(reply);
  });
  CHECK(ended.get_future().get().outcome == Outcome::Ok);
  node.on_thread([&](ServedNode& n) { under_way = n.listener().calls_under_way(); });
  CHECK(under_way == 0);
}

}  // namespace
}  // namespace parley
