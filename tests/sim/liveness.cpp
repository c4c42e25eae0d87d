#include "tests/sim/liveness.h"

#include <algorithm>

#include "base/hash.h"
#include "tests/sim/verdicts.h"

namespace parley::sim {
namespace {

constexpr std::uint32_t kProber = 1000;  // as a client in the history

}  // namespace

bool Liveness::is_served(const std::string& key) {
  const auto& owners = scene_.history.owners(key);
  const auto inside = std::count_if(owners.begin(), owners.end(),
                                    [this](const auto& owner) { return core_.contains(owner); });
  return static_cast<std::size_t>(inside) > owners.size() / 2;
}

// A majority of the cluster, seldom all of it, that is the majority of some key's owners too.
std::set<std::string> Liveness::draw_core() {
  const auto unfit = scene_.nemesis->unfit();
  std::vector<std::string> fit;
  for (const auto& node : scene_.nodes) {
    if (!unfit.contains(node->address())) fit.push_back(node->address());
  }
  const std::size_t least = scene_.nodes.size() / 2 + 1;
  std::size_t size = least + random_.below(fit.size() - least + 1);
  if (size == scene_.nodes.size() && random_.below(8) != 0) --size;
  for (std::size_t i = fit.size() - 1; i > 0; --i) std::swap(fit[i], fit[random_.below(i + 1)]);
  return {fit.begin(), fit.begin() + static_cast<std::ptrdiff_t>(size)};
}

void Liveness::begin() {
  for (int i = 0; i < 20 && served_.empty(); ++i) {
    core_ = draw_core();
    for (const auto& key : scene_.workload.keys) {
      if (is_served(key)) served_.push_back(key);
    }
  }
  for (const auto& node : scene_.nodes) {
    if (core_.contains(node->address())) inside_.push_back(node.get());
  }
  scene_.nemesis->freeze(core_);
}

void Liveness::refuse(const SimProcess& node, const std::string& key, const std::string& what,
                      const std::optional<Error>& error) {
  failed_ = true;
  scene_.fail("serves", key,
              node.address() + ", in a core that has been healed for " +
                  std::to_string(to_millis(kServeMost) / 1000) + " s, refuses " + what + ": " +
                  (error ? error->message : std::string("no error given")));
}

// As any client does it: read, then replace what was seen.
void Liveness::probe(SimProcess& node, const std::string& key, bool judged) {
  const std::string level = is_served(key) ? "quorum" : "any";
  if (level == "any") return write(node, key, level, nullptr, judged);
  History& history = scene_.history;
  const Call call{scene_.world.now(), Door::kTimeout};
  const auto reading = history.begin_read(kProber, key, level, call.begun);
  auto result = scene_.door(node).read(key, level);
  const auto error = result.error;
  const bool ok = result.outcome == client::Outcome::Ok;
  history.end_read(reading, call, std::move(result), scene_.world.now());
  if (!ok && judged) refuse(node, key, "a read at " + level, error);
  if (ok) write(node, key, level, &history.read(reading), judged);
}

void Liveness::write(SimProcess& node, const std::string& key, const std::string& level,
                     const ReadRecord* seen, bool judged) {
  History& history = scene_.history;
  Door& door = scene_.door(node);
  const Call call{scene_.world.now(), Door::kTimeout};
  WriteRecord& record = history.new_write(kProber, key, level);
  const WriteNumber number = record.number;
  client::PutItem item{key, value_of(number, 16), std::nullopt};
  record.op = door.mint_op();
  record.value_hash = hash64(*item.value);
  if (seen != nullptr && !seen->result.context.empty()) {
    item.context = seen->result.context;
    record.seen = seen->context;
    record.replaces = seen->saw;
  }
  const OpId op = record.op;
  history.begin_write(number, call.begun);
  auto result = door.write(std::move(item), level, op);
  const auto error = result.error;
  const bool ok = result.outcome == client::Outcome::Ok;
  history.end_write(number, call, std::move(result), scene_.world.now());
  // Siblings are bounded, however well all works. (An owner that stays silent leaves it open what
  // it did, and then the cap is not the reason that is named.)
  const bool full = error && (error->code == ErrorCode::SiblingCap ||
                              kept_at_any(key) >= node.config().replication.siblings_most());
  const bool must = must_be_stamped(node, key, level);
  if (!ok && !full && must && judged) refuse(node, key, "a write at " + level, error);
}

std::size_t Liveness::kept_at_any(const std::string& key) const {
  const auto& writes = scene_.history.writes();
  return static_cast<std::size_t>(std::count_if(writes.begin(), writes.end(), [&](const auto& one) {
    return one.key == key && one.level == "any" && one.open == 0 &&
           one.result.outcome == client::Outcome::Ok;
  }));
}

// Where the last writer wins, somebody whose clock is sound must stamp it: an owner, or at `any`
// whoever was asked.
bool Liveness::must_be_stamped(SimProcess& asked, const std::string& key,
                               const std::string& level) const {
  if (!scene_.history.last_writer_wins) return true;
  std::vector<WallTime> core;
  for (SimProcess* node : inside_) core.push_back(node->wall());
  const auto is_sound = [&](SimProcess& node) {
    return is_clock_sound(node.wall(), core, scene_.nodes.size());
  };
  if (level == "any") return is_sound(asked);
  const auto& owners = scene_.history.owners(key);
  return std::any_of(inside_.begin(), inside_.end(), [&](SimProcess* node) {
    return std::count(owners.begin(), owners.end(), node->address()) > 0 && is_sound(*node);
  });
}

// Nobody in the core takes another one of it for dead.
void Liveness::check_members(const SimProcess& node) {
  const auto rows = scene_.door(node).gossip();
  if (!rows.ok()) return refuse(node, "", "to tell its members", rows.error());
  const std::string dead = dead_in_core(*rows, core_);
  if (dead.empty()) return;
  failed_ = true;
  scene_.fail("core-members", "", node.address() + " takes" + dead);
}

void Liveness::round(bool judged) {
  const auto& keys = scene_.workload.keys;
  for (SimProcess* node : inside_) {
    scene_.nemesis->supervise();
    if (failed_) return;
    if (!served_.empty()) probe(*node, served_[turn_ % served_.size()], judged);
    const std::string& any = keys[turn_ % keys.size()];
    if (!is_served(any)) probe(*node, any, judged);
    if (judged) check_members(*node);
    ++turn_;
  }
}

void Liveness::must_serve() {
  const Instant begun = scene_.world.now();
  while (scene_.world.now() < begun + kServeMost) {
    round(false);
    scene_.pass(1s);
  }
  const Instant end = begun + kServeMost + kServeSpan;
  while (!failed_ && scene_.world.now() < end) {
    round(true);
    scene_.pass(200ms);
  }
}

// Who stands still outside and is not dead for all of the core.
std::string Liveness::who_thinks_alive() {
  Addresses still;
  for (const auto& node : scene_.nodes) {
    const bool stands = !node->running() || node->host().paused();
    if (stands && !core_.contains(node->address())) still.insert(node->address());
  }
  for (SimProcess* node : inside_) {
    const auto rows = scene_.door(*node).gossip();
    if (!rows.ok()) return node->address() + " does not tell its members";
    const std::string alive = thought_alive(*rows, still);
    if (!alive.empty()) return node->address() + " takes " + alive;
  }
  return {};
}

Duration Liveness::convict_most() const {
  Duration most = kConvictMost;
  for (SimProcess* node : inside_) {
    most = std::max(most, lonely_suspicion(node->config().membership) + kConvictSlack);
  }
  return most;
}

void Liveness::must_convict() {
  const Instant limit = scene_.world.now() + convict_most();
  for (std::string said; !(said = who_thinks_alive()).empty(); scene_.pass(200ms)) {
    if (scene_.world.now() >= limit) return scene_.fail("core-members", "", said);
  }
}

bool Liveness::core_equal(const std::string& key, std::string& said) {
  said.clear();
  const auto result = scene_.door(*inside_[0]).inspect(key);
  if (!result.ok()) {
    said = result.error().message;
    return false;
  }
  for (const auto& row : result->replicas) {
    if (!core_.contains(row.address)) continue;
    said += " " + row.address + (row.reachable ? " [" : " unreachable [") + row.version + "]";
  }
  return sim::core_equal(*result, core_);
}

void Liveness::must_converge() {
  const Instant limit = scene_.world.now() + kConvergeMost;
  for (const std::string& key : scene_.history.keys()) {
    std::string said;
    while (!core_equal(key, said)) {
      if (scene_.world.now() >= limit) {
        scene_.fail("core-converge", key,
                    "the core's copies differ " + std::to_string(to_millis(kConvergeMost) / 1000) +
                        " s after the last write:" + said);
        return;
      }
      scene_.pass(200ms);
    }
  }
}

}  // namespace parley::sim
