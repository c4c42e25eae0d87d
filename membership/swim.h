// SWIM with Lifeguard, as a decider: datagrams, evidence and time in; datagrams, changes and a
// wake-up time out. Das, Gupta, Motivala (DSN 2002); Dadgar, Phillips, Currey (arXiv:1707.00788).
//
// What differs from memberlist: a persisted generation orders lives of a node; nobody is ever
// forgotten; what others say about a dead member is checked before it is believed; digests in every
// datagram tell within a period that records are missing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "membership/awareness.h"
#include "membership/datagram.h"
#include "membership/dissemination.h"
#include "membership/member.h"
#include "membership/own_life.h"
#include "membership/suspicion.h"

namespace parley::membership {

// Values of MembershipOptions, see there.
struct SwimOptions {
  Duration probe_interval = 1s;
  Duration probe_timeout = 500ms;
  std::size_t indirect_probes = 3;
  std::size_t suspicion_factor = 4;
  std::size_t suspicion_factor_most = 6;
  int health_most = 8;
  Duration dead_probe_interval = 2s;
};

struct SwimOutbox {
  struct Send {
    Endpoint to;
    Datagram datagram;
  };
  struct StreamProbe {
    NodeId node;
    std::uint64_t probe = 0;  // give it back to on_stream_answer
  };
  struct Sync {
    NodeId node;
    Endpoint at;  // where it was heard; its record may be missing or old
  };
  std::vector<Send> sends;
  // Dial it: is anybody listening? Give a refusal to on_refused.
  struct Knock {
    NodeId node;
    Endpoint at;
    Generation generation = 0;
  };
  std::vector<StreamProbe> stream_probes;
  std::vector<Knock> knocks;
  std::vector<Sync> syncs;             // their records differ from ours
  std::vector<NodeId> returned;        // were dead or left, or live a new life
  bool changed = false;                // some member's generation, incarnation or liveness
  std::vector<OtherLife> other_lives;  // of this very node, at or above its generation
  bool nonce_learned = false;          // of some member's life
  std::uint64_t probe_failures = 0;    // probes of members believed up that nobody answered
  // What was heard is a member's own answer to a ping of ours, sent so long before.
  std::optional<Duration> round_trip;
};

class Swim {
 public:
  struct Peer {
    Endpoint endpoint;
    Claim claim;            // what we believe: the highest heard
    bool verified = false;  // itself heard in this life of ours
    std::optional<Instant> last_heard;
    std::optional<Duration> rtt;
    std::uint64_t view_digest = 0, ring_digest = 0;  // as last said by it
    std::uint8_t health = 0;

   private:
    friend class Swim;
    std::optional<Suspicion> suspicion;
    std::optional<Instant> asked_last;  // its last question, see next_question_at
    std::optional<Instant> answered;    // last unasked-for correction sent to it
    std::optional<Instant> out_of_turn;
    std::optional<Instant> knocked;
    // Another's word that it is dead, which our own evidence does not bear out: our next failed
    // probe agrees, its next word refutes.
    std::optional<Claim> unchecked;
  };

  // `nonce` is not 0.
  Swim(const SwimOptions& options, const NodeId& self, Generation generation, std::uint64_t nonce,
       Random random);

  // A member record was learned (or moved to another address). `claim.node` is the member; what is
  // already believed about it stays if it is higher. Members that are believed up are probed at
  // once, since nobody has heard them yet.
  void learn(Instant now, const Endpoint& endpoint, const Claim& claim, SwimOutbox& out);

  void on_datagram(Instant now, const Endpoint& from, const Datagram& datagram, SwimOutbox& out);
  // What another member said over a stream, of any number of members.
  void on_claims(Instant now, const NodeId& from, const std::vector<Claim>& claims,
                 SwimOutbox& out);
  // A probe over a stream was answered by `node` itself, in the life that `answer` names.
  void on_stream_answer(Instant now, std::uint64_t probe, const Claim& answer, SwimOutbox& out);
  // The kernel refused a datagram: evidence against the way to it and against our own health.
  void on_send_failed(Instant now, const Endpoint& to, SwimOutbox& out);
  // Nobody listens where `knock` was sent: its kernel said so.
  void on_refused(Instant now, const SwimOutbox::Knock& knock, SwimOutbox& out);
  // A call to it failed or its connection broke.
  void on_evidence(Instant now, const NodeId& node, SwimOutbox& out);
  // At next_wake() or later. `lag`: how late this process is known to run for other reasons.
  void on_tick(Instant now, Duration lag, SwimOutbox& out);
  Instant next_wake() const;

  // Is a process with our id running there? Its answer comes back as one of `other_lives`.
  void ask_other_life(const Endpoint& at, SwimOutbox& out);

  // Goodbye: tells every member once; call again to repeat it. Nothing is probed afterwards.
  void leave(Instant now, SwimOutbox& out);

  // What our own datagrams say from now on. A change is told to some members at once, so that
  // whoever lacks the records hears of it before its turn to be probed.
  void set_digests(Instant now, std::uint64_t view, std::uint64_t ring);

  Claim self_claim() const;
  const std::map<NodeId, Peer>& peers() const { return peers_; }
  int health() const { return awareness_.score(); }

 private:
  struct Probe {
    NodeId target;
    Instant sent, indirect_at, ends_at;
    Instant asked_at{}, knock_at{};  // since asked_others
    bool asked_others = false;
    bool counts = true;   // a failure accuses; false for members believed down
    bool blamed = false;  // has cost its step of our health
    std::size_t helpers = 0;
    std::set<NodeId> owing;  // helpers of which neither ack nor nack has come

    Instant wake() const {
      if (!asked_others) return indirect_at;
      return counts ? std::min(ends_at, knock_at) : ends_at;
    }
  };
  struct Relay {  // a probe on behalf of another
    Endpoint origin;
    NodeId origin_node, target;
    std::uint64_t origin_sequence = 0;
    Instant ends_at;
  };

  // swim_claims.cpp
  bool hear(Instant now, const Endpoint& from, const Datagram& datagram, SwimOutbox& out);
  void hear_myself(const Endpoint& from, const Datagram& datagram, SwimOutbox& out);
  void believe(Instant now, const Claim& claim, bool first_hand, SwimOutbox& out);
  void weigh(Instant now, const NodeId& from, const Claim& claim, SwimOutbox& out);
  void weigh_about_me(Instant now, const NodeId& from, const Claim& claim, SwimOutbox& out);
  void weigh_accusation(Instant now, const Claim& claim, Peer& peer, SwimOutbox& out);
  bool doubtful(const Claim& claim, const Peer& peer) const;
  // `refused`: its kernel said so; else our probe failed.
  void accuse(Instant now, const NodeId& node, bool refused, SwimOutbox& out);
  void correct(Instant now, const NodeId& about, const NodeId& whom, const Endpoint& at,
               SwimOutbox& out);

  // swim.cpp
  void note_time(Instant now);
  void answer_ping(Instant now, const Endpoint& from, const Datagram& datagram, SwimOutbox& out);
  void probe_for_other(Instant now, const Endpoint& from, const Datagram& datagram,
                       SwimOutbox& out);
  static bool vouches_for_another(const Datagram& ack, const Claim& known);
  void take_ack(Instant now, const Datagram& datagram, SwimOutbox& out);
  void send(const Endpoint& to, const NodeId& node, Datagram datagram, SwimOutbox& out);
  void gossip(Instant now, SwimOutbox& out);
  void gossip_soon(Instant now);
  std::size_t cluster_size() const { return peers_.size() + 1; }

  // swim_probe.cpp
  void probe(Instant now, const NodeId& node, SwimOutbox& out, bool urgent = false);
  void probe_out_of_turn(Instant now, const NodeId& node, SwimOutbox& out, bool urgent = true);
  void probe_next(Instant now, SwimOutbox& out);
  void probe_the_dead(Instant now, SwimOutbox& out);
  void knock(Instant now, const NodeId& node, SwimOutbox& out);
  void ask_others(Instant now, std::uint64_t sequence, Probe& probe, SwimOutbox& out);
  void end_probes(Instant now, SwimOutbox& out);
  void end_relays(Instant now, SwimOutbox& out);
  void convict(Instant now, SwimOutbox& out);
  Instant suspicion_deadline(const Peer& peer) const;
  Instant next_question_at(const Peer& peer) const;
  Instant conviction_at(const Peer& peer) const;
  bool asked_too_long_ago(Instant now, const Peer& peer) const;
  void ask_suspects(Instant now, SwimOutbox& out);
  std::vector<NodeId> some_up(std::size_t count, const NodeId& except);
  std::vector<NodeId> draw_alive(std::size_t count, const NodeId& except);
  void extend_all(Duration gap);

  static constexpr std::size_t kProbesAtOnce = 32;

  // Constant after construction.
  const SwimOptions options_;
  const NodeId self_;
  const Generation generation_;
  const std::uint64_t nonce_;

  Random random_;
  Incarnation incarnation_ = 0;
  bool left_ = false;
  Awareness awareness_;
  Dissemination news_;
  std::map<NodeId, Peer> peers_;
  // Of peers_, so that no call walks through a large cluster to find them.
  std::size_t alive_ = 0;
  std::set<NodeId> suspects_;
  std::vector<NodeId> known_;
  std::uint64_t view_digest_ = 0, ring_digest_ = 0;
  bool digests_are_news_ = false;

  std::uint64_t sequence_;
  std::map<std::uint64_t, Probe> probes_;  // by our sequence
  Instant probe_wake_ = Instant::max();    // none of them has anything to do before
  std::map<std::uint64_t, Relay> relays_;  // by our sequence
  std::vector<NodeId> round_;              // shuffled; probed from the back
  std::vector<NodeId> dead_round_;
  std::optional<Instant> next_probe_, next_dead_probe_, next_gossip_;
  std::optional<Instant> awake_at_;  // the last call of any kind
  Instant no_conviction_before_{};
};

}  // namespace parley::membership
