// AdminService: the Admin interface of parley.capnp for one client connection, over ClusterAdmin.
// Translates and limits. A driver; loop thread only.
#pragma once

#include "api/cluster_admin.h"
#include "api/kv_service.h"
#include "api/parley.capnp.h"

namespace parley::api {

class AdminService final : public schema::Admin::Server {
 public:
  AdminService(ClusterAdmin& admin, ServeStatePtr state, CallGate::ConnectionPtr connection)
      : admin_(admin), state_(std::move(state)), connection_(std::move(connection)) {}

  kj::Promise<void> status(StatusContext context) override;
  kj::Promise<void> ring(RingContext context) override;
  kj::Promise<void> info(InfoContext context) override;
  kj::Promise<void> gossip(GossipContext context) override;
  kj::Promise<void> endpoints(EndpointsContext context) override;
  kj::Promise<void> inspect(InspectContext context) override;
  kj::Promise<void> hints(HintsContext context) override;
  kj::Promise<void> dropHints(DropHintsContext context) override;
  kj::Promise<void> repair(RepairContext context) override;
  kj::Promise<void> repairStatus(RepairStatusContext context) override;
  kj::Promise<void> conflicts(ConflictsContext context) override;
  kj::Promise<void> keyspace(KeyspaceContext context) override;
  kj::Promise<void> setConsistency(SetConsistencyContext context) override;
  kj::Promise<void> faults(FaultsContext context) override;
  kj::Promise<void> injectFault(InjectFaultContext context) override;
  kj::Promise<void> healFaults(HealFaultsContext context) override;
  kj::Promise<void> latencies(LatenciesContext context) override;

 private:
  Duration timeout(std::uint32_t timeout_ms) const;
  template <typename T, typename Context, typename Begin, typename Write>
  kj::Promise<void> answer_later(Context context, Begin begin, Write write);

  ClusterAdmin& admin_;
  const ServeStatePtr state_;
  const CallGate::ConnectionPtr connection_;
};

}  // namespace parley::api
