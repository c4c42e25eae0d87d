#include "tests/sim/shrink.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"

namespace parley::sim {
namespace {

class Shrinker {
 public:
  Shrinker(const RunOptions& options, const RunReport& report, const Runner& run,
           const std::function<bool()>& out_of_time)
      : best_{options, report},
        rule_(report.violations.front().rule),
        run_(run),
        over_(out_of_time) {}

  Shrunk go() {
    // What takes most away comes first; and again from the start while anything is left to gain.
    for (bool smaller = true; smaller;) {
      smaller = fewer_strikes();
      smaller = fewer_of_the_whole_run() || smaller;
      smaller = less_time() || smaller;
      smaller = fewer(&RunOptions::nodes, best_.report.nodes, 3) || smaller;
      smaller = fewer(&RunOptions::clients, best_.report.clients, 1) || smaller;
      smaller = fewer(&RunOptions::keys, best_.report.keys, 1) || smaller;
      smaller = fewer_levels() || smaller;
    }
    return best_;
  }

 private:
  using Numbers = std::set<std::size_t>;

  bool fails_too(RunOptions options) {
    if (over_()) return false;
    // Said as it is in the failing run, so that later steps cannot change it by drawing anew.
    if (!options.mode) options.mode = best_.report.mode;
    ++best_.runs;
    RunReport report = run_(options);
    const bool same = std::any_of(report.violations.begin(), report.violations.end(),
                                  [this](const Violation& one) { return one.rule == rule_; });
    if (!same) return false;
    best_.options = std::move(options);
    best_.report = std::move(report);
    return true;
  }

  Numbers strikes() const {
    Numbers out;
    for (const Strike& one : best_.report.strikes) out.insert(one.number);
    return out;
  }
  bool fails_with(const Numbers& strikes) {
    RunOptions options = best_.options;
    options.strikes = strikes;
    return fails_too(std::move(options));
  }
  bool fails_without(const Numbers& some) {
    Numbers left = strikes();
    const std::size_t before = left.size();
    for (const std::size_t number : some) left.erase(number);
    return left.size() < before && fails_with(left);
  }

  bool fewer_strikes() {
    if (strikes().empty()) return false;
    if (fails_with({})) return true;
    bool smaller = false;
    std::map<Fault, Numbers> kinds;
    for (const Strike& one : best_.report.strikes) kinds[one.fault].insert(one.number);
    for (const auto& [fault, numbers] : kinds) smaller = fails_without(numbers) || smaller;
    // Ever smaller parts (Zeller's ddmin, without the subsets).
    for (std::size_t part = strikes().size() / 2; part >= 1; part /= 2) {
      const Numbers all = strikes();
      for (auto at = all.begin(); at != all.end();) {
        Numbers some;
        while (at != all.end() && some.size() < part) some.insert(*at++);
        smaller = fails_without(some) || smaller;
      }
    }
    return smaller;
  }

  bool fewer_of_the_whole_run() {
    bool smaller = false;
    for (const Fault fault : kOfTheWholeRun) {
      RunOptions options = best_.options;
      options.faults = best_.report.faults;
      if (std::erase(*options.faults, fault) > 0)
        smaller = fails_too(std::move(options)) || smaller;
    }
    return smaller;
  }

  bool less_time() {
    bool smaller = false;
    for (const int eighths : {1, 2, 4, 6, 7}) {
      RunOptions options = best_.options;
      const auto seconds = to_millis(options.span) / 1000 * eighths / 8;
      if (seconds < 1 || std::chrono::seconds(seconds) >= options.span) continue;
      options.span = std::chrono::seconds(seconds);
      if (!fails_too(std::move(options))) continue;
      smaller = true;
      break;
    }
    return smaller;
  }

  // The least that fails, looked for from below.
  bool fewer(std::optional<std::size_t> RunOptions::*what, std::size_t now, std::size_t least) {
    for (std::size_t count = least; count < now; ++count) {
      RunOptions options = best_.options;
      options.*what = count;
      if (fails_too(std::move(options))) return true;
    }
    return false;
  }

  bool fewer_levels() {
    if (best_.options.levels && best_.options.levels->size() == 1) return false;
    for (const char* level : {"quorum", "all", "one", "any"}) {
      RunOptions options = best_.options;
      options.levels = std::vector<std::string>{level};
      if (fails_too(std::move(options))) return true;
    }
    return false;
  }

  Shrunk best_;
  const std::string rule_;
  const Runner& run_;
  const std::function<bool()>& over_;
};

}  // namespace

Shrunk shrink(const RunOptions& options, const RunReport& report, const Runner& run,
              const std::function<bool()>& out_of_time) {
  PARLEY_CHECK(!report.violations.empty());
  return Shrinker(options, report, run, out_of_time).go();
}

}  // namespace parley::sim
