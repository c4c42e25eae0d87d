// A node was away, and every hint kept for it is lost.
#include <fmt/format.h>

#include "tools/demo/demos.h"
#include "tools/demo/scene.h"

namespace parley::demo {
namespace {

constexpr std::size_t kKeys = 200;

}  // namespace

void play_lost_hints(Stage& stage) {
  Scene scene(stage, 3);
  if (!scene.start()) return;
  stage.say("Three nodes: each has a copy of every key.");
  const std::size_t away = 2;
  stage.title(
      fmt::format("{} is killed, and {} keys are written without it", Scene::name(away), kKeys));
  scene.kill({away});
  const auto client = scene.client({0, 1});
  std::vector<std::string> keys;
  std::size_t written = 0;
  for (std::size_t i = 0; i < kKeys; ++i) {
    keys.push_back(fmt::format("order:{}", i));
    const auto put =
        scene.traffic.put(*client, keys.back(), fmt::format("{}", i), write_at("quorum"));
    written += put.outcome == Outcome::Ok ? 1 : 0;
  }
  scene.watch({keys.front()});
  stage.claim(written == kKeys, fmt::format("{} acknowledged at quorum", written));
  stage.claim(eventually(seconds(10), [&] { return Scene::hints(*client) == kKeys; }),
              fmt::format("{} hints are kept for it", kKeys));
  stage.title("All hints are lost");
  const auto dropped = client->drop_hints("");
  stage.claim(dropped.ok() && *dropped == kKeys && Scene::hints(*client) == 0, "not one is left");
  stage.title("It comes back");
  scene.bring_back({away});
  scene.claim_equal(*client, keys, seconds(30));
  const auto moved = client->repair(true);
  stage.claim(moved.ok() && *moved == 0, "a further round of anti-entropy sends no key");
  stage.verdict(
      "Hints make a node whole quickly; they are not what makes it whole. Anti-entropy always "
      "runs, compares digests, and sends only the keys that differ.");
}

}  // namespace parley::demo
