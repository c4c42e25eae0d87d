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

TEST_CASE(
    "node identity: a rebuild exceeds what was heard, under a new storage id, until it ends") {
  fake::World world;
  fake::TempStore store(world.node("127.0.0.1").loop());
  const auto first = live(world, *store, 1);
  REQUIRE(first.ok());
  CHECK_FALSE(first->rebuilding);
  const auto done = [&](auto call) {
    std::optional<Status> got;
    call([&](const Status& status) { got = status; });
    REQUIRE(world.run_until([&] { return got.has_value(); }, 5s));
    REQUIRE(got->ok());
  };
  done([&](auto then) { store->put_named("storage_id", Bytes(16, 's'), then); });
  done([&](auto then) { begin_rebuild(*store, 9, then); });
  const auto second = live(world, *store, 2);
  const auto second_name = store->named("storage_id");
  const auto third = live(world, *store, 3);  // a crash came before the rebuild's end
  REQUIRE(second.ok());
  REQUIRE(third.ok());
  CHECK(second->node == first->node);
  CHECK(second->rebuilding);
  CHECK(third->rebuilding);
  CHECK(second->generation == 10);
  CHECK(third->generation == 11);
  CHECK(second_name != Bytes(16, 's'));
  CHECK(store->named("storage_id") != second_name);
  done([&](auto then) { end_rebuild(*store, then); });
  const auto last_name = store->named("storage_id");
  const auto fourth = live(world, *store, 4);
  REQUIRE(fourth.ok());
  CHECK_FALSE(fourth->rebuilding);
  CHECK(fourth->generation == 12);
  CHECK(store->named("storage_id") == last_name);
  done([&](auto then) { begin_rebuild(*store, UINT64_MAX, then); });
  const auto over = live(world, *store, 5);
  REQUIRE_FALSE(over.ok());
  CHECK(over.error().code == ErrorCode::StaleCopy);
}

TEST_CASE("node identity: the mark of a rebuild is frozen, and damage to it is no whole disk") {
  fake::World world;
  fake::TempStore store(world.node("127.0.0.1").loop());
  bool saved = false;
  begin_rebuild(*store, 0x0102, [&](const Status&) { saved = true; });
  REQUIRE(world.run_until([&] { return saved; }, 5s));
  REQUIRE(store->named("rebuild") == Bytes("\x01\x02\x01\0\0\0\0\0\0", 9));
  saved = false;
  store->put_named("rebuild", "nonsense", [&](const Result<Done>&) { saved = true; });
  REQUIRE(world.run_until([&] { return saved; }, 5s));
  const auto refused = live(world, *store, 1);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::Damaged);
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
