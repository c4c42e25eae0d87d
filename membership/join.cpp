#include "membership/join.h"

#include <algorithm>

#include "base/check.h"

namespace parley::membership {

namespace {

// Errors that time does not mend.
bool is_final(const Error& error) {
  return error.code == ErrorCode::Refused || error.code == ErrorCode::WrongCluster ||
         error.code == ErrorCode::StaleCopy;
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

Join::Join(JoinOptions options) : options_(std::move(options)) {
  for (const Endpoint& seed : options_.seeds) {
    if (seed == options_.self_at) continue;
    if (std::find(others_.begin(), others_.end(), seed) == others_.end()) others_.push_back(seed);
  }
  first_seed_ = !options_.seeds.empty() && options_.seeds.front() == options_.self_at;
}

void Join::on_tick(Instant now, JoinOutbox& out) {
  if (phase_ == Phase::Resting && now >= wake_) begin(now, out);
}

Instant Join::next_wake() const { return phase_ == Phase::Resting ? wake_ : Instant::max(); }

void Join::rest(Instant now, std::string why) {
  phase_ = Phase::Resting;
  waiting_for_ = std::move(why);
  wake_ = now + options_.retry;
}

void Join::begin(Instant now, JoinOutbox& out) {
  answers_.clear();
  shown_.reset();
  if (!options_.known && (options_.found || others_.empty())) {
    phase_ = Phase::Over;
    out.found = true;
    return;
  }
  if (others_.empty()) return rest(now, "a member of the cluster that this node began to join");
  phase_ = Phase::Asking;
  for (const Endpoint& seed : others_) {
    answers_.emplace(seed, std::nullopt);
    out.asks.push_back(seed);
  }
}

void Join::on_ask_answer(Instant now, const Endpoint& seed, const Result<JoinAskReply>& answer,
                         JoinOutbox& out) {
  if (phase_ != Phase::Asking) return;
  if (!answer.ok() && is_final(answer.error())) {
    phase_ = Phase::Over;
    out.refused = answer.error();
    return;
  }
  answers_[seed] = answer;
  if (answer.ok() && answer->has_cluster) {
    if (options_.known && answer->cluster != *options_.known) {
      phase_ = Phase::Over;
      out.refused =
          Error{ErrorCode::WrongCluster, to_text(seed) +
                                             " is a node of another cluster than the one that this "
                                             "data directory began to join"};
      return;
    }
    begin_grants(now, *answer, out);
    return;
  }
  const bool all = std::all_of(answers_.begin(), answers_.end(),
                               [](const auto& a) { return a.second.has_value(); });
  if (all) judge_answers(now, out);
}

// Nobody has a cluster. The first seed founds one, but only when it has heard that from every other
// seed: silence may hide a cluster.
void Join::judge_answers(Instant now, JoinOutbox& out) {
  std::vector<std::string> silent;
  std::optional<Endpoint> rival;
  for (const auto& [seed, answer] : answers_) {
    if (!(*answer).ok()) {
      silent.push_back(to_text(seed));
    } else if ((**answer).would_found && (**answer).node < options_.self) {
      rival = seed;  // its seeds name another order; the lower id founds
    }
  }
  if (options_.known) return rest(now, "a member of the cluster that this node began to join");
  if (!first_seed_) {
    return rest(now, silent.empty() ? "the first seed to found the cluster"
                                    : "seeds that do not answer: " + listed(silent));
  }
  if (!silent.empty()) return rest(now, "seeds that do not answer: " + listed(silent));
  if (rival) return rest(now, "another first seed to found the cluster: " + to_text(*rival));
  phase_ = Phase::Over;
  out.found = true;
}

void Join::begin_grants(Instant now, const JoinAskReply& shown, JoinOutbox& out) {
  shown_ = shown;
  granters_.clear();
  grants_.clear();
  announced_.clear();
  for (const NodeRecord& record : shown_->nodes) {
    if (record.node == options_.self || record.ring.status != ring::RingStatus::Normal) continue;
    granters_.push_back({record.node, record.peer()});
  }
  std::sort(granters_.begin(), granters_.end(),
            [](const auto& a, const auto& b) { return a.node < b.node; });
  if (granters_.empty()) return rest(now, "a member with a place on the ring");
  phase_ = Phase::Granting;
  grants_begun_ = now;
  asked_ = 1;
  out.grants.push_back(granters_.front());
}

void Join::on_grant_answer(Instant now, const NodeId& node, const Result<JoinGrantReply>& answer,
                           JoinOutbox& out) {
  if (phase_ != Phase::Granting) return;
  grants_.insert_or_assign(node, answer);
  const bool yes = answer.ok() && (answer->verdict == GrantVerdict::Granted ||
                                   answer->verdict == GrantVerdict::Already);
  if (asked_ == 1 && yes && granters_.size() > 1) {
    asked_ = granters_.size();
    out.grants.assign(granters_.begin() + 1, granters_.end());
    return;
  }
  if (grants_.size() == asked_) judge_grants(now, out);
}

void Join::judge_grants(Instant now, JoinOutbox& out) {
  std::vector<std::string> missing;
  std::optional<Error> refusal;
  std::string wait;
  bool already = false;
  for (const auto& granter : granters_) {
    const auto found = grants_.find(granter.node);
    if (found == grants_.end()) continue;
    const Result<JoinGrantReply>& grant = found->second;
    if (!grant.ok()) {
      if (is_final(grant.error())) refusal = grant.error();
      missing.push_back(to_text(granter.at) + " (" + grant.error().message + ")");
    } else if (grant->verdict == GrantVerdict::Already) {
      already = true;
    } else if (grant->verdict == GrantVerdict::Wait) {
      wait = "another node that joins first: " + to_text(grant->first);
    } else if (grant->verdict == GrantVerdict::StaleRing) {
      wait = "the members to agree on the ring";
    }
  }
  if (refusal && !already) {
    release(out);
    phase_ = Phase::Over;
    out.refused = refusal;
    return;
  }
  if (!missing.empty() || !wait.empty()) {
    release(out);
    return rest(now, missing.empty() ? wait : "consent of " + listed(missing));
  }
  phase_ = Phase::Saving;
  out.allocate = true;
}

void Join::on_saved(Instant now, JoinOutbox& out) {
  PARLEY_CHECK(phase_ == Phase::Saving);
  // A slow disk: the consent may end before the news of us arrives. Ask again.
  if (now - grants_begun_ > options_.lease / 2) {
    release(out);
    return rest(now, "consent, because saving took too long");
  }
  options_.known = shown_->cluster;  // from here on this data directory belongs to it
  phase_ = Phase::Announcing;
  out.dones = granters_;
}

// One member that knows us is enough to be a member: the others learn it from that one.
void Join::on_done_answer(Instant now, const NodeId& node, const Status& answer, JoinOutbox& out) {
  if (phase_ != Phase::Announcing) return;
  announced_.insert(node);
  if (answer.ok()) {
    phase_ = Phase::Over;
    waiting_for_.clear();
    out.member = true;
    return;
  }
  if (announced_.size() == granters_.size()) rest(now, "a member to take note of this node");
}

void Join::release(JoinOutbox& out) {
  for (const auto& granter : granters_) {
    const auto found = grants_.find(granter.node);
    if (found == grants_.end()) continue;
    // No answer may hide a consent.
    const bool may_hold = found->second.ok() ? found->second->verdict == GrantVerdict::Granted
                                             : found->second.error().code == ErrorCode::NoAnswer;
    if (may_hold) out.releases.push_back(granter);
  }
}

JoinGrantReply GrantDesk::ask(Instant now, const NodeId& joiner, std::uint64_t shown,
                              std::uint64_t ours) {
  for (auto at = visible_.begin(); at != visible_.end();) {
    at = now - at->second > visible_for_ ? visible_.erase(at) : std::next(at);
  }
  if (visible_.size() < 1024) visible_[joiner] = now;
  if (leased(now) && *holder_ != joiner) return {GrantVerdict::Wait, *holder_};
  if (shown != ours) return {GrantVerdict::StaleRing, {}};
  if (!leased(now) && visible_.begin()->first < joiner) {
    return {GrantVerdict::Wait, visible_.begin()->first};
  }
  holder_ = joiner;
  lease_until_ = now + lease_;
  return {GrantVerdict::Granted, {}};
}

void GrantDesk::release(const NodeId& joiner) {
  visible_.erase(joiner);
  if (holder_ == joiner) holder_.reset();
}

}  // namespace parley::membership
