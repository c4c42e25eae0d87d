// Scenarios b and c: a replica misses 10,000 writes; hints bring them, and without hints
// anti-entropy alone does.
#include <atomic>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

constexpr std::size_t kKeys = 10'000;

std::vector<std::string> write_keys(LocalCluster& cluster,
                                    const std::vector<std::size_t>& through) {
  std::vector<std::string> keys;
  std::vector<client::PutItem> items;
  const auto client = cluster.client(through, 20s);
  client::WriteOptions quorum;
  quorum.level = "quorum";
  for (std::size_t i = 0; i < kKeys; ++i) keys.push_back("handoff-" + std::to_string(i));
  for (std::size_t at = 0; at < kKeys; at += 500) {
    items.clear();
    for (std::size_t i = at; i < at + 500; ++i) {
      items.push_back({keys[i], "value " + std::to_string(i), std::nullopt});
    }
    for (const auto& put : client->put_batch(items, quorum)) {
      INFO((put.error ? put.error->message : ""));
      REQUIRE(put.outcome == client::Outcome::Ok);
    }
  }
  return keys;
}

// Until all keys are equal on all their replicas; rechecks only those that were not.
bool all_equal(client::Client& client, std::vector<std::string> keys, std::chrono::seconds limit) {
  return eventually(limit, [&] {
    std::erase_if(keys, [&](const auto& key) { return replicas_equal(client, key); });
    return keys.empty();
  });
}

}  // namespace

TEST_CASE("handoff: hints bring 10,000 missed writes within 15 s of the return", "[handoff]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  cluster.kill9(4);
  REQUIRE(cluster.wait_settled());
  const auto keys = write_keys(cluster, {0, 1, 2, 3});
  const auto client = cluster.client({0}, 10s, false);
  CHECK(hints_left(*client) > 0);
  const auto begun = std::chrono::steady_clock::now();
  cluster.launch(4);
  REQUIRE(cluster.wait_ready(4));
  const bool hints_gone = eventually(15s, [&] { return hints_left(*client) == 0; });
  const auto took = std::chrono::steady_clock::now() - begun;
  CHECK(hints_gone);
  CHECK(took < 15s);
  // Inspecting 10,000 keys takes a while itself: what is equal now stays so.
  CHECK(all_equal(*client, keys, 60s));
}

TEST_CASE("handoff: anti-entropy alone brings 10,000 missed writes within 60 s", "[handoff]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  cluster.kill9(4);
  REQUIRE(cluster.wait_settled());
  const auto keys = write_keys(cluster, {0, 1, 2, 3});
  const auto refused = cluster.cli(0, {"hints", "drop", "--target", cluster.address(4)});
  CHECK(refused.exit_code == 2);  // destructive: wants --yes
  const auto dropped =
      cli_json(cluster, 0, {"hints", "drop", "--target", cluster.address(4), "-y"});
  CHECK(dropped.exit_code == 0);
  const auto client = cluster.client({0}, 10s, false);
  REQUIRE(hints_left(*client) == 0);
  cluster.launch(4);
  REQUIRE(cluster.wait_ready(4));
  CHECK(all_equal(*client, keys, 60s));
  // A round after convergence moves no key. One round may still be under way: ask until it is so.
  CHECK(eventually(30s, [&] {
    const auto moved = client->repair(true);
    return moved.ok() && *moved == 0;
  }));
}
