// Swim: whom to probe, when a probe has failed, and when a suspicion ends.
#include <algorithm>

#include "membership/swim.h"

#include "base/mutant.h"

namespace parley::membership {

namespace {

constexpr std::size_t kDeadProbesAtOnce = 4;
// From so many times as many members as are wanted on, they are drawn and not sorted out.
constexpr std::size_t kManyTimes = 8;
// Middleboxes forge refusals: two nodes must see one.
constexpr std::size_t kWitnessesNeeded = 2;
constexpr Duration kKnockInterval = 100ms;

void shuffle(std::vector<NodeId>& nodes, Random& random) {
  for (std::size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[random.below(i)]);
}

}  // namespace

void Swim::probe(Instant now, const NodeId& node, SwimOutbox& out, bool urgent) {
  const Peer& peer = peers_.at(node);
  const std::uint64_t sequence = ++sequence_;
  Probe& probe = probes_[sequence];
  probe.target = node;
  probe.sent = now;
  // Evidence against it is at hand: do not wait before others are asked.
  probe.indirect_at = urgent ? now : now + options_.probe_timeout;
  probe.ends_at = urgent ? now + options_.probe_timeout
                         : now + std::max(options_.probe_timeout * 2, options_.probe_interval);
  probe.counts = is_up(peer.claim.liveness);
  Datagram ping;
  ping.kind = DatagramKind::Ping;
  ping.sequence = sequence;
  ping.target = node;
  probe_wake_ = std::min(probe_wake_, probe.wake());
  send(peer.endpoint, node, std::move(ping), out);
  if (urgent) ask_others(now, sequence, probe, out);
}

void Swim::probe_out_of_turn(Instant now, const NodeId& node, SwimOutbox& out, bool urgent) {
  Peer& peer = peers_.at(node);
  if (probes_.size() >= kProbesAtOnce) return;  // a rack died: its members get their turns
  if (peer.out_of_turn && now - *peer.out_of_turn < options_.probe_timeout) return;
  peer.out_of_turn = now;
  probe(now, node, out, urgent);
}

void Swim::on_evidence(Instant now, const NodeId& node, SwimOutbox& out) {
  note_time(now);
  if (left_ || peers_.count(node) == 0) return;
  probe_out_of_turn(now, node, out);
}

void Swim::on_send_failed(Instant now, const Endpoint& to, SwimOutbox& out) {
  note_time(now);
  for (const auto& [node, peer] : peers_) {
    if (peer.endpoint != to) continue;
    // The way to it is shut: its silence tells nothing of our health.
    for (auto& [sequence, probe] : probes_) {
      if (probe.owing.erase(node) != 0) --probe.helpers;
    }
  }
  for (auto& [sequence, probe] : probes_) {
    if (probe.asked_others || !probe.counts) continue;
    if (peers_.at(probe.target).endpoint != to) continue;
    awareness_.add(1);
    probe.blamed = true;
    ask_others(now, sequence, probe, out);  // row 17: no need to wait for the answer to it
    return;
  }
}

// Round robin in a shuffled order, so that every member is probed within a bounded time (SWIM,
// section 4.3); a round is made anew when it has ended.
void Swim::probe_next(Instant now, SwimOutbox& out) {
  next_probe_ = now + awareness_.scaled(options_.probe_interval);
  for (int attempt = 0; attempt < 2; ++attempt) {
    while (!round_.empty()) {
      const NodeId node = round_.back();
      round_.pop_back();
      if (!is_up(peers_.at(node).claim.liveness)) continue;
      probe(now, node, out);
      return;
    }
    for (const auto& [node, peer] : peers_) {
      if (is_up(peer.claim.liveness)) round_.push_back(node);
    }
    shuffle(round_, random_);
  }
}

// For ever: this is what heals partitions, and nobody has to be told that a member is back
// (row 10).
void Swim::probe_the_dead(Instant now, SwimOutbox& out) {
  next_dead_probe_ = now + options_.dead_probe_interval;
  if (PARLEY_MUTANT(dead_not_probed)) return;
  std::size_t dead = 0;
  for (const auto& [node, peer] : peers_) dead += is_up(peer.claim.liveness) ? 0 : 1;
  std::size_t left = std::min(dead, kDeadProbesAtOnce);
  while (left > 0) {
    if (dead_round_.empty()) {
      for (const auto& [node, peer] : peers_) {
        if (!is_up(peer.claim.liveness)) dead_round_.push_back(node);
      }
      shuffle(dead_round_, random_);
    }
    const NodeId node = dead_round_.back();
    dead_round_.pop_back();
    if (is_up(peers_.at(node).claim.liveness)) continue;
    probe(now, node, out);
    --left;
  }
}

// A few of very many, without a walk through all of them. Fewer than asked for: bad luck.
std::vector<NodeId> Swim::draw_alive(std::size_t count, const NodeId& except) {
  std::vector<NodeId> nodes;
  for (std::size_t draws = count * 4; draws > 0 && nodes.size() < count; --draws) {
    const NodeId& node = known_[random_.below(known_.size())];
    const bool again = std::find(nodes.begin(), nodes.end(), node) != nodes.end();
    if (again || node == except || peers_.at(node).claim.liveness != Liveness::Alive) continue;
    nodes.push_back(node);
  }
  return nodes;
}

// Alive ones first: a suspect makes a poor helper.
std::vector<NodeId> Swim::some_up(std::size_t count, const NodeId& except) {
  if (alive_ > count * kManyTimes) {
    auto drawn = draw_alive(count, except);
    if (drawn.size() == count) return drawn;
  }
  std::vector<NodeId> nodes, suspects;
  for (const auto& [node, peer] : peers_) {
    if (node == except || !is_up(peer.claim.liveness)) continue;
    (peer.claim.liveness == Liveness::Alive ? nodes : suspects).push_back(node);
  }
  shuffle(nodes, random_);
  shuffle(suspects, random_);
  nodes.insert(nodes.end(), suspects.begin(), suspects.end());
  if (nodes.size() > count) nodes.resize(count);
  return nodes;
}

// A member whose kernel refuses connections is dead, and not slow: no need to wait for it. Enough
// witnesses need no more of them, so a large cluster does not storm the host of a dead node.
void Swim::knock(Instant now, const NodeId& node, SwimOutbox& out) {
  Peer& peer = peers_.at(node);
  if (!is_up(peer.claim.liveness)) return;
  if (peer.suspicion &&
      (peer.suspicion->witnesses() >= kWitnessesNeeded || peer.suspicion->witnessed_by(self_))) {
    return;
  }
  if (peer.knocked && now - *peer.knocked < kKnockInterval) return;
  peer.knocked = now;
  out.knocks.push_back({node, peer.endpoint, peer.claim.generation});
}

void Swim::on_refused(Instant now, const SwimOutbox::Knock& knock, SwimOutbox& out) {
  note_time(now);
  const auto found = peers_.find(knock.node);
  if (left_ || found == peers_.end()) return;
  Peer& peer = found->second;
  // A later life may have come meanwhile, and elsewhere.
  if (!is_up(peer.claim.liveness) || peer.claim.generation != knock.generation ||
      peer.endpoint != knock.at) {
    return;
  }
  accuse(now, knock.node, true, out);
}

void Swim::ask_others(Instant now, std::uint64_t sequence, Probe& probe, SwimOutbox& out) {
  probe.asked_others = true;
  const NodeId target = probe.target;
  // A member believed down is only looked in on; others do so themselves.
  if (!probe.counts && peers_.at(target).claim.liveness == Liveness::Left) return;
  out.stream_probes.push_back({target, sequence});
  knock(now, target, out);
  probe.asked_at = now;
  probe.knock_at = now + kKnockInterval;
  probe_wake_ = std::min(probe_wake_, probe.wake());
  const auto helpers = some_up(options_.indirect_probes, target);
  probe.helpers = helpers.size();
  probe.owing.insert(helpers.begin(), helpers.end());
  for (const NodeId& helper : helpers) {
    Datagram request;
    request.kind = DatagramKind::PingReq;
    request.sequence = sequence;
    request.target = target;
    send(peers_.at(helper).endpoint, helper, std::move(request), out);
  }
}

void Swim::end_probes(Instant now, SwimOutbox& out) {
  if (now < probe_wake_) return;
  std::vector<NodeId> again;
  for (auto at = probes_.begin(); at != probes_.end();) {
    Probe& probe = at->second;
    if (!probe.asked_others && now >= probe.indirect_at) {
      if (probe.counts) {
        ask_others(now, at->first, probe, out);
      } else {
        probe.asked_others = true;
      }
    }
    // A dying process may lose its connections before its listener: the first knock comes too soon.
    if (probe.asked_others && probe.counts && now >= probe.knock_at) {
      knock(now, probe.target, out);
      probe.knock_at = now + std::max(kKnockInterval, now - probe.asked_at);
    }
    if (now < probe.ends_at) {
      ++at;
      continue;
    }
    const Probe failed = probe;
    at = probes_.erase(at);
    if (!failed.counts) continue;
    ++out.probe_failures;
    // A helper that owes a nack is evidence against ourselves, nacks are evidence against the
    // target alone (Lifeguard, section 3.1). One step a probe: where half of a cluster dies, dead
    // helpers must not make the survivors blind.
    const Peer& peer = peers_.at(failed.target);
    const bool refused = peer.suspicion && peer.suspicion->witnesses() > 0;
    const bool owed = failed.helpers == 0 || !failed.owing.empty();
    if (owed && !refused && !failed.blamed) awareness_.add(1);
    if (!is_up(peer.claim.liveness)) continue;
    if (now < no_conviction_before_) {
      again.push_back(failed.target);
    } else {
      accuse(now, failed.target, false, out);
    }
  }
  // This probe proved nothing, for we were late ourselves. But an accusation by others that waits
  // for our word must not wait until its turn in the round: the longest suspicion is much longer.
  for (const NodeId& node : again) probe(now, node, out);
  probe_wake_ = Instant::max();
  for (const auto& [sequence, probe] : probes_) {
    probe_wake_ = std::min(probe_wake_, probe.wake());
  }
}

void Swim::end_relays(Instant now, SwimOutbox& out) {
  for (auto at = relays_.begin(); at != relays_.end();) {
    if (now < at->second.ends_at) {
      ++at;
      continue;
    }
    const Relay relay = at->second;
    at = relays_.erase(at);
    Datagram nack;
    nack.kind = PARLEY_MUTANT(one_way_cut_taken_for_alive) ? DatagramKind::Ack : DatagramKind::Nack;
    nack.sequence = relay.origin_sequence;
    nack.target = relay.target;
    send(relay.origin, relay.origin_node, std::move(nack), out);
  }
}

// When the suspect is declared dead. Members that could confirm are those that are not under
// suspicion themselves. With fewer of them than confirmations wanted, waiting for them would only
// be slow (memberlist does the same).
Instant Swim::suspicion_deadline(const Peer& peer) const {
  if (PARLEY_MUTANT(suspicion_never_ends)) return Instant::max();
  const std::size_t wanted = options_.suspicion_factor > 2 ? options_.suspicion_factor - 2 : 0;
  const Instant by_silence = peer.suspicion->deadline(alive_ < wanted ? 0 : wanted);
  const std::size_t witnesses = alive_ == 0 ? 1 : kWitnessesNeeded;
  return std::min(
      by_silence,
      peer.suspicion->refused_deadline(witnesses, options_.probe_timeout).value_or(by_silence));
}

// A suspicion may be old when it ends: who was cut off suspects others, tells them in vain, and
// asks so seldom in bad health that it has not asked again since. So there is a last question, two
// timeouts before the end: it tells the suspect of its suspicion, and leaves time for an answer.
// The end may move (confirmations, who else is alive, lost time given back): a question asked too
// long before it is asked again. Instant::max(): it has been asked.
Instant Swim::next_question_at(const Peer& peer) const {
  const Instant end = std::max(suspicion_deadline(peer), no_conviction_before_);
  const Instant due = end - options_.probe_timeout * 2;
  if (!peer.asked_last) return due;
  return *peer.asked_last >= due ? Instant::max()
                                 : std::max(due, *peer.asked_last + options_.probe_timeout);
}

// Once it has been asked. An end that came sooner than thought still leaves time for an answer.
Instant Swim::conviction_at(const Peer& peer) const {
  const Instant end = std::max(suspicion_deadline(peer), no_conviction_before_);
  return peer.asked_last ? std::max(end, *peer.asked_last + options_.probe_timeout) : end;
}

// An end that moved off and came back finds a question that was asked for the first one. The third
// timeout is for a tick that is a little late.
bool Swim::asked_too_long_ago(Instant now, const Peer& peer) const {
  return peer.asked_last && now >= conviction_at(peer) &&
         now - *peer.asked_last > options_.probe_timeout * 3;
}

void Swim::ask_suspects(Instant now, SwimOutbox& out) {
  for (const NodeId& node : suspects_) {
    Peer& peer = peers_.at(node);
    if (now < next_question_at(peer) && !asked_too_long_ago(now, peer)) continue;
    peer.asked_last = now;
    if (probes_.size() < kProbesAtOnce) {
      probe(now, node, out);
      continue;
    }
    // Whole racks died. Its word alone would clear it, and that needs no probe to wait for.
    Datagram ping;
    ping.kind = DatagramKind::Ping;
    ping.sequence = ++sequence_;
    ping.target = node;
    send(peer.endpoint, node, std::move(ping), out);
  }
}

void Swim::convict(Instant now, SwimOutbox& out) {
  for (const NodeId& node : std::set<NodeId>(suspects_)) {
    const Peer& peer = peers_.at(node);
    if (next_question_at(peer) != Instant::max() || now < conviction_at(peer)) continue;
    Claim dead = peer.claim;
    dead.liveness = Liveness::Dead;
    dead.accuser = self_;
    dead.refused = false;
    believe(now, dead, false, out);
  }
}

}  // namespace parley::membership
