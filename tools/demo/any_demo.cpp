// A write is accepted although every replica of its key is dead.
#include <fmt/format.h>

#include <algorithm>

#include "tools/demo/demos.h"
#include "tools/demo/scene.h"

namespace parley::demo {
namespace {

bool is_refused(const client::WriteResult& put) {
  return put.outcome == Outcome::NotWritten && put.error &&
         put.error->code == ErrorCode::Unavailable;
}

}  // namespace

void play_any(Stage& stage) {
  Scene scene(stage, 5);
  if (!scene.start()) return;
  const std::string key = "alarm:1";
  scene.watch({key});
  const Side owners = scene.owners_of(key), others = scene.others_than(owners);
  if (!stage.claim(owners.size() == 3, key + " lives on " + Scene::names(owners))) return;

  stage.title("All three replicas are killed");
  scene.kill(owners);
  const auto client = scene.client({others[0]});
  for (const std::string level : {"all", "quorum", "one"}) {
    const auto put = scene.traffic.put(*client, key, "lost?", write_at(level));
    stage.claim(is_refused(put), fmt::format("put at {}: unavailable, nothing written", level));
  }
  const auto put = scene.traffic.put(*client, key, "fire", write_at("any"));
  const bool only_hints = std::all_of(put.replicas.begin(), put.replicas.end(),
                                      [](const auto& one) { return one.state == "hinted"; });
  stage.claim(put.outcome == Outcome::Ok && only_hints && put.replicas.size() == 3,
              "put at any: ok, and the receipt says hinted, three times");
  stage.claim(put.hint_holders.size() == 2 && Scene::hints(*client) == 6,
              "two nodes keep a hint for each of the three on their disks");

  stage.title("It can be read by those who ask for hints too");
  const auto one = scene.traffic.get(*client, key, read_at("one"));
  stage.claim(is_unavailable(one), "get at one: unavailable, not \"not found\"");
  for (const std::size_t node : others) {
    const auto get = scene.traffic.get(*scene.client({node}), key, read_at("any"));
    stage.claim(reads(get, "fire") && get.from_hint,
                fmt::format("get at any from {}: {}, marked from_hint", Scene::name(node),
                            values_text(get)));
  }

  stage.title("Even the two that are left are killed, and start again");
  scene.kill(others);
  scene.bring_back(others);
  const auto kept = scene.traffic.get(*scene.client({others[1]}), key, read_at("any"));
  stage.claim(reads(kept, "fire"), "get at any: " + values_text(kept) + ", as hints are on disk");

  stage.title("The replicas return");
  scene.bring_back(owners);
  const auto any_node = scene.client({others[1]});
  stage.claim(eventually(seconds(20), [&] { return Scene::hints(*any_node) == 0; }),
              "the hints are handed over, and gone");
  scene.claim_equal(*any_node, {key}, seconds(20));
  const auto get = scene.traffic.get(*any_node, key, read_at("all"));
  stage.claim(reads(get, "fire") && !get.from_hint, "get at all: " + values_text(get));
  stage.verdict(
      "any says yes as long as one node with a disk is there: a hint is durable, it can be read, "
      "and it becomes the real thing as soon as a replica is back. What was refused at the other "
      "levels is nowhere.");
}

}  // namespace parley::demo
