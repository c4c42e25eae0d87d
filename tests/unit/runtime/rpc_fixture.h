// Two nodes of a fake world, each with an Rpc that echoes, and calls that remember their outcome.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/rpc.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"

namespace parley::runtime {

inline ClusterId cluster(std::uint8_t n) {
  ClusterId id;
  id.octets[0] = n;
  return id;
}

inline NodeId node_id(std::uint8_t n) {
  NodeId id;
  id.octets[15] = n;
  return id;
}

struct Peer {
  fake::Node& node;
  RpcOptions options;
  MetricRegistry metrics;
  RpcIdentity identity;
  Endpoint at;
  std::unique_ptr<Rpc> rpc;
  int served = 0;
  std::vector<NodeId> broken;

  Peer(fake::World& world, std::uint8_t n, std::uint8_t cluster_number = 1)
      : node(world.node("127.0.0." + std::to_string(n))), at{node.address(), 7401} {
    identity.node = node_id(n);
    identity.generation = 1;
    if (cluster_number != 0) identity.cluster = cluster(cluster_number);
    identity.cluster_name = "test";
    start();
  }
  void start() {
    auto made = make_rpc(options, identity, at, node.loop(), node.network(), Logger(), metrics);
    REQUIRE(made);
    rpc = std::move(*made);
    rpc->on_peer_broken([this](NodeId id, const Endpoint&) { broken.push_back(id); });
    rpc->serve(Verb::ReadCopy, Admission::Members, [this](const RpcRequest& request, auto respond) {
      ++served;
      respond("echo " + Bytes(request.body));
    });
  }
  std::string metric(const std::string& name) const {
    const std::string text = metrics.render();
    const auto found = text.find("\nparley_" + name + " ");
    if (found == std::string::npos) return "absent";
    const auto from = found + name.size() + 9;
    return text.substr(from, text.find('\n', from) - from);
  }
};

struct Call {
  std::optional<Result<Bytes>> outcome;
  CallHandle handle;
  int times = 0;

  void start(Peer& from, const Endpoint& to, Duration timeout = 1s, Verb verb = Verb::ReadCopy,
             Bytes body = "x", Channel channel = Channel::Foreground) {
    outcome.reset();
    times = 0;
    CallOptions options;
    options.timeout = timeout;
    options.channel = channel;
    handle = from.rpc->call(to, verb, std::move(body), options, [this](Result<Bytes> r) {
      ++times;
      outcome = std::move(r);
    });
    CHECK(times == 0);
  }
  bool ok() const { return outcome && outcome->ok(); }
  ErrorCode code() const {
    REQUIRE(outcome);
    REQUIRE_FALSE(outcome->ok());
    return outcome->error().code;
  }
};

struct Two {
  fake::World world{1};
  Peer a{world, 1};
  Peer b{world, 2};

  Call& finish(Call& call, Duration limit = 10s) {
    REQUIRE(world.run_until([&] { return call.times > 0; }, limit));
    return call;
  }
  void warm_up() {
    Call call;
    call.start(a, b.at);
    REQUIRE(finish(call).ok());
  }
};

}  // namespace parley::runtime
