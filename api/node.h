// Node: builds and wires every floor; the only place that knows them all. Constructor references
// outlive it. Loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/node_config.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"
#include "runtime/kj_port.h"
#include "runtime/loop.h"
#include "runtime/network.h"
#include "storage/store.h"

namespace parley::api {

class FaultDesk;

struct NodeEvents {
  // Once, when this node is on the ring and serves; the line is for standard output.
  std::function<void(const std::string& line)> ready;
  // At most once: the node can go on no more or never could begin; nothing is served after.
  std::function<void(const Error&)> failed;
  // Instead of failed: its data directory is an old copy, and says so now. Destroy this node and
  // its store and make them again: the next life rebuilds itself from its co-owners.
  std::function<void(const Error&)> begin_again;
  // With allow_faults: stops the loop's thread for so long, as a pause fault asks.
  std::function<void(Duration)> stall;
};

class Node {
 public:
  virtual ~Node() = default;
  // Stops taking calls, lets those under way end, tells the peers goodbye; `done` at the latest
  // after serve.drain and a moment. Destroy the Node after it.
  virtual void stop(std::function<void()> done) = 0;
  // For whoever runs the node, beside those who ask over RPC; null without allow_faults.
  virtual FaultDesk* fault_desk() = 0;
};

// Nothing is bound or sent before this life's generation is durable: identity, ports and membership
// go on in later turns and report through `events`.
std::unique_ptr<Node> make_node(const NodeConfig& config, std::unique_ptr<storage::Store> store,
                                runtime::Loop& loop, runtime::Network& network, runtime::KjPort& kj,
                                Random random, Logger log, MetricRegistry& metrics,
                                NodeEvents events);

}  // namespace parley::api
