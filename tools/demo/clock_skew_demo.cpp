// Two nodes whose clocks are two hours apart.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "tools/demo/demos.h"
#include "tools/demo/scene.h"

namespace parley::demo {
namespace {

constexpr std::chrono::milliseconds kHour = std::chrono::hours(1);

bool set_clock(const Scene& scene, std::size_t node, std::chrono::milliseconds ahead) {
  client::FaultSpec fault;
  fault.kind = "skew";
  fault.skew_ms = ahead.count();
  return scene.inject(node, fault);
}

std::set<std::string> siblings_of(const client::ReadResult& read) {
  std::set<std::string> out;
  for (const auto& value : read.values) out.insert(value.value);
  return out;
}

void show_order(Scene& scene, const std::string& key, client::Client& ahead,
                client::Client& behind) {
  Stage& stage = scene.stage;
  stage.title("First the node ahead writes, then, having read that, the node behind");
  const auto first = scene.traffic.put(ahead, key, "first", write_at("quorum"));
  const auto seen = scene.traffic.get(behind, key, read_at("quorum"));
  stage.claim(first.outcome == Outcome::Ok && reads(seen, "first"),
              "the node behind reads " + values_text(seen));
  const auto second = scene.traffic.put(behind, key, "second", write_at("quorum", seen.context));
  stage.claim(second.outcome == Outcome::Ok, "it writes \"second\"");
  for (const std::size_t node : scene.everybody()) {
    const auto get = scene.traffic.get(*scene.client({node}), key, read_at("all"));
    stage.claim(reads(get, "second"), Scene::name(node) + " at all: " + values_text(get));
  }
  stage.say("By their clocks \"first\" was written two hours after \"second\".");
}

void show_siblings(Scene& scene, const std::string& key, client::Client& ahead,
                   client::Client& behind) {
  Stage& stage = scene.stage;
  stage.title("Both write without having seen the other: both are kept");
  // Without a context: concurrent with everything.
  scene.traffic.put(ahead, key, "red", write_at("quorum"));
  scene.traffic.put(behind, key, "blue", write_at("quorum"));
  const auto both = scene.traffic.get(behind, key, read_at("all"));
  stage.claim(siblings_of(both) == std::set<std::string>{"blue", "red", "second"},
              "get at all: " + values_text(both));
  const auto put = scene.traffic.put(ahead, key, "violet", write_at("all", both.context));
  const auto get = scene.traffic.get(behind, key, read_at("all"));
  stage.claim(put.outcome == Outcome::Ok && reads(get, "violet"),
              "written with their context: " + values_text(get));
}

}  // namespace

void play_clock_skew(Stage& stage) {
  Scene scene(stage, 5);
  if (!scene.start()) return;
  const std::string key = "colour:1";
  scene.watch({key});
  const Side owners = scene.owners_of(key);
  if (!stage.claim(owners.size() == 3, key + " lives on " + Scene::names(owners))) return;
  stage.title(fmt::format("The clock of {} is an hour ahead, that of {} an hour behind",
                          Scene::name(owners[0]), Scene::name(owners[1])));
  stage.claim(set_clock(scene, owners[0], kHour) && set_clock(scene, owners[1], -kHour),
              "their clocks are wrong");
  const auto ahead = scene.client({owners[0]}), behind = scene.client({owners[1]});
  show_order(scene, key, *ahead, *behind);
  show_siblings(scene, key, *ahead, *behind);

  stage.title("A hint from the future, and a delete from the past");
  scene.kill({owners[2]});
  auto seen = scene.traffic.get(*ahead, key, read_at("quorum"));
  const auto put = scene.traffic.put(*ahead, key, "green", write_at("quorum", seen.context));
  stage.claim(put.hint_holders == std::vector{scene.cluster.address(owners[0])},
              "the node ahead writes \"green\" and keeps the hint");
  // The age of a hint is what its holder's clock says, so this shows that the clock does jump.
  stage.claim(set_clock(scene, owners[0], kHour), "the clock ahead jumps by another hour");
  const auto hints = ahead->hints();
  const bool kept = hints.ok() && hints->rows.size() == 1;
  const std::chrono::milliseconds age(kept ? hints->rows[0].oldest_ms : 0);
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(age).count();
  stage.claim(age >= kHour && age < 2 * kHour,
              fmt::format("the hint of a moment ago is {} minutes old by it", minutes));
  scene.bring_back({owners[2]});
  scene.claim_equal(*ahead, {key}, seconds(30));
  seen = scene.traffic.get(*behind, key, read_at("all"));
  stage.claim(reads(seen, "green"), "get at all: " + values_text(seen));
  const auto gone = behind->del(key, write_at("quorum", seen.context));
  const auto get = ahead->get(key, read_at("all"));
  stage.claim(gone.outcome == Outcome::Ok && get.outcome == Outcome::Ok && !get.found,
              "deleted by the node behind, it is gone for the node ahead");

  stage.title("The clocks are set right: one jumps back, one jumps ahead");
  stage.claim(scene.heal_all(), "all clocks are right");
  const auto last = scene.traffic.put(*ahead, key, "white", write_at("all", get.context));
  const auto read = scene.traffic.get(*behind, key, read_at("all"));
  stage.claim(last.outcome == Outcome::Ok && reads(read, "white"),
              "the one that jumped back writes, and it is read: " + values_text(read));
  stage.claim(scene.cluster.wait_settled(seconds(20)), "all five see all five up");
  stage.verdict(
      "A version says what its writer had seen, not what time it was. So a clock that is wrong by "
      "an hour hides no write, revives none, and nobody is taken for dead for it.");
}

}  // namespace parley::demo
