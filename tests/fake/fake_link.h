// What a fake world's links and streams are made of. Included by tests/fake/fake_world.h.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"
#include "runtime/loop.h"

namespace parley::fake {

using runtime::Task;
using runtime::TimerId;

class World;
class Node;

// How one direction between two nodes behaves.
struct LinkRules {
  Duration latency_least = 1ms, latency_most = 1ms;  // datagrams overtake each other in between
  double datagram_loss = 0, datagram_twice = 0;
  double corrupt = 0;  // of a datagram or of what one turn sends on a stream: one bit flips
};

// What a firewall can tell apart.
enum class Traffic : std::uint8_t { Datagrams = 1, Streams = 2, All = 3 };

namespace detail {

// What the kernel and the wire take before the sender sees unsent bytes.
inline constexpr std::size_t kKernelBytes = 64_KiB;
inline constexpr std::size_t kDatagramsHeldMost = 256;
inline constexpr Duration kStallMost = 60s;

// Events that one instant brings run in this order, so that sockets are drained before timers.
enum class EventKind : std::uint8_t { Arrival, Post, Timer };

struct Event {
  Node* node = nullptr;
  EventKind kind = EventKind::Post;
  Task task;
};
using EventKey = std::pair<Instant, std::uint64_t>;

// Of a slow processor: what fell due while it was at work.
struct Turns {
  Duration cost{0};
  Instant busy_until{};
  std::deque<std::pair<EventKey, Event>> waiting;
  bool slow() const { return cost > 0ns || !waiting.empty(); }
};

// One end of a stream.
struct Side : std::enable_shared_from_this<Side> {
  World* world = nullptr;
  Node* node = nullptr;
  std::string peer_address;
  Endpoint remote;
  std::weak_ptr<Side> peer;
  std::function<void(ByteView)> on_bytes;
  std::function<void(const Error&)> on_closed;
  bool open = true;  // the Connection lives and has not seen its end
  bool reading = true;
  bool flush_posted = false;
  bool black_hole = false;      // what arrives here vanishes
  bool silent = false;          // what is sent here vanishes: its machine is off
  Bytes filling;                // sent in this turn
  std::size_t outstanding = 0;  // sent and not yet handed to the peer's on_bytes
  Instant last_arrival{};       // of what this side sent: keeps the order when latency changes
  struct Chunk {
    Bytes bytes;
    bool end = false;
  };
  std::deque<Chunk> stalled;  // arrived at the cut
  Instant stalled_since{};
  std::deque<Chunk> inbox;  // arrived, not yet handed over
};

}  // namespace detail

}  // namespace parley::fake
