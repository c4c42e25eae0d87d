// Every node is restarted in turn, under load: nobody who asks at quorum notices.
#include <fmt/format.h>

#include "tools/demo/demos.h"
#include "tools/demo/load.h"

namespace parley::demo {
namespace {

constexpr std::size_t kShops = 4, kOrders = 100;

}  // namespace

void play_rolling_restart(Stage& stage) {
  Scene scene(stage, 5);
  if (!scene.start()) return;
  stage.title(fmt::format("{} shops order at quorum, without a pause", kShops));
  Load load(scene, 1, kShops);
  const bool busy = eventually(seconds(20), [&] { return load.figures().gets_ok >= 100; });
  if (!stage.claim(busy, "the first hundred orders are acknowledged and read back")) return;
  scene.watch({load.acknowledged().begin()->first});
  for (const std::size_t node : scene.everybody()) {
    stage.title(Scene::name(node) + " is told to stop, and started again");
    const std::size_t before = load.figures().gets_ok;
    stage.claim(scene.cluster.terminate(node) == 0, "it stopped cleanly");
    scene.bring_back({node});
    const bool went_on =
        eventually(seconds(10), [&] { return load.figures().gets_ok >= before + kOrders; });
    const std::size_t orders = load.figures().gets_ok - before;
    stage.claim(went_on, fmt::format("{} orders since it was told to stop", orders));
  }
  stage.title("The shops close");
  load.stop();
  const auto done = load.figures();
  const std::size_t failed = done.refused + done.unknown + done.gets_failed;
  stage.claim(failed == 0,
              fmt::format("{} puts and {} gets at quorum, {} failed{}", done.puts_ok, done.gets_ok,
                          failed, failed == 0 ? "" : ", the last: " + done.failure));
  stage.claim(done.gets_wrong == 0, "every order was read back as it was written");
  stage.say(
      fmt::format("The slowest took {:.0f} ms. The client library tries another node when one "
                  "goes, under the same op-id, so that no order is there twice.",
                  done.slowest.count() * 1000));
  const auto client = scene.client();
  stage.claim(missing(*client, load.acknowledged()) == 0, "all are there in the end");
  stage.verdict(
      "One node of five may be away at any time: two replicas of every key are left, which is a "
      "quorum. A node that stops says so to the others and ends what was under way; the next one "
      "is stopped when all see the last one up.");
}

}  // namespace parley::demo
