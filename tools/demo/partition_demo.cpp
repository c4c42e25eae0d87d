// Two nodes cut off from three, with traffic at every level on both sides; then it heals.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>

#include "tools/demo/broken_links.h"
#include "tools/demo/demos.h"

namespace parley::demo {
namespace {

using client::Outcome;
using local::eventually;
using std::chrono::seconds;

// A refusal that waits for nobody.
constexpr auto kAtOnce = std::chrono::milliseconds(500);
const std::vector<std::string> kLevels = {"all", "quorum", "one", "any"};

class Partition {
 public:
  explicit Partition(Stage& stage) : stage_(stage), cluster_(breakable(5)) {}
  void run();

 private:
  bool start();
  void cut();
  void try_side(const Side& side, std::size_t owners, const std::string& name);
  void diverge();
  void heal();
  void resolve();
  std::string names(const Side& side) const;

  Stage& stage_;
  local::LocalCluster cluster_;
  const std::string key_ = "cart:7";
  std::string other_key_;  // with the same owners: for trying
  Side small_, large_;     // one owner of the key with two nodes, two of them with three
  std::size_t small_owner_ = 0;
  Bytes before_;  // the context of the value that both sides saw
};

std::string Partition::names(const Side& side) const {
  std::string text;
  for (const std::size_t node : side) text += (text.empty() ? "" : " ") + cluster_.address(node);
  return text;
}

bool Partition::start() {
  stage_.title("Five nodes; a key lives on three of them");
  if (!stage_.claim(cluster_.start(), "all five are ready and see each other up")) {
    stage_.say(cluster_.why());
    return false;
  }
  const auto owners = cluster_.owners(0, key_);
  if (!stage_.claim(owners.size() == 3, "three replicas")) return false;
  small_owner_ = owners[0];
  small_ = {owners[0]};
  large_ = {owners[1], owners[2]};
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (std::find(owners.begin(), owners.end(), i) != owners.end()) continue;
    (small_.size() < 2 ? small_ : large_).push_back(i);
  }
  stage_.say(fmt::format("{} lives on {}, {} and {}", key_, cluster_.address(owners[0]),
                         cluster_.address(owners[1]), cluster_.address(owners[2])));
  for (int i = 0; other_key_.empty(); ++i) {
    const std::string key = fmt::format("visits:{}", i);
    if (cluster_.owners(0, key) == owners) other_key_ = key;
  }
  const auto client = cluster_.client({small_owner_}, seconds(5), false);
  client::WriteOptions all;
  all.level = "all";
  client->put(other_key_, "1", all);
  const auto put = client->put(key_, "1 book", all);
  before_ = put.context;
  return stage_.claim(put.outcome == Outcome::Ok, "put at all: \"1 book\" is on all three disks");
}

void Partition::cut() {
  stage_.title("The network falls apart: two nodes here, three there");
  stage_.say(names(small_) + "  |  " + names(large_));
  stage_.claim(cut_apart(cluster_, small_, large_), "all links between the sides are cut");
  const auto begun = std::chrono::steady_clock::now();
  bool known = true;
  for (const Side* side : {&small_, &large_}) {
    for (const std::size_t node : *side) {
      known = cluster_.wait_sees_up(node, *side, seconds(40)) && known;
    }
  }
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  stage_.claim(known, fmt::format("after {:.1f} s each side takes the other for dead", took));
}

// Everybody on this side is asked at every level; nobody waits for the other side.
void Partition::try_side(const Side& side, std::size_t owners, const std::string& name) {
  stage_.title(fmt::format("{}: {} of 3 replicas", name, owners));
  for (const std::string& level : kLevels) {
    const std::size_t needs = level == "all" ? 3 : level == "quorum" ? 2 : 1;
    const bool served = needs <= owners || level == "any";
    bool as_said = true;
    auto slowest = std::chrono::steady_clock::duration::zero();
    for (const std::size_t node : side) {
      const auto client = cluster_.client({node}, seconds(5), false);
      const auto known = client->status();  // connected
      client::ReadOptions read;
      read.level = level;
      client::WriteOptions write;
      write.level = level;
      const auto begun = std::chrono::steady_clock::now();
      const auto get = client->get(other_key_, read);
      write.context = get.context;
      const auto put = client->put(other_key_, "2", write);
      slowest = std::max(slowest, std::chrono::steady_clock::now() - begun);
      const bool refused = put.outcome == Outcome::NotWritten && put.error &&
                           put.error->code == ErrorCode::Unavailable;
      as_said = as_said && known.ok() && (get.outcome == Outcome::Ok) == served &&
                (served ? put.outcome == Outcome::Ok : refused);
    }
    stage_.claim(as_said, fmt::format("{:<7} {}", level,
                                      served ? "is served" : "is refused, and nothing was sent"));
    if (!served) stage_.claim(slowest < kAtOnce, "        at once, not after a timeout");
  }
}

void Partition::diverge() {
  stage_.title("Both sides change the same key");
  client::WriteOptions one;
  one.level = "one";
  one.context = before_;
  const auto here = cluster_.client({small_owner_}, seconds(5), false);
  const auto put_here = here->put(key_, "1 book, 1 lamp", one);
  stage_.claim(put_here.outcome == Outcome::Ok, "the small side, at one: \"1 book, 1 lamp\"");
  client::WriteOptions quorum = one;
  quorum.level = "quorum";
  const auto there = cluster_.client(large_, seconds(5), false);
  const auto put_there = there->put(key_, "1 book, 1 chair", quorum);
  stage_.claim(put_there.outcome == Outcome::Ok, "the large side, at quorum: \"1 book, 1 chair\"");
  const std::size_t hinted = static_cast<std::size_t>(
      std::count_if(put_there.replicas.begin(), put_there.replicas.end(),
                    [](const auto& replica) { return replica.state == "hinted"; }));
  stage_.claim(hinted == 1, "its receipt says who does not have it, and who keeps a hint");
}

void Partition::heal() {
  stage_.title("The network heals");
  stage_.claim(heal_all(cluster_), "every link works again");
  const auto begun = std::chrono::steady_clock::now();
  stage_.claim(cluster_.wait_settled(seconds(40)), "all five see each other");
  const auto client = cluster_.client({0}, seconds(5), false);
  const bool equal = eventually(seconds(30), [&] {
    const auto inspected = client->inspect(key_);
    return inspected.ok() && inspected->exists && !inspected->diverged;
  });
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  stage_.claim(equal, fmt::format("after {:.1f} s its replicas are equal, byte for byte", took));
}

void Partition::resolve() {
  stage_.title("Nothing was lost: both values are there, until somebody who saw both decides");
  client::ReadOptions all;
  all.level = "all";
  std::optional<Bytes> context;
  for (std::size_t node = 0; node < cluster_.size(); ++node) {
    const auto get = cluster_.client({node}, seconds(5), false)->get(key_, all);
    std::set<Bytes> values;
    for (const auto& value : get.values) values.insert(value.value);
    const bool both = values == std::set<Bytes>{"1 book, 1 lamp", "1 book, 1 chair"};
    stage_.claim(both, cluster_.address(node) + " shows both");
    context = get.context;
  }
  client::WriteOptions quorum;
  quorum.level = "quorum";
  quorum.context = context;
  const auto client = cluster_.client({0}, seconds(5), false);
  const auto put = client->put(key_, "1 book, 1 lamp, 1 chair", quorum);
  stage_.claim(put.outcome == Outcome::Ok, "put with the context of that read");
  const auto get = client->get(key_, all);
  stage_.claim(get.values.size() == 1 && get.values[0].value == "1 book, 1 lamp, 1 chair",
               "one value: \"1 book, 1 lamp, 1 chair\"");
}

void Partition::run() {
  if (!start()) return;
  cut();
  try_side(small_, 1, "The small side");
  try_side(large_, 2, "The large side");
  diverge();
  heal();
  resolve();
  stage_.verdict(
      "A partition takes nothing away from any, nor from one where a replica is at hand; quorum is "
      "served on the side that has most of the key's replicas and refused at once on the other; "
      "all "
      "waits for the network. What both sides wrote was kept, and none of it was chosen by a "
      "clock.");
}

}  // namespace

void play_partition(Stage& stage) { Partition(stage).run(); }

}  // namespace parley::demo
