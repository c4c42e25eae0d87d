// Faults, to and from the schema.
#include <array>
#include <string_view>

#include "api/client_codec.h"

namespace parley::client {
namespace {

using Direction = schema::LinkFault::Direction;
using Traffic = schema::LinkFault::Traffic;

// In the order of the schema's enumerants.
constexpr std::array<std::string_view, 3> kDirections = {"both", "out", "in"};
constexpr std::array<std::string_view, 3> kTraffics = {"all", "peer", "gossip"};
constexpr std::array<std::string_view, 4> kKinds = {"link", "slow_disk", "skew", "pause"};

template <std::size_t N>
std::optional<std::uint16_t> place_of(const std::string& word,
                                      const std::array<std::string_view, N>& words) {
  for (std::uint16_t i = 0; i < N; ++i) {
    if (words[i] == word) return i;
  }
  return std::nullopt;
}

// A word of a newer peer: "?".
template <typename Enum, std::size_t N>
std::string word_of(Enum value, const std::array<std::string_view, N>& words) {
  const auto place = static_cast<std::size_t>(value);
  return place < N ? std::string(words[place]) : "?";
}

std::uint32_t millis32(std::uint64_t millis) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(millis, UINT32_MAX));
}

void write_link(const FaultSpec& in, schema::LinkFault::Builder out) {
  out.setPeer(text_for(in.peer));
  out.setDirection(static_cast<Direction>(place_of(in.direction, kDirections).value_or(0)));
  out.setTraffic(static_cast<Traffic>(place_of(in.traffic, kTraffics).value_or(0)));
  out.setCut(in.cut);
  out.setDrop(in.drop);
  out.setDuplicate(in.duplicate);
  out.setReorder(in.reorder);
  out.setCorrupt(in.corrupt);
  out.setDelayMs(millis32(in.delay_ms));
  out.setJitterMs(millis32(in.jitter_ms));
  out.setBytesPerSecond(in.bytes_per_second);
}

void read_link(schema::LinkFault::Reader in, FaultSpec& out) {
  out.kind = "link";
  out.peer = text_of(in.getPeer());
  out.direction = word_of(in.getDirection(), kDirections);
  out.traffic = word_of(in.getTraffic(), kTraffics);
  out.cut = in.getCut();
  out.drop = in.getDrop();
  out.duplicate = in.getDuplicate();
  out.reorder = in.getReorder();
  out.corrupt = in.getCorrupt();
  out.delay_ms = in.getDelayMs();
  out.jitter_ms = in.getJitterMs();
  out.bytes_per_second = in.getBytesPerSecond();
}

}  // namespace

Status check_fault(const FaultSpec& spec) {
  const auto check = [](const char* what, const std::string& word, const auto& words) -> Status {
    if (place_of(word, words)) return Done{};
    return Error{ErrorCode::InvalidArgument, std::string("no ") + what + " '" + word + "'"};
  };
  if (const Status kind = check("fault", spec.kind, kKinds); !kind) return kind;
  if (const Status way = check("direction", spec.direction, kDirections); !way) return way;
  return check("traffic", spec.traffic, kTraffics);
}

void write_struct(const FaultSpec& in, schema::Fault::Builder out) {
  out.setForMs(in.for_ms);
  out.setNote(text_for(in.note));
  if (in.kind == "link") {
    write_link(in, out.initLink());
  } else if (in.kind == "slow_disk") {
    auto disk = out.initSlowDisk();
    disk.setDelayMs(millis32(in.delay_ms));
    disk.setJitterMs(millis32(in.jitter_ms));
  } else if (in.kind == "skew") {
    out.setSkewMs(in.skew_ms);
  } else {
    out.setPause();
  }
}

FaultSpec read_struct(schema::Fault::Reader in) {
  FaultSpec out;
  out.for_ms = in.getForMs();
  out.note = text_of(in.getNote());
  switch (in.which()) {
    case schema::Fault::LINK: read_link(in.getLink(), out); break;
    case schema::Fault::SLOW_DISK:
      out.kind = "slow_disk";
      out.delay_ms = in.getSlowDisk().getDelayMs();
      out.jitter_ms = in.getSlowDisk().getJitterMs();
      break;
    case schema::Fault::SKEW_MS:
      out.kind = "skew";
      out.skew_ms = in.getSkewMs();
      break;
    case schema::Fault::PAUSE: out.kind = "pause"; break;
    default: out.kind = "?";  // of a newer peer
  }
  return out;
}

void write_struct(const FaultRow& in, schema::FaultRow::Builder out) {
  out.setId(in.id);
  write_struct(in.spec, out.initFault());
  out.setText(text_for(in.text));
  out.setLeftMs(in.left_ms);
}

FaultRow read_struct(schema::FaultRow::Reader in) {
  FaultRow out;
  out.id = in.getId();
  out.spec = read_struct(in.getFault());
  out.text = text_of(in.getText());
  out.left_ms = in.getLeftMs();
  return out;
}

}  // namespace parley::client
