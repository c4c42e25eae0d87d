#include "membership/records.h"

#include "membership/record_codec.h"
#include "tests/catch.h"

namespace parley::membership {
namespace {

NodeRecord record(std::uint8_t n, Generation generation, std::uint64_t version,
                  const std::string& rack = "") {
  NodeRecord out;
  out.node.octets[0] = n;
  out.generation = generation;
  out.version = version;
  out.rack = rack;
  out.ring = {out.node, 1, ring::RingStatus::Normal, "", {n}};
  return out;
}

TEST_CASE("records: the digest says what is held, not how it came, and is never 0",
          "[membership]") {
  Records forward, backward;
  CHECK(forward.view_digest() == 1);
  const std::vector<NodeRecord> news{record(1, 1, 1), record(1, 1, 2), record(2, 1, 1)};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto before = forward.view_digest();
    CHECK(forward.merge(news[i]));
    CHECK(forward.view_digest() != before);
    (void)backward.merge(news[2 - i]);
  }
  CHECK(forward.view_digest() == backward.view_digest());
  CHECK(backward.nodes() == forward.nodes());
}

TEST_CASE("records: generation, then version, then bytes decide", "[membership]") {
  const std::vector<NodeRecord> ascending{record(1, 1, 1), record(1, 1, 2), record(1, 1, 2, "z"),
                                          record(1, 2, 1)};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      Records records;
      REQUIRE(records.merge(ascending[i]));
      CHECK(records.merge(ascending[j]) == (j > i));
      CHECK(*records.find(ascending[0].node) == ascending[std::max(i, j)]);
    }
  }
}

TEST_CASE("records: the ring is built anew when a ring record moves, and only then",
          "[membership]") {
  Records records;
  NodeRecord one = record(1, 1, 1);
  records.merge(one);
  const auto ring = records.ring();
  CHECK(ring->nodes().size() == 1);
  ++one.version;
  one.address = "127.0.0.9";
  CHECK(records.merge(one));
  CHECK(records.ring() == ring);
  ++one.version;
  one.ring.slots = {7, 8};
  CHECK(records.merge(one));
  CHECK(records.ring()->vnodes().size() == 2);
}

}  // namespace
}  // namespace parley::membership
