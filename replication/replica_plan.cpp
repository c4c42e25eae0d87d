#include "replication/replica_plan.h"

#include <algorithm>

#include "ring/ring.h"

namespace parley::replication {
namespace {

PlannedOwner planned_owner(const membership::View& view, const NodeId& node) {
  PlannedOwner owner;
  owner.node = node;
  owner.self = node == view.self;
  // A ring record without its member cannot be asked: it counts as down.
  if (const auto* member = view.find(node)) {
    owner.peer = member->record.peer();
    owner.up = owner.self || member->serves();
    owner.rebuilding = !owner.up && member->is_up();
    owner.suspect = !owner.self && member->liveness == membership::Liveness::Suspect;
  }
  return owner;
}

std::optional<LiveNode> first_stand_in(const membership::View& view,
                                       const std::vector<NodeId>& walk, std::size_t owners) {
  for (std::size_t i = owners; i < walk.size(); ++i) {
    const auto* member = view.find(walk[i]);
    if (walk[i] == view.self || member == nullptr || !member->serves()) continue;
    return LiveNode{member->record.node, member->record.peer()};
  }
  return std::nullopt;
}

std::optional<Error> refusal_of(const ReplicaPlan& plan) {
  // `any` needs no replica: a hint on this very node will do, or be found.
  if (plan.level.kind == Level::Kind::Any || plan.up_count() >= plan.required) return std::nullopt;
  return Error{ErrorCode::Unavailable, "level " + to_text(plan.level) + " needs " +
                                           std::to_string(plan.required) + " replicas and " +
                                           std::to_string(plan.up_count()) + " of " +
                                           std::to_string(plan.owners.size()) + " are up"};
}

}  // namespace

std::size_t ReplicaPlan::up_count() const {
  return static_cast<std::size_t>(
      std::count_if(owners.begin(), owners.end(), [](const PlannedOwner& o) { return o.up; }));
}

std::vector<NodeId> ReplicaPlan::owner_ids() const {
  std::vector<NodeId> ids;
  for (const PlannedOwner& owner : owners) ids.push_back(owner.node);
  return ids;
}

std::vector<std::size_t> ReplicaPlan::asking_order() const {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (owners[i].up) order.push_back(i);
  }
  const auto rank = [this](std::size_t i) {
    return owners[i].self ? 0 : owners[i].suspect ? 2 : 1;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
  return order;
}

std::optional<storage::KeyspaceNumber> keyspace_number(const membership::View& view,
                                                       const KeyspaceId& id) {
  const auto* record = view.keyspace(id);
  if (record == nullptr || record->name != "default") return std::nullopt;
  return storage::kDefaultKeyspace;
}

Result<ReplicaPlan> plan_replicas(const membership::View& view, const KeyspaceId& keyspace,
                                  ByteView key, const Level& level) {
  const auto number = keyspace_number(view, keyspace);
  if (!number) return Error{ErrorCode::NotFound, "no such keyspace: " + to_text(keyspace)};
  const membership::KeyspaceRecord& record = *view.keyspace(keyspace);
  const std::size_t factor = record.replication_factor;
  if (level.kind == Level::Kind::Number && (level.number == 0 || level.number > factor)) {
    return Error{ErrorCode::InvalidArgument, "level " + std::to_string(level.number) +
                                                 " is outside 1.." + std::to_string(factor) +
                                                 ", the replication factor"};
  }
  if (view.ring == nullptr || view.ring->nodes().empty()) {
    return Error{ErrorCode::NotReady, "no node is on the ring yet", 500};
  }
  ReplicaPlan plan;
  plan.keyspace = keyspace;
  plan.level = level;
  plan.conflict_rule = record.conflict_rule;
  plan.key = {*number, ring::token_of(key), Bytes(key)};
  plan.ring_digest = view.ring->digest();
  const auto walk = view.ring->walk(slot_of(plan.key.token));
  const std::size_t n = std::min(factor, walk.size());
  for (std::size_t i = 0; i < n; ++i) {
    plan.owners.push_back(planned_owner(view, walk[i]));
    if (plan.owners.back().self) plan.self = i;
  }
  plan.required = required_replicas(level, n);
  plan.stand_in = first_stand_in(view, walk, n);
  plan.self_node = view.self;
  if (const auto* self = view.find(view.self)) plan.self_address = self->record.address;
  plan.refusal = refusal_of(plan);
  return plan;
}

bool same_owners(const membership::View& view, const KeyspaceId& keyspace, ByteView key,
                 std::uint64_t ring_digest, const std::vector<NodeId>& planned) {
  const auto* record = view.keyspace(keyspace);
  if (record == nullptr || view.ring == nullptr) return false;
  if (ring_digest != 0 && ring_digest == view.ring->digest()) return true;
  return view.ring->preference_list(slot_of(ring::token_of(key)), record->replication_factor) ==
         planned;
}

}  // namespace parley::replication
