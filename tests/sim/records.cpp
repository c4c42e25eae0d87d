#include "tests/sim/records.h"

#include <charconv>

#include "base/check.h"
#include "tests/sim/levels.h"

namespace parley::sim {
namespace {

constexpr std::size_t kTokenHead = 17;  // format and seal (replication/context_token.h)

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number out = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (wrong != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace

Bytes value_of(WriteNumber number, std::size_t size) {
  Bytes value = Bytes(kValueMark) + std::to_string(number) + ";";
  if (value.size() < size) value.resize(size, '.');
  return value;
}

Bytes set_value_of(WriteNumber number, const std::set<WriteNumber>& elements) {
  Bytes value = Bytes(kValueMark) + std::to_string(number) + ";";
  for (const WriteNumber one : elements) value += std::to_string(one) + ",";
  return value;
}

std::optional<WriteNumber> write_of(ByteView value) {
  if (!value.starts_with(kValueMark)) return std::nullopt;
  value.remove_prefix(kValueMark.size());
  const auto end = value.find(';');
  if (end == ByteView::npos) return std::nullopt;
  return number_of<WriteNumber>(value.substr(0, end));
}

std::set<WriteNumber> elements_of(ByteView value) {
  std::set<WriteNumber> out;
  std::size_t at = value.find(';');
  if (at == ByteView::npos) return out;
  ++at;
  for (std::size_t end = 0; (end = value.find(',', at)) != ByteView::npos; at = end + 1) {
    if (const auto one = number_of<WriteNumber>(value.substr(at, end - at))) out.insert(*one);
  }
  return out;
}

std::optional<replication::VersionVector> vector_of(ByteView token) {
  if (token.empty()) return replication::VersionVector{};
  if (token.size() < kTokenHead) return std::nullopt;
  auto vector = replication::decode_context(token.substr(kTokenHead));
  if (!vector) return std::nullopt;
  return std::move(vector->vector);
}

std::optional<replication::Dot> parse_dot(const std::string& text) {
  const auto first = text.find(':');
  const auto last = text.rfind(':');
  if (first == std::string::npos || first == last) return std::nullopt;
  const auto hex = from_hex(std::string_view(text).substr(0, first));
  const auto storage = hex ? StorageId::from_bytes(*hex) : std::nullopt;
  const auto epoch =
      number_of<std::uint64_t>(std::string_view(text).substr(first + 1, last - first - 1));
  const auto counter = number_of<std::uint64_t>(std::string_view(text).substr(last + 1));
  if (!storage || !epoch || !counter) return std::nullopt;
  return replication::Dot{{*storage, *epoch}, *counter};
}

bool level_counts(const std::string& level) { return replicas_asked(level) >= kMajority; }

std::string text_of(const std::set<WriteNumber>& writes) {
  std::string out = "{";
  for (const WriteNumber one : writes) out += (out.size() > 1 ? " w" : "w") + std::to_string(one);
  return out + "}";
}

const char* text_of(client::Outcome outcome) {
  switch (outcome) {
    case client::Outcome::Ok: return "ok";
    case client::Outcome::NotWritten: return "not_written";
    case client::Outcome::Unknown: return "unknown";
  }
  PARLEY_UNREACHABLE();
}

}  // namespace parley::sim
