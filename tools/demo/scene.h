// Nodes on a stage: real ones, that take faults, with what the demos do to them and ask of them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/demo/stage.h"
#include "tools/demo/traffic.h"
#include "tools/demo/watch.h"
#include "tools/local/local_cluster.h"

namespace parley::demo {

using client::Outcome;
using local::eventually;
using Seconds = std::chrono::duration<double>;
using std::chrono::seconds;
using Side = std::vector<std::size_t>;

class Scene {
 public:
  // `flags`: for every node, beside those that let it take faults.
  Scene(Stage& stage, std::size_t nodes, const std::vector<std::string>& flags = {});
  ~Scene();
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  // The first step: all start, and the table begins. False: they did not, which was said.
  bool start();
  // The watched keys' replicas are in the table.
  void watch(std::vector<std::string> keys);

  static std::string name(std::size_t node) { return "n" + std::to_string(node + 1); }
  static std::string names(const Side& nodes);
  Side everybody() const;
  // The key's replicas, in preference order; and who is none of them.
  Side owners_of(const std::string& key) { return cluster.owners(0, key); }
  Side others_than(const Side& nodes) const;
  // The first of PREFIX0, PREFIX1, ... whose replicas these are, in this order. "": none of as many
  // as can be asked for in 20 s; whether one was found is claimed.
  std::string find_key(const std::string& prefix, const Side& owners);
  // Coordinated by one of these; all, with the ring learnt, if none is named.
  std::unique_ptr<client::Client> client(const Side& nodes = {}) const;

  // Each of these claims that it was done.
  void kill(const Side& nodes);        // -9, all at once, until the others know
  void bring_back(const Side& nodes);  // until all see all
  void claim_equal(client::Client& client, std::vector<std::string> keys, seconds limit);

  bool inject(std::size_t node, client::FaultSpec fault) const;
  bool cut_apart(const Side& one, const Side& other) const;
  // What `from` sends to `to` is lost.
  bool cut_one_way(std::size_t from, std::size_t to) const;
  bool heal_all() const;
  // Over all holders; nullopt: somebody did not say.
  static std::optional<std::uint64_t> hints(client::Client& client);

  Stage& stage;
  local::LocalCluster cluster;
  Traffic traffic;

 private:
  std::unique_ptr<Watch> watch_;
};

// What it takes to run `act`.
template <typename Act>
Seconds timed(Act&& act) {
  const auto begun = std::chrono::steady_clock::now();
  act();
  return std::chrono::steady_clock::now() - begun;
}

// "3 values" in one line: what was read, or why nothing was.
std::string values_text(const client::ReadResult& read);
bool reads(const client::ReadResult& read, const std::string& only_value);
// Refused, as too few replicas answer; not for another reason.
bool is_unavailable(const client::ReadResult& read);

}  // namespace parley::demo
