#include "base/metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace parley {
namespace {

std::string label_value(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string label_text(const MetricLabels& labels, const std::string& bound = {}) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, label_value(value));
  }
  if (!bound.empty()) out += fmt::format("{}le=\"{}\"", out.empty() ? "" : ",", bound);
  return out.empty() ? out : "{" + out + "}";
}

void render_histogram(std::string& out, const std::string& name, const MetricLabels& labels,
                      const Histogram& h) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < Histogram::kBounds.size(); ++i) {
    below += h.bucket(i);
    const std::string bound = fmt::format("{}", Histogram::kBounds[i]);
    out += fmt::format("{}_bucket{} {}\n", name, label_text(labels, bound), below);
  }
  below += h.bucket(Histogram::kBounds.size());
  out += fmt::format("{}_bucket{} {}\n", name, label_text(labels, "+Inf"), below);
  out += fmt::format("{}_sum{} {}\n", name, label_text(labels), h.sum_seconds());
  out += fmt::format("{}_count{} {}\n", name, label_text(labels), below);
}

}  // namespace

Counter::Counter(MetricRegistry& registry, std::string name, std::string help,
                 MetricLabels labels) {
  registry.enlist(MetricRegistry::Kind::Counter, name, help,
                  {std::move(labels), this, nullptr, nullptr});
}

Gauge::Gauge(MetricRegistry& registry, std::string name, std::string help,
             std::function<double()> read, MetricLabels labels) {
  registry.enlist(MetricRegistry::Kind::Gauge, name, help,
                  {std::move(labels), nullptr, nullptr, std::move(read)});
}

Histogram::Histogram(MetricRegistry& registry, std::string name, std::string help,
                     MetricLabels labels) {
  registry.enlist(MetricRegistry::Kind::Histogram, name, help,
                  {std::move(labels), nullptr, this, nullptr});
}

void Histogram::record(Duration elapsed) {
  const auto nanos = std::max<std::int64_t>(0, elapsed.count());
  const double seconds = static_cast<double>(nanos) * 1e-9;
  const auto* at = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  const auto index = static_cast<std::size_t>(at - kBounds.begin());
  buckets_[index].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  sum_nanos_.fetch_add(static_cast<std::uint64_t>(nanos), std::memory_order_relaxed);
}

double Histogram::sum_seconds() const {
  return static_cast<double>(sum_nanos_.load(std::memory_order_relaxed)) * 1e-9;
}

void MetricRegistry::enlist(Kind kind, const std::string& name, const std::string& help,
                            Entry entry) {
  Family& family = families_["parley_" + name];
  PARLEY_CHECK(family.entries.empty() || family.kind == kind);
  family.kind = kind;
  family.help = help;
  family.entries.push_back(std::move(entry));
}

std::optional<double> MetricRegistry::total(const std::string& name) const {
  const auto found = families_.find("parley_" + name);
  if (found == families_.end() || found->second.kind == Kind::Histogram) return std::nullopt;
  double sum = 0;
  for (const Entry& entry : found->second.entries) {
    sum += entry.counter != nullptr ? static_cast<double>(entry.counter->value()) : entry.gauge();
  }
  return sum;
}

const std::vector<MetricRegistry::Entry>& MetricRegistry::entries(const std::string& name) const {
  static const std::vector<Entry> kNone;
  const auto found = families_.find("parley_" + name);
  return found == families_.end() ? kNone : found->second.entries;
}

std::string MetricRegistry::render() const {
  static constexpr std::array<std::string_view, 3> kTypes = {"counter", "gauge", "histogram"};
  std::string out;
  for (const auto& [name, family] : families_) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family.help, name,
                       kTypes[static_cast<std::size_t>(family.kind)]);
    for (const Entry& entry : family.entries) {
      if (family.kind == Kind::Histogram) {
        render_histogram(out, name, entry.labels, *entry.histogram);
      } else if (family.kind == Kind::Counter) {
        out += fmt::format("{}{} {}\n", name, label_text(entry.labels), entry.counter->value());
      } else {
        out += fmt::format("{}{} {}\n", name, label_text(entry.labels), entry.gauge());
      }
    }
  }
  return out;
}

}  // namespace parley
