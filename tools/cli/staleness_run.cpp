#include "tools/cli/staleness_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/bytes.h"
#include "replication/level.h"
#include "ring/ring.h"
#include "runtime/asio_loop.h"

namespace parley::cli {
namespace {

// A read that begins later than it should sees more than one that does not.
constexpr Duration kLateMost = 2ms;
constexpr Duration kLook = 20ms;  // for an interrupt

// One key in each of so many equal parts of the ring, the same in every run: few keys then stand
// for all, and what is left of a run that was killed is overwritten by the next one.
std::vector<Bytes> spread_keys(std::size_t count) {
  std::vector<Bytes> out(count);
  std::size_t found = 0;
  for (std::size_t i = 0; found < count; ++i) {
    const Bytes key = kMeasuredKeys + std::to_string(i);
    const std::size_t part = std::size_t{slot_of(ring::token_of(key))} * count / 65536;
    if (!out[part].empty()) continue;
    out[part] = key;
    ++found;
  }
  return out;
}

// Odd, and near the golden section: steps of it come everywhere soon.
std::size_t stride_of(std::size_t count) {
  auto stride = static_cast<std::size_t>(static_cast<double>(count) * 0.618) | 1;
  while (std::gcd(stride, count) != 1) stride += 2;
  return stride;
}

}  // namespace

double LevelFigures::quantile(double share) const {
  if (ms.empty()) return std::numeric_limits<double>::infinity();
  std::vector<double> sorted = ms;
  std::sort(sorted.begin(), sorted.end());
  const auto place = std::ceil(share * static_cast<double>(sorted.size())) - 1;
  return sorted[static_cast<std::size_t>(std::max(place, 0.0))];
}

StalenessRun::StalenessRun(RunPlan plan) : plan_(std::move(plan)) {
  run_id_ = to_hex(runtime::os_entropy32().substr(0, 8));
  make_schedule();
}

// First the clients, which call back into the rest.
StalenessRun::~StalenessRun() { clients_.clear(); }

StalenessRun::Moment StalenessRun::now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

Status StalenessRun::prepare() {
  for (const std::string& endpoint : plan_.endpoints) {
    client::ClientOptions options;
    options.endpoints = {endpoint};
    options.timeout = plan_.timeout;
    options.learn_ring = false;
    auto client = client::Client::make(std::move(options));
    if (!client) return client.error();
    clients_.push_back(std::move(*client));
  }
  std::vector<Bytes> names = spread_keys(plan_.keys);
  client::ReadOptions options;
  options.level = "quorum";
  options.keyspace = plan_.keyspace;
  const auto there = clients_.front()->get_batch(names, options);
  for (std::size_t i = 0; i < names.size(); ++i) {
    // A first write without a context is only one more sibling: it needs no answer here.
    const client::ReadResult& one = there[i];
    if (!one.connected) return *one.error;
    const bool usage = one.error && one.error->code == ErrorCode::NotFound;
    if (usage) return *one.error;
    Key key{std::move(names[i]), std::nullopt};
    if (one.outcome == client::Outcome::Ok && !one.context.empty()) key.context = one.context;
    keys_.push_back(std::move(key));
  }
  return Done{};
}

// Pairs of levels that are never stale by design come up once where the others come up four times:
// they only have to show it.
void StalenessRun::make_schedule() {
  constexpr std::size_t kTimes = 4;
  std::vector<std::size_t> telling, by_design;
  const auto required = [this](const std::string& text) {
    return replication::required_replicas(*replication::parse_level(text), plan_.n);
  };
  for (const std::string& write : plan_.write_levels) {
    for (const std::string& read : plan_.read_levels) {
      for (const Duration at : plan_.at) {
        auto& kind = required(read) + required(write) > plan_.n ? by_design : telling;
        kind.push_back(cells_.size());
        cells_.push_back({read, write, at});
      }
    }
  }
  for (std::size_t i = 0; i < kTimes; ++i) {
    schedule_.insert(schedule_.end(), telling.begin(), telling.end());
  }
  schedule_.insert(schedule_.end(), by_design.begin(), by_design.end());
}

// Within each pair of levels and time every pair of nodes and all keys evenly, so that what depends
// on who is asked for which key is not left to chance.
std::optional<StalenessRun::Sample> StalenessRun::next_sample() {
  const std::size_t cell = schedule_[begun_ % schedule_.size()], nodes = clients_.size();
  const std::size_t round = cells_[cell].samples++;
  ++begun_;
  Sample sample;
  sample.at = cells_[cell].at;
  sample.read_level = cells_[cell].read_level;
  sample.write_level = cells_[cell].write_level;
  sample.writer = round % nodes;
  const std::size_t step = nodes > 1 ? 1 + round / nodes % (nodes - 1) : 0;
  sample.reader = (sample.writer + step) % nodes;
  const std::size_t first = (round * stride_of(keys_.size()) + cell) % keys_.size();
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    sample.key = (first + i) % keys_.size();
    if (!keys_[sample.key].busy) {
      sample.value = fmt::format("{} {}", run_id_, begun_);
      return sample;
    }
  }
  return std::nullopt;
}

RunFigures StalenessRun::run() {
  const Moment start = now(), ends = start + plan_.lasts;
  const Duration pause = Duration(1s) / plan_.rate;
  Moment next = start;
  std::unique_lock lock(mutex_);
  while (true) {
    const Moment at = now();
    const bool ending = at >= ends || plan_.stopped();
    if (ending && under_way_ == 0) break;
    std::optional<Sample> sample;
    if (!waiting_.empty() && waiting_.top().due <= at) {
      sample = waiting_.top();
      waiting_.pop();
      lock.unlock();
      read(std::move(*sample));
      lock.lock();
      continue;
    }
    if (!ending && next <= at) {
      next += pause;
      sample = next_sample();
      if (!sample) {
        ++figures_.missed;
        continue;
      }
      keys_[sample->key].busy = true;
      ++under_way_;
      lock.unlock();
      write(std::move(*sample));
      lock.lock();
      continue;
    }
    Moment wake = at + kLook;
    if (!waiting_.empty()) wake = std::min(wake, waiting_.top().due);
    if (!ending) wake = std::min(wake, next);
    changed_.wait_for(lock, wake - at);
  }
  return figures_;
}

void StalenessRun::write(Sample sample) {
  client::WriteOptions options;
  options.level = sample.write_level;
  options.keyspace = plan_.keyspace;
  Bytes name;
  {
    const std::lock_guard lock(mutex_);
    options.context = keys_[sample.key].context;
    name = keys_[sample.key].name;
  }
  const std::size_t writer = sample.writer;
  Bytes value = sample.value;
  sample.begun = now();
  clients_[writer]->put_async(std::move(name), std::move(value), std::move(options),
                              [this, sample = std::move(sample)](client::WriteResult result) {
                                on_written(sample, result);
                              });
}

void StalenessRun::on_written(Sample sample, const client::WriteResult& result) {
  const Moment at = now();
  const std::lock_guard lock(mutex_);
  LevelFigures& figures = figures_.writes[sample.write_level];
  ++figures.asked;
  Key& key = keys_[sample.key];
  key.written = key.written || result.outcome != client::Outcome::NotWritten;
  if (result.outcome != client::Outcome::Ok) {
    key.in_doubt = key.in_doubt || result.outcome == client::Outcome::Unknown;
    return end(sample.key);
  }
  ++figures.ok;
  figures.ms.push_back(to_seconds(at - sample.begun) * 1e3);
  key.context = result.context;
  sample.due = at + sample.at;
  waiting_.push(std::move(sample));
  changed_.notify_one();
}

void StalenessRun::read(Sample sample) {
  client::ReadOptions options;
  options.level = sample.read_level;
  options.keyspace = plan_.keyspace;
  Bytes name;
  {
    const std::lock_guard lock(mutex_);
    name = keys_[sample.key].name;
  }
  const std::size_t reader = sample.reader;
  const Moment asked = now();
  clients_[reader]->get_async(
      std::move(name), std::move(options),
      [this, sample = std::move(sample), asked](const client::ReadResult& result) {
        on_read(sample, asked, result);
      });
}

void StalenessRun::on_read(const Sample& sample, Moment asked, const client::ReadResult& result) {
  const Moment at = now();
  const std::lock_guard lock(mutex_);
  LevelFigures& figures = figures_.reads[sample.read_level];
  ++figures.asked;
  if (result.outcome == client::Outcome::Ok) {
    ++figures.ok;
    figures.ms.push_back(to_seconds(at - asked) * 1e3);
    const bool fresh =
        std::any_of(result.values.begin(), result.values.end(),
                    [&sample](const auto& one) { return one.value == sample.value; });
    // It covers a second minting of a passed write too, which would else stay as a sibling.
    if (fresh) keys_[sample.key].context = result.context;
    if (asked - sample.due > kLateMost) {
      ++figures_.late;
    } else {
      auto& cell = figures_.staleness[{sample.read_level, sample.write_level, sample.at}];
      ++cell.reads;
      cell.stale += fresh ? 0 : 1;
    }
  }
  end(sample.key);
}

void StalenessRun::end(std::size_t key) {
  keys_[key].busy = false;
  --under_way_;
  changed_.notify_one();
}

std::size_t StalenessRun::clean_up() {
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i].written) left.push_back(i);
  }
  if (left.empty()) return 0;
  // A write that may have come through is covered by what is read now.
  std::vector<Bytes> doubtful;
  std::vector<std::size_t> places;
  for (const std::size_t i : left) {
    if (!keys_[i].in_doubt) continue;
    doubtful.push_back(keys_[i].name);
    places.push_back(i);
  }
  client::ReadOptions options;
  options.level = "quorum";
  options.keyspace = plan_.keyspace;
  if (!doubtful.empty()) {
    const auto there = clients_.front()->get_batch(std::move(doubtful), options);
    for (std::size_t i = 0; i < there.size(); ++i) {
      if (there[i].outcome == client::Outcome::Ok) keys_[places[i]].context = there[i].context;
    }
  }
  std::size_t failed = erase(left, "quorum");
  if (failed > 0) failed = erase(left, "one");
  return failed;
}

std::size_t StalenessRun::erase(const std::vector<std::size_t>& keys, const std::string& level) {
  std::vector<client::PutItem> items;
  for (const std::size_t i : keys) {
    items.push_back({keys_[i].name, std::nullopt, keys_[i].context});
  }
  client::WriteOptions options;
  options.level = level;
  options.keyspace = plan_.keyspace;
  options.timeout = std::max<Duration>(plan_.timeout, 10s);
  const auto results = clients_.front()->put_batch(std::move(items), options);
  return static_cast<std::size_t>(
      std::count_if(results.begin(), results.end(),
                    [](const auto& one) { return one.outcome != client::Outcome::Ok; }));
}

}  // namespace parley::cli
