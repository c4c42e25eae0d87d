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

TEST_CASE("epoch range: fleeting epochs may end before their start does", "[mint]") {
  EpochRange range(EpochMark{}, 4);
  range.confirm(range.mark());
  const auto start = range.bounds().start;
  const auto draw = range.draw();
  REQUIRE(draw == start);
  range.end_fleeting();
  CHECK(range.bounds().start == *draw + 1);
  CHECK(range.bounds().floor == 0);  // steady ones go on
  CHECK(range.bounds().continue_from == 0);
  range.doubt_earlier_lives(10);
  CHECK(range.bounds().start == range.bounds().next);
  CHECK(range.bounds().continue_from == range.bounds().next);
}

}  // namespace parley::replication
