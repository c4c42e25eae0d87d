// How a node that is on no ring comes to be on one, as two deciders: the joiner's side (Join) and
// the side of each member that must consent (GrantDesk).
//
// Consent of every member on the ring makes joins one at a time, so each joiner allocates its slots
// against the ring as it then is. Members are asked in order of their ids, the lowest alone first:
// ordered acquisition cannot deadlock.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "membership/messages.h"

namespace parley::membership {

struct JoinOptions {
  NodeId self;
  Endpoint self_at;
  std::string cluster_name;
  std::vector<Endpoint> seeds;
  bool found = false;              // --found
  std::optional<ClusterId> known;  // a join that was begun in an earlier life: this one or none
  Duration retry = 200ms;
  Duration lease = 3s;
};

struct JoinOutbox {
  struct Grant {
    NodeId node;
    Endpoint at;
  };
  std::vector<Endpoint> asks;
  std::vector<Grant> grants;    // ask for consent, with the digest of the shown ring
  std::vector<Grant> releases;  // give consent back
  std::vector<Grant> dones;     // announce our record
  bool found = false;           // mint a cluster, save it, become its first member
  bool allocate = false;        // take slots on the shown ring, save durably, then on_saved()
  bool member = false;          // done: publish
  std::optional<Error> refused;
};

class Join {
 public:
  explicit Join(JoinOptions options);

  void on_ask_answer(Instant now, const Endpoint& seed, const Result<JoinAskReply>& answer,
                     JoinOutbox& out);
  void on_grant_answer(Instant now, const NodeId& node, const Result<JoinGrantReply>& answer,
                       JoinOutbox& out);
  void on_saved(Instant now, JoinOutbox& out);
  void on_done_answer(Instant now, const NodeId& node, const Status& answer, JoinOutbox& out);
  void on_tick(Instant now, JoinOutbox& out);
  Instant next_wake() const;

  // What to answer to other nodes that ask while we have no cluster.
  bool would_found() const { return first_seed_ || options_.found || others_.empty(); }
  // The member list that grants and slots go by; valid from the first Grant on.
  const JoinAskReply& shown() const { return *shown_; }
  // One line for people; changes only when the reason does.
  const std::string& waiting_for() const { return waiting_for_; }

 private:
  enum class Phase : std::uint8_t { Resting, Asking, Granting, Saving, Announcing, Over };

  void begin(Instant now, JoinOutbox& out);
  void rest(Instant now, std::string why);
  void judge_answers(Instant now, JoinOutbox& out);
  void begin_grants(Instant now, const JoinAskReply& shown, JoinOutbox& out);
  void judge_grants(Instant now, JoinOutbox& out);
  void release(JoinOutbox& out);

  JoinOptions options_;
  std::vector<Endpoint> others_;  // seeds but ourselves, each once
  bool first_seed_ = false;

  Phase phase_ = Phase::Resting;
  std::string waiting_for_;
  Instant wake_{};
  std::map<Endpoint, std::optional<Result<JoinAskReply>>> answers_;
  std::optional<JoinAskReply> shown_;
  std::vector<JoinOutbox::Grant> granters_;  // sorted by id
  std::map<NodeId, Result<JoinGrantReply>> grants_;
  std::size_t asked_ = 0;  // of granters_
  Instant grants_begun_{};
  std::set<NodeId> announced_;  // answered our JoinDone
};

// A member's consent to one joiner at a time.
class GrantDesk {
 public:
  GrantDesk(Duration lease, Duration retry) : lease_(lease), visible_for_(retry * 3) {}

  // `shown` and `ours` are ring digests. The caller has refused already what must be refused.
  JoinGrantReply ask(Instant now, const NodeId& joiner, std::uint64_t shown, std::uint64_t ours);
  // The joiner is done, or gave up.
  void release(const NodeId& joiner);
  bool leased(Instant now) const { return holder_.has_value() && now < lease_until_; }
  bool leased_to(Instant now, const NodeId& joiner) const {
    return leased(now) && *holder_ == joiner;
  }
  Instant lease_until() const { return lease_until_; }

 private:
  const Duration lease_, visible_for_;
  std::optional<NodeId> holder_;
  Instant lease_until_{};
  std::map<NodeId, Instant> visible_;  // who asked lately
};

}  // namespace parley::membership
