// parley-demo: real nodes on loopback. Every claim that is printed is checked; the exit code is 0
// only if all held.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "tools/demo/demos.h"
#include "tools/demo/supervisor.h"
#include "tools/local/process.h"

namespace parley::demo {

const std::vector<Demo>& demos() {
  static const std::vector<Demo> kAll = {
      {"levels", "every level as replicas die one by one, hints, and repair", play_levels},
      {"partition", "two nodes cut off from three: who serves what, siblings, healing",
       play_partition},
      {"oneway", "one direction of one link is lost, and nobody is taken for dead", play_oneway},
      {"flapping", "links that break, lose, delay and work again: quorum goes on", play_flapping},
      {"hints", "a node was away: what was kept for it is handed over", play_hints},
      {"lost-hints", "a node was away and all hints are lost: anti-entropy alone", play_lost_hints},
      {"shopping-cart", "both sides of a cut add to it: siblings or the last writer",
       play_shopping_cart},
      {"any", "a write is accepted with every replica dead, and handed over", play_any},
      {"slow-node", "a slow disk: quorum does not wait for it, all does", play_slow_node},
      {"clock-skew", "clocks two hours apart: no write is lost or revived", play_clock_skew},
      {"rolling-restart", "every node is restarted under load: no quorum request fails",
       play_rolling_restart},
      {"power-cut", "all nodes are killed under load: what was acked is there", play_power_cut},
  };
  return kAll;
}

namespace {

constexpr int kUsage = 2, kUnavailable = 4, kInternal = 9;

struct Asked {
  std::string name = "list", record;
  bool slow = false;
};

int list() {
  for (const Demo& demo : demos()) fmt::print("{:<15} {}\n", demo.name, demo.about);
  return 0;
}

int play(const Demo& demo, const Asked& asked) {
  Recording recording;
  if (!asked.record.empty() && !recording.begin(asked.record, "parley demo " + demo.name)) {
    fmt::print(stderr, "parley: cannot write {}\n", asked.record);
    return kUsage;
  }
  Screen screen(recording);
  Stage stage(screen, asked.slow);
  try {
    demo.play(stage);
  } catch (const std::exception& error) {
    stage.claim(false, error.what());
  }
  const bool held = stage.sum_up();
  if (screen.sound()) return held ? 0 : 1;
  fmt::print(stderr, "parley: not all could be printed or recorded\n");
  return kInternal;
}

int run(const Asked& asked) {
  if (asked.name == "list") return list();
  const auto found = std::find_if(demos().begin(), demos().end(),
                                  [&](const Demo& demo) { return demo.name == asked.name; });
  if (found == demos().end()) {
    fmt::print(stderr, "parley: there is no demo '{}': parley demo list\n", asked.name);
    return kUsage;
  }
  const std::string daemon = local::program_folder() + "/parleyd";
  if (access(daemon.c_str(), X_OK) != 0) {
    fmt::print(stderr, "parley: there is no {}\n", daemon);
    return kUnavailable;
  }
  return run_supervised([&] { return play(*found, asked); });
}

}  // namespace
}  // namespace parley::demo

int main(int argc, char** argv) {
  CLI::App app("Real nodes on loopback, broken in front of you. Every claim is checked.",
               "parley demo");
  parley::demo::Asked asked;
  app.add_option("NAME", asked.name, "Which demo, or list [list]");
  app.add_flag("--slow", asked.slow, "Time to read after each step");
  app.add_option("--record", asked.record, "An asciicast of it: FILE, for asciinema play")
      ->type_name("FILE");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "parley: {}\n", e.what());
    return parley::demo::kUsage;
  }
  return parley::demo::run(asked);
}
