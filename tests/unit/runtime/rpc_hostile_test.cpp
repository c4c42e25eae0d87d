// The rpc over a fake world: strangers, overload, garbage, destruction at any moment, chaos.
#include <memory>

#include "base/random.h"
#include "runtime/frame.h"
#include "runtime/rpc_message.h"
#include "tests/unit/runtime/rpc_fixture.h"

using namespace parley;
using namespace parley::runtime;

TEST_CASE("rpc: another cluster's requests are refused and counted") {
  fake::World world(1);
  Peer a(world, 1, 1), b(world, 2, 2);
  b.rpc->serve(Verb::JoinAsk, Admission::Strangers,
               [](const RpcRequest&, auto answer) { answer(Bytes("who are you?")); });
  Call call;
  call.start(a, b.at);
  REQUIRE(world.run_until([&] { return call.times > 0; }, 5s));
  CHECK(call.code() == ErrorCode::WrongCluster);
  CHECK(b.served == 0);
  CHECK(b.metric("rpc_foreign_total") == "1");
  call.start(a, b.at, 1s, Verb::JoinAsk);
  REQUIRE(world.run_until([&] { return call.times > 0; }, 5s));
  CHECK(call.ok());
  CHECK(b.metric("rpc_foreign_total") == "1");
}

TEST_CASE("rpc: a node without a cluster is served only what strangers may ask") {
  fake::World world(1);
  Peer a(world, 1, 0), b(world, 2, 2);
  b.rpc->serve(Verb::JoinAsk, Admission::Strangers,
               [](const RpcRequest&, auto answer) { answer(Bytes("welcome")); });
  Call call;
  const auto finish = [&]() -> Call& {
    REQUIRE(world.run_until([&] { return call.times > 0; }, 5s));
    return call;
  };
  call.start(a, b.at, 1s, Verb::JoinAsk);
  CHECK(finish().ok());
  call.start(a, b.at);
  CHECK(finish().code() == ErrorCode::WrongCluster);
  CHECK(b.metric("rpc_foreign_total") == "0");
  call.start(b, a.at);
  CHECK(finish().code() == ErrorCode::NotReady);
  // It joins: the connections that are open go on.
  a.identity.cluster = b.identity.cluster;
  a.rpc->set_identity(a.identity);
  call.start(a, b.at);
  CHECK(finish().ok());
  call.start(b, a.at);
  CHECK(finish().ok());
  CHECK(a.broken.empty());
  CHECK(b.broken.empty());
}

TEST_CASE("rpc: too many calls, too many bytes and too large a request fail at once") {
  Two t;
  REQUIRE(t.a.options.calls_most.set(16));
  REQUIRE(t.a.options.unsent_bytes_most.set(1_MiB));
  std::vector<Call> calls(17);
  for (auto& call : calls) call.start(t.a, t.b.at);
  t.finish(calls[16]);
  CHECK(calls[16].code() == ErrorCode::Overloaded);
  CHECK(calls[16].outcome->error().retry_after_ms > 0);
  for (std::size_t i = 0; i < 16; ++i) CHECK(t.finish(calls[i]).ok());
  CHECK(t.b.served == 16);  // what was refused was never sent
  Call large;
  large.start(t.a, t.b.at, 1s, Verb::ReadCopy, Bytes(t.b.options.frame_bytes_most() + 1, 'x'));
  CHECK(t.finish(large).code() == ErrorCode::TooLarge);
  Call fits, over;
  fits.start(t.a, t.b.at, 5s, Verb::ReadCopy, Bytes(2_MiB, 'x'));
  over.start(t.a, t.b.at, 5s);
  CHECK(t.finish(over).code() == ErrorCode::Overloaded);
  CHECK(t.finish(fits).ok());  // alone it may be larger than the mark
}

TEST_CASE("rpc: a refused call is not outstanding, and takes nobody's place") {
  Two t;
  REQUIRE(t.a.options.calls_most.set(16));
  std::vector<Call> calls(40);
  for (auto& call : calls) call.start(t.a, t.b.at);
  CHECK(t.a.metric("rpc_outstanding") == "16");
  t.finish(calls[39]);
  for (std::size_t i = 0; i < 40; ++i) CHECK(t.finish(calls[i]).ok() == (i < 16));
  CHECK(t.a.metric("rpc_outstanding") == "0");
}

TEST_CASE("rpc: an answer over the frame limit is an error, not a broken stream") {
  Two t;
  t.b.rpc->serve(Verb::StoreCopy, Admission::Members, [&t](const RpcRequest&, auto answer) {
    answer(Bytes(t.b.options.frame_bytes_most() + 1, 'x'));
  });
  Call call;
  call.start(t.a, t.b.at, 1s, Verb::StoreCopy);
  CHECK(t.finish(call).code() == ErrorCode::TooLarge);
  CHECK(t.a.broken.empty());
}

TEST_CASE("rpc: one connection cannot occupy a node with unanswered requests") {
  Two t;
  std::vector<Responder> kept;
  t.b.rpc->serve(Verb::StoreCopy, Admission::Members,
                 [&](const RpcRequest&, auto answer) { kept.push_back(answer); });
  std::vector<Call> calls(4097);
  for (auto& call : calls) call.start(t.a, t.b.at, 5s, Verb::StoreCopy);
  t.finish(calls.back());
  CHECK(calls.back().code() == ErrorCode::Overloaded);
  for (auto& answer : kept) answer(Bytes());
  CHECK(t.finish(calls.front()).ok());
}

TEST_CASE("rpc: bytes that are no frames close that stream and harm nothing") {
  Two t;
  t.warm_up();
  FrameHeader hello;
  hello.verb = Verb::Hello;
  std::vector<Bytes> attacks{"GET / HTTP/1.1\r\nHost: x\r\nand more, up to the header's length....",
                             Bytes(5000, '\xff'), encode_frame({}, "a heartbeat before a hello"),
                             encode_frame(hello, "no hello at all"),
                             encode_frame(hello, Bytes(5000, 'x'))};
  for (const Bytes& attack : attacks) {
    std::unique_ptr<Connection> stream;
    bool closed = false;
    t.a.node.network().connect("127.0.0.1", t.b.at, 1s, [&](auto outcome) {
      stream = std::move(*outcome);
      stream->listen_to([](ByteView) {}, [&](const Error&) { closed = true; });
      stream->send(attack);
    });
    CHECK(t.world.run_until([&] { return closed; }, 1s));
  }
  CHECK(t.b.metric("rpc_refused_streams_total") == std::to_string(attacks.size()));
  t.warm_up();
  CHECK(t.b.broken.empty());
}

TEST_CASE("rpc: a stream that never says hello is closed") {
  Two t;
  std::unique_ptr<Connection> stream;
  bool closed = false;
  t.a.node.network().connect("127.0.0.1", t.b.at, 1s, [&](auto outcome) {
    stream = std::move(*outcome);
    stream->listen_to([](ByteView) {}, [&](const Error&) { closed = true; });
  });
  CHECK(t.world.run_until([&] { return closed; }, 4s));
}

namespace {

// A hand-made end of a peer connection to `to`.
struct Stranger {
  std::unique_ptr<Connection> stream;
  bool closed = false;

  Stranger(Two& t, const Endpoint& to) {
    t.a.node.network().connect("127.0.0.1", to, 1s, [this](auto outcome) {
      stream = std::move(*outcome);
      stream->listen_to([](ByteView) {}, [this](const Error&) { closed = true; });
    });
    REQUIRE(t.world.run_until([this] { return stream != nullptr; }, 1s));
  }
  void greet(const ClusterId& cluster) {
    Hello hello;
    hello.node = node_id(9);
    hello.cluster = cluster;
    hello.listens_at = {"127.0.0.9", 7401};
    FrameHeader header;
    header.verb = Verb::Hello;
    header.cluster = cluster;
    stream->send(encode_frame(header, encode_hello(hello)));
  }
};

Bytes request_of(std::size_t size, const ClusterId& cluster) {
  FrameHeader header;
  header.verb = Verb::ReadCopy;
  header.kind = FrameKind::Request;
  header.request_id = 1;
  header.cluster = cluster;
  header.remaining_ms = 1000;
  return encode_frame(header, Bytes(size, 'x'));
}

}  // namespace

TEST_CASE("rpc: a hello is waited for no longer than it takes, however patient we are") {
  Two t;
  REQUIRE(t.b.options.silence_max.set(60s));
  t.world.run_for(3s);
  Stranger silent(t, t.b.at), halting(t, t.b.at);
  const Instant start = t.world.now();
  for (int i = 0; i < 64 && !halting.closed; ++i) {
    halting.stream->send(request_of(0, {}).substr(static_cast<std::size_t>(i), 1));
    t.world.run_for(1s);
  }
  CHECK(halting.closed);
  CHECK(silent.closed);
  CHECK(t.world.now() - start < 20s);
  CHECK(t.b.metric("rpc_overdue_streams_total") == "2");
}

TEST_CASE("rpc: a frame that is never finished ends its connection") {
  Two t;
  Stranger halting(t, t.b.at), slow(t, t.b.at);
  const ClusterId ours = t.b.identity.cluster;
  halting.greet(ours);
  slow.greet(ours);
  const Bytes frame = request_of(64 * 100, ours);
  const Instant start = t.world.now();
  for (std::size_t i = 0; i < 60 && !halting.closed; ++i) {
    halting.stream->send(frame.substr(i, 1));
    // A whole frame every 25 s or so, the next begun in the same breath as the last one's end.
    slow.stream->send((frame + frame + frame).substr(i * 256, 256));
    t.world.run_for(1s);
  }
  CHECK(halting.closed);
  CHECK(t.world.now() - start >= 30s);
  CHECK(t.world.now() - start < 33s);
  CHECK_FALSE(slow.closed);
  CHECK(t.b.metric("rpc_overdue_streams_total") == "1");
}

TEST_CASE("rpc: who has not said our cluster's id may send little") {
  Two t;
  const ClusterId ours = t.b.identity.cluster;
  const auto is_dropped = [&](const ClusterId& claimed, std::size_t size) {
    Stranger peer(t, t.b.at);
    peer.greet(claimed);
    peer.stream->send(request_of(size, claimed));
    t.world.run_for(1s);
    return peer.closed;
  };
  CHECK_FALSE(is_dropped(cluster(77), 1_MiB));
  CHECK(is_dropped(cluster(77), 1_MiB + 1));
  CHECK_FALSE(is_dropped({}, 1_MiB));
  CHECK(is_dropped({}, 1_MiB + 1));
  CHECK(t.b.served == 0);
  CHECK_FALSE(is_dropped(ours, 4_MiB));
  CHECK(t.b.served == 1);
  CHECK(t.b.metric("rpc_refused_streams_total") == "2");
}

TEST_CASE("rpc: large answers reach a node that joins, large requests once it has joined") {
  fake::World world(1);
  Peer joiner(world, 1, 0), member(world, 2, 2);
  member.rpc->serve(Verb::JoinAsk, Admission::Strangers,
                    [](const RpcRequest&, auto answer) { answer(Bytes(8_MiB, 'w')); });
  Call call;
  const auto finish = [&]() -> Call& {
    REQUIRE(world.run_until([&] { return call.times > 0; }, 5s));
    return call;
  };
  call.start(joiner, member.at, 4s, Verb::JoinAsk);
  REQUIRE(finish().ok());
  CHECK((*call.outcome)->size() == 8_MiB);
  call.start(member, joiner.at);
  CHECK(finish().code() == ErrorCode::NotReady);
  joiner.identity.cluster = member.identity.cluster;
  joiner.rpc->set_identity(joiner.identity);
  // Over the connections of before, which no end dials anew.
  call.start(member, joiner.at, 4s, Verb::ReadCopy, Bytes(4_MiB, 'x'));
  CHECK(finish().ok());
  call.start(joiner, member.at, 4s, Verb::ReadCopy, Bytes(4_MiB, 'x'));
  CHECK(finish().ok());
  CHECK(joiner.broken.empty());
  CHECK(member.broken.empty());
}

TEST_CASE("rpc: a dropped handle silences its call, in every state") {
  Two t;
  Call dialling, sent, kept;
  dialling.start(t.a, t.b.at);
  kept.start(t.a, t.b.at);
  dialling.handle.reset();
  CHECK(t.finish(kept).ok());
  sent.start(t.a, t.b.at);
  t.world.run_for(500us);
  sent.handle.reset();
  // Refused at once, and dropped before it could say so.
  Call refused;
  refused.start(t.a, t.b.at, 1s, Verb::ReadCopy, Bytes(t.a.options.frame_bytes_most() + 1, 'x'));
  refused.handle.reset();
  t.world.run_for(5s);
  CHECK(dialling.times == 0);
  CHECK(sent.times == 0);
  CHECK(refused.times == 0);
  CHECK(t.b.served == 2);
  CHECK(t.a.metric("rpc_outstanding") == "0");
}

TEST_CASE("rpc: either end may be destroyed inside any callback") {
  for (const int where : {0, 1, 2, 3, 4}) {
    Two t;
    if (where != 4) t.warm_up();
    if (where == 0) {
      t.b.rpc->serve(Verb::StoreCopy, Admission::Members, [&t](const RpcRequest&, auto answer) {
        t.b.rpc.reset();
        answer(Bytes("nobody hears it"));
      });
    }
    int done = 0;
    std::vector<CallHandle> calls;
    for (int i = 0; i < 3; ++i) {
      calls.push_back(t.a.rpc->call(t.b.at, Verb::StoreCopy, "x", {}, [&](Result<Bytes>) {
        ++done;
        calls.clear();
        if (where != 0) t.a.rpc.reset();
      }));
    }
    if (where == 2) t.b.rpc.reset();                        // fails in the break
    if (where == 3) t.b.node.pause();                       // fails at the deadline
    if (where == 4) t.world.cut("127.0.0.1", "127.0.0.2");  // fails in the dial
    t.world.run_for(10s);
    CHECK(done == 1);
  }
}

TEST_CASE("rpc: destroyed inside the broken-peer observer") {
  fake::World world(1);
  Peer a(world, 1), b(world, 2);
  int reported = 0;
  a.rpc.reset();
  MetricRegistry again;
  auto made =
      make_rpc(a.options, a.identity, a.at, a.node.loop(), a.node.network(), Logger(), again);
  REQUIRE(made);
  a.rpc = std::move(*made);
  a.rpc->on_peer_broken([&](NodeId, const Endpoint& at) {
    ++reported;
    CHECK(at == b.at);
    a.rpc.reset();
  });
  Call call;
  call.start(a, b.at);
  REQUIRE(world.run_until([&] { return call.times > 0; }, 1s));
  b.rpc.reset();
  world.run_for(10s);
  CHECK(reported == 1);
}

TEST_CASE("rpc: a port in use is a clear error") {
  Two t;
  MetricRegistry metrics;
  const auto second = make_rpc(t.a.options, t.a.identity, t.a.at, t.a.node.loop(),
                               t.a.node.network(), Logger(), metrics);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::InvalidArgument);
  CHECK(second.error().message == "cannot listen on 127.0.0.1:7401: address already in use");
}

TEST_CASE("rpc: under random cuts, pauses and deaths every call ends exactly once") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    Two t;
    t.world.set_latency(1ms, 20ms);
    std::vector<std::unique_ptr<Call>> calls;
    for (int step = 0; step < 300; ++step) {
      auto call = std::make_unique<Call>();
      Peer& from = random.below(2) == 0 ? t.a : t.b;
      Peer& to = &from == &t.a ? t.b : t.a;
      if (from.rpc) {
        call->start(from, to.at, std::chrono::milliseconds(1 + random.below(2000)));
        if (random.below(10) == 0) call->handle.reset();
        calls.push_back(std::move(call));
      }
      switch (random.below(30)) {
        case 0: t.world.cut("127.0.0.1", "127.0.0.2"); break;
        case 1: t.world.cut_one_way("127.0.0.2", "127.0.0.1"); break;
        case 2:
        case 3: t.world.heal_all(); break;
        case 4: t.b.node.pause(); break;
        case 5:
        case 6: t.b.node.resume(); break;
        case 7: t.world.forget_streams("127.0.0.1", "127.0.0.2"); break;
        case 8: t.a.rpc->peer_recovered(t.b.at); break;
        default: break;
      }
      t.world.run_for(std::chrono::milliseconds(random.below(200)));
    }
    t.world.heal_all();
    t.b.node.resume();
    t.world.run_for(20s);
    for (const auto& call : calls) CHECK(call->times == (call->handle ? 1 : 0));
    CHECK(t.a.metric("rpc_outstanding") == "0");
    CHECK(t.b.metric("rpc_outstanding") == "0");
    Call last;
    last.start(t.a, t.b.at);
    CHECK(t.finish(last).ok());
  }
}
