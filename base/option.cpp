#include "base/option.h"

#include <array>
#include <charconv>

namespace parley {
namespace {

struct Unit {
  std::string_view suffix;
  std::int64_t nanos;
};
// Longest suffix first where one ends in another.
constexpr std::array<Unit, 6> kUnits = {{{"ms", 1'000'000},
                                         {"us", 1'000},
                                         {"ns", 1},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000}}};

Error invalid(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }

Result<std::uint64_t> parse_value(std::string_view text, std::uint64_t) {
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end) {
    return invalid("'" + std::string(text) + "' is not a whole number");
  }
  return value;
}
Result<Duration> parse_value(std::string_view text, Duration) { return parse_duration(text); }
Result<bool> parse_value(std::string_view text, bool) {
  if (text == "true") return true;
  if (text == "false") return false;
  return invalid("'" + std::string(text) + "' is neither true nor false");
}

std::string value_text(std::uint64_t v) { return std::to_string(v); }
std::string value_text(Duration v) { return duration_text(v); }
std::string value_text(bool v) { return v ? "true" : "false"; }

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.suffix)) continue;
    const std::string_view digits = text.substr(0, text.size() - unit.suffix.size());
    std::int64_t count = 0;
    const auto end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, count);
    const bool whole = !digits.empty() && parsed.ec == std::errc{} && parsed.ptr == end;
    if (!whole || count < 0 || count > INT64_MAX / unit.nanos) break;
    return Duration(count * unit.nanos);
  }
  return invalid("'" + std::string(text) + "' is not a duration such as 250ms, 2s or 1m");
}

std::string duration_text(Duration d) {
  const std::int64_t nanos = d.count();
  constexpr std::array<std::size_t, 6> kLargestFirst = {5, 4, 3, 0, 1, 2};
  for (const std::size_t i : kLargestFirst) {
    const Unit& unit = kUnits[i];
    if (nanos != 0 && nanos % unit.nanos == 0) {
      return std::to_string(nanos / unit.nanos) + std::string(unit.suffix);
    }
  }
  return "0s";
}

OptionBase::OptionBase(OptionGroup& group, std::string name, std::string doc)
    : name_(std::move(name)), doc_(std::move(doc)) {
  group.options_.push_back(this);
}

template <typename T>
Status Option<T>::set(T value) {
  if (value < bounds_.least || value > bounds_.most) {
    return invalid(name() + " must be " + bounds_text() + ", not " + value_text(value));
  }
  value_ = value;
  return Done{};
}

template <typename T>
Status Option<T>::set_text(std::string_view text) {
  const auto parsed = parse_value(text, T{});
  if (!parsed.ok()) return invalid(name() + ": " + parsed.error().message);
  return set(*parsed);
}

template <typename T>
std::string Option<T>::text() const {
  return value_text(value_);
}

template <typename T>
std::string Option<T>::bounds_text() const {
  return value_text(bounds_.least) + " to " + value_text(bounds_.most);
}

template class Option<Duration>;
template class Option<std::uint64_t>;
template class Option<bool>;

}  // namespace parley
