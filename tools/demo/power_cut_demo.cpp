// All nodes are killed at once, under load.
#include <fmt/format.h>
#include <signal.h>

#include "tools/demo/demos.h"
#include "tools/demo/load.h"

namespace parley::demo {
namespace {

constexpr std::size_t kShops = 16;
constexpr int kCuts = 3;

}  // namespace

void play_power_cut(Stage& stage) {
  Scene scene(stage, 5);
  if (!scene.start()) return;
  for (int cut = 1; cut <= kCuts; ++cut) {
    stage.title(fmt::format("Power cut {}: kill -9 of all five while {} shops order", cut, kShops));
    Load load(scene, cut, kShops);
    const bool busy = eventually(seconds(10), [&] { return load.figures().gets_ok >= 300; });
    for (const std::size_t node : scene.everybody()) scene.cluster.process(node)->signal(SIGKILL);
    for (const std::size_t node : scene.everybody()) scene.cluster.kill9(node);  // and reaps it
    load.stop();
    const auto acknowledged = load.acknowledged();
    const auto done = load.figures();
    stage.claim(busy, fmt::format("{} orders acknowledged, {} unknown, {} found nobody",
                                  acknowledged.size(), done.unknown, done.refused));
    scene.watch({acknowledged.empty() ? "none" : acknowledged.rbegin()->first});
    scene.bring_back(scene.everybody());
    const auto client = scene.client();
    const std::size_t lost = missing(*client, acknowledged);
    stage.claim(lost == 0, fmt::format("all {} acknowledged orders are read at quorum, {} are lost",
                                       acknowledged.size(), lost));
  }
  stage.say(
      "A kill -9 does not empty the system's cache. That an ack also waits for the disk is "
      "shown by the simulator, whose power cuts lose what was not fsynced.");
  stage.verdict(
      "An ack leaves a node after the commit that holds the write, so whatever a client was told "
      "is "
      "there when everything starts again, and the nodes find each other from what they remember. "
      "An order without an answer may be there or not, and its client was told so.");
}

}  // namespace parley::demo
