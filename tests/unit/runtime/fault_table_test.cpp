#include "runtime/fault_table.h"

#include <cmath>
#include <limits>

#include "tests/catch.h"

using namespace parley;
using namespace parley::runtime;

namespace {

const Instant kNow = Instant{} + 100s;

Fault cut(const std::string& peer, Direction direction = Direction::Both,
          Traffic traffic = Traffic::All) {
  LinkFault fault;
  fault.cut = true;
  return {BadLink{peer, direction, traffic, fault}, "", 0s};
}

}  // namespace

TEST_CASE("fault table: a fault holds for its peer, direction and traffic only") {
  FaultTable table;
  REQUIRE(table.add(cut("127.0.0.2", Direction::Out, Traffic::Gossip), kNow));
  CHECK(table.link("127.0.0.2", Direction::Out, Traffic::Gossip).cut);
  CHECK_FALSE(table.link("127.0.0.2", Direction::In, Traffic::Gossip).cut);
  CHECK_FALSE(table.link("127.0.0.2", Direction::Out, Traffic::Peer).cut);
  CHECK_FALSE(table.link("127.0.0.3", Direction::Out, Traffic::Gossip).cut);
  CHECK_FALSE(table.is_cut("127.0.0.2"));
  REQUIRE(table.add(cut("", Direction::In, Traffic::Peer), kNow));
  CHECK(table.is_cut("127.0.0.2"));
  CHECK(table.is_cut("127.0.0.9"));
}

TEST_CASE("fault table: faults of one link add up") {
  FaultTable table;
  Fault slow = cut("127.0.0.2");
  std::get<BadLink>(slow.what).fault = {false, 0.5, 0, 0, 0, 20ms, 5ms, 4096};
  REQUIRE(table.add(slow, kNow));
  std::get<BadLink>(slow.what).peer.clear();
  std::get<BadLink>(slow.what).fault.bytes_per_second = 2048;
  REQUIRE(table.add(slow, kNow));
  const LinkFault sum = table.link("127.0.0.2", Direction::In, Traffic::Peer);
  CHECK(std::abs(sum.drop - 0.75) < 1e-9);
  CHECK(sum.delay == 40ms);
  CHECK(sum.jitter == 10ms);
  CHECK(sum.bytes_per_second == 2048);
}

TEST_CASE("fault table: a fault with an end heals by itself, others stay") {
  FaultTable table;
  Fault brief = cut("127.0.0.2");
  brief.lasts = 5s;
  const auto id = table.add(brief, kNow);
  REQUIRE(table.add(cut("127.0.0.3"), kNow));
  CHECK(table.next_end() == kNow + 5s);
  CHECK(table.expire(kNow + 5s - 1ns).empty());
  const auto over = table.expire(kNow + 5s);
  REQUIRE(over.size() == 1);
  CHECK(over[0].id == *id);
  CHECK_FALSE(table.is_cut("127.0.0.2"));
  CHECK(table.is_cut("127.0.0.3"));
  CHECK_FALSE(table.next_end());
}

TEST_CASE("fault table: healing one peer takes what concerns it, and ids are not used again") {
  FaultTable table;
  REQUIRE(table.add(cut("127.0.0.2"), kNow));
  REQUIRE(table.add(cut("127.0.0.3"), kNow));
  REQUIRE(table.add({SlowDisk{50ms, 0ms}, "", 0s}, kNow));
  CHECK(table.heal("127.0.0.2") == 1);
  CHECK(table.active().size() == 2);
  CHECK(table.heal("") == 2);
  CHECK(table.active().empty());
  CHECK(*table.add(cut("127.0.0.2"), kNow) == 4);
  CHECK(table.heal_one(4));
  CHECK_FALSE(table.heal_one(4));
}

TEST_CASE("fault table: disk and clock") {
  FaultTable table;
  REQUIRE(table.add({SlowDisk{50ms, 10ms}, "", 0s}, kNow));
  REQUIRE(table.add({SlowDisk{5ms, 0ms}, "", 0s}, kNow));
  REQUIRE(table.add({SkewedClock{-1h}, "", 0s}, kNow));
  CHECK(table.disk() == SlowDisk{55ms, 10ms});
  CHECK(table.clock_offset() == -1h);
}

TEST_CASE("fault table: refuses what is out of range, unchanged") {
  FaultTable table;
  const auto refused = [&](Fault fault) {
    const auto result = table.add(std::move(fault), kNow);
    return !result && result.error().code == ErrorCode::InvalidArgument;
  };
  const auto link = [](LinkFault fault) {
    return Fault{BadLink{"127.0.0.2", {}, {}, fault}, "", 0s};
  };
  CHECK(refused(link({})));
  LinkFault bad;
  for (const double share : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    bad.drop = share;
    CHECK(refused(link(bad)));
  }
  CHECK(refused(link({false, 0, 0, 0, 0, -1ms, 0ms, 0})));
  CHECK(refused(link({false, 0, 0, 0, 0, 2min, 0ms, 0})));
  CHECK(refused(link({false, 0, 0, 0, 0, 0ms, 0ms, 10})));
  CHECK(refused(cut("here")));
  CHECK(refused({SlowDisk{}, "", 0s}));
  CHECK(refused({SlowDisk{2min, 0s}, "", 0s}));
  CHECK(refused({SkewedClock{0s}, "", 0s}));
  CHECK(refused({SkewedClock{24h * 400}, "", 0s}));
  Fault fault = cut("127.0.0.2");
  fault.lasts = 25h;
  CHECK(refused(fault));
  fault.lasts = -1s;
  CHECK(refused(fault));
  fault = cut("127.0.0.2");
  fault.note = std::string(FaultTable::kNoteBytesMost + 1, 'x');
  CHECK(refused(fault));
  CHECK(table.active().empty());
}

TEST_CASE("fault table: takes so many and no more") {
  FaultTable table;
  for (std::size_t i = 0; i < FaultTable::kFaultsMost; ++i) {
    REQUIRE(table.add(cut("127.0.0.2"), kNow));
  }
  CHECK(table.add(cut("127.0.0.2"), kNow).error().code == ErrorCode::Overloaded);
  CHECK(table.active().size() == FaultTable::kFaultsMost);
}

TEST_CASE("fault table: faults say what they are") {
  CHECK(to_text(cut("127.0.0.2")) == "cut to and from 127.0.0.2");
  CHECK(to_text(cut("", Direction::In, Traffic::Gossip)) == "cut from all (gossip)");
  LinkFault fault{false, 0.3, 0.125, 0, 0, 50ms, 20ms, 4096};
  CHECK(to_text(Fault{BadLink{"127.0.0.2", Direction::Out, Traffic::Peer, fault}, "", 0s}) ==
        "drop 30 %, duplicate 12.5 %, delay 50 ms to 70 ms, at most 4096 bytes a second to "
        "127.0.0.2 (streams)");
  CHECK(to_text(Fault{SlowDisk{50ms, 10ms}, "", 0s}) == "disk slower by 50 ms to 60 ms");
  CHECK(to_text(Fault{SkewedClock{-90s}, "", 0s}) == "clock 90000 ms behind");
}

TEST_CASE("faulty lane: a stream keeps its order whatever the jitter and the losses") {
  FaultyLane lane{Random(7)};
  LinkFault fault;
  fault.jitter = 50ms;
  fault.drop = 0.3;
  Instant last = kNow;
  bool resent = false;
  for (int i = 0; i < 1000; ++i) {
    const Instant due = lane.piece_due(fault, 100, kNow);
    CHECK(due >= last);
    resent = resent || due >= kNow + 200ms;
    last = due;
  }
  CHECK(resent);
}

TEST_CASE("faulty lane: datagrams overtake each other only when told to") {
  FaultyLane lane{Random(7)};
  LinkFault fault;
  fault.delay = 5ms;
  CHECK(lane.datagram_due(fault, 100, kNow) == kNow + 5ms);
  fault.reorder = 1;
  CHECK(lane.datagram_due(fault, 100, kNow) > kNow + 5ms);
}

TEST_CASE("faulty lane: a narrow line passes so many bytes a second") {
  FaultyLane lane{Random(7)};
  LinkFault fault;
  fault.bytes_per_second = 1000;
  Instant due{};
  for (int i = 0; i < 10; ++i) due = lane.piece_due(fault, 100, kNow);
  CHECK(due == kNow + 1s);
}
