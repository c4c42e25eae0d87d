// Levels while replicas die one by one, hints, and repair when they come back.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "tools/demo/demos.h"
#include "tools/local/local_cluster.h"

namespace parley::demo {
namespace {

using client::Outcome;
using local::eventually;

constexpr std::size_t kKeys = 1000;
const std::vector<std::string> kLevels = {"all", "quorum", "one", "any", "2"};

class Levels {
 public:
  explicit Levels(Stage& stage) : stage_(stage) {}
  void run();

 private:
  std::size_t required(const std::string& level) const {
    return level == "all" ? 3 : level == "quorum" || level == "2" ? 2 : 1;
  }

  bool start_nodes();
  void load_keys();
  void choose_replicas();
  void try_levels(std::size_t dead);
  void try_write(const std::string& level, std::size_t dead);
  void try_read(const std::string& level, std::size_t dead);
  void kill_one(std::size_t dead);
  void show_hints();
  void bring_back();
  void compare_all();

  Stage& stage_;
  local::LocalCluster cluster_{{.nodes = 5, .name = "demo"}};
  std::unique_ptr<client::Client> client_;  // of a node that is never killed
  std::vector<std::string> keys_;
  std::string key_;                  // the key the levels are shown with
  std::vector<std::size_t> owners_;  // its three replicas
  std::size_t witness_ = 0;          // a node that is none of them
  Bytes context_;                    // of the last read of key_
  std::string last_value_;           // last acknowledged value of key_
  std::set<std::string> refused_;
};

bool Levels::start_nodes() {
  stage_.title("Five nodes start as five processes and find each other");
  if (!stage_.claim(cluster_.start(), "all five are ready and see each other up")) {
    stage_.say(cluster_.why());
    return false;
  }
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    stage_.say(
        fmt::format("node {}  {}  pid {}", i + 1, cluster_.address(i), cluster_.process(i)->pid()));
  }
  return true;
}

void Levels::load_keys() {
  stage_.title(
      fmt::format("{} keys are written at quorum, fsynced on a majority before the ack", kKeys));
  const auto client = cluster_.client();
  std::vector<client::PutItem> items;
  for (std::size_t i = 0; i < kKeys; ++i) {
    keys_.push_back(fmt::format("cart:{}", i));
    items.push_back({keys_.back(), fmt::format("{{\"items\":{}}}", i), std::nullopt});
  }
  client::WriteOptions quorum;
  quorum.level = "quorum";
  quorum.timeout = 20s;
  const auto begun = std::chrono::steady_clock::now();
  const auto results = client->put_batch(items, quorum);
  const auto took = std::chrono::steady_clock::now() - begun;
  const auto ok = std::count_if(results.begin(), results.end(),
                                [](const auto& r) { return r.outcome == Outcome::Ok; });
  stage_.claim(
      static_cast<std::size_t>(ok) == kKeys,
      fmt::format("{} acknowledged in {:.2f} s", ok, std::chrono::duration<double>(took).count()));
}

void Levels::choose_replicas() {
  key_ = keys_[17];
  owners_ = cluster_.owners(0, key_);
  std::string names;
  for (const std::size_t owner : owners_) names += cluster_.address(owner) + " ";
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (std::find(owners_.begin(), owners_.end(), i) == owners_.end()) witness_ = i;
  }
  client_ = cluster_.client({witness_}, 5s, false);
  stage_.say(fmt::format("{} lives on {}(asked through {}, which has no copy)", key_, names,
                         cluster_.address(witness_)));
}

void Levels::try_write(const std::string& level, std::size_t dead) {
  client::ReadOptions read;
  read.level = "any";
  const auto seen = client_->get(key_, read);
  client::WriteOptions write;
  write.level = level;
  // A client keeps the last context it was given: with all replicas dead, a read may know less.
  if (!seen.context.empty() && !seen.from_hint) context_ = seen.context;
  if (!context_.empty()) write.context = context_;
  const std::string value = fmt::format("written at {} with {} dead", level, dead);
  const auto put = client_->put(key_, value, write);
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
  client::ReadOptions read;
  read.level = level;
  const auto get = client_->get(key_, read);
  const bool by_replicas = required(level) <= 3 - dead;
  if (by_replicas || level == "any") {
    const bool right = get.found && get.values.size() == 1 && get.values[0].value == last_value_;
    stage_.claim(right && get.from_hint == !by_replicas,
                 fmt::format("get -c {:<7} the last acknowledged value{}", level,
                             by_replicas ? "" : ", marked from_hint"));
  } else {
    stage_.claim(get.outcome != Outcome::Ok, fmt::format("get -c {:<7} unavailable", level));
  }
}

void Levels::try_levels(std::size_t dead) {
  for (const auto& level : kLevels) {
    try_write(level, dead);
    try_read(level, dead);
  }
}

void Levels::kill_one(std::size_t dead) {
  const std::size_t victim = owners_[dead - 1];
  stage_.title(fmt::format("kill -9 of {}: {} of {}'s 3 replicas dead", cluster_.address(victim),
                           dead, key_));
  const auto begun = std::chrono::steady_clock::now();
  cluster_.kill9(victim);
  const bool known = cluster_.wait_settled();
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  stage_.claim(known && took < 8, fmt::format("every live node knows it after {:.1f} s", took));
  try_levels(dead);
}

void Levels::show_hints() {
  stage_.title("Hints wait for the dead replicas");
  const auto hints = client_->hints();
  std::uint64_t total = 0;
  if (hints.ok()) {
    for (const auto& row : hints->rows) {
      total += row.hints;
      stage_.say(fmt::format("{} holds {} for {}", row.holder, row.hints, row.target));
    }
  }
  stage_.claim(total > 0, fmt::format("{} hints are kept", total));
}

void Levels::bring_back() {
  stage_.title("The dead nodes come back");
  for (const std::size_t owner : owners_) cluster_.launch(owner);
  bool ready = true;
  for (const std::size_t owner : owners_) ready = cluster_.wait_ready(owner) && ready;
  stage_.claim(ready && cluster_.wait_settled(), "all five nodes are up again");
  stage_.claim(eventually(std::chrono::seconds(15),
                          [&] {
                            const auto hints = client_->hints();
                            return hints.ok() && hints->rows.empty() && hints->no_answer.empty();
                          }),
               "all hints are delivered and gone");
  client::ReadOptions quorum;
  quorum.level = "quorum";
  const auto get = client_->get(key_, quorum);
  stage_.claim(get.values.size() == 1 && get.values[0].value == last_value_ && !get.from_hint,
               "the write that only hints held is read at quorum");
  const bool refused_seen = std::any_of(get.values.begin(), get.values.end(),
                                        [&](const auto& v) { return refused_.contains(v.value); });
  stage_.claim(!refused_seen, "nothing that was refused has appeared");
}

void Levels::compare_all() {
  stage_.title("Anti-entropy compares every pair of replicas");
  stage_.claim(eventually(std::chrono::seconds(30),
                          [&] {
                            const auto moved = client_->repair(true);
                            return moved.ok() && *moved == 0;
                          }),
               "a whole round found nothing left to send");
  std::vector<std::string> left = keys_;
  const bool equal = eventually(std::chrono::seconds(20), [&] {
    std::erase_if(left, [&](const auto& key) {
      const auto inspected = client_->inspect(key);
      return inspected.ok() && inspected->exists && !inspected->diverged;
    });
    return left.empty();
  });
  stage_.claim(equal, fmt::format("all {} keys are equal on all their replicas", kKeys));
}

void Levels::run() {
  if (!start_nodes()) return;
  load_keys();
  choose_replicas();
  stage_.title("A write and a read at every level, all nodes up");
  try_levels(0);
  for (std::size_t dead = 1; dead <= 3; ++dead) kill_one(dead);
  show_hints();
  bring_back();
  compare_all();
  stage_.title("The nodes stop");
  bool clean = true;
  for (std::size_t i = 0; i < cluster_.size(); ++i) clean = cluster_.terminate(i) == 0 && clean;
  stage_.claim(clean, "each one stopped cleanly");
  stage_.verdict(
      "Each level did what it says with every number of replicas alive: all needs all three, "
      "quorum "
      "two, one any of them, and any takes a write with none. Who was refused was refused before "
      "anything was sent; what was acknowledged was there in the end.");
}

}  // namespace

void play_levels(Stage& stage) { Levels(stage).run(); }

}  // namespace parley::demo
