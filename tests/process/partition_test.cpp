// Scenario d: a firewall cuts five nodes into two and three.
#include "tests/process/firewall.h"
#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

constexpr auto kCut = std::chrono::seconds(60);

struct Split {
  LocalCluster cluster;
  Firewall firewall;
  std::vector<std::size_t> small = {0, 1}, large = {2, 3, 4};

  std::vector<std::string> addresses(const std::vector<std::size_t>& nodes) {
    std::vector<std::string> out;
    for (const std::size_t i : nodes) out.push_back(cluster.address(i));
    return out;
  }
  void cut() { firewall.cut(addresses(small), addresses(large)); }
  bool each_side_sees_itself() {
    return cluster.wait_sees_up(0, small, 30s) && cluster.wait_sees_up(1, small, 30s) &&
           cluster.wait_sees_up(2, large, 30s) && cluster.wait_sees_up(3, large, 30s) &&
           cluster.wait_sees_up(4, large, 30s);
  }
  std::size_t owners_in(const std::vector<std::size_t>& side, const std::string& key) {
    std::size_t count = 0;
    for (const std::size_t owner : cluster.owners(side[0], key)) {
      count += std::find(side.begin(), side.end(), owner) != side.end() ? 1U : 0U;
    }
    return count;
  }
};

void write_both_sides(Split& split, const std::vector<std::string>& keys) {
  const auto small = split.cluster.client(split.small, 5s, false);
  const auto large = split.cluster.client(split.large, 5s, false);
  client::WriteOptions any;
  any.level = "any";
  for (const auto& key : keys) {
    const auto a = small->put(key, "small side", any);
    INFO(key << " " << (a.error ? a.error->message : ""));
    CHECK(a.outcome == client::Outcome::Ok);
    const auto b = large->put(key, "large side", any);
    INFO((b.error ? b.error->message : ""));
    CHECK(b.outcome == client::Outcome::Ok);
  }
}

void check_quorum_during_cut(Split& split) {
  const auto small = split.cluster.client(split.small, 5s, false);
  const auto large = split.cluster.client(split.large, 5s, false);
  REQUIRE(small->status().ok());
  REQUIRE(large->status().ok());
  client::WriteOptions quorum;
  quorum.level = "quorum";
  for (int i = 0; i < 40; ++i) {
    const std::string key = "quorum-" + std::to_string(i);
    const bool small_has_majority = split.owners_in(split.small, key) >= 2;
    for (const bool on_small : {true, false}) {
      const auto begun = std::chrono::steady_clock::now();
      const auto put = (on_small ? small : large)->put(key, "v", quorum);
      const auto took = std::chrono::steady_clock::now() - begun;
      INFO(key << (on_small ? " small: " : " large: ") << (put.error ? put.error->message : "ok"));
      if (on_small == small_has_majority) {
        CHECK(put.outcome == client::Outcome::Ok);
      } else {
        CHECK(put.outcome == client::Outcome::NotWritten);
        CHECK(took < 100ms);
      }
    }
  }
}

}  // namespace

TEST_CASE("partition: both sides take writes at any, and heal into siblings", "[partition]") {
  if (!Firewall::available()) {
    WARN("skipped: needs root and nft");
    return;
  }
  Split split;
  REQUIRE(split.cluster.start());
  std::vector<std::string> keys;
  for (int i = 0; i < 200; ++i) keys.push_back("split-" + std::to_string(i));
  split.cut();
  const auto cut_at = std::chrono::steady_clock::now();
  REQUIRE(split.each_side_sees_itself());
  write_both_sides(split, keys);
  check_quorum_during_cut(split);
  // The length of the cut is the scenario, not a wait for something.
  eventually(std::chrono::duration_cast<local::WallDuration>(
                 kCut - (std::chrono::steady_clock::now() - cut_at)),
             [] { return false; });
  split.firewall.heal();
  const auto client = split.cluster.client({2}, 5s, false);
  CHECK(eventually(30s, [&] { return count_diverged(*client, keys) == 0; }));
  REQUIRE(split.cluster.wait_settled());

  client::ReadOptions quorum;
  quorum.level = "quorum";
  client::WriteOptions resolve;
  resolve.level = "quorum";
  for (const auto& key : keys) {
    const auto seen = client->get(key, quorum);
    INFO(key << " " << (seen.error ? seen.error->message : ""));
    REQUIRE(seen.values.size() == 2);
    CHECK(std::set<std::string>{seen.values[0].value, seen.values[1].value} ==
          std::set<std::string>{"small side", "large side"});
    resolve.context = seen.context;
    CHECK(client->put(key, "resolved", resolve).outcome == client::Outcome::Ok);
    const auto after = client->get(key, quorum);
    REQUIRE(after.values.size() == 1);
    CHECK(after.values[0].value == "resolved");
  }
}
