#include "tests/sim/option_draw.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"

namespace parley::sim {
namespace {

// From a fourth of the default to four times as much, but for these.
constexpr double kSpan = 4;
struct Range {
  const char* least;
  const char* most;
};
const std::map<std::string, Range> kRanges = {
    // Where the code takes other ways at the ends.
    {"storage.checkpoint_pages", {"100", "4000"}},
    {"storage.group_most", {"1", "1024"}},
    {"replication.epoch_lease", {"16", "4096"}},
    {"replication.replica_patience", {"20ms", "1s"}},
    {"replication.pass_hedge", {"20ms", "600ms"}},
    {"replication.read_hedge", {"1ms", "100ms"}},
    {"repair.batch_bytes", {"1024", "65536"}},
    {"repair.list_keys", {"16", "1024"}},
    {"repair.hint_batches_in_flight", {"1", "8"}},
    {"membership.indirect_probes", {"0", "8"}},
    // A core must serve, convict and converge in the seconds of liveness.h and converge.cpp.
    {"membership.probe_interval", {"400ms", "1500ms"}},
    {"repair.sync_interval", {"500ms", "10s"}},
    // What clocks drift apart in a run must stay below.
    {"membership.clock_off_most", {"4s", "10s"}},
};

// Hints that age at once: then anti-entropy alone repairs.
constexpr const char* kHintAge = "replication.hint_age_most";

// What is past them is overloaded, which no core may be.
constexpr std::pair<const char*, const char*> kTight[] = {{"storage.write_queue_most", "16"},
                                                          {"storage.read_queue_most", "16"},
                                                          {"rpc.calls_most", "16"},
                                                          {"replication.in_flight_most", "2"},
                                                          {"replication.hint_bytes_most", "65536"},
                                                          {"repair.background_most", "1"}};

double number(Duration value) { return static_cast<double>(value.count()); }
double number(std::uint64_t value) { return static_cast<double>(value); }
void assign(Duration& to, double value) { to = Duration(static_cast<std::int64_t>(value)); }
void assign(std::uint64_t& to, double value) { to = static_cast<std::uint64_t>(value); }

// Small and large values are alike likely.
template <typename T>
void turn(Option<T>& option, const Range* range, double chance) {
  T least{}, most{};
  assign(least, number(option()) / kSpan);
  assign(most, number(option()) * kSpan);
  if (range != nullptr) {
    const T usual = option();
    PARLEY_CHECK(option.set_text(range->least).ok());
    least = option();
    PARLEY_CHECK(option.set_text(range->most).ok());
    most = option();
    PARLEY_CHECK(option.set(usual).ok());
  }
  least = std::max(least, option.bounds().least);
  most = std::min(most, option.bounds().most);
  const double from = number(least) + 1, to = number(most) + 1;
  T value{};
  assign(value, std::floor(from * std::pow(to / from, chance)) - 1);
  PARLEY_CHECK(option.set(std::clamp(value, least, most)).ok());
}

void turn(OptionBase& option, const std::string& name, double chance) {
  const auto range = kRanges.find(name);
  const Range* own = range == kRanges.end() ? nullptr : &range->second;
  if (auto* count = dynamic_cast<CountOption*>(&option)) return turn(*count, own, chance);
  if (auto* duration = dynamic_cast<DurationOption*>(&option)) return turn(*duration, own, chance);
}

// In a range from 0 to 1. Its ends are where things break.
double position(Random random) {
  const auto luck = random.below(3);
  return luck == 2 ? random.unit() : static_cast<double>(luck);
}

}  // namespace

void draw_options(api::NodeConfig& config, const std::string& address, Mode mode,
                  const Draw& draw) {
  for (OptionGroup* group : config.groups()) {
    for (OptionBase* option : group->options()) {
      const std::string name = group->name() + "." + option->name();
      Random random = draw("option " + name);
      const auto luck = random.below(4);
      if (luck >= 2 || name == kHintAge) continue;
      const double chance = position(luck == 0 ? random : draw(name + " of " + address));
      const std::string usual = option->text();
      turn(*option, name, chance);
      // Two options may not go together.
      if (!config.check().ok()) PARLEY_CHECK(option->set_text(usual).ok());
    }
  }
  if (draw(kHintAge).below(3) == 0) PARLEY_CHECK(config.set_option(kHintAge, "1s").ok());
  if (mode != Mode::Safety || draw("tight").below(8) != 0) return;
  for (const auto& [name, least] : kTight) {
    if (draw(name).below(2) == 0) PARLEY_CHECK(config.set_option(name, least).ok());
  }
}

}  // namespace parley::sim
