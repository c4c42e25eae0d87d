// Founding, joining, dying and returning, by real processes.
#include <atomic>
#include <csignal>
#include <optional>
#include <random>
#include <thread>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

using WallSeconds = std::chrono::duration<double>;

const std::vector<std::size_t> kAll = {0, 1, 2, 3, 4};

// Two spinning threads a core: the machine is as busy as a build makes it.
class BusyMachine {
 public:
  BusyMachine() {
    const unsigned count = 2 * std::max(1U, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < count; ++i) {
      threads_.emplace_back([this] {
        while (!stop_.load(std::memory_order_relaxed)) {
        }
      });
    }
  }
  ~BusyMachine() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

// Until all nodes of `up` show exactly these as up; how long that took, or nullopt.
std::optional<WallSeconds> settle(LocalCluster& cluster, const std::vector<std::size_t>& up,
                                  local::WallDuration limit) {
  const auto begun = std::chrono::steady_clock::now();
  for (const std::size_t i : up) {
    if (!cluster.wait_sees_up(i, up, limit)) return std::nullopt;
  }
  return WallSeconds(std::chrono::steady_clock::now() - begun);
}

// As node `asked` sees it; 0 when it cannot say.
std::uint64_t generation_of(LocalCluster& cluster, std::size_t asked, std::size_t subject) {
  const auto rows = cluster.client({asked}, 1s, false)->gossip();
  if (!rows.ok()) return 0;
  for (const auto& row : *rows) {
    if (cluster.index_of(row.address) == subject) return row.generation;
  }
  return 0;
}

std::string lines_of_the_dead(const std::string& log) {
  std::string out;
  for (auto at = log.find("liveness=dead"); at != std::string::npos;
       at = log.find("liveness=dead", at + 1)) {
    const auto begin = log.rfind('\n', at) + 1;
    out += log.substr(begin, log.find('\n', at) - begin) + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("membership: five nodes with five seeds, started in any order over 10 s",
          "[membership]") {
  LocalClusterOptions options;
  options.seeds = 5;
  options.node_flags.resize(5);
  options.node_flags[3] = {"--seed", "127.255.255.254:7401"};  // nobody is there
  LocalCluster cluster(options);
  for (const std::size_t i : {3U, 1U, 4U, 0U, 2U}) {
    cluster.launch(i);
    eventually(2500ms, [] { return false; });  // the spread is the scenario
  }
  for (const std::size_t i : kAll) REQUIRE(cluster.wait_ready(i, 10s));
  CHECK(cluster.wait_settled(5s));
  for (const std::size_t i : kAll) CHECK(lines_of_the_dead(cluster.log(i)).empty());
}

TEST_CASE("membership: kill -9 is known to all in time, on a busy machine too", "[membership]") {
  for (const bool busy : {false, true}) {
    LocalCluster cluster;
    REQUIRE(cluster.start());
    std::optional<BusyMachine> load;
    if (busy) load.emplace();
    std::vector<std::size_t> up = kAll;
    while (up.size() > 1) {
      const std::size_t dead = up.back();
      up.pop_back();
      cluster.kill9(dead);
      const auto took = settle(cluster, up, 8s);
      INFO("busy " << busy << ", killed " << dead);
      REQUIRE(took);
      CHECK(took->count() < 8);
      for (const std::size_t i : up) {  // nobody who lives was ever called dead
        const std::string dead_lines = lines_of_the_dead(cluster.log(i));
        for (const std::size_t other : up) {
          CHECK(dead_lines.find(cluster.peer_endpoint(other)) == std::string::npos);
        }
      }
    }
  }
}

TEST_CASE("membership: an immediate restart is noticed by all", "[membership]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  const std::uint64_t before = generation_of(cluster, 0, 2);
  REQUIRE(before > 0);
  cluster.kill9(2);
  cluster.launch(2);
  REQUIRE(cluster.wait_ready(2));
  for (const std::size_t i : kAll) {
    CHECK(eventually(5s, [&] { return generation_of(cluster, i, 2) > before; }));
  }
  CHECK(cluster.wait_settled(5s));
}

TEST_CASE("membership: a whole cluster returns whatever comes first", "[membership]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  for (const std::size_t i : kAll) cluster.process(i)->signal(SIGKILL);
  for (const std::size_t i : kAll) cluster.kill9(i);
  // The seed comes last: the others need none.
  for (const std::size_t i : {4U, 3U, 2U, 1U}) {
    cluster.launch(i);
    REQUIRE(cluster.wait_ready(i, 5s));
  }
  CHECK(settle(cluster, {1, 2, 3, 4}, 8s));
  cluster.launch(0);
  REQUIRE(cluster.wait_ready(0, 5s));
  CHECK(cluster.wait_settled(8s));
}

TEST_CASE("membership: five nodes on one address with ports of their own", "[membership]") {
  local::ScratchDirectory scratch;
  std::random_device chance;
  const std::string address =
      "127." + std::to_string(1 + chance() % 250) + "." + std::to_string(1 + chance() % 250) + ".9";
  const auto port = [](int i, int which) { return std::to_string(17400 + 10 * i + which); };
  std::vector<std::unique_ptr<local::Process>> processes(5);
  const auto launch = [&](int i) {
    const std::string base = scratch.path() + "/n" + std::to_string(i);
    processes[static_cast<std::size_t>(i)] = std::make_unique<local::Process>(
        std::vector<std::string>{local::program_folder() + "/parleyd", "--listen", address,
                                 "--data-dir", base, "--client-port", port(i, 0), "--peer-port",
                                 port(i, 1), "--http-port", port(i, 2), "--seed",
                                 address + ":" + port(0, 1), "--cluster", "one-address"},
        base + ".out", base + ".log");
  };
  for (int i = 4; i >= 0; --i) launch(i);
  const auto count = [&](int asked, const std::string& wanted) {
    client::ClientOptions options;
    options.endpoints = {address + ":" + port(asked, 0)};
    options.timeout = 1s;
    options.learn_ring = false;
    const auto client = client::Client::make(std::move(options));
    const auto status = (*client)->status();
    if (!status.ok()) return std::ptrdiff_t{-1};
    return std::count_if(status->nodes.begin(), status->nodes.end(),
                         [&](const auto& row) { return row.status == wanted; });
  };
  for (int i = 0; i < 5; ++i) {
    INFO(local::read_file(scratch.path() + "/n" + std::to_string(i) + ".log"));
    REQUIRE(eventually(10s, [&] { return count(i, "UN") == 5; }));
  }
  processes[3]->signal(SIGKILL);
  processes[3]->wait(5s);
  for (const int i : {0, 1, 2, 4}) {
    CHECK(eventually(8s, [&] { return count(i, "DN") == 1 && count(i, "UN") == 4; }));
  }
  launch(3);
  for (int i = 0; i < 5; ++i) CHECK(eventually(8s, [&] { return count(i, "UN") == 5; }));
}
