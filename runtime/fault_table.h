// Which faults a node does to itself on an operator's word (--allow-faults), until when, and what
// they add up to. A decider: faulty_network.h and others act on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/link_fault.h"

namespace parley::runtime {

// As the node that has the fault sees it.
enum class Direction : std::uint8_t { Both, Out, In };
enum class Traffic : std::uint8_t {
  All,
  Peer,    // streams: requests, hints, repair, and what membership sends as streams
  Gossip,  // datagrams
};

// On the links to the other nodes.
struct BadLink {
  std::string peer;  // numeric address; every node there is meant. Empty: all peers
  Direction direction = Direction::Both;
  Traffic traffic = Traffic::All;
  LinkFault fault;
  bool operator==(const BadLink&) const = default;
};
// Every answer of the disk comes so much later.
struct SlowDisk {
  Duration delay{0}, jitter{0};
  bool operator==(const SlowDisk&) const = default;
};
// The wall clock is off by so much.
struct SkewedClock {
  Duration offset{0};
  bool operator==(const SkewedClock&) const = default;
};

struct Fault {
  std::variant<BadLink, SlowDisk, SkewedClock> what;
  std::string note;   // the operator's own word for it: "partition a,b | c"
  Duration lasts{0};  // 0: until it is healed
  bool operator==(const Fault&) const = default;
};

// "cut to and from 127.0.0.2", "disk slower by 50 ms".
std::string to_text(const Fault& fault);

struct ActiveFault {
  std::uint64_t id = 0;  // never used again in this life
  Fault fault;
  std::optional<Instant> ends;
};

class FaultTable {
 public:
  static constexpr std::size_t kFaultsMost = 256;
  static constexpr std::size_t kNoteBytesMost = 200;

  // Its id. InvalidArgument (out of its range, or no address) and Overloaded (too many): unchanged.
  Result<std::uint64_t> add(Fault fault, Instant now);
  // Those on links to this peer (also when they came for all); empty: all faults. How many.
  std::size_t heal(const std::string& peer);
  // Those with exactly this note. How many.
  std::size_t heal_noted(const std::string& note);
  bool heal_one(std::uint64_t id);
  // Takes out those that are over.
  std::vector<ActiveFault> expire(Instant now);
  std::optional<Instant> next_end() const;
  const std::vector<ActiveFault>& active() const { return active_; }

  // Sums of all that are active. `direction`: Out or In; `traffic`: Peer or Gossip.
  LinkFault link(const std::string& peer, Direction direction, Traffic traffic) const;
  // Cut in either direction: no stream can be made.
  bool is_cut(const std::string& peer) const;
  SlowDisk disk() const;
  Duration clock_offset() const;

 private:
  std::vector<ActiveFault> active_;  // by id
  std::uint64_t last_id_ = 0;
};

}  // namespace parley::runtime
