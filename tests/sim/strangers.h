// Another cluster on the same network, which was there first: two nodes with data, of which one
// went for good and left its machine, and so its address, to a node of ours. The resident remembers
// it: it probes and calls that address for ever, and has hints for it. Beside it a node without a
// past asks ours to let it into its own cluster, because its list of seeds is wrong.
//
// In some runs the other cluster has the same name as ours; then only its id tells them apart.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/sim/sim_process.h"

namespace parley::sim {

class Scene;

class Strangers {
 public:
  explicit Strangers(Scene& scene);

  // Before any node of ours is made. False: it did not come to that.
  bool settle();
  // One of them ends, or begins again; which.
  std::string stir(Random& random);
  // With everything healed: its members and its data are its own still. Fails as `members`.
  void judge();

 private:
  std::unique_ptr<SimProcess> make(const std::string& address, const std::string& cluster,
                                   std::vector<Endpoint> seeds);
  bool store(SimProcess& node, const std::string& value, const std::string& level);
  std::string what_is_wrong();

  Scene& scene_;
  const std::string name_;
  const std::string key_;         // one of ours too
  const std::string taken_over_;  // an address of ours
  std::unique_ptr<SimProcess> resident_, knocker_;
};

}  // namespace parley::sim
