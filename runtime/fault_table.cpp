#include "runtime/fault_table.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"

namespace parley::runtime {
namespace {

constexpr Duration kLastsMost = 24h;
constexpr Duration kDiskDelayMost = 1min;
constexpr Duration kOffsetMost = 24h * 366;

Error invalid(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }

Status check(const BadLink& link) {
  if (!link.peer.empty() && !is_numeric_address(link.peer)) {
    return invalid("'" + link.peer + "' is no numeric address");
  }
  return link.fault.check();
}

Status check(const SlowDisk& disk) {
  for (const Duration time : {disk.delay, disk.jitter}) {
    if (time < 0ns || time > kDiskDelayMost) {
      return invalid("a disk's delay must be between 0 and 1 min");
    }
  }
  if (disk == SlowDisk{}) return invalid("that would change nothing");
  return Done{};
}

Status check(const SkewedClock& clock) {
  if (clock.offset == 0ns) return invalid("that would change nothing");
  if (clock.offset > kOffsetMost || clock.offset < -kOffsetMost) {
    return invalid("a clock may be off by a year at most");
  }
  return Done{};
}

std::string text_of(const BadLink& link) {
  std::string text = to_text(link.fault);
  if (link.direction == Direction::Both) text += " to and from ";
  if (link.direction == Direction::Out) text += " to ";
  if (link.direction == Direction::In) text += " from ";
  text += link.peer.empty() ? "all" : link.peer;
  if (link.traffic == Traffic::Peer) text += " (streams)";
  if (link.traffic == Traffic::Gossip) text += " (gossip)";
  return text;
}

std::string text_of(const SlowDisk& disk) {
  std::string text = "disk slower by " + std::to_string(to_millis(disk.delay)) + " ms";
  if (disk.jitter > 0ns) {
    text += " to " + std::to_string(to_millis(disk.delay + disk.jitter)) + " ms";
  }
  return text;
}

std::string text_of(const SkewedClock& clock) {
  const bool ahead = clock.offset > 0ns;
  return "clock " + std::to_string(to_millis(ahead ? clock.offset : -clock.offset)) +
         (ahead ? " ms ahead" : " ms behind");
}

}  // namespace

std::string to_text(const Fault& fault) {
  return std::visit([](const auto& what) { return text_of(what); }, fault.what);
}

Result<std::uint64_t> FaultTable::add(Fault fault, Instant now) {
  if (const Status sound = std::visit([](const auto& what) { return check(what); }, fault.what);
      !sound) {
    return sound.error();
  }
  if (fault.note.size() > kNoteBytesMost) return invalid("the note is too long");
  if (fault.lasts < 0ns || fault.lasts > kLastsMost) {
    return invalid("a fault may last a day at most");
  }
  if (active_.size() >= kFaultsMost) {
    return Error{ErrorCode::Overloaded,
                 "this node has " + std::to_string(kFaultsMost) + " faults already: heal some"};
  }
  ActiveFault active{++last_id_, std::move(fault), std::nullopt};
  if (active.fault.lasts > 0ns) active.ends = now + active.fault.lasts;
  active_.push_back(std::move(active));
  return last_id_;
}

std::size_t FaultTable::heal(const std::string& peer) {
  return std::erase_if(active_, [&peer](const ActiveFault& active) {
    const auto* link = std::get_if<BadLink>(&active.fault.what);
    return peer.empty() || (link != nullptr && (link->peer.empty() || link->peer == peer));
  });
}

std::size_t FaultTable::heal_noted(const std::string& note) {
  return std::erase_if(active_,
                       [&note](const ActiveFault& active) { return active.fault.note == note; });
}

bool FaultTable::heal_one(std::uint64_t id) {
  return std::erase_if(active_, [id](const ActiveFault& active) { return active.id == id; }) > 0;
}

std::vector<ActiveFault> FaultTable::expire(Instant now) {
  std::vector<ActiveFault> over;
  for (const ActiveFault& active : active_) {
    if (active.ends && *active.ends <= now) over.push_back(active);
  }
  for (const ActiveFault& active : over) heal_one(active.id);
  return over;
}

std::optional<Instant> FaultTable::next_end() const {
  std::optional<Instant> next;
  for (const ActiveFault& active : active_) {
    if (active.ends && (!next || *active.ends < *next)) next = active.ends;
  }
  return next;
}

LinkFault FaultTable::link(const std::string& peer, Direction direction, Traffic traffic) const {
  LinkFault sum;
  for (const ActiveFault& active : active_) {
    const auto* link = std::get_if<BadLink>(&active.fault.what);
    if (link == nullptr || !(link->peer.empty() || link->peer == peer)) continue;
    if (link->direction != Direction::Both && link->direction != direction) continue;
    if (link->traffic != Traffic::All && link->traffic != traffic) continue;
    sum = sum + link->fault;
  }
  return sum;
}

bool FaultTable::is_cut(const std::string& peer) const {
  return link(peer, Direction::Out, Traffic::Peer).cut ||
         link(peer, Direction::In, Traffic::Peer).cut;
}

SlowDisk FaultTable::disk() const {
  SlowDisk sum;
  for (const ActiveFault& active : active_) {
    if (const auto* disk = std::get_if<SlowDisk>(&active.fault.what)) {
      sum.delay += disk->delay;
      sum.jitter += disk->jitter;
    }
  }
  return sum;
}

Duration FaultTable::clock_offset() const {
  Duration sum{0};
  for (const ActiveFault& active : active_) {
    if (const auto* clock = std::get_if<SkewedClock>(&active.fault.what)) sum += clock->offset;
  }
  return sum;
}

}  // namespace parley::runtime
