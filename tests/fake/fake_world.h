// A world in one thread: virtual time and an in-memory network for any number of nodes. Same seed
// and same calls give the same run, to the event.
//
//   fake::World world(1);                       // seed: drops and jitter
//   fake::Node& a = world.node("127.0.0.1");    // made on first use; one address a node
//   auto rpc = runtime::make_rpc(options, id, {"127.0.0.1", 7401}, a.loop(), a.network(), ...);
//   world.run_for(2s);                          // runs what falls due, then it is 2 s later
//   REQUIRE(world.run_until([&] { return done; }, 5s));   // at most 5 virtual seconds
//   world.cut("127.0.0.1", "127.0.0.2");        // both ways; cut_one_way(from, to); heal_all();
//                                               // with a Traffic: datagrams or streams alone
//   a.pause(); world.run_for(30s); a.resume();  // SIGSTOP and SIGCONT: sockets go on filling
//   world.rules("127.0.0.1", "127.0.0.2").datagram_loss = 0.1;   // one way; see LinkRules
//   world.kill(a); /* destroy what ran there */ world.bury(a);   // kill -9, or a power cut
//
// Streams behave as TCP does: a cut delivers nothing and breaks nothing; bytes stalled by a cut
// arrive as long after healing as they were stalled (retransmission back-off, at most 60 s); a
// paused node's kernel still accepts. Dialling a node without a listener is refused after one
// round trip, a cut one times out. Destroying a Connection flushes what was sent, then closes.
// Datagrams over a cut are lost; a paused node keeps the newest 256.
// Only post() may be called from another thread; see run_real_until().
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "base/random.h"
#include "runtime/loop.h"
#include "runtime/network.h"
#include "tests/fake/drift.h"
#include "tests/fake/event_queue.h"
#include "tests/fake/fake_link.h"
#include "tests/fake/link_table.h"

namespace parley::fake {

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
  void set_rate(double rate);  // of both clocks, against the world's

 private:
  World& world_;
  Node& node_;
  Duration lag_{0};
  Duration wall_skew_{0};
  detail::Drift drift_;
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
      : world_(world),
        address_(std::move(address)),
        name_hash_(hash64(address_)),
        loop_(world, *this),
        network_(world, *this) {}
  Loop& loop() { return loop_; }
  Network& network() { return network_; }
  const std::string& address() const { return address_; }
  bool paused() const { return paused_; }
  bool off() const { return off_; }  // its machine
  // Nothing of this node runs until resume(); then its sockets first, its timers after, and lag()
  // tells how long it was away for the next 100 ms.
  void pause();
  void resume();
  // At any time from then on.
  bool paused_since(Instant then) const { return paused_ || (resumed_at_ && *resumed_at_ >= then); }
  std::optional<Instant> resumed_at() const { return resumed_at_; }  // the last time
  void set_turn_cost(Duration cost) { turns_.cost = cost; }          // a slow processor

 private:
  friend class World;
  World& world_;
  std::string address_;
  std::uint64_t name_hash_;
  Loop loop_;
  Network network_;
  bool paused_ = false;
  bool off_ = false;
  Instant paused_at_{};
  std::optional<Instant> resumed_at_;
  void forget_events();
  std::map<std::pair<detail::EventKind, detail::EventKey>, detail::Event> held_;
  detail::Turns turns_;
};

class World {
 public:
  explicit World(std::uint64_t seed = 1) : random_(seed) {}
  // It must outlive all that was made on it.
  ~World() {
    ending_ = true;  // what pending events own may still want to say goodbye
    posts_.clear();
    queue_.clear();
    for (auto& [address, one] : nodes_) one->forget_events();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Node& node(const std::string& address) {
    auto& slot = nodes_[address];
    if (!slot) slot = std::make_unique<Node>(*this, address);
    return *slot;
  }
  Instant now() const { return now_; }
  // From now on chance decides which node goes first when several have something to do at one
  // instant, anew for each instant; what one node has to do stays in order. Without it they go in
  // the order in which the events were made.
  void shuffle_ties(std::uint64_t seed) { ties_ = seed | 1; }

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

  // All links that have no rules of their own, for everything sent from now on.
  LinkRules& rules() { return links_.usual; }
  // One direction, which from now on follows its own.
  LinkRules& rules(const std::string& from, const std::string& to) { return links_.own(from, to); }
  void forget_own_rules() { links_.forget(); }
  void forget_own_rules(const std::string& from, const std::string& to) { links_.forget(from, to); }
  void set_latency(Duration least, Duration most) {
    links_.usual.latency_least = least;
    links_.usual.latency_most = most;
  }
  void set_datagram_loss(double probability) { links_.usual.datagram_loss = probability; }

  // The process at once stops: nothing that it had not handed to the kernel leaves any more. With
  // its machine not even the end of its streams. Then destroy what ran on the node, and bury().
  void kill(Node& node, bool machine) {
    for (const auto& weak : sides_) {
      const auto side = weak.lock();
      if (!side || side->node != &node) continue;
      side->filling.clear();
      side->silent = side->silent || machine;
      side->open = side->open && !machine;
    }
    node.off_ = machine;
  }
  // The machine runs again; what arrives for streams of its former life is reset.
  void power_on(Node& node) { node.off_ = false; }
  // Forgets everything that still waits to run on the node.
  void bury(Node& node) {
    auto dropped = queue_.take_of(node);  // destroyed last
    for (const auto& [key, event] : dropped) timers_.remove(key.second);
    node.forget_events();
    const std::lock_guard lock(posts_mutex_);
    std::erase_if(posts_, [&node](const auto& post) { return post.first == &node; });
    node.paused_ = false;
    node.loop_.set_lag(Duration{0});  // the next life was not away
  }
  // On top of what is cut there already.
  void cut_one_way(const std::string& from, const std::string& to, Traffic what = Traffic::All) {
    cuts_.add(from, to, what);
  }
  void cut(const std::string& a, const std::string& b, Traffic what = Traffic::All) {
    cut_one_way(a, b, what);
    cut_one_way(b, a, what);
  }
  // Undoes one such cut; others may lie there still.
  void mend_one_way(const std::string& from, const std::string& to, Traffic what = Traffic::All) {
    cuts_.remove(from, to, what);
    release_stalled();
  }
  void mend(const std::string& a, const std::string& b, Traffic what = Traffic::All) {
    cuts_.remove(a, b, what);
    mend_one_way(b, a, what);
  }
  // Undoes them all.
  void heal(const std::string& a, const std::string& b) {
    cuts_.clear(a, b);
    release_stalled();
  }
  void heal_all() {
    cuts_.clear();
    release_stalled();
  }
  bool is_cut(const std::string& from, const std::string& to, Traffic what) const {
    return cuts_.has(from, to, what);
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
  // Of every event and every byte sent so far: equal for equal runs.
  std::uint64_t digest() const { return digest_; }
  std::uint64_t events() const { return events_; }
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
    if (queue_.empty() || queue_.first().first > end) return false;
    const detail::EventKey key = queue_.first();
    detail::Event event = queue_.take_first();
    if (key.first > now_) {
      now_ = key.first;
      events_now_ = 0;
    }
    // A million events in one instant is a loop that never ends.
    PARLEY_CHECK(++events_now_ < 1'000'000);
    if (event.node->paused_) {
      hold(std::move(event), key);
      return true;
    }
    if (event.node->turns_.slow() && waits(event, key)) return true;
    run(event, key.second);
    return true;
  }
  bool waits(detail::Event& event, const detail::EventKey& key);
  void work_off_later(Node& node);
  void run(detail::Event& event, std::uint64_t sequence) {
    ++events_;
    note(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    note(sequence);
    if (event.kind == detail::EventKind::Timer && !timers_.remove(sequence)) return;
    event.task();
  }
  // As an event of this instant: at once where it would be the next one. Only at an event's end.
  template <typename Does>
  void run_next(Node& owner, detail::EventKind kind, Does does) {
    const bool alone = queue_.empty() || queue_.first().first > now_;
    if (!alone || posted_ || owner.paused_ || owner.turns_.slow() || ending_) {
      add(now_, owner, kind, std::move(does));
      return;
    }
    ++events_;
    ++events_now_;
    note(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    note(++sequence_);
    does();
  }
  void hold(detail::Event event, detail::EventKey key) {
    auto& held = event.node->held_;
    held.emplace(std::pair{event.kind, key}, std::move(event));
  }
  std::uint64_t add(Instant at, Node& owner, detail::EventKind kind, Task task) {
    const std::uint64_t sequence = ++sequence_;
    if (ending_) return sequence;
    const Instant due = std::max(at, now_);
    queue_.add({due, sequence}, {&owner, kind, std::move(task)}, rank(owner, due));
    return sequence;
  }
  void take_posts() {
    if (!posted_.load(std::memory_order_acquire)) return;
    {
      const std::lock_guard lock(posts_mutex_);
      taken_.swap(posts_);
      posted_.store(false, std::memory_order_relaxed);
    }
    for (auto& [owner, task] : taken_) {
      add(now_, *owner, detail::EventKind::Post, std::move(task));
    }
    taken_.clear();
  }
  Duration latency(const LinkRules& link) {
    const auto spread =
        static_cast<std::uint64_t>((link.latency_most - link.latency_least).count());
    return spread == 0
               ? link.latency_least
               : link.latency_least + Duration(static_cast<std::int64_t>(random_.below(spread)));
  }
  Duration latency(const std::string& from, const std::string& to) {
    return latency(links_.of(from, to));
  }
  std::uint64_t rank(const Node& node, Instant at) const {
    if (ties_ == 0) return 0;
    const auto time = static_cast<std::uint64_t>(at.time_since_epoch().count());
    std::uint64_t word = (time ^ ties_ ^ node.name_hash_) * 0x9e3779b97f4a7c15ULL;
    word = (word ^ (word >> 32)) * 0xd6e8feb86659fd93ULL;
    return word ^ (word >> 32);
  }
  void note(std::uint64_t word) {
    digest_ = (digest_ ^ word) * 0x9e3779b97f4a7c15ULL;
    digest_ ^= digest_ >> 29;
  }
  // Draws only where there is something to decide.
  bool chance(double probability) { return probability > 0 && random_.unit() < probability; }
  void maybe_corrupt(const LinkRules& link, Bytes& bytes) {
    if (bytes.empty() || !chance(link.corrupt)) return;
    const auto bit = random_.below(bytes.size() * 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
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
  // Streams; in fake_network.h.
  void flush(Side& from, bool end);
  void send_chunk(Side& from, const SidePtr& to, Side::Chunk chunk);
  bool arrive(const SidePtr& to, Side::Chunk chunk);
  void reset(Side& sender);
  void release_stalled();
  void pump(const SidePtr& side);

  bool ending_ = false;
  Instant now_ = Instant{} + 1000s;
  std::uint64_t sequence_ = 0;
  std::uint64_t events_now_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t digest_ = 0;
  std::uint64_t ties_ = 0;  // 0: none
  detail::EventQueue queue_;
  detail::LiveTimers timers_;
  std::mutex posts_mutex_;
  std::vector<std::pair<Node*, Task>> posts_;
  std::atomic<bool> posted_{false};            // there are some
  std::vector<std::pair<Node*, Task>> taken_;  // its memory is kept
  Random random_;
  LinkTable links_;
  LinkCuts cuts_;
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

inline void Loop::post(Task task) {
  const std::lock_guard lock(world_.posts_mutex_);
  world_.posts_.emplace_back(&node_, std::move(task));
  world_.posted_.store(true, std::memory_order_release);
}
inline TimerId Loop::start_timer(Instant at, Task task) {
  const auto id = world_.add(drift_.when(at), node_, detail::EventKind::Timer, std::move(task));
  world_.timers_.add(id);
  return TimerId{id};
}
inline void Loop::cancel_timer(TimerId id) {
  world_.timers_.remove(static_cast<std::uint64_t>(id));
}

}  // namespace parley::fake

#include "tests/fake/fake_network.h"
#include "tests/fake/fake_time.h"
