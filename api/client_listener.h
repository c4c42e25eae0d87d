// ClientListener: the client port. Takes connections, gives each a Parley capability with its own
// limits, and ends them. A driver; loop thread only, with a KjPort on it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "api/cluster_admin.h"
#include "api/kv_service.h"
#include "api/node_config.h"
#include "base/lifetime.h"
#include "base/log.h"
#include "base/metric.h"
#include "runtime/kj_port.h"
#include "runtime/network.h"

namespace parley::api {

class ClientListener {
 public:
  // References outlive it. Error InvalidArgument when `at` cannot be bound.
  static Result<std::unique_ptr<ClientListener>> open(const Endpoint& at, KvWorld world,
                                                      ClusterAdmin& admin,
                                                      runtime::Network& network, Logger log,
                                                      MetricRegistry& metrics);
  // Ends every connection; calls that the Coordinator has go on there.
  ~ClientListener();
  ClientListener(const ClientListener&) = delete;
  ClientListener& operator=(const ClientListener&) = delete;

  // Takes no more connections; new calls are answered NotReady. Those under way go on.
  void drain();
  // Items of batches counted singly.
  std::size_t calls_under_way() const { return state_->gate.calls(); }
  std::size_t connections() const { return sessions_.size(); }

 private:
  struct Session;

  ClientListener(KvWorld world, ClusterAdmin& admin, Logger log, MetricRegistry& metrics);
  runtime::KjStreamLimits limits_for(const runtime::Connection& connection,
                                     const CallGate::ConnectionPtr& calls);
  void accept(std::unique_ptr<runtime::Connection> connection);
  void forget(std::uint64_t session);

  const ServeStatePtr state_;
  ClusterAdmin& admin_;
  const Logger log_;
  std::unique_ptr<runtime::Listener> listener_;
  std::map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::uint64_t sessions_begun_ = 0;
  Gauge connections_gauge_, calls_gauge_, unread_gauge_;
  Counter accepted_, turned_away_, messages_refused_, given_up_;
  Lifetime lifetime_;
};

}  // namespace parley::api
