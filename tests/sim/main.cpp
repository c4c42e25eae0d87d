// parley-sim: whole clusters under virtual time, one run a seed.
#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>

#include "tests/sim/run.h"

namespace parley::sim {
namespace {

struct Said {
  std::uint64_t seed = 0;
  std::uint64_t seeds = 100, first = 1;
  std::uint64_t seconds = 60;
  bool twice = false, story = false, verbose = false;
};

void tell(const RunReport& report) {
  for (const Violation& one : report.violations) {
    std::printf("seed %llu: %s: %s %s\n", static_cast<unsigned long long>(report.seed),
                one.rule.c_str(), one.key.c_str(), one.what.c_str());
  }
  for (const auto& line : report.story) std::printf("  fault %s\n", line.c_str());
  std::printf("%s", report.timeline.c_str());
  std::printf("replay: parley-sim --seed %llu\n", static_cast<unsigned long long>(report.seed));
}

int run(const Said& said) {
  const auto begun = std::chrono::steady_clock::now();
  const std::uint64_t first = said.seed != 0 ? said.seed : said.first;
  const std::uint64_t count = said.seed != 0 ? 1 : said.seeds;
  std::uint64_t failures = 0, calls = 0, ok = 0;
  Duration simulated{};
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.span = std::chrono::seconds(said.seconds);
    if (said.verbose) options.log = LogLevel::Debug;
    RunReport report = run_seed(options);
    if (said.twice && run_seed(options).digest != report.digest) {
      report.violations.push_back({"repeat", "", "the same seed gave two different runs"});
    }
    simulated += report.virtual_time;
    calls += report.calls;
    ok += report.ok;
    if (!report.violations.empty()) {
      ++failures;
      tell(report);
    } else if (said.story) {
      tell(report);
    }
  }
  const double wall =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf(
      "%llu seeds, %.2f virtual hours, %.0f virtual seconds a second, %llu calls, %llu writes ok, "
      "%llu failures\n",
      static_cast<unsigned long long>(count), to_seconds(simulated) / 3600,
      to_seconds(simulated) / wall, static_cast<unsigned long long>(calls),
      static_cast<unsigned long long>(ok), static_cast<unsigned long long>(failures));
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace parley::sim

int main(int argc, char** argv) {
  CLI::App app("Whole Parley clusters in virtual time, with faults, from one seed each.");
  parley::sim::Said said;
  app.add_option("--seed", said.seed, "Replay this seed alone");
  app.add_option("--seeds", said.seeds, "How many seeds [100]");
  app.add_option("--first", said.first, "The first of them [1]");
  app.add_option("--seconds", said.seconds, "Virtual seconds of faults in each run [60]");
  app.add_flag("--twice", said.twice, "Run each seed twice and compare");
  app.add_flag("--story", said.story, "Tell what happened even if all is well");
  app.add_flag("--verbose", said.verbose, "The nodes' logs, with virtual time");
  CLI11_PARSE(app, argc, argv);
  return parley::sim::run(said);
}
