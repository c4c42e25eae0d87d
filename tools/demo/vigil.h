// Is nobody taken for dead, all the time? Every node is asked what it thinks of every node, again
// and again, for longer than it takes to convict one that nobody can reach.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/demo/scene.h"

namespace parley::demo {

class Vigil {
 public:
  // Flags for the nodes, with which a conviction takes seconds: a round of probes among five nodes
  // takes 2 s, the last probe 0.5 s, a suspicion that nobody confirms 2 s.
  static std::vector<std::string> flags();
  static constexpr auto kSpan = seconds(7);

  // Which life of each node is seen when it begins.
  explicit Vigil(Scene& scene);
  // Claims that each node shows every node up, in that same life, at every look during kSpan.
  void keep(const std::string& why);

 private:
  // What is wrong now; "": nothing.
  std::string look();
  std::string look_through(std::size_t node);

  Scene& scene_;
  std::vector<std::unique_ptr<client::Client>> clients_;  // one for each node
  std::map<std::string, std::uint64_t> lives_;            // generations, by address
  std::map<std::string, std::uint32_t> incarnations_;     // by address, the highest seen
  std::uint32_t refuted_ = 0;
};

}  // namespace parley::demo
