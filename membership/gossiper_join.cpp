// GossiperDriver: from a lone process to a member.
#include <utility>

#include "base/hash.h"
#include "membership/gossiper_internal.h"
#include "membership/membership_codec.h"

namespace parley::membership {

namespace {

constexpr Duration kJoinCallTimeout = 1s;
constexpr Duration kWaitingLogInterval = 10s;
// The answers of a healthy cluster take milliseconds, those of a starved one still less than this.
constexpr Duration kIntroductionGrace = 1s;
// Longer than what is on its way takes to arrive.
constexpr Duration kDoubtLeast = 5s;
constexpr Duration kDoubtLook = 1s;

template <typename T>
Result<T> decoded(const Result<Bytes>& answer, Result<T> (*decode)(ByteView)) {
  if (!answer.ok()) return answer.error();
  return decode(*answer);
}

// Every member derives the same id, so the keyspace is one even if two founders' clusters differ.
HeldKeyspace default_keyspace(const ClusterId& cluster, ConflictRule rule) {
  KeyspaceRecord record;
  record.id = *KeyspaceId::from_bytes(mac128(cluster.view(), "keyspace default"));
  record.name = "default";
  record.conflict_rule = rule;
  record.version = 1;
  return {record, 1, 1};
}

}  // namespace

void GossiperDriver::begin_joining() {
  JoinOptions options;
  options.self = self_.node;
  options.self_at = self_.peer();
  options.cluster_name = start_.cluster_name;
  options.seeds = start_.seeds;
  options.found = start_.found;
  options.retry = options_.join_retry();
  options.lease = options_.join_lease();
  if (!cluster_.id.is_nil()) {
    // A join was begun in an earlier life; whoever was a member then is as good as a seed.
    options.known = cluster_.id;
    for (const auto& [node, record] : records_.nodes()) options.seeds.push_back(record.peer());
  }
  join_.emplace(std::move(options));
  JoinOutbox out;
  join_->on_tick(loop_.now(), out);
  carry_out(std::move(out));
}

void GossiperDriver::carry_out(JoinOutbox out) {
  for (const Endpoint& seed : out.asks) ask_seed(seed);
  if (!out.grants.empty()) ask_grants(out.grants);
  for (const auto& granter : out.releases) tell_done(granter, true);
  for (const auto& granter : out.dones) tell_done(granter, false);
  if (out.found) found_cluster();
  if (out.allocate) take_slots();
  if (out.member) {
    member_ = true;
    save([] {});
    become_member();
  }
  if (out.refused) return refuse({*out.refused});
  log_waiting();
  arm();
}

void GossiperDriver::log_waiting() {
  if (!join_ || member_ || join_->waiting_for().empty()) return;
  const Instant now = loop_.now();
  const bool same = join_->waiting_for() == logged_waiting_;
  if (same && logged_at_ && now - *logged_at_ < kWaitingLogInterval) return;
  logged_waiting_ = join_->waiting_for();
  logged_at_ = now;
  log_.info("join.waiting", {{"for", logged_waiting_}});
}

void GossiperDriver::ask_seed(const Endpoint& seed) {
  const JoinAsk ask{self_.node, start_.cluster_name, join_->would_found()};
  call(seed, runtime::Verb::JoinAsk, encode_join_ask(ask), kJoinCallTimeout,
       [this, seed](const Result<Bytes>& answer) {
         JoinOutbox out;
         join_->on_ask_answer(loop_.now(), seed, decoded(answer, decode_join_ask_reply), out);
         carry_out(std::move(out));
       });
}

void GossiperDriver::ask_grants(const std::vector<JoinOutbox::Grant>& granters) {
  std::vector<ring::RingRecord> rings;
  for (const NodeRecord& record : join_->shown().nodes) rings.push_back(record.ring);
  const JoinGrant grant{self_.node, join_->shown().cluster, ring::Ring::build(rings)->digest()};
  const Bytes body = encode_join_grant(grant);
  for (const auto& granter : granters) {
    call(granter.at, runtime::Verb::JoinGrant, body, kJoinCallTimeout,
         [this, node = granter.node](const Result<Bytes>& answer) {
           JoinOutbox out;
           join_->on_grant_answer(loop_.now(), node, decoded(answer, decode_join_grant_reply), out);
           carry_out(std::move(out));
         });
  }
}

void GossiperDriver::tell_done(const JoinOutbox::Grant& granter, bool gave_up) {
  JoinDone done{self_.node, join_->shown().cluster, {}};
  if (!gave_up) done.record.push_back(self_);
  call(granter.at, runtime::Verb::JoinDone, encode_join_done(done), kJoinCallTimeout,
       [this, gave_up, node = granter.node](const Result<Bytes>& answer) {
         if (gave_up) return;
         const Status status = answer.ok() ? Status(Done{}) : Status(answer.error());
         JoinOutbox out;
         join_->on_done_answer(loop_.now(), node, status, out);
         carry_out(std::move(out));
       });
}

void GossiperDriver::found_cluster() {
  cluster_.id = random_.id<ClusterId>();
  cluster_key_ = random_.secret("cluster key");
  self_.ring.status = ring::RingStatus::Normal;
  self_.ring.version = 1;
  self_.ring.slots = ring::allocate_slots(*ring::Ring::build({}), self_.node, start_.vnodes);
  records_.merge(self_);
  records_.merge(
      default_keyspace(cluster_.id, start_.conflict_rule.value_or(ConflictRule::Siblings)));
  SavedState founded = state();
  founded.joined = true;
  // Nobody hears of the cluster before it would survive a crash.
  journal_.save(encode_state(founded), lifetime_.guard([this] {
    member_ = true;
    log_.info("cluster.founded", {{"cluster", cluster_.id}, {"name", start_.cluster_name}});
    rpc_.set_identity({self_.node, self_.generation, cluster_.id, start_.cluster_name});
    become_member();
  }));
}

void GossiperDriver::take_slots() {
  const JoinAskReply& shown = join_->shown();
  cluster_.id = shown.cluster;
  cluster_key_ = shown.cluster_key;
  std::vector<ring::RingRecord> rings;
  bool known = false;
  for (const NodeRecord& record : shown.nodes) {
    rings.push_back(record.ring);
    if (record.node == self_.node) {
      if (record.generation > self_.generation) return disown(record);
      known = record.ring.status == ring::RingStatus::Normal;
      self_.ring = record.ring;
    } else {
      records_.merge(record);
    }
  }
  for (const HeldKeyspace& keyspace : shown.keyspaces) records_.merge(keyspace);
  if (!known) {
    const auto ring = ring::Ring::build(rings);
    self_.ring.status = ring::RingStatus::Normal;
    ++self_.ring.version;
    ++self_.version;
    self_.ring.slots = ring::allocate_slots(*ring, self_.node, start_.vnodes);
  }
  records_.merge(self_);
  // Saved as not joined yet: after a crash here the members are asked again.
  save([this] {
    rpc_.set_identity({self_.node, self_.generation, cluster_.id, start_.cluster_name});
    JoinOutbox out;
    join_->on_saved(loop_.now(), out);
    carry_out(std::move(out));
  });
}

// A disk from before the end of this node's join holds no data: elsewhere another one does.
void GossiperDriver::disown(const NodeRecord& later) {
  const auto verdict = own_life_.hear({later.generation, Liveness::Alive, later.peer(), false});
  if (verdict == OwnLife::Verdict::OldCopy) return give_way();
  refuse({second_copy(self_.node, to_text(later.peer()))});
}

void GossiperDriver::become_member() {
  const Instant now = loop_.now();
  SwimOutbox out;
  swim_.set_digests(now, records_.view_digest(), records_.ring()->digest());
  for (const auto& [node, record] : records_.nodes()) {
    if (node == self_.node) continue;
    Claim alive{node, record.generation, 0, Liveness::Alive, {}, 0};
    if (const auto nonce = saved_nonces_.find(node); nonce != saved_nonces_.end()) {
      alive.nonce = nonce->second;
    }
    swim_.learn(now, record.peer(), alive, out);
  }
  log_.info("membership.member", {{"cluster", cluster_.id},
                                  {"members", records_.nodes().size()},
                                  {"generation", self_.generation}});
  for (const auto& [id, held] : records_.keyspaces()) {
    const KeyspaceRecord& keyspace = held.record;
    if (start_.conflict_rule.value_or(keyspace.conflict_rule) == keyspace.conflict_rule) continue;
    log_.warn("membership.conflict_rule_stays", {{"keyspace", keyspace.name},
                                                 {"is", to_text(keyspace.conflict_rule)},
                                                 {"asked", to_text(*start_.conflict_rule)}});
  }
  publish({});
  announce();
  carry_out(std::move(out));
}

// A restored old copy of the disk must mint and serve nothing. Whoever knows a later life of this
// node says so in its first answer; with most of the remembered members heard, or with none to be
// heard for a while (the whole cluster is starting), this is the latest life as far as can be
// known.
void GossiperDriver::begin_introduction() {
  if (records_.nodes().size() < 2) return;
  introducing_ = true;
  introduction_timer_.after(kIntroductionGrace, [this] { end_introduction(); });
}

// What was asked before the last news of another life may have been answered before it, too.
void GossiperDriver::introduced_to(const NodeId& node, Instant asked) {
  if (!introducing_ || records_.find(node) == nullptr || asked < disputed_at_) return;
  introduced_.insert(node);
  objectors_.erase(node);
  if (accepted_by_majority() && !own_life_.disputed()) end_introduction();
}

bool GossiperDriver::accepted_by_majority() const {
  const std::size_t others = records_.nodes().size() - 1;
  return introduced_.size() * 2 > others;
}

void GossiperDriver::end_introduction() {
  if (!introducing_ || leaving_) return;
  introducing_ = false;
  introduction_timer_.cancel();
  publish(std::exchange(returned_early_, {}));
  arm();
}

void GossiperDriver::consider(const OtherLife& other) {
  if (leaving_) return;
  const bool first = !own_life_.disputed();
  switch (own_life_.hear(other)) {
    case OwnLife::Verdict::OldCopy: return give_way();
    case OwnLife::Verdict::Clone:
      return refuse({second_copy(self_.node, other.at ? to_text(*other.at) : "")});
    case OwnLife::Verdict::Unclear: break;
  }
  disputed_at_ = loop_.now();
  introduced_.clear();
  if (records_.find(other.told_by) != nullptr) objectors_.insert(other.told_by);
  if (first) doubt(other);
  if (!own_life_.elsewhere()) return;
  SwimOutbox question;
  swim_.ask_other_life(*own_life_.elsewhere(), question);
  carry_out(std::move(question));
}

// Nothing is served from here on, and no stream probe answered: so the others find out whether the
// other life runs, and their next words about it decide.
void GossiperDriver::doubt(const OtherLife& other) {
  view_ = nullptr;
  introducing_ = true;
  look_at_doubt();
  if (start_.in_doubt) start_.in_doubt(own_life_.highest());
  log_.warn("membership.other_life", {{"generation", other.generation},
                                      {"own", self_.generation},
                                      {"waiting_for", waiting_for()}});
}

// Whoever holds with the other life says so in each answer. When a majority answers and nobody says
// it any more, the members hold with this one, and will not find out that the other is over. There
// was another, so this is an old copy; if it runs after all, where none of them is, it will hear of
// the next life from them, ask there, and go. Whoever told of it and is up must have answered since
// without telling: it may be asked seldom, and the other life may be at its side.
void GossiperDriver::look_at_doubt() {
  if (leaving_) return;
  bool objected = false;
  for (const NodeId& node : std::set<NodeId>(objectors_)) {
    const NodeRecord* record = records_.find(node);
    const auto peer = swim_.peers().find(node);
    if (record == nullptr || peer == swim_.peers().end() || !is_up(peer->second.claim.liveness)) {
      continue;
    }
    objected = true;
    sync_with(node, record->peer());
  }
  const bool over = accepted_by_majority() && !objected;
  if (over && loop_.now() - disputed_at_ >= kDoubtLeast) return give_way();
  introduction_timer_.after(kDoubtLook, [this] { look_at_doubt(); });
}

// The next life must know whom it has to ask for what this one lacks.
void GossiperDriver::give_way() {
  leaving_ = true;
  view_ = nullptr;
  timer_.cancel();
  introduction_timer_.cancel();
  save([this] { refuse({old_copy(self_.node), own_life_.highest()}); });
}

}  // namespace parley::membership
