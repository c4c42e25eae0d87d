#include "tools/cli/tuning_options.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/option.h"
#include "replication/level.h"
#include "tools/cli/split.h"

namespace parley::cli {
namespace {

using Wrong = std::optional<std::string>;

constexpr std::size_t kMomentsMost = 32;
constexpr Duration kMomentMost = 60s, kDurationMost = 3600s;

Wrong understand_levels(const char* option, const std::string& text,
                        std::vector<std::string>& out) {
  for (const std::string& word : split(text, ",")) {
    const auto level = replication::parse_level(word);
    if (!level) return std::string(option) + ": " + level.error().message;
    if (std::find(out.begin(), out.end(), word) == out.end()) out.push_back(word);
  }
  if (!text.empty() && out.empty()) return std::string(option) + " names no level";
  return std::nullopt;
}

Wrong understand_moments(const std::string& text, std::vector<Duration>& out) {
  for (const std::string& word : split(text, ",")) {
    const auto moment = parse_duration(word);
    if (!moment) return "--at: " + moment.error().message;
    if (*moment > kMomentMost) return "--at: a minute at most";
    out.push_back(*moment);
  }
  if (!text.empty() && out.empty()) return "--at names no time";
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (out.size() > kMomentsMost) return "--at: 32 times at most";
  return std::nullopt;
}

// "10ms@99.9%"
Wrong understand_need(const std::string& text, TuningWords& out) {
  const std::string shape = "--staleness wants a time and a share, such as 10ms@99.9%";
  const auto at = text.find('@');
  if (at == std::string::npos) return shape + ", not '" + text + "'";
  const auto within = parse_duration(text.substr(0, at));
  if (!within) return "--staleness: " + within.error().message;
  if (*within > kMomentMost) return "--staleness: a minute at most";
  std::string share = text.substr(at + 1);
  if (!share.ends_with('%')) return shape + ", not '" + text + "'";
  share.pop_back();
  const bool plain = !share.empty() &&
                     share.find_first_not_of("0123456789.") == std::string::npos &&
                     std::count(share.begin(), share.end(), '.') <= 1 && share != ".";
  const double percent = plain ? std::strtod(share.c_str(), nullptr) : -1;
  if (percent <= 0 || percent > 100) {
    return "--staleness: '" + share + "%' is no share above 0 % and up to 100 %";
  }
  out.within = *within;
  out.share = percent / 100;
  return std::nullopt;
}

}  // namespace

bool is_tuning_verb(const std::string& verb) {
  return verb == "consistency measure" || verb == "consistency predict" ||
         verb == "consistency advise";
}

void declare_tuning_verbs(CLI::App& consistency, TypedTuning& typed, CommandLine& line) {
  TuningWords& words = line.tuning;
  CLI::App* measure = consistency.add_subcommand(
      "measure", "Write and read keys of its own, and say how fast and how stale each level was");
  measure->add_option("--duration", typed.duration, "How long [10s]");
  measure->add_option("--rate", words.rate, "Writes a second, each with one read [200]");
  measure->add_option("--keys", words.keys, "So many keys, deleted in the end [512]");
  measure->add_option("--read", typed.read, "Levels of reads [one,quorum,all]");
  measure->add_option("--write", typed.write, "Levels of writes [one,quorum,all]");
  CLI::App* predict = consistency.add_subcommand(
      "predict", "How likely reads see a write some time after it, from what the nodes measured");
  for (CLI::App* verb : {measure, predict}) {
    verb->add_option("--at", typed.at, "Times from a write's ack to a read, such as 0ms,10ms");
  }
  CLI::App* advise = consistency.add_subcommand(
      "advise", "The cheapest replication factor and levels that meet a need");
  advise
      ->add_option("--staleness", typed.staleness,
                   "By when which share of reads sees a write, such as 10ms@99.9%")
      ->required();
  advise->add_option("--survive", words.survive, "So many replicas of a key may be down [0]");
}

std::optional<std::string> understand_tuning(const TypedTuning& typed, CommandLine& line) {
  TuningWords& words = line.tuning;
  if (auto wrong = understand_levels("--read", typed.read, words.read_levels)) return wrong;
  if (auto wrong = understand_levels("--write", typed.write, words.write_levels)) return wrong;
  if (auto wrong = understand_moments(typed.at, words.at)) return wrong;
  if (!typed.duration.empty()) {
    const auto duration = parse_duration(typed.duration);
    if (!duration) return "--duration: " + duration.error().message;
    if (*duration < 100ms || *duration > kDurationMost) {
      return "--duration must be between 100ms and 1h";
    }
    words.duration = *duration;
  }
  if (words.rate < 1 || words.rate > 100'000) return "--rate must be between 1 and 100000";
  if (words.keys < 1 || words.keys > 65'536) return "--keys must be between 1 and 65536";
  if (words.survive < 0 || words.survive > 64) return "--survive must be between 0 and 64";
  if (line.verb == "consistency advise") return understand_need(typed.staleness, words);
  return std::nullopt;
}

}  // namespace parley::cli
