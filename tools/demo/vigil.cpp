#include "tools/demo/vigil.h"

#include <fmt/format.h>

namespace parley::demo {

std::vector<std::string> Vigil::flags() {
  return {
      "--set", "membership.probe_interval=500ms", "--set", "membership.probe_timeout=250ms",
      "--set", "membership.suspicion_factor=2",   "--set", "membership.suspicion_factor_most=2"};
}

Vigil::Vigil(Scene& scene) : scene_(scene) {
  for (const std::size_t node : scene.everybody()) clients_.push_back(scene.client({node}));
  look();
  refuted_ = 0;
}

std::string Vigil::look_through(std::size_t node) {
  const auto members = clients_[node]->gossip();
  if (!members.ok()) return Scene::name(node) + " did not answer";
  std::size_t up = 0;
  for (const auto& row : *members) {
    const std::string whom = Scene::name(scene_.cluster.index_of(row.address));
    if (row.liveness != "alive" && row.liveness != "suspect") {
      return fmt::format("{} takes {} for {}", Scene::name(node), whom, row.liveness);
    }
    const auto life = lives_.emplace(row.address, row.generation).first->second;
    if (life != row.generation) return whom + " has begun another life";
    auto& incarnation = incarnations_.emplace(row.address, row.incarnation).first->second;
    if (row.incarnation > incarnation) {
      refuted_ += row.incarnation - incarnation;
      incarnation = row.incarnation;
    }
    ++up;
  }
  return up == scene_.cluster.size() ? "" : fmt::format("{} knows {}", Scene::name(node), up);
}

std::string Vigil::look() {
  std::string wrong;
  for (std::size_t node = 0; wrong.empty() && node < clients_.size(); ++node) {
    wrong = look_through(node);
  }
  return wrong;
}

void Vigil::keep(const std::string& why) {
  std::string wrong;
  std::size_t looks = 0;
  eventually(kSpan, [&] {
    wrong = look();
    ++looks;
    return !wrong.empty();
  });
  // A single look would be no vigil.
  scene_.stage.claim(wrong.empty() && looks > 1,
                     wrong.empty()
                         ? fmt::format("for {} s, in {} looks, all five see all five up: {}",
                                       kSpan.count(), looks, why)
                         : wrong);
  scene_.stage.say(refuted_ == 0 ? "Nobody had to refute a suspicion."
                                 : fmt::format("{} suspicions were refuted.", refuted_));
}

}  // namespace parley::demo
