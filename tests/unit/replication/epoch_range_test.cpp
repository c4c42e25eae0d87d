#include "replication/epoch_range.h"

#include "tests/catch.h"

namespace parley::replication {

TEST_CASE("epoch range: a floor above all that was leased wants a lease at once", "[mint]") {
  EpochRange range(EpochMark{}, 4);
  range.confirm(range.mark());
  REQUIRE_FALSE(range.wants_refill());
  SECTION("at its end") { range.raise_floor(range.durable_end() - 1); }
  SECTION("beyond it") { range.raise_floor(1000); }
  CHECK(range.wants_refill());
  CHECK_FALSE(range.draw());
  range.confirm(range.mark());
  CHECK_FALSE(range.wants_refill());
  CHECK(range.draw() == range.bounds().floor);
}

}  // namespace parley::replication
