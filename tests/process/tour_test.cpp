// docs/tour.md: its commands, run one after the other, print what is printed there, but for ids,
// times, and the order of a key's replicas.
#include <algorithm>
#include <regex>
#include <sstream>

#include "tests/process/own_cluster.h"

using namespace parley;
using namespace parley::process_test;
using namespace std::chrono_literals;

namespace {

struct Step {
  std::string command;
  std::vector<std::string> printed;
};

std::vector<Step> steps_of_tour() {
  std::istringstream in(local::read_file(PARLEY_SOURCE_DIR "/docs/tour.md"));
  std::vector<Step> steps;
  bool console = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      console = line == "```console";
    } else if (console && line.starts_with("$ ")) {
      steps.push_back({line.substr(2), {}});
    } else if (console) {
      REQUIRE_FALSE(steps.empty());
      steps.back().printed.push_back(line);
    }
  }
  return steps;
}

// What differs from run to run. A node keeps its number.
std::string without_chance(std::string line) {
  static const std::vector<std::pair<std::regex, std::string>> kPlaces = {
      {std::regex("[0-9a-f]{32}:[0-9]+:"), "<actor>:"},
      {std::regex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"},
      {std::regex("^context .*"), "context <context>"},
      {std::regex("127\\.[0-9]+\\.[0-9]+\\."), "127.x.y."},
      {std::regex("\\b[0-9a-f]{16}\\b"), "<digest>"},
      {std::regex("#[0-9a-f]{8}\\b"), "<mark>"},
      {std::regex("[0-9.]+ (ms|s|min) ago"), "<time> ago"},
      {std::regex("[0-9.]+ (B|KiB|MiB)\\b"), "<size>"},
      {std::regex("[0-9]+ +running"), "<pid> running"},
      // A third replica may be asked when one is slow, and answer in time or not.
      {std::regex("asked [23], answered [23], agreed [23]"), "asked, answered, agreed"},
      {std::regex(" +"), " "},
      {std::regex(" $"), ""},
  };
  for (const auto& [what, instead] : kPlaces) line = std::regex_replace(line, what, instead);
  return line;
}

// A key's replicas, and its siblings, are listed in an order that is chance; all else in its own.
std::vector<std::string> comparable(const std::vector<std::string>& lines) {
  static const std::regex kByChance("^ *127\\.[0-9.]+ .*|1 book, 1 [a-z]+"),
      kReceipt("^version .* level (\\S+) .*");
  static const std::regex kPending("\\bpending\\b");
  std::vector<std::string> out;
  std::size_t run = 0;     // the last lines of `out` are so many of them
  bool below_all = false;  // whose receipt is given before the last replica has answered
  for (const std::string& line : lines) {
    std::smatch receipt;
    if (std::regex_match(line, receipt, kReceipt)) below_all = receipt[1] != "all";
    if (line.empty()) continue;
    const bool by_chance = std::regex_match(line, kByChance);
    const bool pending = by_chance && below_all;
    out.push_back(without_chance(pending ? std::regex_replace(line, kPending, "durable") : line));
    run = by_chance ? run + 1 : 0;
    std::sort(out.end() - static_cast<std::ptrdiff_t>(run), out.end());
  }
  return out;
}

constexpr const char* kMark = "@@ next";

std::string script_of(const std::vector<Step>& steps, const std::string& folder) {
  std::string script = "exec 2>&1\ncd '" + folder + "'\nPATH='" + local::program_folder() +
                       "':$PATH\nunset PARLEY_CLUSTER_DIR PARLEY_ENDPOINTS\n";
  for (const Step& step : steps)
    script += "echo '" + std::string(kMark) + "'\n" + step.command + "\n";
  return script;
}

}  // namespace

TEST_CASE("tour: its commands print what it shows", "[tour]") {
  const OwnCluster cluster;  // for what it leaves behind
  const auto steps = steps_of_tour();
  REQUIRE(steps.size() > 20);
  const RunResult ran = local::run({"sh", "-c", script_of(steps, cluster.scratch())}, {}, 180s);
  INFO(ran.out);
  REQUIRE(ran.exit_code == 0);
  std::vector<std::vector<std::string>> printed;
  std::istringstream out(ran.out);
  for (std::string line; std::getline(out, line);) {
    if (line == kMark) {
      printed.emplace_back();
    } else {
      REQUIRE_FALSE(printed.empty());
      printed.back().push_back(line);
    }
  }
  REQUIRE(printed.size() == steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    INFO(steps[i].command);
    CHECK(comparable(printed[i]) == comparable(steps[i].printed));
  }
}
