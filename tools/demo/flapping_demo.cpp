// Links of one node that break, work in one direction, lose and delay, and work again, all the
// time.
#include <fmt/format.h>

#include <functional>

#include "tools/demo/demos.h"
#include "tools/demo/scene.h"

namespace parley::demo {
namespace {

constexpr int kRounds = 2;
constexpr auto kPhase = std::chrono::milliseconds(1200);

struct Weather {
  std::string name;
  std::function<bool()> bring;
  std::size_t faults;  // on the node, each on one link or on all
};

client::FaultSpec lossy() {
  client::FaultSpec fault;  // on the links to all
  fault.drop = 0.3;
  fault.delay_ms = 20;
  fault.jitter_ms = 50;
  return fault;
}

// Writes and reads back until the time is over: how many of them were not served.
std::size_t failures(Scene& scene, client::Client& client, std::vector<std::string>& keys) {
  std::size_t failed = 0;
  const auto ends = std::chrono::steady_clock::now() + kPhase;
  while (std::chrono::steady_clock::now() < ends) {
    keys.push_back(fmt::format("reading:{}", keys.size()));
    const auto put = scene.traffic.put(client, keys.back(), "42", write_at("quorum"));
    const auto get = scene.traffic.get(client, keys.back(), read_at("quorum"));
    failed += put.outcome == Outcome::Ok ? 0 : 1;
    failed += reads(get, "42") ? 0 : 1;
  }
  return failed;
}

}  // namespace

void play_flapping(Stage& stage) {
  Scene scene(stage, 5);
  if (!scene.start()) return;
  const std::size_t shaky = 4;
  const Side others = scene.others_than({shaky});
  const auto client = scene.client(others), inside = scene.client({shaky});
  std::vector<std::string> keys;
  const std::vector<Weather> weathers = {
      {"cut in both directions", [&] { return scene.cut_apart({shaky}, others); }, others.size()},
      {"one way: what it sends to three is lost",
       [&] {
         return scene.cut_one_way(shaky, 0) && scene.cut_one_way(shaky, 1) &&
                scene.cut_one_way(shaky, 2);
       },
       3},
      {"lossy: 30 % lost or late, 20 to 70 ms more", [&] { return scene.inject(shaky, lossy()); },
       1},
  };
  stage.title(fmt::format("{} is cut off", Scene::name(shaky)));
  const bool cut = scene.cut_apart({shaky}, others);
  const auto alone = scene.traffic.put(*inside, "alone", "42", write_at("quorum"));
  stage.claim(cut && alone.outcome != Outcome::Ok && scene.heal_all(),
              fmt::format("the cut is felt: {} alone has no quorum", Scene::name(shaky)));
  for (int round = 1; round <= kRounds; ++round) {
    stage.title(fmt::format("The links of {} are unstable, round {}", Scene::name(shaky), round));
    for (const Weather& weather : weathers) {
      const std::size_t before = keys.size();
      const bool brought = weather.bring();
      const auto rows = inside->faults();
      const bool broken = rows.ok() && rows->size() == weather.faults;
      const std::size_t failed = failures(scene, *client, keys);
      scene.watch({keys.back()});
      const bool healed = scene.heal_all();
      stage.claim(brought && broken && healed && failed == 0 && keys.size() > before,
                  fmt::format("{}: {} at quorum, {} failed", weather.name,
                              2 * (keys.size() - before), failed));
    }
  }
  stage.title("The links are stable again");
  stage.claim(scene.cluster.wait_settled(seconds(30)), "all five see all five up");
  scene.claim_equal(*client, keys, seconds(40));
  std::size_t wrong = 0;
  const auto asked = scene.client({shaky});
  for (const auto& read : asked->get_batch({keys.begin(), keys.end()}, read_at("all"))) {
    wrong += reads(read, "42") ? 0 : 1;
  }
  stage.claim(wrong == 0,
              fmt::format("every write is read at all, through {}", Scene::name(shaky)));
  stage.verdict(
      "A node on bad links costs time and no answers: what a majority can do is done, hints and "
      "anti-entropy bring the node what it missed, and a suspicion that it can refute does not "
      "throw it out.");
}

}  // namespace parley::demo
