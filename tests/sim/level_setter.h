// Somebody who changes the keyspace's default levels now and then, by way of any node, before the
// last change has ended or after, from a machine that no fault touches.
#pragma once

#include <memory>
#include <vector>

#include "api/client_core.h"
#include "base/lifetime.h"
#include "base/random.h"
#include "tests/fake/fake_world.h"
#include "tests/sim/defaults.h"

namespace parley::sim {

class LevelSetter {
 public:
  LevelSetter(fake::World& world, const std::vector<Endpoint>& nodes, Random random, bool halves,
              Defaults& defaults);

  void start() { set_later(); }
  // With two last changes, of half the levels each.
  void stop();
  bool idle() const { return open_ == 0; }

 private:
  void set_later();
  void set();
  void set_each_alone();
  void set(const DefaultLevels& levels, std::size_t node);
  std::string draw_level();

  fake::World& world_;
  fake::Node& host_;
  Random random_;
  const bool halves_;  // at times it sets one of the two alone
  Defaults& defaults_;
  std::vector<std::unique_ptr<client::ClientCore>> cores_;  // each knows one node
  std::size_t open_ = 0;
  bool stopped_ = false;
  Lifetime alive_;
};

}  // namespace parley::sim
