// One direction of one link is lost.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tools/demo/broken_links.h"
#include "tools/demo/demos.h"

namespace parley::demo {
namespace {

using client::Outcome;
using local::eventually;
using std::chrono::seconds;

}  // namespace

void play_oneway(Stage& stage) {
  local::LocalCluster cluster(breakable(5));
  const std::string key = "sensor:3";
  stage.title("Five nodes; a key lives on three of them");
  if (!stage.claim(cluster.start(), "all five are ready and see each other up")) return;
  const auto owners = cluster.owners(0, key);
  const std::size_t from = owners[0], to = owners[1];
  stage.title(fmt::format("What {} sends to {} is lost; the way back works", cluster.address(from),
                          cluster.address(to)));
  stage.claim(cut_one_way(cluster, from, to), "the cut is there");
  const auto client = cluster.client({from}, seconds(2), false);
  client::WriteOptions all;
  all.level = "all";
  const auto put = client->put(key, "21.5", all);
  stage.claim(put.outcome == Outcome::Unknown, "put at all: unknown, because it was sent");
  const auto silent = std::find_if(put.replicas.begin(), put.replicas.end(), [&](const auto& one) {
    return one.address == cluster.address(to);
  });
  stage.claim(silent != put.replicas.end() && silent->state != "durable",
              "the receipt names the replica that did not answer: " + cluster.address(to));
  client::WriteOptions quorum;
  quorum.level = "quorum";
  quorum.context = put.context;
  stage.claim(client->put(key, "22.0", quorum).outcome == Outcome::Ok,
              "put at quorum: ok, the third replica answers");
  stage.title("Nobody is taken for dead: others reach both");
  bool up = true;
  for (std::size_t node = 0; node < cluster.size(); ++node) {
    up = cluster.wait_sees_up(node, {0, 1, 2, 3, 4}, seconds(10)) && up;
  }
  stage.claim(up, "all five see all five up, through third ones");
  stage.title("The link heals");
  stage.claim(heal_all(cluster), "both directions work again");
  stage.claim(eventually(seconds(30),
                         [&] {
                           const auto inspected = client->inspect(key);
                           return inspected.ok() && inspected->exists && !inspected->diverged;
                         }),
              "its replicas are equal");
  client::ReadOptions read;
  read.level = "all";
  const auto get = client->get(key, read);
  stage.claim(get.values.size() == 1 && get.values[0].value == "22.0", "get at all: 22.0");
  stage.verdict(
      "A link that works in one direction is worse than none: a request arrives and its answer "
      "does "
      "not. So the answer is unknown and says of whom, what a majority can do goes on, and a node "
      "that "
      "others still hear is not thrown out.");
}

}  // namespace parley::demo
