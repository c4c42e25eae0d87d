#include "runtime/rpc_context.h"

#include "runtime/rpc_link.h"

namespace parley::runtime {

RpcMetrics::RpcMetrics(MetricRegistry& registry)
    : calls(registry, "rpc_calls_total", "Calls to peers, by verb and outcome.",
            {"verb", "outcome"}),
      expired(registry, "rpc_expired_total",
              "Peers' requests dropped because their deadline had passed."),
      foreign(registry, "rpc_foreign_total", "Requests refused because of another cluster's id."),
      refused_streams(registry, "rpc_refused_streams_total",
                      "Peer connections dropped for bytes that are no valid frames."),
      overdue_streams(registry, "rpc_overdue_streams_total",
                      "Peer connections dropped for want of a hello or of the rest of a frame."),
      outstanding(registry, "rpc_outstanding", "Calls to peers without an answer yet.",
                  [this] { return static_cast<double>(outstanding_now); }),
      serving(registry, "rpc_serving", "Peers' requests being served.",
              [this] { return static_cast<double>(serving_now); }) {}

// Outcomes are literals, so their addresses tell them apart well enough for a cache.
void RpcMetrics::count_call(Verb verb, const char* outcome) {
  Counter*& counter = known_[{verb, outcome}];
  if (counter == nullptr) counter = &calls.with({to_text(verb), outcome});
  counter->add();
}

void report_broken(const RpcContext& context, const RpcLink& link, const Error& why) {
  const Hello peer = link.peer();
  context.log.info("peer.connection_broken",
                   {{"node", peer.node}, {"address", peer.listens_at}, {"reason", why.message}});
  const auto observer = context.on_peer_broken;
  if (observer) observer(peer.node, peer.listens_at);
}

}  // namespace parley::runtime
