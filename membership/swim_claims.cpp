// Swim: what to believe of what is heard.
#include <algorithm>

#include "membership/swim.h"

#include "base/mutant.h"

namespace parley::membership {

namespace {

constexpr Duration kCorrectionInterval = 500ms;  // row 14: corrections never flood

}  // namespace

// True when the sender speaks in the life of it that we believe in, so that its words count.
bool Swim::hear(Instant now, const Endpoint& from, const Datagram& d, SwimOutbox& out) {
  const auto found = peers_.find(d.sender);
  if (found == peers_.end()) {
    // Nobody becomes a member by a datagram; its record must come first (row 5).
    out.syncs.push_back({d.sender, from});
    return false;
  }
  Peer& peer = found->second;
  const bool older = d.generation < peer.claim.generation;
  const bool clone =
      d.generation == peer.claim.generation && peer.claim.nonce != 0 && d.nonce != peer.claim.nonce;
  if (older || clone) {
    if (d.kind != DatagramKind::Ping) correct(now, d.sender, d.sender, from, out);
    return false;
  }
  const bool said_goodbye =
      (d.generation == peer.claim.generation || PARLEY_MUTANT(goodbye_for_ever)) &&
      peer.claim.liveness == Liveness::Left;
  if (said_goodbye) return false;  // sent before its goodbye (row 21)

  peer.last_heard = now;
  peer.verified = true;
  peer.unchecked.reset();
  peer.health = d.health;
  peer.view_digest = d.view_digest;
  peer.ring_digest = d.ring_digest;
  if (d.generation > peer.claim.generation) peer.endpoint = from;  // row 9: a new life may move
  const Claim alive{d.sender, d.generation, d.incarnation, Liveness::Alive, {}, d.nonce};
  if (supersedes(alive, peer.claim)) {
    believe(now, alive, true, out);
  } else {
    if (peer.claim.nonce == 0) {
      peer.claim.nonce = d.nonce;
      out.nonce_learned = true;
    }
    // It does not know yet what is said of it. An answer to a ping says it anyway.
    if (peer.claim.liveness != Liveness::Alive && d.kind != DatagramKind::Ping) {
      correct(now, d.sender, d.sender, from, out);
    }
  }
  const bool differs = d.view_digest != view_digest_ && !PARLEY_MUTANT(view_digests_ignored);
  if (differs) out.syncs.push_back({d.sender, peer.endpoint});
  return true;
}

// Our own id from elsewhere: the disk runs twice. Of two lives of one generation the one that was
// told of the other asks, and it is the asker who must go: the members hold with the other.
void Swim::hear_myself(const Endpoint& from, const Datagram& d, SwimOutbox& out) {
  if (d.nonce == nonce_) return;
  const bool asks = d.kind == DatagramKind::Ping && d.target == self_;
  if (d.generation > generation_ || (d.generation == generation_ && !asks)) {
    out.other_lives.push_back({d.generation, Liveness::Alive, from, true, {}});
  } else if (asks) {
    Datagram ack;
    ack.kind = DatagramKind::Ack;
    ack.sequence = d.sequence;
    send(from, self_, std::move(ack), out);
  }
}

void Swim::ask_other_life(const Endpoint& at, SwimOutbox& out) {
  if (left_) return;
  Datagram ping;
  ping.kind = DatagramKind::Ping;
  ping.sequence = ++sequence_;
  ping.target = self_;
  send(at, self_, std::move(ping), out);
}

// The one place where a belief changes. The claim is higher than what was believed.
void Swim::believe(Instant now, const Claim& claim, bool first_hand, SwimOutbox& out) {
  Peer& peer = peers_.at(claim.node);
  const bool was_up = is_up(peer.claim.liveness);
  if (peer.claim.liveness == Liveness::Alive) --alive_;
  if (claim.liveness == Liveness::Alive) ++alive_;
  const bool new_life = claim.generation > peer.claim.generation;
  const std::uint64_t nonce = new_life || claim.nonce != 0 ? claim.nonce : peer.claim.nonce;
  if (nonce != 0 && nonce != peer.claim.nonce) out.nonce_learned = true;
  peer.claim = claim;
  peer.claim.nonce = nonce;
  peer.suspicion.reset();
  peer.asked_last.reset();
  suspects_.erase(claim.node);
  if (peer.unchecked && !supersedes(*peer.unchecked, claim)) peer.unchecked.reset();
  if (claim.liveness == Liveness::Suspect) {
    suspects_.insert(claim.node);
    const Duration least =
        suspicion_least(options_.suspicion_factor, cluster_size(), options_.probe_interval);
    peer.suspicion.emplace(now, claim.accuser, least,
                           least * static_cast<Duration::rep>(options_.suspicion_factor_most));
    if (claim.refused) peer.suspicion->refuse(now, claim.accuser);
  }
  if (new_life) {
    peer.rtt.reset();
    peer.out_of_turn.reset();
    peer.knocked.reset();
    peer.verified = first_hand;
  }
  if (is_up(claim.liveness) && (!was_up || new_life)) out.returned.push_back(claim.node);
  out.changed = true;
  news_.add(peer.claim);
  gossip_soon(now);
}

void Swim::weigh(Instant now, const NodeId& from, const Claim& claim, SwimOutbox& out) {
  if (claim.node == self_) return weigh_about_me(now, from, claim, out);
  const auto found = peers_.find(claim.node);
  if (found == peers_.end()) {
    // Unverified until its record arrives or it speaks itself (row 5).
    const auto sender = peers_.find(from);
    if (sender != peers_.end()) out.syncs.push_back({from, sender->second.endpoint});
    return;
  }
  Peer& peer = found->second;
  if (!supersedes(claim, peer.claim)) {
    const bool same = !supersedes(peer.claim, claim);
    if (same && peer.suspicion) {
      const bool confirmed = peer.suspicion->confirm(claim.accuser);
      const bool refused = claim.refused && peer.suspicion->refuse(now, claim.accuser);
      // memberlist too passes new confirmations on, once each.
      if (confirmed || refused) news_.add(claim);
      if (refused) knock(now, claim.node, out);
    }
    if (!same) {
      const auto sender = peers_.find(from);
      if (sender != peers_.end()) correct(now, claim.node, from, sender->second.endpoint, out);
    };
    return;
  }
  const bool itself = claim.node == from;
  if (is_up(claim.liveness) && !is_up(peer.claim.liveness) && !itself) {
    // Second-hand life, suspected or not, of a member that we think is down: ask it (row 5).
    probe_out_of_turn(now, claim.node, out);
    return;
  }
  if (claim.liveness != Liveness::Alive) return weigh_accusation(now, claim, peer, out);
  believe(now, claim, itself, out);
}

// A false conviction must not run through the cluster against what its members can hear themselves
// (memberlist takes a Dead out of an exchange of states for no more than a suspicion). Our own
// evidence settles it, and that is a failed probe alone, ours or a witness's: how long a member has
// been silent proves nothing, since a node in bad health asks so seldom that it hears the healthy
// once in many intervals. A true conviction waits for no more than a probe timeout, and not even
// that where its suspicion was heard of before, for then the suspect was asked.
bool Swim::doubtful(const Claim& claim, const Peer& peer) const {
  if (claim.liveness != Liveness::Dead || !is_up(peer.claim.liveness)) return false;
  if (claim.generation != peer.claim.generation || claim.incarnation != peer.claim.incarnation) {
    return false;
  }
  if (!peer.verified) return false;  // others' word is all that is known of this life
  return !peer.suspicion ||
         (peer.suspicion->witnesses() == 0 && !peer.suspicion->accused_by(self_));
}

void Swim::weigh_accusation(Instant now, const Claim& claim, Peer& peer, SwimOutbox& out) {
  // With too many probes under way there is none to wait for.
  if (doubtful(claim, peer) && probes_.size() < kProbesAtOnce) {
    peer.unchecked = claim;
    return probe_out_of_turn(now, claim.node, out);
  }
  believe(now, claim, claim.node == claim.accuser, out);
  // The suspect is told first; the same ping asks whether the accuser is right.
  if (claim.liveness == Liveness::Suspect) {
    probe_out_of_turn(now, claim.node, out, false);
    if (claim.refused) knock(now, claim.node, out);
  }
}

void Swim::weigh_about_me(Instant now, const NodeId& from, const Claim& claim, SwimOutbox& out) {
  const bool clone = claim.generation == generation_ && claim.nonce != 0 && claim.nonce != nonce_;
  if (claim.generation > generation_ || clone) {
    out.other_lives.push_back({claim.generation, claim.liveness, std::nullopt, false, from});
    return;
  }
  if (claim.generation < generation_) return;  // an earlier life of ours; our headers correct it
  if (claim.liveness == Liveness::Alive) {
    incarnation_ = std::max(incarnation_, claim.incarnation);
    return;
  }
  if (claim.incarnation < incarnation_) return;  // refuted already
  // Only the member itself raises its incarnation; if others could, a stale suspicion would be
  // unrefutable (SWIM, section 4.2). It cannot wrap: one step per refutation.
  incarnation_ = claim.incarnation + (PARLEY_MUTANT(incarnation_not_raised) ? 0 : 1);
  awareness_.add(1);
  news_.add(self_claim());
  gossip_soon(now);
  out.changed = true;
}

void Swim::accuse(Instant now, const NodeId& node, bool refused, SwimOutbox& out) {
  Peer& peer = peers_.at(node);
  if (const auto dead = peer.unchecked) return believe(now, *dead, false, out);
  Claim claim = peer.claim;
  claim.liveness = Liveness::Suspect;
  claim.accuser = self_;
  claim.refused = refused;
  if (peer.suspicion) {
    const bool confirmed = peer.suspicion->confirm(self_);
    const bool witnessed = refused && peer.suspicion->refuse(now, self_);
    if (!confirmed && !witnessed) return;
    claim.refused = peer.suspicion->witnessed_by(self_);
    news_.add(claim);
    gossip_soon(now);
    return;
  }
  believe(now, claim, false, out);
}

// Answers a stale claim with the higher one, so that its owner can outbid it (row 4).
void Swim::correct(Instant now, const NodeId& about, const NodeId& whom, const Endpoint& at,
                   SwimOutbox& out) {
  Peer& to = peers_.at(whom);
  if (to.answered && now - *to.answered < kCorrectionInterval) return;
  to.answered = now;
  Datagram correction;
  correction.updates.push_back(peers_.at(about).claim);
  send(at, whom, std::move(correction), out);
}

}  // namespace parley::membership
