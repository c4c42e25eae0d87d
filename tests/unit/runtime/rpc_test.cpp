// The rpc over a fake world: answers, deadlines, breaks, redial.
#include "runtime/rpc.h"

#include "runtime/frame.h"
#include "tests/unit/runtime/rpc_fixture.h"

using namespace parley;
using namespace parley::runtime;

TEST_CASE("rpc: a call is answered once") {
  Two t;
  Call call;
  call.start(t.a, t.b.at);
  t.finish(call);
  REQUIRE(call.ok());
  CHECK(**call.outcome == "echo x");
  t.world.run_for(20s);
  CHECK(call.times == 1);
  CHECK(t.a.metrics.render().find("parley_rpc_calls_total{verb=\"read_copy\",outcome=\"ok\"} 1") !=
        std::string::npos);
  CHECK(t.a.metric("rpc_outstanding") == "0");
  CHECK(t.b.metric("rpc_serving") == "0");
}

TEST_CASE("rpc: bulk and foreground use connections of their own") {
  Two t;
  Call slow, quick;
  slow.start(t.a, t.b.at, 1s, Verb::ReadCopy, "bulk", Channel::Bulk);
  quick.start(t.a, t.b.at);
  CHECK(t.finish(slow).ok());
  CHECK(t.finish(quick).ok());
  CHECK(t.world.open_streams() == 4);
}

TEST_CASE("rpc: both nodes call each other, each over what it dialled") {
  Two t;
  Call there, back;
  there.start(t.a, t.b.at);
  back.start(t.b, t.a.at);
  CHECK(t.finish(there).ok());
  CHECK(t.finish(back).ok());
  CHECK(t.world.open_streams() == 4);
}

TEST_CASE("rpc: calls keep their order and share a stream") {
  Two t;
  std::string order;
  t.b.rpc->serve(Verb::StoreCopy, Admission::Members, [&](const RpcRequest& request, auto answer) {
    order += request.body;
    answer(Bytes());
  });
  std::vector<Call> calls(26);
  char c = 'a';
  for (auto& call : calls) call.start(t.a, t.b.at, 1s, Verb::StoreCopy, Bytes(1, c++));
  for (auto& call : calls) CHECK(t.finish(call).ok());
  CHECK(order == "abcdefghijklmnopqrstuvwxyz");
  CHECK(t.world.open_streams() == 2);
}

TEST_CASE("rpc: a handler sees who asks, the deadline and the ring digest") {
  Two t;
  std::optional<RpcRequest> seen;
  t.b.rpc->serve(Verb::StoreCopy, Admission::Members, [&](const RpcRequest& request, auto answer) {
    seen = request;
    answer(Bytes());
  });
  t.warm_up();
  CallOptions options;
  options.timeout = 700ms;
  options.ring_digest = 42;
  const Instant start = t.world.now();
  const auto handle = t.a.rpc->call(t.b.at, Verb::StoreCopy, "x", options, [](auto) {});
  REQUIRE(t.world.run_until([&] { return seen.has_value(); }, 1s));
  CHECK(seen->from == node_id(1));
  CHECK(seen->remote.address == "127.0.0.1");
  CHECK(seen->ring_digest == 42);
  CHECK(seen->deadline - start >= 699ms);
  CHECK(seen->deadline - start <= 702ms);
}

TEST_CASE("rpc: the callee's error travels with code, message and retry time") {
  Two t;
  t.b.rpc->serve(Verb::StoreCopy, Admission::Members, [](const RpcRequest&, auto answer) {
    answer(Error{ErrorCode::DiskFull, "no room", 250});
  });
  Call call;
  call.start(t.a, t.b.at, 1s, Verb::StoreCopy);
  t.finish(call);
  CHECK(call.code() == ErrorCode::DiskFull);
  CHECK(call.outcome->error().message == "no room");
  CHECK(call.outcome->error().retry_after_ms == 250);
}

TEST_CASE("rpc: an unknown verb is unsupported, also after its handler was taken away") {
  Two t;
  Call call;
  call.start(t.a, t.b.at, 1s, Verb::SyncList);
  CHECK(t.finish(call).code() == ErrorCode::Unsupported);
  t.b.rpc->serve(Verb::ReadCopy, Admission::Members, nullptr);
  call.start(t.a, t.b.at);
  CHECK(t.finish(call).code() == ErrorCode::Unsupported);
}

TEST_CASE("rpc: no answer before the deadline is NoAnswer; a late one changes nothing") {
  Two t;
  std::vector<Responder> kept;
  t.b.rpc->serve(Verb::StoreCopy, Admission::Members,
                 [&](const RpcRequest&, auto answer) { kept.push_back(answer); });
  t.warm_up();
  Call call;
  const Instant start = t.world.now();
  call.start(t.a, t.b.at, 300ms, Verb::StoreCopy);
  CHECK(t.finish(call).code() == ErrorCode::NoAnswer);
  CHECK(t.world.now() - start == 300ms);
  REQUIRE(kept.size() == 1);
  CHECK(t.b.metric("rpc_serving") == "1");
  kept[0](Bytes("late"));
  kept[0](Bytes("twice"));
  CHECK(t.b.metric("rpc_serving") == "0");
  t.world.run_for(1s);
  CHECK(call.times == 1);
}

TEST_CASE("rpc: a responder dropped without an answer is not being served any more") {
  Two t;
  t.b.rpc->serve(Verb::StoreCopy, Admission::Members, [](const RpcRequest&, auto) {});
  Call call;
  call.start(t.a, t.b.at, 300ms, Verb::StoreCopy);
  CHECK(t.finish(call).code() == ErrorCode::NoAnswer);
  CHECK(t.b.metric("rpc_serving") == "0");
}

TEST_CASE("rpc: a refused dial is Unreachable, quickly, and once more at once") {
  Two t;
  const Endpoint nobody{"127.0.0.2", 9};
  Call call;
  const Instant start = t.world.now();
  call.start(t.a, nobody);
  CHECK(t.finish(call).code() == ErrorCode::Unreachable);
  CHECK(t.world.now() - start < 10ms);
  call.start(t.a, nobody);
  CHECK(t.finish(call).code() == ErrorCode::Unreachable);
  CHECK(t.world.now() - start < 10ms);
}

TEST_CASE("rpc: a node that has returned is reached by the next call") {
  Two t;
  t.warm_up();
  t.b.rpc.reset();
  t.world.run_for(10ms);
  REQUIRE(t.a.broken.size() == 1);
  Call call;
  for (int i = 0; i < 20; ++i) {
    call.start(t.a, t.b.at);
    CHECK(t.finish(call).code() == ErrorCode::Unreachable);
    t.world.run_for(300ms);
  }
  MetricRegistry fresh;
  t.b.start();
  t.world.run_for(60ms);
  call.start(t.a, t.b.at);
  CHECK(t.finish(call).ok());
}

TEST_CASE("rpc: a wanted peer is redialled without a call") {
  Two t;
  t.warm_up();
  t.b.rpc.reset();
  t.world.run_for(1s);
  CHECK(t.world.open_streams() == 0);
  t.b.start();
  CHECK(t.world.run_until([&] { return t.world.open_streams() == 2; }, 4s));
}

TEST_CASE("rpc: behind a cut a call is Unreachable, for nothing was sent") {
  Two t;
  t.world.cut("127.0.0.1", "127.0.0.2");
  Call call, brief;
  const Instant start = t.world.now();
  call.start(t.a, t.b.at, 5s);
  brief.start(t.a, t.b.at, 200ms);
  CHECK(t.finish(brief).code() == ErrorCode::Unreachable);
  CHECK(t.world.now() - start == 200ms);
  CHECK(t.finish(call).code() == ErrorCode::Unreachable);
  CHECK(t.world.now() - start == 1s);
}

TEST_CASE("rpc: a stopped node accepts streams, yet nothing was sent to it") {
  Two t;
  t.b.node.pause();
  Call call;
  call.start(t.a, t.b.at, 5s);
  CHECK(t.finish(call).code() == ErrorCode::Unreachable);
  t.b.node.resume();
  t.world.run_for(5s);
  CHECK(t.b.served == 0);
}

TEST_CASE("rpc: calls in flight fail with NoAnswer when the peer dies, and it is reported") {
  Two t;
  t.b.rpc->serve(Verb::StoreCopy, Admission::Members, [&t](const RpcRequest&, auto) {
    t.b.node.loop().post([&t] { t.b.rpc.reset(); });
  });
  Call first, second;
  first.start(t.a, t.b.at, 5s, Verb::StoreCopy);
  second.start(t.a, t.b.at, 5s, Verb::StoreCopy);
  const Instant start = t.world.now();
  CHECK(t.finish(first).code() == ErrorCode::NoAnswer);
  CHECK(t.finish(second).code() == ErrorCode::NoAnswer);
  CHECK(t.world.now() - start < 100ms);
  CHECK(t.a.broken == std::vector<NodeId>{node_id(2)});
}

TEST_CASE("rpc: a silent connection is dropped, an idle one is kept") {
  Two t;
  t.warm_up();
  t.world.run_for(60s);
  CHECK(t.world.open_streams() == 2);
  CHECK(t.a.broken.empty());
  t.world.cut("127.0.0.1", "127.0.0.2");
  Call call;
  const Instant start = t.world.now();
  call.start(t.a, t.b.at, 30s);
  CHECK(t.finish(call).code() == ErrorCode::NoAnswer);
  CHECK(t.world.now() - start < 3500ms);
  CHECK(t.a.broken.size() == 1);
  t.world.run_for(1s);
  CHECK(t.b.broken.size() == 1);
}

TEST_CASE("rpc: an idle connection costs a heartbeat each way per half of rpc.silence_max") {
  Two t;
  const Duration silence = GENERATE(3s, 1s);
  REQUIRE(t.a.options.silence_max.set(silence));
  REQUIRE(t.b.options.silence_max.set(silence));
  t.warm_up();
  t.world.run_for(3s);  // what it went by before
  const auto sent = t.world.stream_bytes_sent();
  t.world.run_for(60s);
  CHECK((t.world.stream_bytes_sent() - sent) / kFrameHeaderBytes ==
        static_cast<std::uint64_t>(2 * 60s / (silence / 2)));
  CHECK(t.world.open_streams() == 2);
}

TEST_CASE("rpc: an idle connection to a recovered peer is kept (between two heartbeats)") {
  Two t;
  t.world.run_for(130ms);  // its last byte as far as can be from the look before it
  t.warm_up();
  const auto sent = t.world.stream_bytes_sent();
  t.world.run_for(1550ms);  // over half of rpc.silence_max
  REQUIRE(t.world.stream_bytes_sent() == sent);
  t.a.rpc->peer_recovered(t.b.at);
  t.world.run_for(100ms);
  CHECK(t.b.broken.empty());
}

TEST_CASE("rpc: after a partition a recovered peer is dialled anew at once") {
  Two t;
  t.warm_up();
  // Shorter than silence_max: the stream is half open and would stay so for a second more.
  t.world.cut("127.0.0.1", "127.0.0.2");
  t.world.run_for(2000ms);
  Call stale;
  stale.start(t.a, t.b.at, 10s);
  t.world.run_for(100ms);
  t.world.heal_all();
  t.a.rpc->peer_recovered(t.b.at);
  CHECK(stale.times == 0);
  const Instant start = t.world.now();
  CHECK(t.finish(stale).code() == ErrorCode::NoAnswer);
  Call call;
  call.start(t.a, t.b.at);
  CHECK(t.finish(call).ok());
  CHECK(t.world.now() - start < 20ms);
}

// An option is changed on one node after the other.
TEST_CASE("rpc: an idle connection lasts between nodes of different patience") {
  Two t;
  const bool dialler = GENERATE(true, false);
  Peer& patient = dialler ? t.a : t.b;
  Peer& other = dialler ? t.b : t.a;
  REQUIRE(patient.options.silence_max.set(60s));
  REQUIRE(other.options.silence_max.set(500ms));
  t.warm_up();
  const auto sent = t.world.stream_bytes_sent();
  for (int i = 0; i < 60; ++i) {
    t.world.run_for(2s);
    patient.rpc->peer_recovered(other.at);
    other.rpc->peer_recovered(patient.at);
  }
  CHECK(t.a.broken.empty());
  CHECK(t.b.broken.empty());
  // Neither says more than the patient one needs: one each 30 s.
  CHECK((t.world.stream_bytes_sent() - sent) / kFrameHeaderBytes <= 2 * 4);
  // What has gone silent is given up all the same.
  t.world.cut("127.0.0.1", "127.0.0.2");
  t.world.run_for(70s);
  CHECK(t.a.broken.size() == 1);
}

TEST_CASE("rpc: a dial begun during the cut does not hold up recovery") {
  Two t;
  t.world.cut("127.0.0.1", "127.0.0.2");
  Call call;
  call.start(t.a, t.b.at, 5s);
  t.world.run_for(500ms);
  t.world.heal_all();
  t.a.rpc->peer_recovered(t.b.at);
  const Instant start = t.world.now();
  CHECK(t.finish(call).ok());
  CHECK(t.world.now() - start < 20ms);
}

TEST_CASE("rpc: work that expired in a stopped node's buffers is never done") {
  Two t;
  t.warm_up();
  t.world.run_for(10s);
  const int served = t.b.served;
  t.b.node.pause();
  Call stale;
  stale.start(t.a, t.b.at, 1s);
  CHECK(t.finish(stale).code() == ErrorCode::NoAnswer);
  SECTION("stopped for less than silence_max") { t.world.run_for(1s); }
  SECTION("stopped for 30 s") { t.world.run_for(29s); }
  t.b.node.resume();
  t.world.run_for(1s);
  CHECK(t.b.served == served);
  CHECK(t.b.metric("rpc_expired_total") == "1");
  Call call;
  call.start(t.a, t.b.at);
  CHECK(t.finish(call).ok());
}

TEST_CASE("rpc: answers that arrived while we were stopped still count") {
  Two t;
  t.warm_up();
  Call call;
  call.start(t.a, t.b.at, 1s);
  t.world.run_for(500us);
  t.a.node.pause();
  t.world.run_for(2s);
  t.a.node.resume();
  CHECK(t.finish(call).ok());
}
