#include "repair/sync_schedule.h"

#include <set>
#include <vector>

#include "tests/catch.h"

namespace parley::repair {
namespace {

NodeId node(std::uint8_t n) {
  NodeId id;
  id.octets[0] = n;
  return id;
}
const Instant kStart = Instant{} + 100s;
const std::function<bool(const NodeId&)> kAllUp = [](const NodeId&) { return true; };
const std::function<bool(const NodeId&)> kNoneUp = [](const NodeId&) { return false; };

// Begins and finishes, equal, whatever is due within the first moments.
SyncSchedule settled(std::vector<NodeId> peers) {
  SyncSchedule schedule(2s, Random(1), kStart);
  schedule.set_peers(peers, kStart);
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const auto peer = schedule.begin(kStart + 200ms, kAllUp);
    REQUIRE(peer);
    schedule.finished(*peer, kStart + 200ms + Duration(i), true, 0);
  }
  return schedule;
}

TEST_CASE("sync schedule: new peers are compared soon", "[repair]") {
  SyncSchedule schedule(2s, Random(1), kStart);
  schedule.set_peers({node(1), node(2)}, kStart);
  REQUIRE_FALSE(schedule.begin(kStart, kAllUp));
  REQUIRE(schedule.wake(kAllUp) <= kStart + 200ms);
  const auto first = schedule.begin(kStart + 200ms, kAllUp);
  const auto second = schedule.begin(kStart + 200ms, kAllUp);
  REQUIRE((first && second && *first != *second));
  REQUIRE_FALSE(schedule.begin(kStart + 200ms, kAllUp));
}

TEST_CASE("sync schedule: turns go to the one compared longest ago", "[repair]") {
  auto schedule = settled({node(1), node(2), node(3)});
  std::vector<NodeId> turns;
  Instant now = kStart + 200ms;
  for (int i = 0; i < 6; ++i) {
    now = schedule.wake(kAllUp);
    const auto peer = schedule.begin(now, kAllUp);
    REQUIRE(peer);
    schedule.finished(*peer, now, true, 0);
    turns.push_back(*peer);
  }
  REQUIRE(std::vector(turns.begin(), turns.begin() + 3) ==
          std::vector(turns.begin() + 3, turns.end()));
  REQUIRE((turns[0] != turns[1] && turns[1] != turns[2] && turns[0] != turns[2]));
}

TEST_CASE("sync schedule: turns keep to the interval, jittered", "[repair]") {
  auto schedule = settled({node(1)});
  Instant last = schedule.wake(kAllUp);
  REQUIRE(schedule.begin(last, kAllUp));
  std::set<Duration> pauses;
  for (int i = 0; i < 20; ++i) {
    schedule.finished(node(1), last, true, 0);
    const Instant next = schedule.wake(kAllUp);
    REQUIRE(next - last >= 1500ms);
    REQUIRE(next - last <= 2500ms);
    pauses.insert(next - last);
    REQUIRE_FALSE(schedule.begin(next - 1ns, kAllUp));
    REQUIRE(schedule.begin(next, kAllUp));
    last = next;
  }
  REQUIRE(pauses.size() > 10);
}

TEST_CASE("sync schedule: nobody up moves the turn on (no busy waiting)", "[repair]") {
  auto schedule = settled({node(1)});
  const Instant turn = schedule.wake(kNoneUp);
  REQUIRE_FALSE(schedule.begin(turn, kNoneUp));
  REQUIRE(schedule.wake(kNoneUp) > turn);
}

TEST_CASE("sync schedule: who is wanted goes first, once it is up", "[repair]") {
  auto schedule = settled({node(1), node(2)});
  const Instant now = kStart + 300ms;
  schedule.want(node(2), now);
  schedule.want(node(9), now);  // unknown
  REQUIRE_FALSE(schedule.begin(now, kNoneUp));
  REQUIRE(schedule.wake(kNoneUp) > now);
  REQUIRE(schedule.wake(kAllUp) == now);
  REQUIRE(*schedule.begin(now, kAllUp) == node(2));
  REQUIRE_FALSE(schedule.begin(now, kAllUp));
}

TEST_CASE("sync schedule: found different, again soon; for few keys ever later", "[repair]") {
  auto schedule = settled({node(1)});
  Instant now = kStart + 300ms;
  for (int i = 0; i < 4; ++i) {
    schedule.finished(node(1), now, false, 1000);
    REQUIRE(*schedule.peers().at(node(1)).soon == now + SyncSchedule::kSoon);
    now += SyncSchedule::kSoon;
    REQUIRE(schedule.begin(now, kAllUp));
  }
  Duration last{0};
  for (int i = 0; i < 8; ++i) {
    schedule.finished(node(1), now, false, 1);
    const Duration pause = *schedule.peers().at(node(1)).soon - now;
    REQUIRE(pause >= last);
    REQUIRE(pause <= 2s);
    last = pause;
    now += pause;
    REQUIRE(schedule.begin(now, kAllUp));
  }
  REQUIRE(last == 2s);
  schedule.finished(node(1), now, true, 0);
  REQUIRE_FALSE(schedule.peers().at(node(1)).soon);
  REQUIRE(schedule.peers().at(node(1)).equal);
  REQUIRE(schedule.peers().at(node(1)).keys_total == 4008);
}

TEST_CASE("sync schedule: a failure is tried again, backing off", "[repair]") {
  auto schedule = settled({node(1)});
  Instant now = kStart + 300ms;
  Duration last{0};
  for (int i = 0; i < 8; ++i) {
    schedule.failed(node(1), now);
    const Duration pause = *schedule.peers().at(node(1)).soon - now;
    REQUIRE(pause >= last);
    last = pause;
    now += pause;
    REQUIRE(*schedule.begin(now, kAllUp) == node(1));
  }
  REQUIRE(last == 2s);
  schedule.want(node(1), now + 1s);  // it returned: haste again
  schedule.failed(node(1), now);
  REQUIRE(*schedule.peers().at(node(1)).soon == now + SyncSchedule::kSoon);
}

TEST_CASE("sync schedule: what the peer does counts too", "[repair]") {
  auto schedule = settled({node(1), node(2)});
  const Instant now = kStart + 10s;
  REQUIRE(schedule.oldest(now) == now - (kStart + 200ms));
  schedule.found_equal(node(1), now);
  schedule.found_equal(node(2), now);
  REQUIRE(schedule.oldest(now) == Duration{0});
  schedule.put_off(node(1), now + 300ms);
  REQUIRE(*schedule.peers().at(node(1)).soon == now + 300ms);
  schedule.put_off(node(1), now + 200ms);
  REQUIRE(*schedule.peers().at(node(1)).soon == now + 300ms);
  schedule.put_off(node(1), now + 500ms);
  REQUIRE(*schedule.peers().at(node(1)).soon == now + 500ms);
}

TEST_CASE("sync schedule: peers come and go with the ring", "[repair]") {
  auto schedule = settled({node(1), node(2)});
  const Instant second = *schedule.peers().at(node(2)).finished;
  schedule.set_peers({node(2), node(3)}, kStart + 1s);
  REQUIRE(schedule.peers().size() == 2);
  REQUIRE(schedule.peers().at(node(2)).finished);
  REQUIRE(schedule.oldest(kStart + 5s) == kStart + 5s - second);
  schedule.drop_peer(node(3));
  schedule.finished(node(3), kStart, true, 1);
  schedule.failed(node(3), kStart);
  schedule.found_equal(node(3), kStart);
  schedule.put_off(node(3), kStart);
  REQUIRE(schedule.peers().size() == 1);
}

}  // namespace
}  // namespace parley::repair
