#include "tests/sim/workload.h"

#include <set>

#include "ring/ring.h"
#include "tests/catch.h"

namespace parley::sim {
namespace {

using Names = std::vector<std::string>;

Names names_of(std::uint64_t seed, std::size_t count) {
  return draw_key_names(Random(seed), count);
}
std::set<Slot> slots_of(const Names& names) {
  std::set<Slot> out;
  for (const auto& name : names) out.insert(slot_of(ring::token_of(name)));
  return out;
}

}  // namespace

TEST_CASE("workload: the keys of a run are its own, none twice, and fewer are the first of more",
          "[workload]") {
  std::set<std::string> first;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Names many = names_of(seed, kKeysMost);
    CHECK(std::set<std::string>(many.begin(), many.end()).size() == kKeysMost);
    const Names few = names_of(seed, 12);
    CHECK(Names(many.begin(), many.begin() + 12) == few);
    CHECK(names_of(seed, 12) == few);
    first.insert(few.front());
  }
  CHECK(first.size() > 90);
}

TEST_CASE("workload: some runs have pairs of keys in one slot, some have neighbours",
          "[workload]") {
  int pairs = 0, neighbours = 0, anywhere = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto slots = slots_of(names_of(seed, 12));
    if (slots.size() <= 7) {
      ++pairs;
    } else if (*slots.rbegin() < *slots.begin() + kSlotCount / 64) {
      ++neighbours;
    } else {
      ++anywhere;
    }
  }
  CHECK(pairs > 10);
  CHECK(neighbours > 10);
  CHECK(anywhere > 30);
}

}  // namespace parley::sim
