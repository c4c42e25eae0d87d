#include "tests/sim/run_flags.h"

#include <charconv>
#include <sstream>

namespace parley::sim {
namespace {

constexpr const char* kNone = "none";

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);) out.push_back(part);
  return out;
}

template <typename Range, typename Text>
std::string join(const Range& range, const Text& text) {
  std::string out;
  for (const auto& one : range) out += (out.empty() ? "" : ",") + std::string(text(one));
  return out.empty() ? kNone : out;
}

Error no_value(const std::string& name, const std::string& value) {
  return {ErrorCode::InvalidArgument, "\"" + value + "\" is no value for --" + name};
}

Result<std::uint64_t> number_of(const std::string& name, const std::string& value) {
  std::uint64_t out = 0;
  const char* end = value.data() + value.size();
  const auto [at, error] = std::from_chars(value.data(), end, out);
  if (error != std::errc{} || at != end || value.empty()) return no_value(name, value);
  return out;
}

Status set_mode(RunOptions& options, const std::string& value) {
  for (const Mode mode : {Mode::Safety, Mode::Liveness}) {
    if (value == to_text(mode)) options.mode = mode;
  }
  return options.mode ? Status(Done{}) : Status(no_value("mode", value));
}

Status set_rule(RunOptions& options, const std::string& value) {
  options.rule = membership::parse_conflict_rule(value);
  return options.rule ? Status(Done{}) : Status(no_value("rule", value));
}

Status set_faults(RunOptions& options, const std::string& value) {
  options.faults.emplace();
  if (value == kNone) return Done{};
  for (const auto& name : split(value, ',')) {
    const auto fault = fault_of(name);
    if (!fault) return no_value("faults", name);
    options.faults->push_back(*fault);
  }
  return Done{};
}

// "2,5-7"
Status set_strikes(RunOptions& options, const std::string& value) {
  options.strikes.emplace();
  if (value == kNone) return Done{};
  for (const auto& part : split(value, ',')) {
    const auto dash = part.find('-');
    const auto first = number_of("strikes", part.substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : number_of("strikes", part.substr(dash + 1));
    if (!first.ok() || !last.ok() || *last > 2 * Nemesis::kFrozen) return no_value("strikes", part);
    for (auto number = *first; number <= *last; ++number) options.strikes->insert(number);
  }
  return Done{};
}

std::string strikes_text(const std::set<std::size_t>& strikes) {
  std::vector<std::string> parts;
  for (auto at = strikes.begin(); at != strikes.end();) {
    const std::size_t first = *at;
    std::size_t last = first;
    while (++at != strikes.end() && *at == last + 1) ++last;
    parts.push_back(std::to_string(first) + (last > first ? "-" + std::to_string(last) : ""));
  }
  return join(parts, [](const std::string& part) { return part; });
}

}  // namespace

const std::vector<RunFlag>& run_flags() {
  static const std::vector<RunFlag> kFlags = {
      {"seed", "Replay this seed alone"},
      {"seconds", "Virtual seconds of faults in each run [60]"},
      {"mode", "safety or liveness, whatever the seed draws"},
      {"rule", "siblings or lww (the last writer wins), whatever the seed draws"},
      {"nodes", "How many nodes, 3 to 7, whatever the seed draws"},
      {"clients", "How many clients"},
      {"keys", "How many keys"},
      {"levels", "The levels of calls: any of all,quorum,one,any,1,2,3"},
      {"faults", "The faults that may happen, by name, or none"},
      {"strikes", "The numbers of the strikes that happen (2,5-7), or none"}};
  return kFlags;
}

Status set_flag(RunOptions& options, const std::string& name, const std::string& value) {
  if (name == "mode") return set_mode(options, value);
  if (name == "rule") return set_rule(options, value);
  if (name == "faults") return set_faults(options, value);
  if (name == "strikes") return set_strikes(options, value);
  if (name == "levels") {
    options.levels = split(value, ',');
    return options.levels->empty() ? Status(no_value(name, value)) : Status(Done{});
  }
  const auto number = number_of(name, value);
  if (!number.ok()) return number.error();
  const bool in_range = name == "seed" || (*number > 0 && *number <= 1'000'000);
  if (!in_range || (name == "nodes" && (*number < 3 || *number > 7)) ||
      (name == "keys" && *number > kKeysMost)) {
    return no_value(name, value);
  }
  if (name == "seed") options.seed = *number;
  if (name == "seconds") options.span = std::chrono::seconds(*number);
  if (name == "nodes") options.nodes = *number;
  if (name == "clients") options.clients = *number;
  if (name == "keys") options.keys = *number;
  return Done{};
}

std::string to_command(const RunOptions& options) {
  std::string out = "parley-sim --seed " + std::to_string(options.seed);
  const auto add = [&out](const std::string& name, const std::string& value) {
    out += " --" + name + " " + value;
  };
  const auto count = [&add](const std::string& name, const std::optional<std::size_t>& value) {
    if (value) add(name, std::to_string(*value));
  };
  if (options.mode) add("mode", to_text(*options.mode));
  if (options.rule) add("rule", to_text(*options.rule));
  if (options.span != RunOptions{}.span) {
    add("seconds", std::to_string(to_millis(options.span) / 1000));
  }
  count("nodes", options.nodes);
  count("clients", options.clients);
  count("keys", options.keys);
  if (options.levels) {
    add("levels", join(*options.levels, [](const std::string& level) { return level; }));
  }
  if (options.faults) add("faults", join(*options.faults, [](Fault one) { return to_text(one); }));
  if (options.strikes) add("strikes", strikes_text(*options.strikes));
  return out;
}

Result<RunOptions> parse_command(const std::string& command) {
  RunOptions options;
  const auto words = split(command, ' ');
  for (std::size_t i = 1; i + 1 < words.size(); i += 2) {
    if (!words[i].starts_with("--")) return no_value(words[i], words[i + 1]);
    if (const Status set = set_flag(options, words[i].substr(2), words[i + 1]); !set) {
      return set.error();
    }
  }
  return options;
}

}  // namespace parley::sim
