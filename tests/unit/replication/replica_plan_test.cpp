#include "replication/replica_plan.h"

#include "tests/catch.h"

namespace parley::replication {
namespace {

NodeId node(std::uint8_t n) {
  NodeId id;
  id.octets[0] = n;
  return id;
}

// Five members, 1..5, all on the ring; this node is 1.
membership::View make_view(std::uint8_t nodes = 5) {
  membership::View view;
  view.self = node(1);
  membership::KeyspaceRecord keyspace;
  keyspace.id.octets[0] = 9;
  keyspace.name = "default";
  view.keyspaces = {keyspace};
  std::vector<ring::RingRecord> records;
  for (std::uint8_t n = 1; n <= nodes; ++n) {
    membership::Member member;
    member.record.node = node(n);
    member.record.address = "127.0.0." + std::to_string(n);
    member.record.peer_port = 7401;
    view.members.push_back(member);
    ring::RingRecord record{node(n), 1, ring::RingStatus::Normal, "default", {}};
    record.slots = ring::allocate_slots(*ring::Ring::build(records), node(n), 16);
    records.push_back(record);
  }
  view.ring = ring::Ring::build(records);
  return view;
}
membership::Member& member(membership::View& view, const NodeId& id) {
  return *std::find_if(view.members.begin(), view.members.end(),
                       [&](const auto& m) { return m.record.node == id; });
}
const KeyspaceId& keyspace(const membership::View& view) { return view.keyspaces[0].id; }
Result<ReplicaPlan> plan_of(const membership::View& view, const char* level,
                            const Bytes& key = "k") {
  return plan_replicas(view, keyspace(view), key, *parse_level(level));
}
// Keys that this node owns, or does not.
Bytes key_where(const membership::View& view, bool owned) {
  for (int i = 0;; ++i) {
    Bytes key = "key" + std::to_string(i);
    if (plan_of(view, "one", key)->self.has_value() == owned) return key;
  }
}

}  // namespace

TEST_CASE("replica plan: names the owners in preference order", "[replication][plan]") {
  const auto view = make_view();
  for (const bool owned : {true, false}) {
    const Bytes key = key_where(view, owned);
    const auto plan = plan_of(view, "quorum", key);
    REQUIRE(plan);
    const auto walk = view.ring->walk(slot_of(ring::token_of(key)));
    REQUIRE(plan->owners.size() == 3);
    CHECK(plan->owner_ids() == std::vector<NodeId>(walk.begin(), walk.begin() + 3));
    CHECK(plan->owners[0].peer.address == view.find(walk[0])->record.address);
    CHECK(plan->required == 2);
    CHECK(plan->ring_digest == view.ring->digest());
    CHECK(plan->key.token == ring::token_of(key));
    CHECK(plan->self_address == "127.0.0.1");
    CHECK(plan->up_count() == 3);
    CHECK_FALSE(plan->refusal);
    REQUIRE(plan->stand_in);
    // the first node after the owners that is not the coordinator
    CHECK(plan->stand_in->node == (walk[3] == view.self ? walk[4] : walk[3]));
    if (owned) CHECK(plan->owners[*plan->self].self);
  }
}

TEST_CASE("replica plan: asks itself first and suspects last", "[replication][plan]") {
  auto view = make_view();
  const Bytes key = key_where(view, true);
  const auto calm = plan_of(view, "all", key);
  CHECK(calm->asking_order().front() == *calm->self);
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < 3; ++i) {
    if (i != *calm->self) rest.push_back(i);
  }
  CHECK(calm->asking_order() == std::vector<std::size_t>{*calm->self, rest[0], rest[1]});
  member(view, calm->owners[rest[0]].node).liveness = membership::Liveness::Suspect;
  const auto plan = plan_of(view, "all", key);
  CHECK(plan->owners[rest[0]].suspect);
  CHECK(plan->up_count() == 3);
  CHECK(plan->asking_order() == std::vector<std::size_t>{*calm->self, rest[1], rest[0]});
}

TEST_CASE("replica plan: too few owners are up", "[replication][plan]") {
  auto view = make_view();
  const Bytes key = key_where(view, false);
  const auto ids = plan_of(view, "all", key)->owner_ids();
  member(view, ids[0]).liveness = membership::Liveness::Dead;
  REQUIRE(plan_of(view, "all", key)->refusal);
  CHECK(plan_of(view, "all", key)->refusal->code == ErrorCode::Unavailable);
  CHECK_FALSE(plan_of(view, "quorum", key)->refusal);
  member(view, ids[1]).liveness = membership::Liveness::Left;
  CHECK(plan_of(view, "quorum", key)->refusal);
  CHECK(plan_of(view, "2", key)->refusal);
  CHECK_FALSE(plan_of(view, "one", key)->refusal);
  member(view, ids[2]).liveness = membership::Liveness::Dead;
  const auto one = plan_of(view, "one", key);
  REQUIRE(one->refusal);
  CHECK(one->refusal->message == "level one needs 1 replicas and 0 of 3 are up");
  CHECK_FALSE(plan_of(view, "any", key)->refusal);
  CHECK(one->asking_order().empty());
}

TEST_CASE("replica plan: who rebuilds itself is neither asked nor counted", "[replication][plan]") {
  auto view = make_view();
  const Bytes key = key_where(view, true);
  const auto before = plan_of(view, "all", key);
  REQUIRE_FALSE(before->refusal.has_value());
  const auto other = before->asking_order()[1];
  member(view, before->owners[other].node).record.serves = false;
  const auto plan = plan_of(view, "all", key);
  CHECK(plan->owners[other].rebuilding);
  CHECK_FALSE(plan->owners[other].up);
  REQUIRE(plan->refusal.has_value());
  CHECK(plan->refusal->code == ErrorCode::Unavailable);
  member(view, before->stand_in->node).record.serves = false;
  CHECK(plan_of(view, "all", key)->stand_in->node != before->stand_in->node);
}

TEST_CASE("replica plan: a stand-in is up, no owner and not the coordinator",
          "[replication][plan]") {
  auto view = make_view();
  const Bytes key = key_where(view, false);
  const auto plan = plan_of(view, "any", key);
  REQUIRE(plan->stand_in);
  member(view, plan->stand_in->node).liveness = membership::Liveness::Dead;
  CHECK_FALSE(plan_of(view, "any", key)->stand_in);
  CHECK_FALSE(plan_of(make_view(3), "any", key)->stand_in);
}

TEST_CASE("replica plan: n is the smaller of the factor and the ring", "[replication][plan]") {
  const auto alone = plan_of(make_view(1), "quorum");
  REQUIRE(alone);
  CHECK(alone->owners.size() == 1);
  CHECK(alone->required == 1);
  CHECK_FALSE(alone->refusal);
  CHECK(plan_of(make_view(2), "quorum")->required == 2);
  // A number above N but within the factor is unavailable, not a usage error.
  const auto two = plan_of(make_view(1), "2");
  REQUIRE(two);
  CHECK(two->refusal->code == ErrorCode::Unavailable);
}

TEST_CASE("replica plan: a ring record without its member counts as down", "[replication][plan]") {
  auto view = make_view();
  const Bytes key = key_where(view, false);
  const auto lost = plan_of(view, "all", key)->owner_ids()[1];
  std::erase_if(view.members, [&](const auto& m) { return m.record.node == lost; });
  const auto plan = plan_of(view, "all", key);
  REQUIRE(plan);
  CHECK_FALSE(plan->owners[1].up);
  CHECK(plan->refusal);
  CHECK_FALSE(plan_of(view, "quorum", key)->refusal);
  std::erase_if(view.members, [&](const auto& m) { return m.record.node == view.self; });
  CHECK(plan_of(view, "quorum", key)->self_address.empty());
}

TEST_CASE("replica plan: what cannot be planned", "[replication][plan]") {
  auto view = make_view();
  CHECK(plan_of(view, "4").error().code == ErrorCode::InvalidArgument);
  CHECK(plan_replicas(view, keyspace(view), "k", {Level::Kind::Number, 0}).error().code ==
        ErrorCode::InvalidArgument);
  CHECK(plan_of(view, "3"));
  KeyspaceId other;
  other.octets[0] = 1;
  CHECK(plan_replicas(view, other, "k", {}).error().code == ErrorCode::NotFound);
  auto foreign = make_view();
  foreign.keyspaces[0].name = "other";
  CHECK(plan_of(foreign, "one").error().code == ErrorCode::NotFound);
  view.ring = ring::Ring::build({});
  CHECK(plan_of(view, "one").error().code == ErrorCode::NotReady);
  view.ring = nullptr;
  CHECK(plan_of(view, "one").error().code == ErrorCode::NotReady);
}

TEST_CASE("replica plan: same owners by digest or by name", "[replication][plan]") {
  auto view = make_view();
  const auto plan = plan_of(view, "one");
  const auto ids = plan->owner_ids();
  const auto same = [&](std::uint64_t digest, const std::vector<NodeId>& planned) {
    return same_owners(view, keyspace(view), "k", digest, planned);
  };
  CHECK(same(plan->ring_digest, {}));
  CHECK(same(1, ids));
  CHECK(same(0, ids));
  CHECK_FALSE(same(0, {}));
  CHECK_FALSE(same(1, {}));
  CHECK_FALSE(same(1, {ids[1], ids[0], ids[2]}));
  CHECK_FALSE(same_owners(view, {}, "k", plan->ring_digest, ids));
  view.ring = nullptr;
  CHECK_FALSE(same(0, ids));
}

}  // namespace parley::replication
