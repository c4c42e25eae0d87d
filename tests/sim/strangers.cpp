#include "tests/sim/strangers.h"

#include <algorithm>
#include <utility>

#include "tests/sim/scene.h"

namespace parley::sim {
namespace {

constexpr const char* kResident = "127.0.7.1";
constexpr const char* kKnocker = "127.0.7.2";
constexpr const char* kName = "strangers";
constexpr const char* kMark = "a stranger's";  // no value of ours
constexpr Duration kSettleMost = 10s;
constexpr Duration kHintMost = 5s;
constexpr Duration kJudgeMost = 60s;

std::vector<Endpoint> peers(const std::vector<std::string>& addresses) {
  std::vector<Endpoint> out;
  for (const auto& address : addresses) out.push_back({address, 7401});
  return out;
}

}  // namespace

Strangers::Strangers(Scene& scene)
    : scene_(scene),
      name_(scene.draw("strangers' name").below(2) == 0 ? kName : api::NodeConfig{}.cluster),
      key_(draw_key_names(scene.draw("keys"), 1).front()),
      taken_over_("127.0.0." + std::to_string(1 + scene.draw("taken over").below(3))) {}

std::unique_ptr<SimProcess> Strangers::make(const std::string& address, const std::string& cluster,
                                            std::vector<Endpoint> seeds) {
  auto node =
      std::make_unique<SimProcess>(scene_.world, scene_.kj, scene_.vfs, address, std::move(seeds),
                                   scene_.draw("stranger " + address), scene_.log());
  node->config().cluster = cluster;
  return node;
}

bool Strangers::store(SimProcess& node, const std::string& value, const std::string& level) {
  Door& door = scene_.door(node);
  const auto op = door.mint_op();
  return door.write({key_, kMark + value, std::nullopt}, level, op).outcome == client::Outcome::Ok;
}

bool Strangers::settle() {
  const auto seeds = peers({kResident, taken_over_});
  resident_ = make(kResident, name_, seeds);
  const auto leaver = make(taken_over_, name_, seeds);
  resident_->start();
  leaver->start();
  const bool formed =
      scene_.world.run_until([&] { return resident_->ready() && leaver->ready(); }, kSettleMost);
  if (!formed || !store(*resident_, " of both", "2")) return false;
  leaver->die(Death::PowerCut);
  // At `any` a hint for the other one is kept, whatever the resident thinks of it by now.
  if (!store(*resident_, " of one", "any")) return false;
  scene_.world.run_for(kHintMost);
  std::vector<std::string> ours;
  for (std::size_t i = 1; i <= scene_.report.nodes; ++i) {
    ours.push_back("127.0.0." + std::to_string(i));
  }
  knocker_ = make(kKnocker, kName, peers(ours));
  knocker_->start();
  return true;
}

std::string Strangers::stir(Random& random) {
  SimProcess& one = random.below(2) == 0 ? *resident_ : *knocker_;
  const bool runs = one.running() && !one.failed();
  if (one.running()) one.die(random.below(2) == 0 ? Death::Kill : Death::PowerCut);
  if (runs) return one.address() + " ends";
  one.start();
  return one.address() + " starts";
}

// Empty: nothing.
std::string Strangers::what_is_wrong() {
  Door& door = scene_.door(*resident_);
  const auto rows = door.gossip();
  if (!rows.ok()) return "it does not tell its members: " + rows.error().message;
  std::string out;
  for (const auto& row : *rows) {
    const bool self = row.address == kResident;
    if (!self && row.address != taken_over_) out += " " + row.address + " is none of its members";
    if (row.liveness != (self ? "alive" : "dead")) out += " " + row.address + " is " + row.liveness;
  }
  if (rows->size() != 2) out += " it has " + std::to_string(rows->size()) + " members";
  const auto read = door.read(key_, "one");
  if (read.outcome != client::Outcome::Ok || !read.found) out += " its data is not read";
  for (const auto& value : read.values) {
    if (!value.value.starts_with(kMark)) out += " it has data of ours";
  }
  return out;
}

void Strangers::judge() {
  if (knocker_->ready()) scene_.fail("members", "", "a node of another cluster is in one of ours");
  if (resident_->running() && resident_->failed()) resident_->die(Death::Kill);
  if (!resident_->running()) resident_->start();
  const Instant limit = scene_.world.now() + kJudgeMost;
  for (std::string wrong; !(wrong = what_is_wrong()).empty(); scene_.pass(500ms)) {
    if (scene_.world.now() < limit) continue;
    return scene_.fail("members", "",
                       "of the other cluster's " + resident_->address() + ":" + wrong);
  }
}

}  // namespace parley::sim
