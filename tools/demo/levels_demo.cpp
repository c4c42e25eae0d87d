// Levels while replicas die one by one, hints, and repair when they come back.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/demo/demos.h"
#include "tools/demo/scene.h"

namespace parley::demo {
namespace {

constexpr std::size_t kKeys = 1000;
const std::vector<std::string> kLevels = {"all", "quorum", "one", "any", "2"};

class Levels {
 public:
  explicit Levels(Stage& stage) : stage_(stage), scene_(stage, 5) {}
  void run();

 private:
  static std::size_t required(const std::string& level) {
    return level == "all" ? 3 : level == "quorum" || level == "2" ? 2 : 1;
  }

  bool load_keys();
  void try_levels(std::size_t dead);
  void try_write(const std::string& level, std::size_t dead);
  void try_read(const std::string& level, std::size_t dead);
  void bring_back();
  void compare_all();

  Stage& stage_;
  Scene scene_;
  std::unique_ptr<client::Client> client_;  // of nodes that are never killed
  std::vector<std::string> keys_;
  std::string key_;         // the key the levels are shown with
  Side owners_;             // its three replicas
  Bytes context_;           // of the last read of key_
  std::string last_value_;  // last acknowledged value of key_
  std::set<std::string> refused_;
};

bool Levels::load_keys() {
  stage_.title(
      fmt::format("{} keys are written at quorum, fsynced on a majority before the ack", kKeys));
  std::vector<client::PutItem> items;
  for (std::size_t i = 0; i < kKeys; ++i) {
    keys_.push_back(fmt::format("cart:{}", i));
    items.push_back({keys_.back(), fmt::format("{{\"items\":{}}}", i), std::nullopt});
  }
  auto quorum = write_at("quorum");
  quorum.timeout = seconds(20);
  std::vector<client::WriteResult> results;
  const Seconds took = timed([&] { results = scene_.client()->put_batch(items, quorum); });
  const auto ok = static_cast<std::size_t>(
      std::count_if(results.begin(), results.end(),
                    [](const auto& result) { return result.outcome == Outcome::Ok; }));
  stage_.claim(ok == kKeys, fmt::format("{} acknowledged in {:.2f} s", ok, took.count()));
  key_ = keys_[17];
  owners_ = scene_.owners_of(key_);
  scene_.watch({key_});
  const Side others = scene_.others_than(owners_);
  client_ = scene_.client({others.front()});
  return stage_.claim(owners_.size() == 3,
                      fmt::format("{} lives on {}; {}, which has none, is "
                                  "asked",
                                  key_, Scene::names(owners_), Scene::name(others.front())));
}

void Levels::try_write(const std::string& level, std::size_t dead) {
  const auto seen = client_->get(key_, read_at("any"));
  // A client keeps the last context it was given: with all replicas dead, a read may know less.
  if (!seen.context.empty() && !seen.from_hint) context_ = seen.context;
  const std::string value = fmt::format("written at {} with {} dead", level, dead);
  const auto context = context_.empty() ? std::nullopt : std::optional(context_);
  const auto put = scene_.traffic.put(*client_, key_, value, write_at(level, context));
  const bool by_replicas = required(level) <= 3 - dead;
  std::string states;
  for (const auto& replica : put.replicas) states += " " + replica.state;
  if (by_replicas || level == "any") {
    last_value_ = value;
    stage_.claim(put.outcome == Outcome::Ok, fmt::format("put -c {:<7} ok:{}{}", level, states,
                                                         by_replicas ? "" : " (hints only)"));
  } else {
    refused_.insert(value);
    stage_.claim(put.outcome == Outcome::NotWritten && put.error &&
                     put.error->code == ErrorCode::Unavailable,
                 fmt::format("put -c {:<7} unavailable, nothing written", level));
  }
}

void Levels::try_read(const std::string& level, std::size_t dead) {
  const auto get = scene_.traffic.get(*client_, key_, read_at(level));
  const bool by_replicas = required(level) <= 3 - dead;
  if (by_replicas || level == "any") {
    stage_.claim(reads(get, last_value_) && get.from_hint == !by_replicas,
                 fmt::format("get -c {:<7} the last acknowledged value{}", level,
                             by_replicas ? "" : ", marked from_hint"));
  } else {
    stage_.claim(is_unavailable(get), fmt::format("get -c {:<7} unavailable", level));
  }
}

void Levels::try_levels(std::size_t dead) {
  for (const auto& level : kLevels) {
    try_write(level, dead);
    try_read(level, dead);
  }
}

void Levels::bring_back() {
  stage_.title("The dead nodes come back");
  const auto kept = Scene::hints(*client_);
  stage_.claim(kept && *kept > 0, fmt::format("{} hints wait for them", kept.value_or(0)));
  scene_.bring_back(owners_);
  stage_.claim(eventually(seconds(15), [&] { return Scene::hints(*client_) == 0; }),
               "all hints are delivered and gone");
  const auto get = scene_.traffic.get(*client_, key_, read_at("quorum"));
  stage_.claim(reads(get, last_value_) && !get.from_hint,
               "the write that only hints held is read at quorum");
  const bool refused_seen = std::any_of(get.values.begin(), get.values.end(),
                                        [&](const auto& v) { return refused_.contains(v.value); });
  stage_.claim(!refused_seen, "nothing that was refused has appeared");
}

void Levels::compare_all() {
  stage_.title("Anti-entropy compares every pair of replicas");
  stage_.claim(eventually(seconds(30),
                          [&] {
                            const auto moved = client_->repair(true);
                            return moved.ok() && *moved == 0;
                          }),
               "a whole round found nothing left to send");
  scene_.claim_equal(*client_, keys_, seconds(20));
}

void Levels::run() {
  if (!scene_.start() || !load_keys()) return;
  stage_.title("A write and a read at every level, all nodes up");
  try_levels(0);
  for (std::size_t dead = 1; dead <= 3; ++dead) {
    stage_.title(fmt::format("{} of {}'s 3 replicas dead", dead, key_));
    scene_.kill({owners_[dead - 1]});
    try_levels(dead);
  }
  bring_back();
  compare_all();
  stage_.title("The nodes stop");
  bool clean = true;
  for (const std::size_t i : scene_.everybody()) clean = scene_.cluster.terminate(i) == 0 && clean;
  stage_.claim(clean, "each one stopped cleanly");
  stage_.verdict(
      "Each level did what it says with every number of replicas alive: all needs all three, "
      "quorum two, one any of them, and any takes a write with none. Who was refused was refused "
      "before anything was sent; what was acknowledged was there in the end.");
}

}  // namespace

void play_levels(Stage& stage) { Levels(stage).run(); }

}  // namespace parley::demo
