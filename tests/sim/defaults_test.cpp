#include "tests/sim/defaults.h"

#include "tests/catch.h"

namespace parley::sim {
namespace {

const DefaultLevels kOne{"one", "all"}, kTwo{"all", "one"};
constexpr Instant at(int second) { return Instant{} + std::chrono::seconds(second); }

}  // namespace

TEST_CASE("defaults: nobody reads or writes at a level that nobody set", "[defaults]") {
  Defaults defaults;
  CHECK(defaults.may_read_at("quorum"));
  CHECK(defaults.may_write_at("quorum"));
  CHECK_FALSE(defaults.may_read_at("one"));
  defaults.begin(kOne, at(1));
  CHECK(defaults.may_read_at("one"));
  CHECK(defaults.may_write_at("all"));
  CHECK_FALSE(defaults.may_read_at("all"));
  CHECK_FALSE(defaults.may_write_at("one"));
}

TEST_CASE("defaults: the last ok change lasts", "[defaults]") {
  Defaults defaults;
  CHECK(defaults.may_last({}));
  const auto one = defaults.begin(kOne, at(1));
  CHECK(defaults.may_last({}));
  CHECK(defaults.may_last(kOne));
  defaults.end(one, true, at(2));
  CHECK_FALSE(defaults.may_last({}));
  CHECK(defaults.may_last(kOne));
  const auto two = defaults.begin(kTwo, at(3));
  defaults.end(two, true, at(4));
  CHECK_FALSE(defaults.may_last(kOne));
  CHECK(defaults.may_last(kTwo));
}

TEST_CASE("defaults: of two at one moment either lasts", "[defaults]") {
  Defaults defaults;
  const auto one = defaults.begin(kOne, at(1)), two = defaults.begin(kTwo, at(2));
  defaults.end(two, true, at(3));
  defaults.end(one, true, at(4));
  CHECK(defaults.may_last(kOne));
  CHECK(defaults.may_last(kTwo));
}

TEST_CASE("defaults: what was not ok may last, before and after what was", "[defaults]") {
  Defaults defaults;
  defaults.end(defaults.begin(kOne, at(1)), false, at(2));
  CHECK(defaults.may_last({}));
  defaults.end(defaults.begin(kTwo, at(3)), true, at(4));
  CHECK(defaults.may_last(kOne));
  CHECK(defaults.may_last(kTwo));
  CHECK_FALSE(defaults.may_last({}));
}

}  // namespace parley::sim
