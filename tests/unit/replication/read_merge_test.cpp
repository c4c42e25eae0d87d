#include "replication/read_merge.h"

#include "tests/catch.h"

namespace parley::replication {
namespace {

using Step = ReadMerge::Step;
using Owners = std::vector<std::size_t>;

const Bytes kKey = "k";

VersionSet set_of(std::uint8_t storage, std::uint64_t counter = 1) {
  StorageId id;
  id.octets[0] = storage;
  VersionSet set;
  VersionVector seen;
  for (std::uint64_t n = 1; n <= counter; ++n) {
    const Dot dot{Actor{id, 2}, n};
    set.write(seen, {dot, false, {}, "v" + std::to_string(n)});
    seen = set.context();
  }
  return set;
}
ReadAnswer from_afar(const VersionSet& set) { return ReadAnswer::received(kKey, set.encode()); }
ReadAnswer from_here(const VersionSet& set) {
  return ReadAnswer::decoded(storage::record_digest(kKey, set.encode()), set);
}
ReadMerge reading(std::size_t required, Owners order = {0, 1, 2}) {
  return ReadMerge(kKey, 3, std::move(order), required, 2);
}

}  // namespace

TEST_CASE("read merge: asks as many as the level needs, then hedges", "[replication][merge]") {
  auto merge = reading(2, {2, 0, 1});
  CHECK(merge.step() == Step::Ask);
  CHECK(merge.to_ask() == Owners{2, 0});
  CHECK(merge.to_ask().empty());
  CHECK(merge.asked() == 2);
  CHECK(merge.to_ask(1) == Owners{1});
  CHECK(merge.to_ask(1).empty());
  REQUIRE(merge.answered(1, from_afar(set_of(1))));
  CHECK(merge.step() == Step::Ask);
  REQUIRE(merge.answered(2, from_afar(set_of(1))));
  CHECK(merge.step() == Step::Answer);
  CHECK(merge.answer_count() == 2);
  CHECK(merge.agreed() == 2);
  CHECK(merge.stale().empty());
}

TEST_CASE("read merge: a failure is replaced while an owner is left", "[replication][merge]") {
  auto merge = reading(1, {0, 1});
  merge.to_ask();
  merge.failed(0);
  CHECK(merge.step() == Step::Ask);
  CHECK(merge.to_ask() == Owners{1});
  merge.failed(1);
  merge.failed(1);  // it has failed already
  CHECK(merge.step() == Step::Unavailable);
  CHECK(merge.to_ask(1).empty());
  CHECK(merge.stale().empty());
}

TEST_CASE("read merge: too few are up", "[replication][merge]") {
  CHECK(reading(3, {0, 1}).step() == Step::Unavailable);
  CHECK(reading(1, {}).step() == Step::Unavailable);
}

TEST_CASE("read merge: answers of nobody asked and second answers change nothing",
          "[replication][merge]") {
  auto merge = reading(1);
  REQUIRE(merge.answered(0, from_afar(set_of(1))));
  CHECK(merge.answer_count() == 0);
  merge.failed(0);
  merge.to_ask();
  REQUIRE(merge.answered(0, from_afar(set_of(1))));
  REQUIRE(merge.answered(0, from_afar(set_of(2))));
  merge.failed(0);
  CHECK(merge.merged() == set_of(1));
  CHECK(merge.step() == Step::Answer);
}

TEST_CASE("read merge: below a majority nothing is repaired before the answer",
          "[replication][merge]") {
  auto merge = reading(1);
  merge.to_ask(1);
  REQUIRE(merge.answered(0, from_afar(set_of(1, 1))));
  REQUIRE(merge.answered(1, from_afar(set_of(1, 2))));
  CHECK(merge.step() == Step::Answer);
  CHECK(merge.merged() == set_of(1, 2));
  CHECK(merge.stale() == Owners{0});
  CHECK(merge.agreed() == 1);
}

TEST_CASE("read merge: a majority read mends the stale before it answers", "[replication][merge]") {
  auto merge = reading(2);
  merge.to_ask();
  REQUIRE(merge.answered(0, from_afar(set_of(1, 2))));
  REQUIRE(merge.answered(1, from_afar(set_of(1, 1))));
  REQUIRE(merge.step() == Step::Repair);
  CHECK(merge.to_repair() == Owners{1});
  CHECK(merge.to_repair().empty());  // under way
  SECTION("it is mended") {
    merge.repaired(1);
    merge.repaired(1);
    CHECK(merge.step() == Step::Answer);
    CHECK(merge.repaired_count() == 1);
    CHECK(merge.agreed() == 1);
    CHECK(merge.stale().empty());
  }
  SECTION("it fails, another owner takes the copy") {
    merge.repair_failed(1);
    CHECK(merge.step() == Step::Repair);
    CHECK(merge.to_repair() == Owners{2});
    merge.repaired(2);
    CHECK(merge.step() == Step::Answer);
    CHECK(merge.stale() == Owners{1});
  }
  SECTION("it is late: another owner takes the copy too, and the first ack counts") {
    merge.repair_late(1);
    merge.repair_late(1);
    CHECK(merge.step() == Step::Repair);
    CHECK(merge.to_repair() == Owners{2});
    CHECK(merge.to_repair().empty());  // under way
    merge.repair_failed(2);
    CHECK(merge.step() == Step::Repair);  // waited for
    CHECK(merge.to_repair().empty());
    merge.repaired(1);
    merge.repair_late(1);
    CHECK(merge.step() == Step::Answer);
    CHECK(merge.repaired_count() == 1);
    CHECK(merge.stale().empty());
  }
  SECTION("it is late, and fails after all") {
    merge.repair_late(1);
    merge.to_repair();
    merge.repair_failed(1);
    CHECK(merge.step() == Step::Repair);
    merge.repair_late(2);
    CHECK(merge.step() == Step::Repair);
    merge.repair_failed(2);
    CHECK(merge.step() == Step::Unavailable);
  }
  SECTION("nobody takes it") {
    merge.repair_failed(1);
    merge.to_repair();
    merge.repair_failed(2);
    merge.repair_failed(2);
    CHECK(merge.step() == Step::Unavailable);
  }
}

TEST_CASE("read merge: an answer after repair began does not change what is repaired",
          "[replication][merge]") {
  auto merge = reading(2);
  merge.to_ask(1);
  REQUIRE(merge.answered(0, from_afar(set_of(1, 2))));
  REQUIRE(merge.answered(1, from_afar(set_of(1, 1))));
  merge.to_repair();
  REQUIRE(merge.answered(2, from_afar(set_of(1, 3))));
  CHECK(merge.merged() == set_of(1, 2));
  CHECK(merge.answer_count() == 2);
  merge.repair_failed(1);
  CHECK(merge.to_repair() == Owners{2});  // asked, and worth a copy
}

TEST_CASE("read merge: siblings of two replicas need two repairs", "[replication][merge]") {
  auto merge = reading(3);
  merge.to_ask();
  REQUIRE(merge.answered(0, from_afar(set_of(1))));
  REQUIRE(merge.answered(1, from_afar(set_of(2))));
  REQUIRE(merge.answered(2, from_afar(set_of(1))));
  CHECK(merge.agreed() == 0);
  REQUIRE(merge.step() == Step::Repair);
  CHECK(merge.to_repair() == Owners{0, 1, 2});
  merge.repaired(0);
  merge.repaired(1);
  CHECK(merge.step() == Step::Repair);
  merge.repaired(2);
  CHECK(merge.step() == Step::Answer);
  CHECK(merge.merged().siblings().size() == 2);
}

TEST_CASE("read merge: a key that nobody has needs no repair", "[replication][merge]") {
  auto merge = reading(2);
  merge.to_ask();
  REQUIRE(merge.answered(0, ReadAnswer::none()));
  REQUIRE(merge.answered(1, ReadAnswer::none()));
  CHECK(merge.step() == Step::Answer);
  CHECK(merge.merged().empty());
  CHECK(merge.stale().empty());
}

TEST_CASE("read merge: an owner that has failed is not given a copy", "[replication][merge]") {
  auto merge = reading(2);
  merge.to_ask(1);
  REQUIRE(merge.answered(0, from_afar(set_of(1, 2))));
  merge.failed(2);
  REQUIRE(merge.answered(1, from_afar(set_of(1, 1))));
  CHECK(merge.to_repair() == Owners{1});
  merge.repair_failed(1);
  CHECK(merge.to_repair().empty());
  CHECK(merge.step() == Step::Unavailable);
}

TEST_CASE("read merge: what failed is neither stale nor sent anything", "[replication][merge]") {
  auto merge = reading(2);
  merge.to_ask(1);
  REQUIRE(merge.answered(0, from_afar(set_of(1, 2))));
  merge.failed(1);  // a damaged record: it takes no copy
  REQUIRE(merge.answered(2, ReadAnswer::none()));
  REQUIRE(merge.step() == Step::Repair);
  CHECK(merge.stale() == Owners{2});
  CHECK(merge.to_repair() == Owners{2});
  merge.repair_failed(2);
  CHECK(merge.to_repair().empty());
  CHECK(merge.step() == Step::Unavailable);
}

TEST_CASE("read merge: decoded and encoded answers are compared alike", "[replication][merge]") {
  for (const bool here_first : {true, false}) {
    auto merge = reading(2);
    merge.to_ask();
    REQUIRE(merge.answered(0, here_first ? from_here(set_of(1, 2)) : from_afar(set_of(1, 2))));
    REQUIRE(merge.answered(1, here_first ? from_afar(set_of(1, 2)) : from_here(set_of(1, 2))));
    CHECK(merge.step() == Step::Answer);
    CHECK(merge.agreed() == 2);
    CHECK(merge.merged() == set_of(1, 2));
    CHECK(merge.merged_bytes() == set_of(1, 2).encode());
  }
}

TEST_CASE("read merge: what is merged is encoded as the sets would be", "[replication][merge]") {
  auto merge = reading(3);
  CHECK(merge.merged_bytes().empty());
  merge.to_ask();
  auto both = set_of(1, 2);
  both.merge(set_of(2));
  REQUIRE(merge.answered(0, from_here(set_of(1, 2))));
  REQUIRE(merge.answered(1, from_afar(set_of(2))));
  CHECK(merge.merged() == both);
  CHECK(merge.merged_bytes() == both.encode());
  CHECK(merge.agreed() == 0);
  REQUIRE(merge.answered(2, from_afar(both)));  // knew all of it
  CHECK(merge.agreed() == 1);
  CHECK(merge.to_repair() == Owners{0, 1});
}

TEST_CASE("read merge: bytes that are no version set are a failure", "[replication][merge]") {
  auto merge = reading(1);
  merge.to_ask(2);
  const Status taken = merge.answered(0, ReadAnswer::received(kKey, "no version set"));
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == ErrorCode::InvalidArgument);
  CHECK(merge.answer_count() == 0);
  CHECK(merge.merged().empty());
  CHECK(merge.step() == Step::Ask);
  // Nor are they the same as a record that nobody has.
  REQUIRE(merge.answered(1, ReadAnswer::none()));
  CHECK(merge.step() == Step::Answer);
  CHECK(merge.agreed() == 1);
}

}  // namespace parley::replication
