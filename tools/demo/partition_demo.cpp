// Two nodes cut off from three, with traffic at every level on both sides; then it heals.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/demo/demos.h"
#include "tools/demo/scene.h"

namespace parley::demo {
namespace {

const std::vector<std::string> kLevels = {"all", "quorum", "one", "any"};

class Partition {
 public:
  explicit Partition(Stage& stage) : stage_(stage), scene_(stage, 5) {}
  void run();

 private:
  bool set_up();
  void cut();
  void try_side(const Side& side, std::size_t owners, const std::string& name);
  void diverge();
  void heal();
  void resolve();

  Stage& stage_;
  Scene scene_;
  const std::string key_ = "cart:7";
  std::string other_key_;  // with the same owners: for trying
  Side small_, large_;     // one owner of the key with two nodes, two of them with three
  Bytes before_;           // the context of the value that both sides saw
};

bool Partition::set_up() {
  if (!scene_.start()) return false;
  const Side owners = scene_.owners_of(key_), others = scene_.others_than(owners);
  if (!stage_.claim(owners.size() == 3, key_ + " lives on " + Scene::names(owners))) return false;
  small_ = {owners[0], others[0]};
  large_ = {owners[1], owners[2], others[1]};
  other_key_ = scene_.find_key("visits:", owners);
  if (other_key_.empty()) return false;
  scene_.watch({key_});
  const auto client = scene_.client(small_);
  scene_.traffic.put(*client, other_key_, "0", write_at("all"));
  const auto put = scene_.traffic.put(*client, key_, "1 book", write_at("all"));
  before_ = put.context;
  return stage_.claim(put.outcome == Outcome::Ok, "put at all: \"1 book\" is on all three disks");
}

void Partition::cut() {
  stage_.title("The network falls apart: " + Scene::names(small_) + " here, " +
               Scene::names(large_) + " there");
  stage_.claim(scene_.cut_apart(small_, large_), "all links between the sides are cut");
  bool known = true;
  const Seconds took = timed([&] {
    for (const Side* side : {&small_, &large_}) {
      for (const std::size_t node : *side) {
        known = scene_.cluster.wait_sees_up(node, *side, seconds(40)) && known;
      }
    }
  });
  stage_.claim(known,
               fmt::format("after {:.1f} s each side takes the other for dead", took.count()));
}

// Everybody on this side is asked at every level; nobody waits for the other side.
void Partition::try_side(const Side& side, std::size_t owners, const std::string& name) {
  stage_.title(fmt::format("{}, with {} of 3 replicas, is asked at every level", name, owners));
  for (const std::string& level : kLevels) {
    const std::size_t needs = level == "all" ? 3 : level == "quorum" ? 2 : 1;
    const bool served = needs <= owners || level == "any";
    bool as_said = true;
    Seconds slowest{0};
    for (const std::size_t node : side) {
      const auto client = scene_.client({node});
      const bool connected = client->info().ok();
      client::ReadResult get;
      client::WriteResult put;
      const Seconds took = timed([&] {
        get = scene_.traffic.get(*client, other_key_, read_at(level));
        put = scene_.traffic.put(*client, other_key_, level + " at " + Scene::name(node),
                                 write_at(level, get.context));
      });
      slowest = std::max(slowest, took);
      const bool refused = put.outcome == Outcome::NotWritten && put.error &&
                           put.error->code == ErrorCode::Unavailable;
      as_said = as_said && connected &&
                (served ? get.outcome == Outcome::Ok && put.outcome == Outcome::Ok
                        : is_unavailable(get) && refused);
    }
    stage_.claim(as_said, served ? fmt::format("{:<7} is served by {}", level, Scene::names(side))
                                 : fmt::format("{:<7} is refused, with nothing sent, in {:.0f} ms",
                                               level, slowest.count() * 1000));
  }
}

void Partition::diverge() {
  stage_.title("Both sides change the same key");
  const auto here =
      scene_.traffic.put(*scene_.client(small_), key_, "1 book, 1 lamp", write_at("one", before_));
  stage_.claim(here.outcome == Outcome::Ok, "the small side, at one: \"1 book, 1 lamp\"");
  const auto there = scene_.traffic.put(*scene_.client(large_), key_, "1 book, 1 chair",
                                        write_at("quorum", before_));
  stage_.claim(there.outcome == Outcome::Ok, "the large side, at quorum: \"1 book, 1 chair\"");
  const auto hinted = std::count_if(there.replicas.begin(), there.replicas.end(),
                                    [](const auto& replica) { return replica.state == "hinted"; });
  stage_.claim(hinted == 1, "its receipt says who does not have it, and who keeps a hint");
}

void Partition::heal() {
  stage_.title("The network heals");
  stage_.claim(scene_.heal_all(), "every link works again");
  stage_.claim(scene_.cluster.wait_settled(seconds(40)), "all five see each other");
  scene_.claim_equal(*scene_.client(small_), {key_}, seconds(30));
}

void Partition::resolve() {
  stage_.title("Nothing was lost: both values are there, until somebody who saw both decides");
  Bytes context;
  for (const std::size_t node : scene_.everybody()) {
    const auto get = scene_.traffic.get(*scene_.client({node}), key_, read_at("all"));
    std::set<Bytes> values;
    for (const auto& value : get.values) values.insert(value.value);
    stage_.claim(values == std::set<Bytes>{"1 book, 1 lamp", "1 book, 1 chair"},
                 Scene::name(node) + " at all: " + values_text(get));
    context = get.context;
  }
  const auto client = scene_.client({0});
  const std::string merged = "1 book, 1 lamp, 1 chair";
  const auto put = scene_.traffic.put(*client, key_, merged, write_at("quorum", context));
  stage_.claim(put.outcome == Outcome::Ok, "put with the context of that read");
  const auto get = scene_.traffic.get(*client, key_, read_at("all"));
  stage_.claim(reads(get, merged), "get at all: " + values_text(get));
}

void Partition::run() {
  if (!set_up()) return;
  cut();
  try_side(small_, 1, "The small side");
  try_side(large_, 2, "The large side");
  diverge();
  heal();
  resolve();
  stage_.verdict(
      "A partition takes nothing away from any, nor from one where a replica is at hand; quorum is "
      "served on the side that has most of the key's replicas and refused at once on the other; "
      "all waits for the network. What both sides wrote was kept, and none of it was chosen by a "
      "clock.");
}

}  // namespace

void play_partition(Stage& stage) { Partition(stage).run(); }

}  // namespace parley::demo
