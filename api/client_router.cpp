#include "api/client_router.h"

#include <algorithm>

namespace parley::client {

namespace {

void append_new(std::vector<Endpoint>& to, const std::vector<Endpoint>& from) {
  for (const Endpoint& endpoint : from) {
    if (std::find(to.begin(), to.end(), endpoint) == to.end()) to.push_back(endpoint);
  }
}

}  // namespace

std::vector<Endpoint> ClientRouter::replicas(Slot slot, bool up) const {
  std::vector<Endpoint> out;
  for (const NodeId& node : ring_->preference_list(slot, replication_factor_)) {
    const auto found = nodes_.find(node);
    if (found != nodes_.end() && found->second.up == up) out.push_back(found->second.client);
  }
  return out;
}

std::vector<Endpoint> ClientRouter::order(Purpose purpose, std::optional<Slot> slot, Instant now) {
  std::vector<Endpoint> wanted;
  if (learn_ && ring_ != nullptr && (purpose == Purpose::Read || purpose == Purpose::Write)) {
    if (slot) {
      wanted = replicas(*slot, true);
      if (purpose == Purpose::Read && !wanted.empty()) {
        const auto shift = static_cast<std::ptrdiff_t>(turn_++ % wanted.size());
        std::rotate(wanted.begin(), wanted.begin() + shift, wanted.end());
      }
    }
    for (const bool up : {true, false}) {
      std::vector<Endpoint> rest;
      for (const auto& [id, node] : nodes_) {
        if (node.up == up) rest.push_back(node.client);
      }
      append_new(wanted, rest);
    }
  }
  append_new(wanted, given_);
  return healthy_first(std::move(wanted), now);
}

std::vector<Endpoint> ClientRouter::healthy_first(std::vector<Endpoint> wanted, Instant now) {
  std::vector<Endpoint> out, penalised;
  for (Endpoint& endpoint : wanted) {
    const auto penalty = penalties_.find(endpoint);
    if (penalty == penalties_.end()) {
      out.push_back(std::move(endpoint));
    } else if (out.empty() && now >= penalty->second.until) {
      // This request finds out; the others keep away until it has.
      penalty->second.until = now + penalty->second.length;
      out.push_back(std::move(endpoint));
    } else {
      penalised.push_back(std::move(endpoint));
    }
  }
  out.insert(out.end(), std::make_move_iterator(penalised.begin()),
             std::make_move_iterator(penalised.end()));
  return out;
}

std::optional<Endpoint> ClientRouter::home(Slot slot, Instant now) const {
  if (!learn_ || ring_ == nullptr) return std::nullopt;
  for (const Endpoint& endpoint : replicas(slot, true)) {
    const auto penalty = penalties_.find(endpoint);
    if (penalty == penalties_.end() || now >= penalty->second.until) return endpoint;
  }
  return std::nullopt;
}

bool ClientRouter::should_learn(Instant now) {
  if (!learn_) return false;
  if (asked_at_ && now < *asked_at_ + kLearnPause) return false;
  if (learned_at_ && !doubted_ && now < *learned_at_ + kTopologyAge) return false;
  asked_at_ = now;
  return true;
}

void ClientRouter::learned(const Topology& topology, Instant now) {
  if (!learn_) return;
  std::vector<ring::RingRecord> records;
  std::map<NodeId, KnownNode> nodes;
  for (const Topology::Node& node : topology.nodes) {
    nodes[node.node] = {node.client, node.up};
    if (node.slots.empty()) continue;
    ring::RingRecord record;
    record.node = node.node;
    record.version = 1;
    record.status = ring::RingStatus::Normal;
    record.slots = node.slots;
    std::sort(record.slots.begin(), record.slots.end());
    record.slots.erase(std::unique(record.slots.begin(), record.slots.end()), record.slots.end());
    records.push_back(std::move(record));
  }
  if (records.empty() || topology.replication_factor == 0) return;  // not a member yet
  // The same ring is not built again: 64 vnodes times the nodes, every few seconds. The digest told
  // covers racks, which no topology carries: the ring built here may have another.
  if (ring_ == nullptr || ring_digest_ != topology.ring_digest) {
    ring_ = ring::Ring::build(records);
    ring_digest_ = topology.ring_digest;
  }
  replication_factor_ = topology.replication_factor;
  nodes_ = std::move(nodes);
  learned_at_ = now;
  doubted_ = false;
}

void ClientRouter::answered(const Endpoint& endpoint) { penalties_.erase(endpoint); }

void ClientRouter::failed(const Endpoint& endpoint, Instant now) {
  doubted_ = true;
  Penalty& penalty = penalties_[endpoint];
  // Many requests fail of one cause: that counts once.
  if (penalty.length > Duration{} && now < penalty.until) return;
  penalty.length = std::clamp(penalty.length * 2, kPenaltyLeast, kPenaltyMost);
  penalty.until = now + penalty.length;
}

}  // namespace parley::client
