// A node was away; what was kept for it is handed over.
#include <fmt/format.h>

#include "tools/demo/demos.h"
#include "tools/demo/scene.h"

namespace parley::demo {
namespace {

constexpr std::size_t kKeys = 200;

}  // namespace

void play_hints(Stage& stage) {
  Scene scene(stage, 3);
  if (!scene.start()) return;
  stage.say("Three nodes: each has a copy of every key.");
  const std::size_t away = 2;
  stage.title(
      fmt::format("{} is killed, and {} keys are written without it", Scene::name(away), kKeys));
  scene.kill({away});
  const auto client = scene.client({0, 1});
  std::vector<std::string> keys;
  std::size_t written = 0, told = 0;
  for (std::size_t i = 0; i < kKeys; ++i) {
    keys.push_back(fmt::format("order:{}", i));
    const auto put = scene.traffic.put(*client, keys.back(), "new", write_at("quorum"));
    written += put.outcome == Outcome::Ok ? 1 : 0;
    told += put.hint_holders.size() == 1 ? 1 : 0;
  }
  scene.watch({keys.front()});
  stage.claim(written == kKeys, fmt::format("{} acknowledged at quorum", written));
  stage.claim(told == kKeys, fmt::format("{} receipts name who keeps a hint for it", told));
  stage.claim(eventually(seconds(10), [&] { return Scene::hints(*client) == kKeys; }),
              fmt::format("{} hints are kept for it", kKeys));
  stage.title("One who keeps hints is killed and started again: they are on its disk");
  scene.kill({1});
  scene.bring_back({1});
  stage.claim(eventually(seconds(10), [&] { return Scene::hints(*client) == kKeys; }),
              fmt::format("there are still {} hints", kKeys));
  stage.title(Scene::name(away) + " comes back");
  scene.bring_back({away});
  const Seconds took =
      timed([&] { eventually(seconds(20), [&] { return Scene::hints(*client) == 0; }); });
  stage.claim(Scene::hints(*client) == 0,
              fmt::format("after {:.1f} s all hints are handed over and erased", took.count()));
  scene.claim_equal(*client, keys, seconds(30));
  const auto get = scene.traffic.get(*scene.client({away}), keys.back(), read_at("one"));
  stage.claim(reads(get, "new"), fmt::format("{} at one: {}", Scene::name(away), values_text(get)));
  stage.say("Anti-entropy would have found all of it too: see parley demo lost-hints.");
  stage.verdict(
      "Whoever coordinates a write that a replica misses keeps a hint for it, on disk. When the "
      "replica is back it gets its hints, and each one is erased only when the replica has "
      "acknowledged the very version.");
}

}  // namespace parley::demo
