// parley-demo: real nodes on loopback. Every claim that is printed is checked; the exit code is 0
// only if all held.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

#include "tools/demo/demos.h"

namespace parley::demo {

const std::vector<Demo>& demos() {
  static const std::vector<Demo> kAll = {
      {"levels", "every level as replicas die one by one, hints, and repair", play_levels},
      {"partition", "two nodes cut off from three: who serves what, siblings, healing",
       play_partition},
      {"oneway", "one direction of one link is lost, and nobody is taken for dead", play_oneway},
      {"lost-hints", "a node was away and all hints are lost: anti-entropy alone", play_lost_hints},
  };
  return kAll;
}

namespace {

constexpr int kUsage = 2;

int list() {
  for (const Demo& demo : demos()) fmt::print("{:<12} {}\n", demo.name, demo.about);
  return 0;
}

int play(const std::string& name, bool slow) {
  const auto found = std::find_if(demos().begin(), demos().end(),
                                  [&name](const Demo& demo) { return demo.name == name; });
  if (found == demos().end()) {
    fmt::print(stderr, "parley: there is no demo '{}': parley demo list\n", name);
    return kUsage;
  }
  Stage stage(slow);
  found->play(stage);
  return stage.sum_up() ? 0 : 1;
}

}  // namespace
}  // namespace parley::demo

int main(int argc, char** argv) {
  CLI::App app("Real nodes on loopback, broken in front of you. Every claim is checked.",
               "parley demo");
  std::string name = "levels";
  bool slow = false;
  app.add_option("NAME", name, "Which one, or list [levels]");
  app.add_flag("--slow", slow, "Time to read after each step");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "parley: {}\n", e.what());
    return parley::demo::kUsage;
  }
  return name == "list" ? parley::demo::list() : parley::demo::play(name, slow);
}
