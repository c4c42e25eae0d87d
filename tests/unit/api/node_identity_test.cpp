#include "api/node_identity.h"

#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/fake/temp_store.h"

using namespace parley;
using namespace parley::api;

namespace {

Result<NodeIdentity> live(fake::World& world, storage::Store& store, std::uint64_t seed) {
  Random random(seed);
  std::optional<Result<NodeIdentity>> got;
  begin_life(store, random, [&](Result<NodeIdentity> identity) { got = std::move(identity); });
  REQUIRE(world.run_until([&] { return got.has_value(); }, 5s));
  return *got;
}

}  // namespace

TEST_CASE("node identity: the id stays and the generation rises with every life") {
  fake::World world;
  fake::TempStore store(world.node("127.0.0.1").loop());
  const auto first = live(world, *store, 1);
  const auto second = live(world, *store, 2);
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(first->generation == 1);
  CHECK(second->generation == 2);
  CHECK(first->node == second->node);
  CHECK_FALSE(first->node.is_nil());
}

TEST_CASE("node identity: a retired copy never lives again") {
  fake::World world;
  fake::TempStore store(world.node("127.0.0.1").loop());
  REQUIRE(live(world, *store, 1).ok());
  bool retired = false;
  retire_copy(*store, [&] { retired = true; });
  REQUIRE(world.run_until([&] { return retired; }, 5s));
  const auto refused = live(world, *store, 2);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::StaleCopy);
}

TEST_CASE("node identity: unreadable bytes are damage, not a new node") {
  fake::World world;
  fake::TempStore store(world.node("127.0.0.1").loop());
  bool saved = false;
  store->put_named("identity", "nonsense", [&](const Result<Done>&) { saved = true; });
  REQUIRE(world.run_until([&] { return saved; }, 5s));
  const auto refused = live(world, *store, 1);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::Damaged);
}
