// ClusterAdminService: answers operators from what this node knows and from what it asks its peers
// (peer_admin.h), and answers its peers. A driver; loop thread only.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/cluster_admin.h"
#include "api/fault_desk.h"
#include "api/peer_admin.h"
#include "base/lifetime.h"
#include "membership/gossiper.h"
#include "repair/repair.h"
#include "replication/coordinator.h"
#include "runtime/loop.h"
#include "runtime/rpc.h"
#include "storage/store.h"

namespace parley::api {

struct ClusterAdminWorld {
  runtime::Loop& loop;
  runtime::Rpc& rpc;
  storage::Store& store;
  membership::Gossiper& gossiper;
  replication::Replication& replication;
  repair::Repair& repair;
  // What `info` answers.
  std::function<client::NodeInfo()> self;
  FaultDesk* faults;  // null: not allowed
};

class ClusterAdminService final : public ClusterAdmin {
 public:
  explicit ClusterAdminService(ClusterAdminWorld world);
  ~ClusterAdminService() override;

  void status(Duration timeout, Done<client::ClusterStatus> done) override;
  Result<client::RingInfo> ring() override;
  client::NodeInfo info() override;
  std::vector<client::GossipRow> gossip() override;
  Result<std::vector<client::ReplicaAddress>> endpoints(const std::string& keyspace,
                                                        const Bytes& key) override;
  void inspect(const std::string& keyspace, Bytes key, Duration timeout,
               Done<client::InspectResult> done) override;
  void hints(Duration timeout, Done<client::Gathered<client::HintRow>> done) override;
  void drop_hints(const std::string& target, Duration timeout, Done<std::uint64_t> done) override;
  void repair(bool wait, Duration timeout, Done<std::uint64_t> done) override;
  void repair_status(Duration timeout, Done<client::Gathered<client::RepairRow>> done) override;
  void conflicts(const std::string& keyspace, Bytes after, std::size_t limit, Duration timeout,
                 Done<client::ConflictPage> done) override;
  Result<client::KeyspaceInfo> keyspace(const std::string& name) override;
  void set_consistency(const std::string& name, const std::string& read_level,
                       const std::string& write_level, Duration timeout,
                       Done<client::KeyspaceInfo> done) override;
  Result<std::vector<client::FaultRow>> faults() override;
  Result<std::uint64_t> inject_fault(const client::FaultSpec& spec) override;
  Result<std::uint64_t> heal_faults(std::uint64_t id, const std::string& peer,
                                    const std::string& note) override;
  Result<client::NodeLatencies> latencies() override;

 private:
  // One question to every peer that is up.
  struct Round {
    virtual ~Round() = default;
    std::vector<runtime::CallHandle> calls;
  };
  template <typename T>
  using Answers = std::map<NodeId, Result<T>>;
  template <typename T>
  struct RoundOf;

  // `done` gets an answer or an error for each peer that was up; never inside the call.
  template <typename T>
  void ask_peers(const membership::View& view, runtime::Verb verb, const Bytes& body,
                 Duration timeout, Result<T> (*decode)(ByteView),
                 std::function<void(Answers<T>)> done);
  void serve_peers();
  template <typename T>
  void fail_later(Done<T> done, Error error);

  Result<membership::ViewPtr> ready_view() const;
  Result<FaultDesk*> fault_desk() const;
  PeerLoad own_load() const;
  std::vector<PeerHintTotal> own_hints() const;
  std::vector<PeerSyncRow> own_sync() const;
  void own_conflicts(ConflictQuestion question, std::function<void(Result<ConflictPart>)> done);
  client::ClusterStatus status_of(const membership::View& view,
                                  const Answers<std::vector<PeerHintTotal>>& hints) const;

  const ClusterAdminWorld world_;
  std::map<NodeId, PeerLoad> loads_;  // as last said
  std::list<std::shared_ptr<Round>> rounds_;
  Lifetime lifetime_;
};

}  // namespace parley::api
