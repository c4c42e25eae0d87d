// The second half of a liveness run: a core of nodes that should work is healed, everything else
// stays as broken as it is (random faults heal by luck, and hide what a lasting one does), and the
// core must serve and converge in bounded time.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/sim/scene.h"

namespace parley::sim {

class Liveness {
 public:
  explicit Liveness(Scene& scene) : scene_(scene), random_(scene.draw("liveness")) {}

  // Picks the core and freezes the rest.
  void begin();
  // After at most kServeMost every node of the core serves every key of which it has a majority,
  // and `any` for all keys, and goes on doing so. Fails as `serves` or `core-members`.
  void must_serve();
  // Whoever stands still outside is dead for all of the core. Fails as `core-members`.
  void must_convict();
  // With nobody writing: the core's copies of each key become equal. Fails as `core-converge`.
  void must_converge();

  static constexpr Duration kServeMost = 15s;
  static constexpr Duration kServeSpan = 10s;
  static constexpr Duration kConvictMost = 60s;  // or as long as a lonely suspicion
  static constexpr Duration kConvergeMost = 60s;

 private:
  std::set<std::string> draw_core();
  bool is_served(const std::string& key);
  // One read, one write at quorum, one at any into each node of the core; what was refused.
  void round(bool judged);
  void probe(SimProcess& node, const std::string& key, bool judged);
  // `seen`: what it replaces; null: nothing.
  void write(SimProcess& node, const std::string& key, const std::string& level,
             const ReadRecord* seen, bool judged);
  void refuse(const SimProcess& node, const std::string& key, const std::string& what,
              const std::optional<Error>& error);
  std::size_t kept_at_any(const std::string& key) const;  // writes, all told
  bool must_be_stamped(SimProcess& asked, const std::string& key, const std::string& level) const;
  void check_members(const SimProcess& node);
  std::string who_thinks_alive();
  Duration convict_most() const;
  bool core_equal(const std::string& key, std::string& said);

  Scene& scene_;
  Random random_;
  std::set<std::string> core_;
  std::vector<SimProcess*> inside_;
  std::vector<std::string> served_;  // keys of which the core has a majority
  std::size_t turn_ = 0;
  bool failed_ = false;
};

}  // namespace parley::sim
