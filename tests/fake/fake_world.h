// A world in one thread: virtual time and an in-memory network for any number of nodes. Same seed
// and same calls give the same run, to the event.
//
//   fake::World world(1);                       // seed: drops and jitter
//   fake::Node& a = world.node("127.0.0.1");    // made on first use; one address a node
//   auto rpc = runtime::make_rpc(options, id, {"127.0.0.1", 7401}, a.loop(), a.network(), ...);
//   world.run_for(2s);                          // runs what falls due, then it is 2 s later
//   REQUIRE(world.run_until([&] { return done; }, 5s));   // at most 5 virtual seconds
//   world.cut("127.0.0.1", "127.0.0.2");        // both ways; cut_one_way(from, to); heal_all()
//   a.pause(); world.run_for(30s); a.resume();  // SIGSTOP and SIGCONT: sockets go on filling
//
// Streams behave as TCP does: a cut delivers nothing and breaks nothing; bytes stalled by a cut
// arrive as long after healing as they were stalled (retransmission back-off, at most 60 s); a
// paused node's kernel still accepts. Dialling a node without a listener is refused after one
// round trip, a cut one times out. Destroying a Connection flushes what was sent, then closes.
// Datagrams over a cut are lost; a paused node keeps the newest 256.
// Only post() may be called from another thread; see run_real_until().
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "runtime/loop.h"
#include "runtime/network.h"

namespace parley::fake {

using runtime::Task;
using runtime::TimerId;

class World;
class Node;

namespace detail {

// What the kernel and the wire take before the sender sees unsent bytes.
inline constexpr std::size_t kKernelBytes = 64_KiB;
inline constexpr std::size_t kDatagramsHeldMost = 256;
inline constexpr Duration kStallMost = 60s;

// Events that one instant brings run in this order, so that sockets are drained before timers.
enum class EventKind : std::uint8_t { Arrival, Post, Timer };

struct Event {
  Node* node;
  EventKind kind;
  Task task;
};
using EventKey = std::pair<Instant, std::uint64_t>;

// One end of a stream.
struct Side {
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

class Loop final : public runtime::Loop {
 public:
  Loop(World& world, Node& node) : world_(world), node_(node) {}
  Instant now() const override;
  WallTime wall() const override;
  void post(Task task) override;
  TimerId start_timer(Instant at, Task task) override;
  void cancel_timer(TimerId id) override;
  Duration lag() const override { return lag_; }

  void set_lag(Duration lag) { lag_ = lag; }
  void set_wall_skew(Duration skew) { wall_skew_ = skew; }

 private:
  World& world_;
  Node& node_;
  Duration lag_{0};
  Duration wall_skew_{0};
};

class Network final : public runtime::Network {
 public:
  Network(World& world, Node& node) : world_(world), node_(node) {}
  Result<std::unique_ptr<runtime::Listener>> listen(
      const Endpoint& at,
      std::function<void(std::unique_ptr<runtime::Connection>)> on_accept) override;
  void connect(const std::string& local_address, const Endpoint& to, Duration timeout,
               std::function<void(Result<std::unique_ptr<runtime::Connection>>)> done) override;
  Result<std::unique_ptr<runtime::DatagramSocket>> bind_datagrams(
      const Endpoint& at, std::function<void(const Endpoint& from, ByteView)> on_datagram) override;

 private:
  World& world_;
  Node& node_;
};

class Node {
 public:
  Node(World& world, std::string address)
      : world_(world), address_(std::move(address)), loop_(world, *this), network_(world, *this) {}
  Loop& loop() { return loop_; }
  Network& network() { return network_; }
  const std::string& address() const { return address_; }
  bool paused() const { return paused_; }
  // Nothing of this node runs until resume(); then its sockets first, its timers after, and lag()
  // tells how long it was away for the next 100 ms.
  void pause();
  void resume();

 private:
  friend class World;
  World& world_;
  std::string address_;
  Loop loop_;
  Network network_;
  bool paused_ = false;
  Instant paused_at_{};
  std::map<std::pair<detail::EventKind, detail::EventKey>, detail::Event> held_;
};

class World {
 public:
  explicit World(std::uint64_t seed = 1) : random_(seed) {}
  // It must outlive all that was made on it.
  ~World() {
    ending_ = true;  // what pending events own may still want to say goodbye
    posts_.clear();
    queue_.clear();
    for (auto& [address, one] : nodes_) one->held_.clear();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Node& node(const std::string& address) {
    auto& slot = nodes_[address];
    if (!slot) slot = std::make_unique<Node>(*this, address);
    return *slot;
  }
  Instant now() const { return now_; }

  void run_for(Duration span) {
    const Instant end = now_ + span;
    while (step(end)) {
    }
    now_ = end;
  }
  // Looks at `done` after every event. False when `limit` passed without it.
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const Instant end = now_ + limit;
    while (!done()) {
      if (!step(end)) {
        now_ = end;
        return done();
      }
    }
    return true;
  }
  // For tests with real threads (storage): runs what is due without moving virtual time past it,
  // until `done` or until `limit` of real time passed.
  bool run_real_until(const std::function<bool()>& done, Duration limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (step(now_)) continue;
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  // One way, for everything sent from now on.
  void set_latency(Duration least, Duration most) {
    latency_least_ = least;
    latency_most_ = most;
  }
  void set_datagram_loss(double probability) { datagram_loss_ = probability; }
  void cut_one_way(const std::string& from, const std::string& to) { cuts_.insert({from, to}); }
  void cut(const std::string& a, const std::string& b) {
    cut_one_way(a, b);
    cut_one_way(b, a);
  }
  void heal(const std::string& a, const std::string& b) {
    cuts_.erase({a, b});
    cuts_.erase({b, a});
    release_stalled();
  }
  void heal_all() {
    cuts_.clear();
    release_stalled();
  }
  bool is_cut(const std::string& from, const std::string& to) const {
    return cuts_.count({from, to}) != 0;
  }
  // A firewall that forgot them: the streams now open between the two deliver nothing any more,
  // not even their end. New ones work.
  void forget_streams(const std::string& a, const std::string& b) {
    for (const auto& weak : sides_) {
      const auto side = weak.lock();
      if (!side) continue;
      const std::string& own = side->node->address();
      const bool between =
          (own == a && side->peer_address == b) || (own == b && side->peer_address == a);
      if (between) side->black_hole = true;
    }
  }
  // Streams open at either end, for leak checks.
  std::size_t open_streams() const {
    return static_cast<std::size_t>(
        std::count_if(sides_.begin(), sides_.end(), [](const auto& weak) {
          const auto side = weak.lock();
          return side && side->open;
        }));
  }
  std::uint64_t datagrams_sent() const { return datagrams_sent_; }
  std::uint64_t stream_bytes_sent() const { return stream_bytes_sent_; }

 private:
  friend class Loop;
  friend class Network;
  friend class Node;
  friend class StreamEnd;
  friend class DatagramEnd;
  using Side = detail::Side;
  using SidePtr = std::shared_ptr<Side>;

  bool step(Instant end) {
    take_posts();
    if (queue_.empty() || queue_.begin()->first.first > end) return false;
    auto entry = queue_.extract(queue_.begin());
    if (entry.key().first > now_) {
      now_ = entry.key().first;
      events_now_ = 0;
    }
    // A million events in one instant is a loop that never ends.
    PARLEY_CHECK(++events_now_ < 1'000'000);
    detail::Event event = std::move(entry.mapped());
    if (event.node->paused_) {
      hold(std::move(event), entry.key());
      return true;
    }
    run(event, entry.key().second);
    return true;
  }
  void run(detail::Event& event, std::uint64_t sequence) {
    if (event.kind == detail::EventKind::Timer && timers_.erase(sequence) == 0) return;
    event.task();
  }
  void hold(detail::Event event, detail::EventKey key) {
    auto& held = event.node->held_;
    held.emplace(std::pair{event.kind, key}, std::move(event));
  }
  std::uint64_t add(Instant at, Node& owner, detail::EventKind kind, Task task) {
    const std::uint64_t sequence = ++sequence_;
    if (ending_) return sequence;
    queue_.emplace(detail::EventKey{std::max(at, now_), sequence},
                   detail::Event{&owner, kind, std::move(task)});
    return sequence;
  }
  void take_posts() {
    std::vector<std::pair<Node*, Task>> posts;
    {
      const std::lock_guard lock(posts_mutex_);
      posts.swap(posts_);
    }
    for (auto& [owner, task] : posts) {
      add(now_, *owner, detail::EventKind::Post, std::move(task));
    }
  }
  Duration latency() {
    const auto spread = static_cast<std::uint64_t>((latency_most_ - latency_least_).count());
    return spread == 0
               ? latency_least_
               : latency_least_ + Duration(static_cast<std::int64_t>(random_.below(spread)));
  }

  std::pair<SidePtr, SidePtr> make_stream(Node& dialler, Endpoint dialler_at, Node& listener,
                                          Endpoint listener_at) {
    auto near = std::make_shared<Side>();
    auto far = std::make_shared<Side>();
    near->world = far->world = this;
    near->node = &dialler;
    far->node = &listener;
    near->peer_address = listener.address();
    far->peer_address = dialler.address();
    near->remote = std::move(listener_at);
    far->remote = std::move(dialler_at);
    near->peer = far;
    far->peer = near;
    std::erase_if(sides_, [](const auto& weak) { return weak.expired(); });
    sides_.push_back(near);
    sides_.push_back(far);
    return {near, far};
  }
  void flush(Side& from, bool end) {
    from.flush_posted = false;
    const auto to = from.peer.lock();
    if (!to) return;
    if (!from.filling.empty()) {
      stream_bytes_sent_ += from.filling.size();
      send_chunk(from, to, {std::exchange(from.filling, {}), false});
    }
    if (end) send_chunk(from, to, {{}, true});
  }
  void send_chunk(Side& from, const SidePtr& to, Side::Chunk chunk) {
    from.last_arrival = std::max(from.last_arrival, now_ + latency());
    // Arrival is the wire's business and not the node's: a paused node's kernel takes it too.
    add(from.last_arrival, wire_, detail::EventKind::Arrival,
        [this, to, chunk = std::move(chunk)] { arrive(to, chunk); });
  }
  void arrive(const SidePtr& to, const Side::Chunk& chunk) {
    if (to->black_hole) return;
    if (is_cut(to->peer_address, to->node->address()) || !to->stalled.empty()) {
      if (to->stalled.empty()) to->stalled_since = now_;
      to->stalled.push_back(chunk);
      return;
    }
    to->inbox.push_back(chunk);
    add(now_, *to->node, detail::EventKind::Arrival, [this, to] { pump(to); });
  }
  void release_stalled() {
    for (const auto& weak : sides_) {
      const auto side = weak.lock();
      if (!side || side->stalled.empty()) continue;
      const Duration more = std::min<Duration>(now_ - side->stalled_since, detail::kStallMost);
      add(now_ + more, wire_, detail::EventKind::Arrival, [this, side] {
        if (is_cut(side->peer_address, side->node->address())) return;
        for (const auto& chunk : std::exchange(side->stalled, {})) arrive(side, chunk);
      });
    }
  }
  void pump(const SidePtr& side) {
    while (side->open && side->reading && side->on_bytes && !side->inbox.empty()) {
      const Side::Chunk chunk = std::move(side->inbox.front());
      side->inbox.pop_front();
      if (chunk.end) {
        side->open = false;
        side->on_closed(Error{ErrorCode::NoAnswer, "the peer closed the connection"});
        return;
      }
      if (const auto peer = side->peer.lock()) peer->outstanding -= chunk.bytes.size();
      side->on_bytes(chunk.bytes);
    }
  }

  bool ending_ = false;
  Instant now_ = Instant{} + 1000s;
  std::uint64_t sequence_ = 0;
  std::uint64_t events_now_ = 0;
  std::map<detail::EventKey, detail::Event> queue_;
  std::set<std::uint64_t> timers_;
  std::mutex posts_mutex_;
  std::vector<std::pair<Node*, Task>> posts_;

  Random random_;
  Duration latency_least_ = 1ms;
  Duration latency_most_ = 1ms;
  double datagram_loss_ = 0;
  std::set<std::pair<std::string, std::string>> cuts_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  Node wire_{*this, "wire"};
  std::vector<std::weak_ptr<Side>> sides_;
  std::map<Endpoint, std::function<void(std::unique_ptr<runtime::Connection>)>> listeners_;
  struct Bound {
    bool open = true;
    std::size_t held = 0;
    std::function<void(const Endpoint&, ByteView)> on_datagram;
  };
  std::map<Endpoint, std::shared_ptr<Bound>> datagrams_;
  std::uint64_t datagrams_sent_ = 0;
  std::uint64_t stream_bytes_sent_ = 0;
  std::uint16_t next_port_ = 32768;
};

inline Instant Loop::now() const { return world_.now(); }
inline WallTime Loop::wall() const {
  // An arbitrary day in 2026, so that wall time never passes for a monotonic one.
  return {1'780'000'000'000 + to_millis(world_.now().time_since_epoch() + wall_skew_)};
}
inline void Loop::post(Task task) {
  const std::lock_guard lock(world_.posts_mutex_);
  world_.posts_.emplace_back(&node_, std::move(task));
}
inline TimerId Loop::start_timer(Instant at, Task task) {
  const auto sequence = world_.add(at, node_, detail::EventKind::Timer, std::move(task));
  world_.timers_.insert(sequence);
  return TimerId{sequence};
}
inline void Loop::cancel_timer(TimerId id) { world_.timers_.erase(static_cast<std::uint64_t>(id)); }

inline void Node::pause() {
  if (std::exchange(paused_, true)) return;
  paused_at_ = world_.now();
}
inline void Node::resume() {
  if (!std::exchange(paused_, false)) return;
  const Duration away = world_.now() - paused_at_;
  loop_.set_lag(away);
  for (auto& [key, event] : std::exchange(held_, {})) {
    const auto sequence = ++world_.sequence_;
    if (event.kind == detail::EventKind::Timer) {
      if (world_.timers_.count(key.second.second) == 0) continue;
      // The timer keeps its number, so that it can still be cancelled.
      world_.queue_.emplace(
          detail::EventKey{world_.now(), sequence},
          detail::Event{this, detail::EventKind::Post,
                        [&world = world_, id = key.second.second, task = std::move(event.task)] {
                          if (world.timers_.erase(id) != 0) task();
                        }});
      continue;
    }
    world_.queue_.emplace(detail::EventKey{world_.now(), sequence}, std::move(event));
  }
  world_.add(world_.now() + 100ms, *this, detail::EventKind::Post,
             [this] { loop_.set_lag(Duration{0}); });
}

}  // namespace parley::fake

#include "tests/fake/fake_network.h"
