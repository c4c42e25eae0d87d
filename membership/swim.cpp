#include "membership/swim.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace parley::membership {

namespace {

constexpr Duration kGossipInterval = 100ms;
constexpr Duration kGossipDelay = 5ms;  // lets the news of one burst leave together
constexpr std::size_t kGossipFanout = 3;
constexpr std::size_t kDigestFanout = 16;
constexpr std::size_t kRelaysMost = 1024;

}  // namespace

Swim::Swim(const SwimOptions& options, const NodeId& self, Generation generation,
           std::uint64_t nonce, Random random)
    : options_(options),
      self_(self),
      generation_(generation),
      nonce_(nonce),
      random_(std::move(random)),
      awareness_(options.health_most),
      sequence_(random_.next() >> 8) {
  PARLEY_CHECK(nonce != 0);
}

void Swim::learn(Instant now, const Endpoint& endpoint, const Claim& claim, SwimOutbox& out) {
  if (claim.node == self_) return;
  const auto [at, fresh] = peers_.try_emplace(claim.node);
  Peer& peer = at->second;
  peer.endpoint = endpoint;
  if (!fresh) return;
  known_.push_back(claim.node);
  peer.claim = claim;
  if (claim.liveness == Liveness::Suspect) peer.claim.liveness = Liveness::Alive;
  if (peer.claim.liveness == Liveness::Alive) ++alive_;
  if (!next_probe_) next_probe_ = now + options_.probe_interval;
  if (!next_dead_probe_) next_dead_probe_ = now + options_.dead_probe_interval;
  probe(now, claim.node, out);
}

Claim Swim::self_claim() const {
  return {self_, generation_, incarnation_, left_ ? Liveness::Left : Liveness::Alive, {}, nonce_};
}

void Swim::set_digests(Instant now, std::uint64_t view, std::uint64_t ring) {
  if (view == view_digest_ && ring == ring_digest_) return;
  digests_are_news_ = true;
  gossip_soon(now);
  view_digest_ = view;
  ring_digest_ = ring;
}

// Time that passed while this process stood still must not count against others: they may have
// answered in time, and the answers lie unread in the socket.
void Swim::note_time(Instant now) {
  const std::optional<Instant> before = std::exchange(awake_at_, now);
  if (!before || now - *before <= options_.probe_timeout) return;
  // Before anything changes: when the driver meant to wake us.
  const Duration gap = now - std::max(*before, next_wake());
  if (gap <= options_.probe_timeout) return;
  extend_all(gap);
  no_conviction_before_ = now + options_.probe_interval;
  awareness_.add(1);
}

void Swim::extend_all(Duration gap) {
  for (const NodeId& node : suspects_) peers_.at(node).suspicion->extend(gap);
  for (auto& [sequence, probe] : probes_) {
    probe.indirect_at += gap;
    probe.ends_at += gap;
  }
}

void Swim::on_datagram(Instant now, const Endpoint& from, const Datagram& datagram,
                       SwimOutbox& out) {
  note_time(now);
  if (left_) return;
  if (datagram.sender == self_) return hear_myself(from, datagram, out);
  const bool current = hear(now, from, datagram, out);
  // Even a stale sender is told: its answer carries what we know of it (bug table, row 4).
  if (current) {
    for (const Claim& claim : datagram.updates) weigh(now, datagram.sender, claim, out);
  }
  switch (datagram.kind) {
    case DatagramKind::Ping:
      if (datagram.target == self_) answer_ping(now, from, datagram, out);
      break;
    case DatagramKind::PingReq:
      if (current) probe_for_other(now, from, datagram, out);
      break;
    case DatagramKind::Ack:
      if (current) take_ack(now, datagram, out);
      break;
    case DatagramKind::Nack: {
      const auto probe = probes_.find(datagram.sequence);
      if (current && probe != probes_.end() && probe->second.target == datagram.target) {
        probe->second.owing.erase(datagram.sender);
      }
      break;
    }
    case DatagramKind::Gossip: break;
  }
}

void Swim::on_claims(Instant now, const NodeId& from, const std::vector<Claim>& claims,
                     SwimOutbox& out) {
  note_time(now);
  if (left_) return;
  for (const Claim& claim : claims) weigh(now, from, claim, out);
}

void Swim::answer_ping(Instant now, const Endpoint& from, const Datagram& datagram,
                       SwimOutbox& out) {
  Datagram ack;
  ack.kind = DatagramKind::Ack;
  ack.sequence = datagram.sequence;
  const auto peer = peers_.find(datagram.sender);
  if (peer != peers_.end()) {
    peer->second.answered = now;
    // A sender from an earlier life, or a copy of it, learns here what we believe instead.
    const Claim& claim = peer->second.claim;
    if (claim.generation > datagram.generation || claim.nonce != datagram.nonce) {
      ack.updates.push_back(claim);
    }
  }
  send(from, datagram.sender, std::move(ack), out);
}

void Swim::probe_for_other(Instant now, const Endpoint& from, const Datagram& datagram,
                           SwimOutbox& out) {
  const auto target = peers_.find(datagram.target);
  if (target == peers_.end() || relays_.size() >= kRelaysMost) {
    Datagram nack;
    nack.kind = DatagramKind::Nack;
    nack.sequence = datagram.sequence;
    nack.target = datagram.target;
    return send(from, datagram.sender, std::move(nack), out);
  }
  const std::uint64_t sequence = ++sequence_;
  // The nack must be back before the asker gives up (Lifeguard: 80 % of its timeout).
  relays_[sequence] = {from, datagram.sender, datagram.target, datagram.sequence,
                       now + options_.probe_timeout * 4 / 5};
  Datagram ping;
  ping.kind = DatagramKind::Ping;
  ping.sequence = sequence;
  ping.target = datagram.target;
  send(target->second.endpoint, datagram.target, std::move(ping), out);
}

bool Swim::vouches_for_another(const Datagram& ack, const Claim& known) {
  return std::any_of(ack.updates.begin(), ack.updates.end(), [&](const Claim& claim) {
    return claim.node == known.node && other_life(claim, known);
  });
}

void Swim::take_ack(Instant now, const Datagram& datagram, SwimOutbox& out) {
  const auto relay = relays_.find(datagram.sequence);
  if (relay != relays_.end() && relay->second.target == datagram.sender) {
    Datagram ack;
    ack.kind = DatagramKind::Ack;
    ack.sequence = relay->second.origin_sequence;
    ack.target = datagram.sender;
    ack.updates.push_back(peers_.at(datagram.sender).claim);
    send(relay->second.origin, relay->second.origin_node, std::move(ack), out);
    relays_.erase(relay);
    return;
  }
  const auto found = probes_.find(datagram.sequence);
  if (found == probes_.end()) return;
  const Probe probe = found->second;
  const bool direct = datagram.sender == probe.target;
  if (!direct && datagram.target != probe.target) return;
  Peer& peer = peers_.at(probe.target);
  // The helper heard another life of it, and has answered. Whether the one that we know still runs
  // it cannot say.
  if (!direct && vouches_for_another(datagram, peer.claim)) {
    found->second.owing.erase(datagram.sender);
    return;
  }
  probes_.erase(found);
  awareness_.add(-1);
  peer.unchecked.reset();
  if (direct) {
    out.round_trip = now - probe.sent;
    if (!probe.asked_others) peer.rtt = out.round_trip;
    return;
  }
  // A member vouches: the target answered it just now, in the life that the claim names.
  for (const Claim& claim : datagram.updates) {
    if (claim.node == probe.target && claim.liveness == Liveness::Alive &&
        supersedes(claim, peer.claim)) {
      believe(now, claim, true, out);
    }
  }
}

void Swim::on_stream_answer(Instant now, std::uint64_t probe, const Claim& answer,
                            SwimOutbox& out) {
  note_time(now);
  const auto found = probes_.find(probe);
  if (found == probes_.end() || found->second.target != answer.node) return;
  probes_.erase(found);
  awareness_.add(-1);
  Peer& peer = peers_.at(answer.node);
  peer.last_heard = now;
  peer.verified = true;
  peer.unchecked.reset();
  if (supersedes(answer, peer.claim)) believe(now, answer, true, out);
}

void Swim::send(const Endpoint& to, const NodeId& node, Datagram datagram, SwimOutbox& out) {
  datagram.sender = self_;
  datagram.generation = generation_;
  datagram.incarnation = incarnation_;
  datagram.nonce = nonce_;
  datagram.health = static_cast<std::uint8_t>(awareness_.score());
  datagram.view_digest = view_digest_;
  datagram.ring_digest = ring_digest_;
  // Buddy (Lifeguard): whoever is thought ill of hears it first from whoever talks to it, so that
  // it can refute at once.
  const auto has = [&datagram](const NodeId& subject) {
    return std::any_of(datagram.updates.begin(), datagram.updates.end(),
                       [&](const Claim& c) { return c.node == subject; });
  };
  const auto peer = peers_.find(node);
  if (peer != peers_.end() && peer->second.claim.liveness != Liveness::Alive && !has(node)) {
    datagram.updates.push_back(peer->second.claim);
  }
  const std::size_t room = kUpdatesMost - datagram.updates.size();
  for (const Claim& claim : news_.take(room, cluster_size(), node)) {
    if (!has(claim.node)) datagram.updates.push_back(claim);
  }
  out.sends.push_back({to, std::move(datagram)});
}

void Swim::gossip(Instant now, SwimOutbox& out) {
  if (news_.empty() && !digests_are_news_) {
    next_gossip_.reset();
    return;
  }
  next_gossip_ = now + kGossipInterval;
  const auto some = some_up(digests_are_news_ ? kDigestFanout : kGossipFanout, self_);
  if (some.empty()) next_gossip_ = now + options_.probe_interval;
  // The only hearer needs no news of itself; whoever comes later hears it from there.
  if (some.size() == 1) news_.forget_alive(some.front());
  for (const NodeId& node : some) {
    if (!news_.any_for(node) && !digests_are_news_) continue;
    send(peers_.at(node).endpoint, node, Datagram{}, out);
  }
  digests_are_news_ = false;
}

void Swim::gossip_soon(Instant now) {
  const Instant soon = now + kGossipDelay;
  if (!next_gossip_ || *next_gossip_ > soon) next_gossip_ = soon;
}

void Swim::on_tick(Instant now, Duration lag, SwimOutbox& out) {
  note_time(now);
  if (left_) return;
  if (lag > options_.probe_timeout) {
    no_conviction_before_ = std::max(no_conviction_before_, now + options_.probe_interval);
  }
  end_relays(now, out);
  end_probes(now, out);
  ask_suspects(now, out);
  convict(now, out);
  if (next_probe_ && now >= *next_probe_) probe_next(now, out);
  if (next_dead_probe_ && now >= *next_dead_probe_) probe_the_dead(now, out);
  if (next_gossip_ && now >= *next_gossip_) gossip(now, out);
  if (!news_.empty() && !next_gossip_) gossip_soon(now);
}

Instant Swim::next_wake() const {
  Instant wake = Instant::max();
  const auto sooner = [&wake](const std::optional<Instant>& at) {
    if (at) wake = std::min(wake, *at);
  };
  if (left_) return wake;
  sooner(next_probe_);
  sooner(next_dead_probe_);
  sooner(next_gossip_);
  sooner(probe_wake_);
  for (const auto& [sequence, relay] : relays_) sooner(relay.ends_at);
  for (const NodeId& node : suspects_) {
    const Peer& suspect = peers_.at(node);
    const Instant question = next_question_at(suspect);
    sooner(question != Instant::max() ? question : conviction_at(suspect));
  }
  return wake;
}

void Swim::leave(Instant now, SwimOutbox& out) {
  note_time(now);
  left_ = true;
  probes_.clear();
  relays_.clear();
  for (const auto& [node, peer] : peers_) {
    if (!is_up(peer.claim.liveness)) continue;
    Datagram goodbye;
    goodbye.updates.push_back(self_claim());
    send(peer.endpoint, node, std::move(goodbye), out);
  }
  out.changed = true;
}

}  // namespace parley::membership
