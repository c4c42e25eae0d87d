// One direction of one link is lost.
#include <fmt/format.h>

#include <algorithm>

#include "tools/demo/demos.h"
#include "tools/demo/vigil.h"

namespace parley::demo {

void play_oneway(Stage& stage) {
  Scene scene(stage, 5, Vigil::flags());
  if (!scene.start()) return;
  const std::string key = "sensor:3";
  scene.watch({key});
  const Side owners = scene.owners_of(key);
  if (!stage.claim(owners.size() == 3, key + " lives on " + Scene::names(owners))) return;
  const std::size_t from = owners[0], to = owners[1];
  Vigil vigil(scene);
  stage.title(fmt::format("What {} sends to {} is lost; the way back works", Scene::name(from),
                          Scene::name(to)));
  stage.claim(scene.cut_one_way(from, to), "the cut is there");
  const auto client = scene.client({from});
  auto all = write_at("all");
  all.timeout = seconds(2);
  const auto put = scene.traffic.put(*client, key, "21.5", all);
  stage.claim(put.outcome == Outcome::Unknown, "put at all: unknown, because it was sent");
  const auto silent = std::find_if(put.replicas.begin(), put.replicas.end(), [&](const auto& one) {
    return one.address == scene.cluster.address(to);
  });
  stage.claim(silent != put.replicas.end() && silent->state != "durable",
              "the receipt names the replica that did not answer: " + Scene::name(to));
  const auto second = scene.traffic.put(*client, key, "22.0", write_at("quorum", put.context));
  stage.claim(second.outcome == Outcome::Ok, "put at quorum: ok, the third replica answers");
  stage.title("Nobody is taken for dead: others reach both");
  vigil.keep("third ones are asked to probe");
  stage.title(
      fmt::format("It is another thing to be cut off from all, as {} is now", Scene::name(to)));
  const Side rest = scene.others_than({to});
  const bool cut = scene.cut_apart({to}, rest);
  bool known = true;
  const Seconds took = timed([&] {
    for (const std::size_t node : rest) {
      known = known && scene.cluster.wait_sees_up(node, rest, seconds(30));
    }
  });
  stage.claim(cut && known, fmt::format("after {:.1f} s all others take {} for dead", took.count(),
                                        Scene::name(to)));
  stage.title("The links heal");
  stage.claim(scene.heal_all() && scene.cluster.wait_settled(seconds(30)),
              "all five see all five up again");
  scene.claim_equal(*client, {key}, seconds(30));
  const auto get = scene.traffic.get(*client, key, read_at("all"));
  stage.claim(reads(get, "22.0"), "get at all: " + values_text(get));
  stage.verdict(
      "A link that works in one direction is worse than none: a request arrives and its answer "
      "does not. So the answer is unknown and says of whom, what a majority can do goes on, and a "
      "node that others still hear is not thrown out.");
}

}  // namespace parley::demo
