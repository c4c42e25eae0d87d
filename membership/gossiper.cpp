#include "membership/gossiper.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "membership/gossiper_internal.h"

namespace parley::membership {

namespace {

constexpr Duration kGoodbyePause = 30ms;

SwimOptions swim_options(const MembershipOptions& options) {
  SwimOptions out;
  out.probe_interval = options.probe_interval();
  out.probe_timeout = options.probe_timeout();
  out.indirect_probes = options.indirect_probes();
  out.suspicion_factor = options.suspicion_factor();
  out.suspicion_factor_most = options.suspicion_factor_most();
  out.health_most = static_cast<int>(options.health_most());
  out.dead_probe_interval = options.dead_probe_interval();
  return out;
}

std::uint64_t draw_nonce(Random& random) { return random.next() | 1U; }

}  // namespace

GossiperMetrics::GossiperMetrics(MetricRegistry& r)
    : sent(r, "gossip_datagrams_total", "Gossip datagrams.", {{"direction", "sent"}}),
      received(r, "gossip_datagrams_total", "Gossip datagrams.", {{"direction", "received"}}),
      foreign(r, "gossip_foreign_total", "Datagrams of another cluster, refused."),
      damaged(r, "gossip_damaged_total", "Datagrams that failed their checksum, refused."),
      malformed(r, "gossip_malformed_total", "Datagrams that are no gossip of ours, refused."),
      probe_failures(r, "probe_failures_total", "Probes of members believed up that failed."),
      send_failures(r, "gossip_send_failures_total", "Datagrams that the kernel refused."),
      syncs(r, "member_syncs_total", "Exchanges of member records begun.") {}

GossiperDriver::GossiperDriver(const MembershipOptions& options, GossiperStart start,
                               std::optional<SavedState> saved, runtime::Loop& loop,
                               runtime::Network& network, runtime::Rpc& rpc, Journal& journal,
                               Random random, Logger log, MetricRegistry& metrics)
    : options_(options),
      loop_(loop),
      network_(network),
      rpc_(rpc),
      journal_(journal),
      log_(log),
      metrics_(metrics),
      start_(std::move(start)),
      nonce_(draw_nonce(random)),
      random_(std::move(random)),
      self_(start_.self),
      own_life_(self_.generation, self_.peer()),
      swim_(swim_options(options), start_.self.node, start_.self.generation, nonce_,
            random_.fork("swim")),
      desk_(options.join_lease(), options.join_retry()),
      timer_(loop),
      goodbye_timer_(loop),
      introduction_timer_(loop) {
  self_.version = 1;
  self_.ring = {self_.node, 0, ring::RingStatus::Joining, self_.rack, {}};
  cluster_.name_hash = hash64(start_.cluster_name);
  if (saved) {
    cluster_.id = saved->cluster;
    cluster_key_ = saved->cluster_key;
    member_ = saved->joined;
    saved_nonces_ = saved->nonces;
    for (const NodeRecord& record : saved->nodes) {
      if (record.node != self_.node) {
        records_.merge(record);
        continue;
      }
      self_.ring = record.ring;
      if (self_.ring.rack != self_.rack) {
        self_.ring.rack = self_.rack;
        ++self_.ring.version;
      }
    }
    for (const HeldKeyspace& keyspace : saved->keyspaces) records_.merge(keyspace);
    if (member_) records_.merge(self_);
  }
  for (const auto liveness : {Liveness::Alive, Liveness::Suspect, Liveness::Dead, Liveness::Left}) {
    const auto at = static_cast<std::size_t>(liveness);
    gauges_.push_back(std::make_unique<Gauge>(
        metrics, "members", "Members by liveness as this node sees it, itself included.",
        [this, at] { return static_cast<double>(members_by_state_[at]); },
        MetricLabels{{"state", to_text(liveness)}}));
  }
  gauges_.push_back(std::make_unique<Gauge>(
      metrics, "membership_clock_off_milliseconds",
      "How far this node's wall clock is ahead of the median of the members' clocks; 0: not known.",
      [this] { return static_cast<double>(to_millis(clock_off().value_or(Duration{0}))); }));
  gauges_.push_back(std::make_unique<Gauge>(
      metrics, "membership_clocks_heard",
      "Members whose clocks this node has heard in this life; below half of them its own is not "
      "known to be right.",
      [this] { return static_cast<double>(clocks_.heard_count()); }));
}

GossiperDriver::~GossiperDriver() {
  using runtime::Verb;
  for (const Verb verb : {Verb::JoinAsk, Verb::JoinGrant, Verb::JoinDone, Verb::MemberSync,
                          Verb::TcpProbe, Verb::KeyspaceSet}) {
    rpc_.serve(verb, runtime::Admission::Members, nullptr);
  }
}

Status GossiperDriver::bind() {
  auto bound = network_.bind_datagrams(
      self_.peer(),
      lifetime_.guard([this](const Endpoint& from, ByteView bytes) { received(from, bytes); }));
  if (!bound.ok()) return bound.error();
  socket_ = std::move(*bound);
  return Done{};
}

void GossiperDriver::start(std::function<void(const Refusal&)> refused) {
  refused_ = std::move(refused);
  serve_all();
  rpc_.on_peer_broken(
      lifetime_.guard([this](const NodeId& node, const Endpoint&) { suspect_evidence(node); }));
  if (!member_) return begin_joining();
  // A restart: the others are where they were, and hear of our new life at once.
  rpc_.set_identity({self_.node, self_.generation, cluster_.id, start_.cluster_name});
  begin_introduction();
  become_member();
}

void GossiperDriver::refuse(const Refusal& refusal) {
  if (!refused_) return;
  const auto tell = std::exchange(refused_, nullptr);
  log_.debug("membership.refused", {{"reason", refusal.error.message}});
  leaving_ = true;
  timer_.cancel();
  introduction_timer_.cancel();
  tell(refusal);
}

void GossiperDriver::call(const Endpoint& to, runtime::Verb verb, Bytes body, Duration timeout,
                          Answer done) {
  const std::uint64_t id = ++next_call_;
  runtime::CallOptions options;
  options.timeout = timeout;
  calls_[id] = rpc_.call(
      to, verb, std::move(body), options,
      lifetime_.guard([this, id, done = std::move(done)](Result<Bytes> answer) {
        const auto at = calls_.find(id);
        if (at != calls_.end()) {
          // It is still on the stack: it dies in a later turn.
          loop_.post([over = std::shared_ptr<runtime::PendingCall>(std::move(at->second))] {});
          calls_.erase(at);
        }
        done(std::move(answer));
      }));
}

SavedState GossiperDriver::state() const {
  SavedState state;
  state.cluster = cluster_.id;
  state.cluster_name = start_.cluster_name;
  state.cluster_key = cluster_key_;
  state.joined = member_;
  state.nodes = records_.all_nodes();
  state.keyspaces = records_.all_keyspaces();
  for (const auto& [node, peer] : swim_.peers()) {
    const NodeRecord* record = records_.find(node);
    const Claim& claim = peer.claim;
    if (record == nullptr || claim.nonce == 0 || claim.generation != record->generation) continue;
    state.nonces[node] = claim.nonce;
  }
  return state;
}

void GossiperDriver::save(std::function<void()> done) {
  to_save_.push_back(lifetime_.guard(std::move(done)));
  if (saving_.empty()) save_now();
}

// One at a time; what changes meanwhile goes together into the next: a state is as long as the
// cluster is large, and a start learns something of every member.
void GossiperDriver::save_now() {
  saving_ = std::exchange(to_save_, {});
  journal_.save(encode_state(state()), lifetime_.guard([this] {
    const auto saved = std::exchange(saving_, {});
    if (!to_save_.empty()) save_now();
    for (const auto& done : saved) done();
  }));
}

// Every change is saved in the turn that makes it, so the last save asked for holds all of them.
void GossiperDriver::save_if(bool changed, const std::function<void()>& done) {
  if (changed) return save(done);
  auto& waiting = to_save_.empty() ? saving_ : to_save_;
  if (waiting.empty()) return done();
  waiting.push_back(lifetime_.guard(done));
}

void GossiperDriver::arm() {
  if (leaving_) return;
  Instant wake = Instant::max();
  if (join_) wake = std::min(wake, join_->next_wake());
  if (member_) wake = std::min(wake, swim_.next_wake());
  // Most datagrams change nothing about it.
  if (timer_.pending() && wake == armed_for_) return;
  armed_for_ = wake;
  if (wake == Instant::max()) {
    timer_.cancel();
  } else {
    timer_.at(std::max(wake, loop_.now()), [this] { on_timer(); });
  }
}

void GossiperDriver::on_timer() {
  if (join_) {
    JoinOutbox out;
    join_->on_tick(loop_.now(), out);
    carry_out(std::move(out));
  }
  if (member_ && !leaving_) {
    SwimOutbox out;
    swim_.on_tick(loop_.now(), loop_.lag(), out);
    carry_out(std::move(out));
  }
  arm();
}

void GossiperDriver::received(const Endpoint& from, ByteView bytes) {
  metrics_.received.add();
  if (!member_ || leaving_) return;
  const auto datagram = decode_datagram(cluster_, bytes);
  if (!datagram.ok()) {
    switch (datagram.error().code) {
      case ErrorCode::WrongCluster: metrics_.foreign.add(); break;
      case ErrorCode::Damaged: metrics_.damaged.add(); break;
      default: metrics_.malformed.add(); break;
    }
    return;
  }
  SwimOutbox out;
  const Instant now = loop_.now();
  swim_.on_datagram(now, from, *datagram, out);
  if (out.round_trip) {
    clocks_.heard(datagram->sender, datagram->wall, now, *out.round_trip);
    log_clock();
  }
  // A member's own answer to a ping of ours tells of another life, if it holds with that.
  const bool accepted = out.round_trip && out.other_lives.empty();
  const Instant asked = now - out.round_trip.value_or(Duration(0));
  carry_out(std::move(out));
  if (accepted) introduced_to(datagram->sender, asked);
}

void GossiperDriver::log_clock() {
  const std::optional<Duration> off = clock_off();
  if (!off) return;
  const bool is_off = std::chrono::abs(*off) > options_.clock_off_most();
  if (std::exchange(clock_is_off_, is_off) == is_off) return;
  if (is_off) {
    log_.warn("membership.clock_off", {{"ahead_ms", to_millis(*off)}});
  } else {
    log_.info("membership.clock_agrees", {{"ahead_ms", to_millis(*off)}});
  }
}

bool GossiperDriver::send(const SwimOutbox::Send& send) {
  Datagram datagram = send.datagram;
  datagram.wall = loop_.wall();
  return socket_->send(send.to, encode_datagram(cluster_, datagram));
}

void GossiperDriver::carry_out(SwimOutbox out) {
  for (std::size_t i = 0; i < out.sends.size(); ++i) {
    metrics_.sent.add();
    if (send(out.sends[i])) continue;
    metrics_.send_failures.add();
    const Endpoint to = out.sends[i].to;
    swim_.on_send_failed(loop_.now(), to, out);  // asks others, once per probe
  }
  metrics_.probe_failures.add(out.probe_failures);
  for (const auto& probe : out.stream_probes) probe_over_stream(probe);
  for (const auto& knock : out.knocks) dial(knock);
  for (const auto& sync : out.syncs) sync_with(sync.node, sync.at);
  if (out.nonce_learned) save([] {});
  if (out.changed || !out.returned.empty()) publish(out.returned);
  for (const auto& other : out.other_lives) consider(other);
  arm();
}

void GossiperDriver::publish(const std::vector<NodeId>& returned) {
  if (own_life_.disputed()) return;
  if (introducing_) {
    returned_early_.insert(returned_early_.end(), returned.begin(), returned.end());
    return;
  }
  auto view = std::make_shared<View>();
  view->cluster = cluster_.id;
  view->cluster_name = start_.cluster_name;
  view->cluster_key = cluster_key_;
  view->self = self_.node;
  for (const auto& [id, held] : records_.keyspaces()) view->keyspaces.push_back(held.record);
  view->ring = records_.ring();
  view->view_digest = records_.view_digest();
  members_by_state_ = {};
  for (const auto& [node, record] : records_.nodes()) {
    const auto peer = swim_.peers().find(node);
    const Claim claim = peer == swim_.peers().end() ? swim_.self_claim() : peer->second.claim;
    const Member* before = view_ ? view_->find(node) : nullptr;
    if (before == nullptr || before->liveness != claim.liveness) {
      log_.info("member.changed", {{"node", node},
                                   {"peer", record.peer()},
                                   {"liveness", to_text(claim.liveness)},
                                   {"generation", claim.generation}});
    }
    view->members.push_back({record, claim.incarnation, claim.liveness});
    ++members_by_state_[static_cast<std::size_t>(claim.liveness)];
  }
  swim_.set_digests(loop_.now(), view->view_digest, view->ring->digest());
  view_ = view;
  for (const NodeId& node : returned) {
    if (const NodeRecord* record = records_.find(node)) rpc_.peer_recovered(record->peer());
  }
  const ViewPtr shown = view_;
  for (MembershipObserver* observer : observers_) observer->view_changed(shown);
  for (const NodeId& node : returned) {
    if (records_.find(node) == nullptr) continue;
    for (MembershipObserver* observer : observers_) observer->member_returned(node);
  }
}

std::vector<GossipRow> GossiperDriver::gossip() const {
  std::vector<GossipRow> rows;
  if (!view_) return rows;
  for (const Member& member : view_->members) {
    GossipRow row;
    row.member = member;
    const auto at = swim_.peers().find(member.record.node);
    if (at == swim_.peers().end()) {
      row.last_heard_ms = 0;
      row.rtt_ms = 0;
      row.view_digest = view_->view_digest;
      row.ring_digest = view_->ring->digest();
    } else {
      const Swim::Peer& peer = at->second;
      if (peer.last_heard) row.last_heard_ms = to_millis(loop_.now() - *peer.last_heard);
      if (peer.rtt) row.rtt_ms = to_seconds(*peer.rtt) * 1000;
      row.view_digest = peer.view_digest;
      row.ring_digest = peer.ring_digest;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

bool GossiperDriver::views_agree() const {
  if (!view_) return false;
  const auto rows = gossip();
  return std::all_of(rows.begin(), rows.end(), [&](const GossipRow& row) {
    return !row.member.is_up() ||
           (row.view_digest == view_->view_digest && row.ring_digest == view_->ring->digest());
  });
}

// Observers and coordinators call this from inside their own work: it takes its own turn.
void GossiperDriver::suspect_evidence(const NodeId& node) {
  loop_.post(lifetime_.guard([this, node] {
    if (!member_ || leaving_) return;
    SwimOutbox out;
    swim_.on_evidence(loop_.now(), node, out);
    carry_out(std::move(out));
  }));
}

void GossiperDriver::leave(Duration patience, std::function<void()> done) {
  if (!member_ || leaving_) {
    loop_.post(lifetime_.guard(std::move(done)));
    return;
  }
  SwimOutbox out;
  swim_.leave(loop_.now(), out);
  carry_out(std::move(out));
  leaving_ = true;
  timer_.cancel();
  introduction_timer_.cancel();
  // Once more: a datagram may be lost.
  goodbye_timer_.after(std::min(patience, kGoodbyePause), [this, done = std::move(done)] {
    SwimOutbox again;
    swim_.leave(loop_.now(), again);
    for (const auto& goodbye : again.sends) send(goodbye);
    done();
  });
}

std::string GossiperDriver::waiting_for() const {
  if (own_life_.disputed()) {
    return "certainty that no other process runs with this node's id" +
           (own_life_.elsewhere() ? ", as at " + to_text(*own_life_.elsewhere()) : "") +
           (objectors_.empty() ? "" : ", as node " + to_text(*objectors_.begin()) + " told");
  }
  if (introducing_) return "the other members to accept this node's new life";
  if (member_) return {};
  return join_ ? join_->waiting_for() : "the start";
}

Result<std::unique_ptr<Gossiper>> make_gossiper(const MembershipOptions& options,
                                                GossiperStart start, runtime::Loop& loop,
                                                runtime::Network& network, runtime::Rpc& rpc,
                                                Journal& journal, Random random, Logger log,
                                                MetricRegistry& metrics) {
  std::optional<SavedState> saved;
  if (start.state) {
    auto decoded = decode_state(*start.state);
    if (!decoded.ok()) return decoded.error();
    saved = std::move(*decoded);
    if (saved->cluster_name != start.cluster_name) {
      return Error{ErrorCode::InvalidArgument, "the data directory belongs to cluster '" +
                                                   saved->cluster_name + "', --cluster says '" +
                                                   start.cluster_name + "'"};
    }
  }
  auto gossiper =
      std::make_unique<GossiperDriver>(options, std::move(start), std::move(saved), loop, network,
                                       rpc, journal, std::move(random), log, metrics);
  const Status bound = gossiper->bind();
  if (!bound.ok()) return bound.error();
  return std::unique_ptr<Gossiper>(std::move(gossiper));
}

}  // namespace parley::membership
