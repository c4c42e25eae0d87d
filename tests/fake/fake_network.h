// The in-memory network of a fake world. Included by tests/fake/fake_world.h; include that one.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "tests/fake/fake_world.h"

namespace parley::fake {

inline void World::flush(Side& from, bool end) {
  from.flush_posted = false;
  const auto to = from.peer.lock();
  if (!to) {
    from.filling.clear();
    if (!end) reset(from);
    return;
  }
  if (!from.filling.empty()) {
    stream_bytes_sent_ += from.filling.size();
    send_chunk(from, to, {std::exchange(from.filling, {}), false});
  }
  if (end) send_chunk(from, to, {{}, true});
}
inline void World::send_chunk(Side& from, const SidePtr& to, Side::Chunk chunk) {
  if (from.silent) return;
  const LinkRules& link = links_.of(from.node->address(), from.peer_address);
  note(hash64(chunk.bytes));
  maybe_corrupt(link, chunk.bytes);
  from.last_arrival = std::max(from.last_arrival, now_ + latency(link));
  // Arrival is the wire's business and not the node's: a paused node's kernel takes it too.
  add(from.last_arrival, wire_, detail::EventKind::Arrival,
      [this, to, chunk = std::move(chunk)]() mutable {
        if (!arrive(to, std::move(chunk))) return;
        run_next(*to->node, detail::EventKind::Arrival, [this, to] { pump(to); });
      });
}
// Whether it is there to be read.
inline bool World::arrive(const SidePtr& to, Side::Chunk chunk) {
  if (to->black_hole) return false;
  if (is_cut(to->peer_address, to->node->address(), Traffic::Streams) || !to->stalled.empty()) {
    if (to->stalled.empty()) to->stalled_since = now_;
    to->stalled.push_back(std::move(chunk));
    return false;
  }
  if (to->node->off_) return false;
  if (!to->open && !chunk.end) {
    if (const auto sender = to->peer.lock()) reset(*sender);
    return false;
  }
  to->inbox.push_back(std::move(chunk));
  return true;
}
// Bytes for a stream of which the other machine knows nothing: it says so, if it can.
inline void World::reset(Side& sender) {
  const std::string& there = sender.peer_address;
  const std::string& here = sender.node->address();
  if (!sender.open || sender.black_hole || node(there).off()) return;
  if (is_cut(here, there, Traffic::Streams) || is_cut(there, here, Traffic::Streams)) return;
  add(now_ + latency(here, there) + latency(there, here), wire_, detail::EventKind::Arrival,
      [this, side = sender.shared_from_this()] {
        side->inbox.push_back({{}, true});
        add(now_, *side->node, detail::EventKind::Arrival, [this, side] { pump(side); });
      });
}
inline void World::release_stalled() {
  for (const auto& weak : sides_) {
    const auto side = weak.lock();
    if (!side || side->stalled.empty()) continue;
    const Duration more = std::min<Duration>(now_ - side->stalled_since, detail::kStallMost);
    add(now_ + more, wire_, detail::EventKind::Arrival, [this, side] {
      if (is_cut(side->peer_address, side->node->address(), Traffic::Streams)) return;
      for (auto& chunk : std::exchange(side->stalled, {})) {
        if (!arrive(side, std::move(chunk))) continue;
        add(now_, *side->node, detail::EventKind::Arrival, [this, side] { pump(side); });
      }
    });
  }
}
inline void World::pump(const SidePtr& side) {
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

class StreamEnd final : public runtime::Connection {
 public:
  explicit StreamEnd(std::shared_ptr<detail::Side> side) : side_(std::move(side)) {}
  ~StreamEnd() override {
    side_->open = false;
    side_->world->flush(*side_, true);
  }
  void listen_to(std::function<void(ByteView)> on_bytes,
                 std::function<void(const Error&)> on_closed) override {
    side_->on_bytes = std::move(on_bytes);
    side_->on_closed = std::move(on_closed);
    pump_later();
  }
  void send(Bytes bytes) override {
    if (!side_->open || bytes.empty()) return;
    side_->outstanding += bytes.size();
    if (side_->filling.empty()) {
      side_->filling = std::move(bytes);
    } else {
      side_->filling += bytes;
    }
    if (std::exchange(side_->flush_posted, true)) return;
    side_->world->add(side_->world->now(), *side_->node, detail::EventKind::Post,
                      [side = side_] { side->world->flush(*side, false); });
  }
  std::size_t unsent_bytes() const override {
    return side_->outstanding - std::min(side_->outstanding, detail::kKernelBytes);
  }
  void set_reading(bool on) override {
    side_->reading = on;
    if (on) pump_later();
  }
  Endpoint remote() const override { return side_->remote; }

 private:
  void pump_later() {
    side_->world->add(side_->world->now(), *side_->node, detail::EventKind::Arrival,
                      [side = side_] { side->world->pump(side); });
  }
  std::shared_ptr<detail::Side> side_;
};

class DatagramEnd final : public runtime::DatagramSocket {
 public:
  DatagramEnd(World& world, Endpoint at) : world_(world), at_(std::move(at)) {}
  ~DatagramEnd() override {
    world_.datagrams_.at(at_)->open = false;
    world_.datagrams_.erase(at_);
  }
  bool send(const Endpoint& to, ByteView payload) override {
    if (payload.size() > 65507) return false;
    ++world_.datagrams_sent_;
    if (world_.is_cut(at_.address, to.address, Traffic::Datagrams)) return true;
    const LinkRules& link = world_.links_.of(at_.address, to.address);
    if (world_.chance(link.datagram_loss)) return true;
    deliver(to, payload, link);
    if (world_.chance(link.datagram_twice)) deliver(to, payload, link);
    return true;
  }

 private:
  void deliver(const Endpoint& to, ByteView payload, const LinkRules& link) {
    Bytes bytes(payload);
    world_.note(hash64(payload));
    world_.maybe_corrupt(link, bytes);
    world_.add(world_.now() + world_.latency(link), world_.wire_, detail::EventKind::Arrival,
               [&world = world_, from = at_, to, payload = std::move(bytes)]() mutable {
                 const auto found = world.datagrams_.find(to);
                 if (found == world.datagrams_.end()) return;
                 const auto bound = found->second;
                 Node& target = world.node(to.address);
                 if (target.paused() && ++bound->held > detail::kDatagramsHeldMost) return;
                 world.run_next(target, detail::EventKind::Arrival,
                                [bound, from = std::move(from), payload = std::move(payload)] {
                                  bound->held = 0;
                                  if (bound->open) bound->on_datagram(from, payload);
                                });
               });
  }

  World& world_;
  Endpoint at_;
};

class ListenerEnd final : public runtime::Listener {
 public:
  explicit ListenerEnd(std::function<void()> stop) : stop_(std::move(stop)) {}
  ~ListenerEnd() override { stop_(); }

 private:
  std::function<void()> stop_;
};

inline Result<std::unique_ptr<runtime::Listener>> Network::listen(
    const Endpoint& at, std::function<void(std::unique_ptr<runtime::Connection>)> on_accept) {
  if (at.address != node_.address()) {
    return Error{ErrorCode::InvalidArgument,
                 "cannot listen on " + to_text(at) + ": not an address of this machine"};
  }
  if (!world_.listeners_.emplace(at, std::move(on_accept)).second) {
    return Error{ErrorCode::InvalidArgument,
                 "cannot listen on " + to_text(at) + ": address already in use"};
  }
  return std::unique_ptr<runtime::Listener>(
      new ListenerEnd([&world = world_, at] { world.listeners_.erase(at); }));
}

inline constexpr const char* kRefusedText = "connection refused";

inline void Network::connect(
    const std::string& local_address, const Endpoint& to, Duration timeout,
    std::function<void(Result<std::unique_ptr<runtime::Connection>>)> done) {
  using Kind = detail::EventKind;
  PARLEY_CHECK(local_address.empty() || local_address == node_.address());
  World& world = world_;
  Node& dialler = node_;
  const auto fail = [&world, &dialler, to](Instant at, const char* why, const auto& report) {
    const std::string line = "cannot connect to " + to_text(to) + ": " + why;
    const ErrorCode code =
        line.ends_with(kRefusedText) ? ErrorCode::Refused : ErrorCode::Unreachable;
    world.add(at, dialler, Kind::Arrival, [report, line, code] { report(Error{code, line}); });
  };
  const Instant give_up = world.now() + timeout;
  const Duration there = world.latency(dialler.address(), to.address);
  world.add(world.now() + there, world.wire_, Kind::Arrival, [=, &world, &dialler] {
    const bool lost = world.is_cut(dialler.address(), to.address, Traffic::Streams) ||
                      world.is_cut(to.address, dialler.address(), Traffic::Streams) ||
                      world.node(to.address).off();
    const Instant answer = world.now() + there;
    if (lost || answer > give_up) return fail(give_up, "timed out", done);
    const auto found = world.listeners_.find(to);
    if (found == world.listeners_.end()) return fail(answer, kRefusedText, done);
    Node& listener = world.node(to.address);
    const Endpoint from{dialler.address(), world.next_port_++};
    const auto [near, far] = world.make_stream(dialler, from, listener, to);
    world.add(world.now(), listener, Kind::Arrival, [&world, to, far = far] {
      auto connection = std::make_unique<StreamEnd>(far);
      // The listener may have stopped meanwhile: then the connection closes here.
      const auto still = world.listeners_.find(to);
      if (still == world.listeners_.end()) return;
      const auto on_accept = still->second;
      on_accept(std::move(connection));
    });
    world.add(answer, dialler, Kind::Arrival, [done, near = near] {
      done(std::unique_ptr<runtime::Connection>(std::make_unique<StreamEnd>(near)));
    });
  });
}

inline Result<std::unique_ptr<runtime::DatagramSocket>> Network::bind_datagrams(
    const Endpoint& at, std::function<void(const Endpoint& from, ByteView)> on_datagram) {
  auto bound = std::make_shared<World::Bound>();
  bound->on_datagram = std::move(on_datagram);
  if (at.address != node_.address() || !world_.datagrams_.emplace(at, bound).second) {
    return Error{ErrorCode::InvalidArgument,
                 "cannot bind " + to_text(at) + ": address already in use or not ours"};
  }
  return std::unique_ptr<runtime::DatagramSocket>(std::make_unique<DatagramEnd>(world_, at));
}

}  // namespace parley::fake
