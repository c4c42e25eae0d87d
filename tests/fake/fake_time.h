// A node's own time: what its clocks show, its pauses, and how long its turns take. Included by
// tests/fake/fake_world.h; include that one.
#pragma once

#include <utility>

#include "tests/fake/fake_world.h"

namespace parley::fake {

// What a right wall clock shows: an arbitrary day in 2026, so that wall time never passes for a
// monotonic one.
inline WallTime wall_at(Instant now) {
  return {1'780'000'000'000 + to_millis(now.time_since_epoch())};
}

inline Instant Loop::now() const { return drift_.of(world_.now()); }
inline WallTime Loop::wall() const { return wall_at(now() + wall_skew_); }
inline void Loop::set_rate(double rate) { drift_.set(rate, world_.now()); }

inline void Node::forget_events() {
  const auto held = std::exchange(held_, {});  // destroyed after the tables are whole again
  const auto waiting = std::exchange(turns_.waiting, {});
}

inline void Node::pause() {
  if (std::exchange(paused_, true)) return;
  paused_at_ = world_.now();
}
inline void Node::resume() {
  if (!std::exchange(paused_, false)) return;
  resumed_at_ = world_.now();
  const Duration away = *resumed_at_ - paused_at_;
  loop_.set_lag(away);
  for (auto& [key, event] : std::exchange(held_, {})) {
    const auto sequence = ++world_.sequence_;
    if (event.kind == detail::EventKind::Timer) {
      if (!world_.timers_.has(key.second.second)) continue;
      // The timer keeps its number, so that it can still be cancelled.
      world_.queue_.add({world_.now(), sequence},
                        {this, detail::EventKind::Post,
                         [&world = world_, id = key.second.second, task = std::move(event.task)] {
                           if (world.timers_.remove(id)) task();
                         }},
                        world_.rank(*this, world_.now()));
      continue;
    }
    world_.queue_.add({world_.now(), sequence}, std::move(event), world_.rank(*this, world_.now()));
  }
  world_.add(world_.now() + 100ms, *this, detail::EventKind::Post,
             [this] { loop_.set_lag(Duration{0}); });
}

// The event waits, behind all that fell due before it; false: its turn is now.
inline bool World::waits(detail::Event& event, const detail::EventKey& key) {
  Node& node = *event.node;
  detail::Turns& turns = node.turns_;
  if (turns.waiting.empty() && turns.busy_until <= now_) {
    turns.busy_until = now_ + turns.cost;
    return false;
  }
  turns.waiting.emplace_back(key, std::move(event));
  if (turns.waiting.size() == 1) work_off_later(node);
  return true;
}

inline void World::work_off_later(Node& node) {
  add(node.turns_.busy_until, wire_, detail::EventKind::Arrival, [this, &node] {
    detail::Turns& turns = node.turns_;
    if (turns.waiting.empty()) return;  // buried meanwhile
    if (turns.busy_until > now_) return work_off_later(node);
    auto [key, event] = std::move(turns.waiting.front());
    turns.waiting.pop_front();
    turns.busy_until = now_ + turns.cost;
    node.loop_.set_lag(turns.waiting.empty() ? Duration{0} : now_ - key.first);
    if (!turns.waiting.empty()) work_off_later(node);
    if (node.paused_) return hold(std::move(event), key);
    run(event, key.second);
  });
}

}  // namespace parley::fake
