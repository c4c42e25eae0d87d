// The demos: each one a script over real nodes, by the public client library alone.
#pragma once

#include <string>
#include <vector>

#include "tools/demo/stage.h"

namespace parley::demo {

struct Demo {
  std::string name, about;
  void (*play)(Stage&);
};
const std::vector<Demo>& demos();

void play_levels(Stage& stage);
void play_partition(Stage& stage);
void play_oneway(Stage& stage);
void play_flapping(Stage& stage);
void play_hints(Stage& stage);
void play_lost_hints(Stage& stage);
void play_shopping_cart(Stage& stage);
void play_any(Stage& stage);
void play_slow_node(Stage& stage);
void play_clock_skew(Stage& stage);
void play_rolling_restart(Stage& stage);
void play_power_cut(Stage& stage);

}  // namespace parley::demo
