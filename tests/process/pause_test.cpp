// Scenario f: one node is stopped (SIGSTOP) under load and goes on (SIGCONT) by itself.
#include <atomic>
#include <thread>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

struct Load {
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> ok{0}, failed{0};
  std::vector<std::thread> threads;

  explicit Load(const client::Client& client_to_use)
      : client_(const_cast<client::Client&>(client_to_use)) {
    for (int w = 0; w < 8; ++w) threads.emplace_back([this, w] { run(w); });
  }
  ~Load() { end(); }
  void end() {
    stop = true;
    for (auto& thread : threads) {
      if (thread.joinable()) thread.join();
    }
  }

 private:
  void run(int writer) {
    client::WriteOptions write;
    write.level = "quorum";
    client::ReadOptions read;
    read.level = "quorum";
    for (int i = 0; !stop; ++i) {
      const std::string key = "pause-" + std::to_string(writer) + "-" + std::to_string(i % 50);
      const auto seen = client_.get(key, read);
      write.context = seen.context.empty() ? std::nullopt : std::optional(seen.context);
      const auto put = client_.put(key, std::to_string(i), write);
      const bool good = !seen.error && put.outcome == client::Outcome::Ok;
      (good ? ok : failed) += 1;
    }
  }
  client::Client& client_;
};

// No node but the paused one is ever shown as down, by any node that runs.
bool others_all_up(LocalCluster& cluster, std::size_t paused) {
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    if (i == paused) continue;
    const auto status = cluster.client({i}, 1s, false)->status();
    if (!status.ok()) continue;
    for (const auto& row : status->nodes) {
      if (row.status != "UN" && cluster.index_of(row.address) != paused) return false;
    }
  }
  return true;
}

void pause_for(std::chrono::seconds length) {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  const auto client = cluster.client({}, 5s);
  Load load(*client);
  REQUIRE(eventually(20s, [&] { return load.ok > 200; }));
  const std::size_t paused = 3;
  const std::size_t ok_before = load.ok, failed_before = load.failed;
  cluster.stop(paused);
  bool false_dead = false;
  eventually(length, [&] {  // the length of the pause is the scenario
    false_dead |= !others_all_up(cluster, paused);
    return false;
  });
  const std::size_t ok_during = load.ok - ok_before;
  const std::size_t failed_during = load.failed - failed_before;
  cluster.resume(paused);
  const std::vector<std::size_t> all = {0, 1, 2, 3, 4};
  for (const std::size_t i : all) CHECK(cluster.wait_sees_up(i, all, 15s));
  false_dead |= !others_all_up(cluster, paused);
  load.end();
  INFO("during the pause: " << ok_during << " ok, " << failed_during << " failed");
  CHECK_FALSE(false_dead);
  CHECK(ok_during > 100);
  // Calls that were under way at the stopped node may miss their level once; no more than that.
  CHECK(failed_during <= 16);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(cluster.log(i).find("level=error") == std::string::npos);
  }
}

}  // namespace

TEST_CASE("pause: quorum goes on while a node is stopped for 5 s", "[pause]") { pause_for(5s); }
TEST_CASE("pause: quorum goes on while a node is stopped for 30 s", "[pause]") { pause_for(30s); }
