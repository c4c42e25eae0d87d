// Scenario g: sets grown by get, modify, put with context, while nodes are killed, paused and cut.
#include <atomic>
#include <csignal>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include "tests/process/firewall.h"
#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

constexpr int kClients = 10, kSets = 20, kElements = 2000;

using Elements = std::set<std::string>;

Elements parse_set(const std::string& text) {
  Elements out;
  std::istringstream in(text);
  for (std::string word; in >> word;) out.insert(word);
  return out;
}

std::string set_text(const Elements& elements) {
  std::string out;
  for (const auto& element : elements) out += element + " ";
  return out;
}

std::string set_key(int set) { return "set-" + std::to_string(set); }

// Acknowledged elements of each set.
struct Acknowledged {
  std::mutex mutex;
  std::vector<Elements> sets{kSets};
  std::atomic<int> tried{0}, unknown{0};
};

// Each element goes in once, by as many attempts as the first acknowledgement takes.
void add_elements(LocalCluster& cluster, int who, Acknowledged& acknowledged) {
  const auto client = cluster.client({}, 2s);
  client::ReadOptions read;
  read.level = "quorum";
  client::WriteOptions write;
  write.level = "quorum";
  for (int i = 0; i < kElements; ++i) {
    const int set = (i + who) % kSets;
    const std::string element = std::to_string(who) + "." + std::to_string(i);
    ++acknowledged.tried;
    for (int attempt = 0; attempt < 60; ++attempt) {
      const auto seen = client->get(set_key(set), read);
      if (seen.error) continue;
      Elements merged;
      for (const auto& value : seen.values) merged.merge(parse_set(value.value));
      merged.insert(element);
      write.context = seen.context.empty() ? std::nullopt : std::optional(seen.context);
      const auto put = client->put(set_key(set), set_text(merged), write);
      if (put.outcome == client::Outcome::Unknown) ++acknowledged.unknown;
      if (put.outcome != client::Outcome::Ok) continue;
      const std::lock_guard lock(acknowledged.mutex);
      acknowledged.sets[static_cast<std::size_t>(set)].insert(element);
      break;
    }
  }
}

// Breaks one or two nodes at a time, at random, and mends them again.
void break_things(LocalCluster& cluster, Firewall* firewall, const std::atomic<bool>& stop,
                  unsigned seed) {
  std::mt19937 chance(seed);
  while (!stop) {
    const std::size_t victim = chance() % cluster.size();
    const std::size_t other = (victim + 1 + chance() % (cluster.size() - 1)) % cluster.size();
    const auto length = std::chrono::milliseconds(500 + chance() % 3000);
    const auto hold = [&] { eventually(length, [&] { return stop.load(); }); };
    switch (chance() % 3) {
      case 0:
        cluster.kill9(victim);
        hold();
        cluster.launch(victim);
        cluster.wait_ready(victim);
        break;
      case 1:
        cluster.stop(victim);
        hold();
        cluster.resume(victim);
        break;
      default:
        if (firewall != nullptr) {
          firewall->cut({cluster.address(victim)}, {cluster.address(other)});
          hold();
          firewall->heal();
        }
    }
    const auto calm = std::chrono::milliseconds(500 + chance() % 1500);
    eventually(calm, [&] { return stop.load(); });
  }
}

// The last lines of a log.
std::string tail(const std::string& log) {
  return log.size() > 3000 ? log.substr(log.size() - 3000) : log;
}

}  // namespace

TEST_CASE("sets: every acknowledged element survives kills, pauses and cuts", "[sets]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  std::unique_ptr<Firewall> firewall;
  if (Firewall::available())
    firewall = std::make_unique<Firewall>();
  else
    WARN("no cuts: needs root and nft");
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  Acknowledged acknowledged;
  std::atomic<bool> stop{false};
  std::atomic<int> adding{kClients};
  std::vector<std::thread> adders;
  for (int c = 0; c < kClients; ++c) {
    adders.emplace_back([&, c] {
      add_elements(cluster, c, acknowledged);
      if (--adding == 0) stop = true;
    });
  }
  // Here and not in a thread: a daemon dies with the thread that started it.
  break_things(cluster, firewall.get(), stop, seed);
  for (auto& adder : adders) adder.join();
  if (firewall) firewall->heal();
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    INFO(cluster.address(i) << "\n" << tail(cluster.log(i)));
    CHECK(cluster.running(i));
  }
  REQUIRE(cluster.wait_settled(60s));

  const auto client = cluster.client({}, 10s);
  client::ReadOptions all;
  all.level = "all";
  std::size_t acknowledged_total = 0, missing = 0;
  for (int set = 0; set < kSets; ++set) {
    client::ReadResult seen;
    const bool read = eventually(60s, [&] {
      seen = client->get(set_key(set), all);
      return !seen.error;
    });
    INFO(set_key(set) << ": " << (seen.error ? seen.error->message : "read"));
    INFO((read ? "" : cluster.cli(0, {"inspect", set_key(set)}).out));
    REQUIRE(read);
    Elements merged;
    for (const auto& value : seen.values) merged.merge(parse_set(value.value));
    for (const auto& element : acknowledged.sets[static_cast<std::size_t>(set)]) {
      ++acknowledged_total;
      missing += merged.contains(element) ? 0 : 1;
    }
  }
  INFO(acknowledged_total << " acknowledged of " << acknowledged.tried << ", "
                          << acknowledged.unknown << " attempts unknown");
  CHECK(missing == 0);
  CHECK(acknowledged_total > kClients * kElements * 9 / 10);
}
