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

TEST_CASE("defaults: a change of one half leaves the other as it was", "[defaults]") {
  Defaults defaults;
  defaults.end(defaults.begin(kOne, at(1)), true, at(2));
  defaults.end(defaults.begin({"all", ""}, at(3)), true, at(4));
  CHECK(defaults.may_last({"all", "all"}));
  CHECK_FALSE(defaults.may_last(kOne));
  CHECK_FALSE(defaults.may_last({"all", "quorum"}));
  CHECK_FALSE(defaults.may_last({"quorum", "all"}));
}

TEST_CASE("defaults: of two halves at one moment both last", "[defaults]") {
  Defaults defaults;
  const auto one = defaults.begin({"all", ""}, at(1)), two = defaults.begin({"", "one"}, at(1));
  defaults.end(one, true, at(2));
  defaults.end(two, true, at(3));
  CHECK(defaults.may_last({"all", "one"}));
  CHECK_FALSE(defaults.may_last({"all", "quorum"}));
  CHECK_FALSE(defaults.may_last({"quorum", "one"}));
}

TEST_CASE("defaults: a half that was not ok may last, and brings nothing of the other one",
          "[defaults]") {
  Defaults defaults;
  const auto half = defaults.begin({"all", ""}, at(1));
  defaults.end(defaults.begin({"", "one"}, at(2)), true, at(3));
  CHECK(defaults.may_last({"all", "one"}));
  CHECK(defaults.may_last({"quorum", "one"}));
  CHECK_FALSE(defaults.may_last({"all", "quorum"}));
  defaults.end(half, false, at(4));
  CHECK(defaults.may_last({"all", "one"}));
  CHECK_FALSE(defaults.may_last({"all", "quorum"}));
  CHECK_FALSE(defaults.may_last({"quorum", "quorum"}));
}

}  // namespace parley::sim
