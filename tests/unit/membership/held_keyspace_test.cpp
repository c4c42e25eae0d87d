#include "membership/held_keyspace.h"

#include "base/random.h"
#include "tests/catch.h"

namespace parley::membership {
namespace {

HeldKeyspace held(std::uint64_t read_version, LevelCode read, std::uint64_t write_version,
                  LevelCode write) {
  HeldKeyspace out;
  out.record.version = std::max(read_version, write_version);
  out.record.read_level = read;
  out.record.write_level = write;
  out.read_version = read_version;
  out.write_version = write_version;
  return out;
}

}  // namespace

TEST_CASE("held keyspace: a change of one level says nothing of the other",
          "[membership][keyspace]") {
  const HeldKeyspace start = held(1, 1, 1, 1);
  const HeldKeyspace reads = with_change(start, {17, std::nullopt});
  const HeldKeyspace writes = with_change(start, {std::nullopt, 18});
  CHECK(reads == held(2, 17, 1, 1));
  CHECK(writes == held(1, 1, 2, 18));
  CHECK(join(reads, writes) == held(2, 17, 2, 18));
  CHECK(with_change(reads, {std::nullopt, 18}) == held(2, 17, 3, 18));
  CHECK(with_change(start, {17, 18}) == held(2, 17, 2, 18));
}

TEST_CASE("held keyspace: a change stands until its level is taken", "[membership][keyspace]") {
  const KeyspaceChange change{2, std::nullopt};
  const HeldKeyspace set = with_change(held(1, 1, 1, 1), change);
  CHECK(stands(set, change, set));
  CHECK(stands(set, change, held(2, 2, 9, 0)));
  CHECK_FALSE(stands(set, change, held(2, 3, 1, 1)));
  CHECK_FALSE(stands(set, change, held(3, 2, 1, 1)));
  CHECK_FALSE(stands(set, change, held(1, 1, 1, 1)));
  CHECK_FALSE(stands(set, {2, 1}, held(2, 2, 9, 1)));
}

TEST_CASE("held keyspace: joins to the same in whatever order",
          "[membership][keyspace][property]") {
  Random random(1);
  const auto draw = [&] {
    return held(random.below(3), static_cast<LevelCode>(random.below(3)), random.below(3),
                static_cast<LevelCode>(random.below(3)));
  };
  for (int i = 0; i < 3000; ++i) {
    const HeldKeyspace a = draw(), b = draw(), c = draw();
    CHECK(join(a, a) == a);
    CHECK(join(a, b) == join(b, a));
    CHECK(join(join(a, b), c) == join(a, join(b, c)));
    CHECK(join(join(a, b), b) == join(a, b));
  }
}

}  // namespace parley::membership
