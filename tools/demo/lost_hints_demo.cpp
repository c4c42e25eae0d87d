// A node was away, and every hint kept for it is lost.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tools/demo/demos.h"
#include "tools/local/local_cluster.h"

namespace parley::demo {
namespace {

using client::Outcome;
using local::eventually;
using std::chrono::seconds;

constexpr std::size_t kKeys = 200;

}  // namespace

void play_lost_hints(Stage& stage) {
  local::LocalCluster cluster({.nodes = 3, .name = "demo"});
  stage.title("Three nodes, each with a copy of every key");
  if (!stage.claim(cluster.start(), "all three are ready and see each other up")) return;
  const std::size_t away = 2;
  stage.title(fmt::format("{} is killed, and {} keys are written without it", cluster.address(away),
                          kKeys));
  cluster.kill9(away);
  stage.claim(cluster.wait_settled(seconds(20)), "the others know it");
  const auto client = cluster.client({0}, seconds(10), false);
  client::WriteOptions quorum;
  quorum.level = "quorum";
  std::vector<std::string> keys;
  bool written = true;
  for (std::size_t i = 0; i < kKeys; ++i) {
    keys.push_back(fmt::format("order:{}", i));
    written =
        client->put(keys.back(), fmt::format("{}", i), quorum).outcome == Outcome::Ok && written;
  }
  stage.claim(written, "all acknowledged at quorum");
  const auto hints = [&] {
    const auto kept = client->hints();
    std::uint64_t sum = 0;
    if (!kept.ok()) return sum;
    for (const auto& row : kept->rows) sum += row.hints;
    return sum;
  };
  stage.claim(eventually(seconds(10), [&] { return hints() == kKeys; }),
              fmt::format("{} hints are kept for it", kKeys));
  stage.title("All hints are lost");
  const auto dropped = client->drop_hints("");
  stage.claim(dropped.ok() && *dropped == kKeys && hints() == 0, "not one is left");
  stage.title("It comes back");
  cluster.launch(away);
  stage.claim(cluster.wait_ready(away) && cluster.wait_settled(seconds(20)), "it is up again");
  const auto begun = std::chrono::steady_clock::now();
  const bool equal = eventually(seconds(60), [&] {
    std::erase_if(keys, [&](const auto& key) {
      const auto inspected = client->inspect(key);
      return inspected.ok() && inspected->exists && !inspected->diverged;
    });
    return keys.empty();
  });
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  stage.claim(equal,
              fmt::format("after {:.1f} s it has every key, and all copies are equal", took));
  const auto moved = client->repair(true);
  stage.claim(moved.ok() && *moved == 0, "a further round of anti-entropy sends no key");
  stage.verdict(
      "Hints make a node whole quickly; they are not what makes it whole. Anti-entropy always "
      "runs, "
      "compares digests, and sends only the keys that differ.");
}

}  // namespace parley::demo
