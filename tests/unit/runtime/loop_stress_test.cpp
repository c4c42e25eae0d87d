// The loop's mailbox under threads: what the simulator takes out. Seeds are drawn anew for each
// run; a failing one is in the message.
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/codec.h"
#include "base/random.h"
#include "runtime/asio_loop.h"
#include "tests/catch.h"

using namespace parley;
using namespace parley::runtime;

namespace {

constexpr Duration kStress = 2s;

std::uint64_t drawn_seed() {
  const Bytes entropy = os_entropy32();
  return ByteReader(entropy).number<std::uint64_t>();
}

// What became of each producer's tasks.
struct Tally {
  explicit Tally(std::size_t producers) : ran(producers), posted(producers) {}
  std::vector<std::uint64_t> ran;                      // loop only: the number of the last one
  std::vector<std::uint64_t> posted;                   // each its producer's
  std::atomic<std::uint64_t> executed{0}, dropped{0};  // all
  std::atomic<bool> in_order{true};
};

// Counts when it goes: a task must go exactly once, whether it ran or not.
class Ticket {
 public:
  explicit Ticket(Tally& tally) : tally_(tally) {}
  ~Ticket() { ++tally_.dropped; }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

 private:
  Tally& tally_;
};

void produce(Loop& loop, Tally& tally, std::size_t self, std::uint64_t count, Random random) {
  for (std::uint64_t i = 1; i <= count; ++i) {
    loop.post([&loop, &tally, self, i, ticket = std::make_shared<Ticket>(tally)] {
      if (std::exchange(tally.ran[self], i) != i - 1) tally.in_order = false;
      ++tally.executed;
      // Some of a turn's work: a post and a timer of the loop's own.
      if (i % 16 == 0) loop.post([ticket] {});
      if (i % 64 == 0) loop.start_timer(loop.now() + 1us, [ticket] {});
    });
    tally.posted[self] = i;
    if (random.below(8) == 0) std::this_thread::yield();
  }
}

// Producers post while the loop starts, stops, and starts again; then it ends, with tasks left in
// its mailbox or without.
void one_round(std::uint64_t seed) {
  Random random(seed);
  const std::size_t producers = 1 + random.below(6);
  const std::uint64_t count = 1 + random.below(400);
  const bool to_the_end = random.below(2) == 0;
  Tally tally(producers);
  MetricRegistry metrics;
  auto world = make_asio_world(Logger(), metrics);
  std::atomic<std::size_t> finished{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < producers; ++i) {
    threads.emplace_back([&, i, own = random.fork("producer")]() mutable {
      produce(world->loop(), tally, i, count, std::move(own));
      ++finished;
    });
  }
  threads.emplace_back([&, own = random.fork("stopper")]() mutable {
    while (!over) {
      for (auto waits = own.below(50); waits > 0; --waits) std::this_thread::yield();
      world->stop();
    }
  });
  while (finished < producers || (to_the_end && tally.executed < producers * count)) world->run();
  over = true;
  for (auto& thread : threads) thread.join();
  const std::uint64_t executed = tally.executed;
  world.reset();  // with all that nobody ran

  INFO("seed " << seed);
  CHECK(tally.in_order);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < producers; ++i) {
    CHECK(tally.posted[i] == count);
    CHECK(tally.ran[i] <= count);
    sum += tally.ran[i];
  }
  // In order and without a gap, so the last number is how many ran.
  CHECK(sum == executed);
  CHECK(tally.executed == executed);
  if (to_the_end) CHECK(executed == producers * count);
  CHECK(tally.dropped == producers * count);
}

}  // namespace

TEST_CASE("loop stress: posts of many threads while it starts, stops and ends") {
  const std::uint64_t first = drawn_seed();
  const auto end = std::chrono::steady_clock::now() + kStress;
  std::uint64_t rounds = 0;
  do {
    one_round(first + rounds);
    ++rounds;
  } while (std::chrono::steady_clock::now() < end);
  CHECK(rounds > 0);
}
