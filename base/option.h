// An option is declared once: name, default, bounds, documentation. The command line, the TOML
// file, --help and the simulator's perturbation all read the same declaration.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace parley {

// "250ms", "2s", "1m", "3h"; nullopt-like InvalidArgument otherwise.
Result<Duration> parse_duration(std::string_view text);
std::string duration_text(Duration d);

class OptionGroup;

class OptionBase {
 public:
  OptionBase(OptionGroup& group, std::string name, std::string doc);
  virtual ~OptionBase() = default;
  OptionBase(const OptionBase&) = delete;
  OptionBase& operator=(const OptionBase&) = delete;

  // InvalidArgument (and unchanged) when the text is no value of this type or out of bounds.
  virtual Status set_text(std::string_view text) = 0;
  virtual std::string text() const = 0;
  virtual std::string bounds_text() const = 0;
  const std::string& name() const { return name_; }
  const std::string& doc() const { return doc_; }

 private:
  std::string name_, doc_;
};

// Resource, not a value: its options point into it.
class OptionGroup {
 public:
  explicit OptionGroup(std::string name) : name_(std::move(name)) {}
  OptionGroup(const OptionGroup&) = delete;
  OptionGroup& operator=(const OptionGroup&) = delete;
  const std::string& name() const { return name_; }
  const std::vector<OptionBase*>& options() const { return options_; }

 private:
  friend class OptionBase;
  std::string name_;
  std::vector<OptionBase*> options_;
};

// T is Duration, std::uint64_t or bool; others do not link.
template <typename T>
class Option final : public OptionBase {
 public:
  struct Bounds {
    T least, most;
  };
  Option(OptionGroup& group, std::string name, T fallback, Bounds bounds, std::string doc)
      : OptionBase(group, std::move(name), std::move(doc)), value_(fallback), bounds_(bounds) {}

  T operator()() const { return value_; }
  const Bounds& bounds() const { return bounds_; }
  Status set(T value);
  Status set_text(std::string_view text) override;
  std::string text() const override;
  std::string bounds_text() const override;

 private:
  T value_;
  Bounds bounds_;
};

using DurationOption = Option<Duration>;
using CountOption = Option<std::uint64_t>;

}  // namespace parley
