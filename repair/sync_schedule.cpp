#include "repair/sync_schedule.h"

#include <algorithm>
#include <set>

namespace parley::repair {

SyncSchedule::SyncSchedule(Duration interval, Random random, Instant now)
    : interval_(interval), random_(std::move(random)) {
  set_next_turn(now);
}

// Between three and five quarters of the interval, so that nodes started together spread out.
void SyncSchedule::set_next_turn(Instant now) {
  const auto half = static_cast<std::uint64_t>(interval_.count() / 2);
  next_turn_ =
      now + interval_ * 3 / 4 + Duration(static_cast<std::int64_t>(random_.below(half + 1)));
}

void SyncSchedule::set_peers(const std::vector<NodeId>& peers, Instant now) {
  const std::set<NodeId> wanted(peers.begin(), peers.end());
  std::erase_if(peers_, [&](const auto& one) { return !wanted.contains(one.first); });
  for (const NodeId& node : wanted) {
    const auto [at, fresh] = peers_.try_emplace(node);
    at->second.took_all = false;  // the two may share other slots now
    if (!fresh) continue;
    at->second.known_since = at->second.in_turn_since = now;
    const auto spread = static_cast<std::uint64_t>(kSoon.count());
    at->second.soon = now + kSoon + Duration(static_cast<std::int64_t>(random_.below(spread)));
  }
}

void SyncSchedule::want(const NodeId& peer, Instant at) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  found->second.pause = kSoon;
  found->second.soon = std::min(found->second.soon.value_or(at), at);
}

void SyncSchedule::put_off(const NodeId& peer, Instant until) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  // Never brought forward: two nodes that cannot settle a difference yet would urge each other on.
  found->second.soon = std::max(found->second.soon.value_or(until), until);
}

std::optional<NodeId> SyncSchedule::begin(Instant now,
                                          const std::function<bool(const NodeId&)>& is_up) {
  const NodeId* best = nullptr;
  for (const auto& [node, peer] : peers_) {
    if (!peer.soon || *peer.soon > now || !is_up(node)) continue;
    if (best == nullptr || *peer.soon < *peers_.at(*best).soon) best = &node;
  }
  if (best == nullptr && now >= next_turn_) {
    set_next_turn(now);
    for (const auto& [node, peer] : peers_) {
      if (!is_up(node)) continue;
      if (best == nullptr || peer.in_turn_since < peers_.at(*best).in_turn_since) best = &node;
    }
  }
  if (best == nullptr) return std::nullopt;
  Peer& peer = peers_.at(*best);
  peer.soon.reset();
  peer.in_turn_since = now;
  return *best;
}

Instant SyncSchedule::wake(const std::function<bool(const NodeId&)>& is_up) const {
  Instant at = next_turn_;
  for (const auto& [node, peer] : peers_) {
    if (peer.soon && is_up(node)) at = std::min(at, *peer.soon);
  }
  return at;
}

void SyncSchedule::finished(const NodeId& node, Instant now, bool equal, std::uint64_t keys) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  peer.finished = peer.in_turn_since = now;
  peer.equal = equal;
  peer.keys_last = keys;
  peer.keys_total += keys;
  if (equal || keys >= kManyKeys) peer.pause = kSoon;
  if (equal) return;
  peer.soon = std::min(peer.soon.value_or(now + peer.pause), now + peer.pause);
  // Under a steady load there is always a write under way to be found: no haste for so few.
  if (keys < kManyKeys) peer.pause = std::min(2 * peer.pause, std::max(interval_, kSoon));
}

void SyncSchedule::failed(const NodeId& node, Instant now) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  peer.equal = false;
  peer.in_turn_since = now;
  peer.soon = now + peer.pause;
  peer.pause = std::min(2 * peer.pause, std::max(interval_, kSoon));
}

void SyncSchedule::took_all(const NodeId& node, std::uint64_t damaged_there) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  found->second.took_all = true;
  found->second.damaged_there = damaged_there;
}

void SyncSchedule::found_equal(const NodeId& node, Instant now) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  found->second.finished = found->second.in_turn_since = now;
  found->second.equal = found->second.took_all = true;
  found->second.keys_last = found->second.damaged_there = 0;
}

Duration SyncSchedule::oldest(Instant now) const {
  Duration longest{0};
  for (const auto& [node, peer] : peers_) {
    longest = std::max<Duration>(longest, now - peer.finished.value_or(peer.known_since));
  }
  return longest;
}

}  // namespace parley::repair
