// ClusterAdmin: what an operator can ask of the cluster through one node, in the words of the
// client library. Loop thread only. Every `done` comes exactly once, shortly after the timeout at
// the latest, never inside the call, unless the ClusterAdmin is destroyed first.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/client.h"
#include "base/result.h"
#include "base/units.h"

namespace parley::api {

class ClusterAdmin {
 public:
  template <typename T>
  using Done = std::function<void(Result<T>)>;

  virtual ~ClusterAdmin() = default;

  virtual void status(Duration timeout, Done<client::ClusterStatus> done) = 0;
  virtual Result<client::RingInfo> ring() = 0;
  virtual client::NodeInfo info() = 0;
  virtual std::vector<client::GossipRow> gossip() = 0;
  virtual Result<std::vector<client::ReplicaAddress>> endpoints(const std::string& keyspace,
                                                                const Bytes& key) = 0;
  virtual void inspect(const std::string& keyspace, Bytes key, Duration timeout,
                       Done<client::InspectResult> done) = 0;
  // Of every node that is up and answers.
  virtual void hints(Duration timeout, Done<client::Gathered<client::HintRow>> done) = 0;
  // `target`: an address or a node id; empty: all. NotFound when there is no such node.
  virtual void drop_hints(const std::string& target, Duration timeout,
                          Done<std::uint64_t> done) = 0;
  // A round on every node that is up. With `wait`: the keys moved; Unknown when some did not end.
  virtual void repair(bool wait, Duration timeout, Done<std::uint64_t> done) = 0;
  virtual void repair_status(Duration timeout, Done<client::Gathered<client::RepairRow>> done) = 0;
  // Keys of which some node holds several live values. `limit` 0: 100.
  virtual void conflicts(const std::string& keyspace, Bytes after, std::size_t limit,
                         Duration timeout, Done<client::ConflictPage> done) = 0;
  virtual Result<client::KeyspaceInfo> keyspace(const std::string& name) = 0;
  // Level texts; empty: unchanged.
  virtual void set_consistency(const std::string& name, const std::string& read_level,
                               const std::string& write_level, Duration timeout,
                               Done<client::KeyspaceInfo> done) = 0;
  // Of this node; Refused where it does not allow faults. See fault_desk.h.
  virtual Result<std::vector<client::FaultRow>> faults() = 0;
  virtual Result<std::uint64_t> inject_fault(const client::FaultSpec& spec) = 0;
  virtual Result<std::uint64_t> heal_faults(std::uint64_t id, const std::string& peer,
                                            const std::string& note) = 0;
  // What this node has measured.
  virtual Result<client::NodeLatencies> latencies() = 0;
};

}  // namespace parley::api
