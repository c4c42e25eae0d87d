#include "tools/demo/traffic.h"

#include <algorithm>

namespace parley::demo {
namespace {

using client::Outcome;

constexpr std::size_t kLatenciesMost = 4096, kValuesMost = 256;

int rank(const std::string& level) {
  static const std::vector<std::string> kOrder = {"all", "quorum", "one", "any"};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), level) - kOrder.begin());
}

}  // namespace

client::WriteOptions write_at(const std::string& level, std::optional<Bytes> context) {
  client::WriteOptions options;
  options.level = level;
  options.context = std::move(context);
  return options;
}

client::ReadOptions read_at(const std::string& level) {
  client::ReadOptions options;
  options.level = level;
  return options;
}

std::chrono::duration<double> percentile(const std::vector<std::chrono::duration<double>>& latency,
                                         double share) {
  if (latency.empty()) return {};
  const auto place = static_cast<std::size_t>(share * static_cast<double>(latency.size()));
  return latency[std::min(place, latency.size() - 1)];
}

std::size_t Traffic::begin_put(const std::string& key, const std::string& value) {
  const std::lock_guard lock(mutex_);
  History& history = histories_[key];
  history.values.push_back({value, std::nullopt});
  if (history.values.size() > kValuesMost) {
    history.values.pop_front();
    ++history.dropped;
  }
  return history.dropped + history.values.size() - 1;
}

void Traffic::note_latency(LevelFigures& level, Clock::duration took) {
  if (level.latency.size() == kLatenciesMost) level.latency.erase(level.latency.begin());
  level.latency.push_back(took);
}

client::WriteResult Traffic::put(client::Client& client, const std::string& key,
                                 const std::string& value, const client::WriteOptions& options) {
  const std::size_t place = begin_put(key, value);
  const auto begun = Clock::now();
  auto result = client.put(key, value, options);
  const auto ended = Clock::now();
  const std::lock_guard lock(mutex_);
  LevelFigures& level = levels_[options.level];
  ++level.puts;
  level.unknown += result.outcome == Outcome::Unknown ? 1 : 0;
  if (result.outcome != Outcome::Ok) return result;
  ++level.puts_ok;
  note_latency(level, ended - begun);
  History& history = histories_[key];
  if (place >= history.dropped) history.values[place - history.dropped].acked = ended;
  return result;
}

std::optional<Traffic::Clock::duration> Traffic::age_of(const std::string& key,
                                                        const client::ReadResult& read,
                                                        Clock::time_point begun) const {
  const auto found = histories_.find(key);
  if (found == histories_.end()) return std::nullopt;
  // Values that were begun after the one that was read, or after all if none was.
  std::optional<Clock::duration> age;
  for (auto at = found->second.values.rbegin(); at != found->second.values.rend(); ++at) {
    const bool was_read =
        std::any_of(read.values.begin(), read.values.end(),
                    [&](const client::Value& value) { return value.value == at->value; });
    if (was_read) break;
    if (at->acked && *at->acked <= begun)
      age = std::max(age.value_or(Clock::duration{}), begun - *at->acked);
  }
  return age;
}

client::ReadResult Traffic::get(client::Client& client, const std::string& key,
                                const client::ReadOptions& options) {
  const auto begun = Clock::now();
  auto result = client.get(key, options);
  const auto took = Clock::now() - begun;
  const std::lock_guard lock(mutex_);
  LevelFigures& level = levels_[options.level];
  ++level.gets;
  if (result.outcome != Outcome::Ok) return result;
  ++level.gets_ok;
  note_latency(level, took);
  if (const auto age = age_of(key, result, begun)) {
    ++level.stale;
    level.oldest =
        std::max(level.oldest, std::chrono::duration_cast<std::chrono::milliseconds>(*age));
  }
  return result;
}

std::vector<LevelFigures> Traffic::figures() const {
  std::vector<LevelFigures> out;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, level] : levels_) {
      out.push_back(level);
      out.back().level = name;
    }
  }
  for (LevelFigures& level : out) std::sort(level.latency.begin(), level.latency.end());
  std::stable_sort(out.begin(), out.end(), [](const LevelFigures& a, const LevelFigures& b) {
    return rank(a.level) < rank(b.level);
  });
  return out;
}

}  // namespace parley::demo
