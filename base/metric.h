// Metrics: plain numbers that live beside the class that counts, listed in one registry.
// Loop thread only, unless a type says otherwise. Text form: Prometheus exposition format 0.0.4.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace parley {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

class MetricRegistry;

// Thread-safe: storage threads count too.
class Counter {
 public:
  Counter() = default;
  Counter(MetricRegistry& registry, std::string name, std::string help, MetricLabels labels = {});
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Read when scraped, from the function given.
class Gauge {
 public:
  Gauge(MetricRegistry& registry, std::string name, std::string help, std::function<double()> read,
        MetricLabels labels = {});
  Gauge(const Gauge&) = delete;
  Gauge& operator=(const Gauge&) = delete;
};

// Latencies in seconds over fixed bounds from 50 us to 10 s. Thread-safe.
class Histogram {
 public:
  static constexpr std::array<double, 16> kBounds = {50e-6, 100e-6, 250e-6, 500e-6, 1e-3,   2.5e-3,
                                                     5e-3,  10e-3,  25e-3,  50e-3,  100e-3, 250e-3,
                                                     0.5,   1.0,    2.5,    10.0};
  Histogram() = default;
  Histogram(MetricRegistry& registry, std::string name, std::string help, MetricLabels labels = {});
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;
  void record(Duration elapsed);
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  std::uint64_t bucket(std::size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  double sum_seconds() const;

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> buckets_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> sum_nanos_{0};
};

// A counter or histogram per combination of label values, made on first use. Loop thread only.
template <typename Metric>
class MetricFamily {
 public:
  MetricFamily(MetricRegistry& registry, std::string name, std::string help,
               std::vector<std::string> label_names)
      : registry_(registry),
        name_(std::move(name)),
        help_(std::move(help)),
        label_names_(std::move(label_names)) {}
  Metric& with(const std::vector<std::string>& label_values) {
    const auto found = children_.find(label_values);
    if (found != children_.end()) return found->second;
    MetricLabels labels;
    for (std::size_t i = 0; i < label_names_.size(); ++i) {
      labels.emplace_back(label_names_[i], label_values.at(i));
    }
    return children_
        .emplace(std::piecewise_construct, std::forward_as_tuple(label_values),
                 std::forward_as_tuple(registry_, name_, help_, std::move(labels)))
        .first->second;
  }

 private:
  MetricRegistry& registry_;
  std::string name_, help_;
  std::vector<std::string> label_names_;
  std::map<std::vector<std::string>, Metric> children_;
};

// Must outlive every metric registered with it and be rendered only while they live.
// Names are given without the common prefix `parley_`.
class MetricRegistry {
 public:
  enum class Kind : std::uint8_t { Counter, Gauge, Histogram };
  struct Entry {
    MetricLabels labels;
    const Counter* counter = nullptr;
    const Histogram* histogram = nullptr;
    std::function<double()> gauge;
  };
  void enlist(Kind kind, const std::string& name, const std::string& help, Entry entry);
  std::string render() const;
  // A counter or gauge, of all its labels together; nullopt: there is none of this name.
  std::optional<double> total(const std::string& name) const;
  // In the order of their making; none when there is none of this name.
  const std::vector<Entry>& entries(const std::string& name) const;

 private:
  struct Family {
    Kind kind = Kind::Counter;
    std::string help;
    std::vector<Entry> entries;
  };
  std::map<std::string, Family> families_;
};

}  // namespace parley
