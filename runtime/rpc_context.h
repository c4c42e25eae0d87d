// What the parts of one Rpc share.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "base/log.h"
#include "base/metric.h"
#include "runtime/loop.h"
#include "runtime/network.h"
#include "runtime/rpc.h"
#include "runtime/rpc_message.h"

namespace parley::runtime {

class RpcLink;

struct RpcMetrics {
  explicit RpcMetrics(MetricRegistry& registry);
  void count_call(Verb verb, const char* outcome);

  MetricFamily<Counter> calls;
  Counter expired;
  Counter foreign;
  Counter refused_streams;
  Counter overdue_streams;
  std::size_t outstanding_now = 0;  // calls without an answer yet
  std::size_t serving_now = 0;      // requests whose handler has not answered yet
  Gauge outstanding;
  Gauge serving;

 private:
  std::map<std::pair<Verb, const char*>, Counter*> known_;
};

// Held by all parts, so that a callback which destroys the Rpc pulls nothing from under them.
struct RpcContext {
  RpcContext(const RpcOptions& rpc_options, RpcIdentity own, Endpoint at, Loop& the_loop,
             Network& the_network, Logger logger, MetricRegistry& registry)
      : options(rpc_options),
        identity(std::move(own)),
        listen_at(std::move(at)),
        loop(the_loop),
        network(the_network),
        log(logger),
        metrics(registry) {}

  Hello hello(Channel channel) const {
    Hello own;
    own.node = identity.node;
    own.generation = identity.generation;
    own.cluster = identity.cluster;
    own.cluster_name = identity.cluster_name;
    own.listens_at = listen_at;
    own.channel = channel;
    own.silence_max = options.silence_max();
    return own;
  }

  const RpcOptions& options;
  RpcIdentity identity;
  const Endpoint listen_at;
  Loop& loop;
  Network& network;
  Logger log;
  RpcMetrics metrics;
  std::uint64_t next_request_id = 1;
  std::function<void(NodeId, const Endpoint&)> on_peer_broken;
};

// A greeted link broke: logs it and tells the observer.
void report_broken(const RpcContext& context, const RpcLink& link, const Error& why);

}  // namespace parley::runtime
