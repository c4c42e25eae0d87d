// From what the floors below say to the rows that operators see. Pure.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "api/client.h"
#include "api/kv_codec.h"
#include "api/peer_admin.h"
#include "base/metric.h"
#include "membership/gossiper.h"
#include "membership/view.h"
#include "replication/coordinator.h"

namespace parley::api {

// 16 hexadecimal digits.
std::string digest_text(std::uint64_t digest);

// Without load and hints. A node that left cleanly stays on the ring and is down: DN.
client::StatusRow status_row(const membership::View& view, const membership::Member& member);
client::RingInfo ring_info(const membership::View& view);
client::GossipRow gossip_row(const membership::GossipRow& row);
// NotFound: no such keyspace; InvalidArgument: an empty key.
Result<std::vector<client::ReplicaAddress>> replicas_of(const membership::View& view,
                                                        const std::string& keyspace, ByteView key);
Result<client::InspectResult> inspect_result(const replication::InspectReply& reply);
client::HintRow hint_row(const membership::View& view, const NodeId& holder,
                         const PeerHintTotal& total);
client::RepairRow repair_row(const membership::View& view, const NodeId& holder,
                             const PeerSyncRow& row);
client::NodeLatencies node_latencies(const membership::View& view,
                                     const replication::NodeLatencies& latencies);
client::KeyspaceInfo keyspace_info(const membership::KeyspaceRecord& record);

// From the metrics of the coordinator.
std::vector<client::WorkRow> work_rows(const MetricRegistry& metrics);

// An address, a peer endpoint or a node id of a member; "": nullopt, all. NotFound otherwise.
Result<std::optional<NodeId>> find_target(const membership::View& view, const std::string& target);

// Defaults of a keyspace; "" leaves one as it is. InvalidArgument for a level that is none, or a
// number above the replication factor.
Result<membership::KeyspaceChange> parse_levels(const membership::KeyspaceRecord& keyspace,
                                                const std::string& read_level,
                                                const std::string& write_level);

// What the nodes answered to `repair`.
struct RepairSum {
  bool own = false, peers = false;  // answered
  std::uint64_t keys = 0;
  std::size_t unfinished = 0;
  std::string first_failure;

  void add(const Result<std::uint64_t>& one);
  Result<std::uint64_t> result(bool wait) const;
};

// Sorts IPv4 addresses as people count (127.0.0.10 after 127.0.0.9), and before all others.
std::pair<std::uint64_t, std::string> address_order(const std::string& address);

template <typename Row>
void sort_by_address(std::vector<Row>& rows) {
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::make_tuple(address_order(a.address), a.node) <
           std::make_tuple(address_order(b.address), b.node);
  });
}

}  // namespace parley::api
