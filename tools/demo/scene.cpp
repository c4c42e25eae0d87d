#include "tools/demo/scene.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

namespace parley::demo {
namespace {

constexpr auto kCallLimit = seconds(5), kSearchLimit = seconds(20);
constexpr int kKeysTried = 10'000;

local::LocalClusterOptions breakable(std::size_t nodes, const std::vector<std::string>& flags) {
  local::LocalClusterOptions options;
  options.nodes = nodes;
  options.name = "demo";
  options.flags = {"--allow-faults"};
  options.flags.insert(options.flags.end(), flags.begin(), flags.end());
  return options;
}

client::FaultSpec cut(const std::string& peer, const std::string& direction) {
  client::FaultSpec fault;
  fault.peer = peer;
  fault.direction = direction;
  fault.cut = true;
  return fault;
}

}  // namespace

Scene::Scene(Stage& on, std::size_t nodes, const std::vector<std::string>& flags)
    : stage(on), cluster(breakable(nodes, flags)) {
  std::vector<std::string> addresses, endpoints;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    addresses.push_back(cluster.address(i));
    endpoints.push_back(cluster.client_endpoint(i));
  }
  watch_ = std::make_unique<Watch>(std::move(addresses), std::move(endpoints), traffic);
}

Scene::~Scene() { stage.end_table(); }

bool Scene::start() {
  stage.title(fmt::format("{} nodes start as {} processes and find each other", cluster.size(),
                          cluster.size()));
  const bool up = cluster.start();
  stage.claim(up, fmt::format("n1 to n{} ({} and on) are ready and see each other up",
                              cluster.size(), cluster.address(0)));
  if (!up) stage.say(cluster.why());
  if (up) stage.begin_table([this] { return watch_->table(); });
  return up;
}

void Scene::watch(std::vector<std::string> keys) { watch_->keys(std::move(keys)); }

std::string Scene::names(const Side& nodes) {
  std::string text;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == nodes.size() ? " and " : ", ") + name(nodes[i]);
  }
  return text;
}

Side Scene::everybody() const { return others_than({}); }

Side Scene::others_than(const Side& nodes) const {
  Side out;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    if (std::find(nodes.begin(), nodes.end(), i) == nodes.end()) out.push_back(i);
  }
  return out;
}

std::string Scene::find_key(const std::string& prefix, const Side& owners) {
  const auto ends = std::chrono::steady_clock::now() + kSearchLimit;
  std::string found;
  for (int i = 0; found.empty() && i < kKeysTried && std::chrono::steady_clock::now() < ends; ++i) {
    const std::string key = prefix + std::to_string(i);
    if (owners_of(key) == owners) found = key;
  }
  stage.claim(!found.empty(), fmt::format("{} lives on {} too",
                                          found.empty() ? "some " + prefix : found, names(owners)));
  return found;
}

std::unique_ptr<client::Client> Scene::client(const Side& nodes) const {
  return cluster.client(nodes, kCallLimit, nodes.empty());
}

void Scene::kill(const Side& nodes) {
  for (const std::size_t node : nodes) cluster.process(node)->signal(SIGKILL);
  bool known = true;
  const Seconds took = timed([&] {
    for (const std::size_t node : nodes) cluster.kill9(node);  // and reaps it
    known = cluster.wait_settled(seconds(30));
  });
  const Side all = everybody();
  const bool left = std::any_of(all.begin(), all.end(), [&](auto n) { return cluster.running(n); });
  stage.claim(known,
              "kill -9 of " + names(nodes) +
                  (left ? fmt::format(": after {:.1f} s every other node knows it", took.count())
                        : ": nobody is left"));
}

void Scene::bring_back(const Side& nodes) {
  for (const std::size_t node : nodes) cluster.launch(node);
  bool up = true;
  const Seconds took = timed([&] {
    for (const std::size_t node : nodes) up = cluster.wait_ready(node, seconds(30)) && up;
    up = up && cluster.wait_settled(seconds(30));
  });
  stage.claim(up, fmt::format("{} started again: after {:.1f} s all see all up", names(nodes),
                              took.count()));
}

void Scene::claim_equal(client::Client& client, std::vector<std::string> keys, seconds limit) {
  const std::size_t all = keys.size();
  const Seconds took = timed([&] {
    eventually(limit, [&] {
      std::erase_if(keys, [&](const auto& key) {
        const auto copies = client.inspect(key);
        return copies.ok() && copies->exists && !copies->diverged;
      });
      return keys.empty();
    });
  });
  stage.claim(keys.empty(),
              all == 1 ? fmt::format("after {:.1f} s its replicas are equal", took.count())
                       : fmt::format("after {:.1f} s all {} keys are equal on all their replicas",
                                     took.count(), all));
}

bool Scene::inject(std::size_t node, client::FaultSpec fault) const {
  fault.note = "demo";
  return client({node})->inject_fault(std::move(fault)).ok();
}

bool Scene::cut_apart(const Side& one, const Side& other) const {
  bool taken = true;
  for (const std::size_t a : one) {
    for (const std::size_t b : other) {
      taken = inject(a, cut(cluster.address(b), "both")) &&
              inject(b, cut(cluster.address(a), "both")) && taken;
    }
  }
  return taken;
}

bool Scene::cut_one_way(std::size_t from, std::size_t to) const {
  return inject(from, cut(cluster.address(to), "out")) &&
         inject(to, cut(cluster.address(from), "in"));
}

bool Scene::heal_all() const {
  const Side nodes = everybody();
  return std::all_of(nodes.begin(), nodes.end(),
                     [this](std::size_t node) { return client({node})->heal_faults(0, "").ok(); });
}

std::optional<std::uint64_t> Scene::hints(client::Client& client) {
  const auto kept = client.hints();
  if (!kept.ok() || !kept->no_answer.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const auto& row : kept->rows) sum += row.hints;
  return sum;
}

std::string values_text(const client::ReadResult& read) {
  if (read.outcome != Outcome::Ok) return read.error ? read.error->message : "no answer";
  std::string text;
  for (const auto& value : read.values) {
    text += (text.empty() ? "\"" : ", \"") + value.value + "\"";
  }
  return text.empty() ? "nothing" : text;
}

bool reads(const client::ReadResult& read, const std::string& only_value) {
  return read.outcome == Outcome::Ok && read.values.size() == 1 &&
         read.values[0].value == only_value;
}

bool is_unavailable(const client::ReadResult& read) {
  return read.outcome != Outcome::Ok && read.error && read.error->code == ErrorCode::Unavailable;
}

}  // namespace parley::demo
