// The driver behind Gossiper. It only moves bytes and time between the deciders (Swim, Join,
// GrantDesk, Records) and the runtime. Split over gossiper*.cpp by what drives it.
#pragma once

#include <array>
#include <map>
#include <set>

#include "base/lifetime.h"
#include "membership/gossip_codec.h"
#include "membership/gossiper.h"
#include "membership/join.h"
#include "membership/own_life.h"
#include "membership/peer_clocks.h"
#include "membership/record_codec.h"
#include "membership/records.h"
#include "membership/swim.h"

namespace parley::membership {

struct GossiperMetrics {
  explicit GossiperMetrics(MetricRegistry& registry);
  Counter sent, received, foreign, damaged, malformed;
  Counter probe_failures, send_failures, syncs;
};

class GossiperDriver final : public Gossiper {
 public:
  GossiperDriver(const MembershipOptions& options, GossiperStart start,
                 std::optional<SavedState> saved, runtime::Loop& loop, runtime::Network& network,
                 runtime::Rpc& rpc, Journal& journal, Random random, Logger log,
                 MetricRegistry& metrics);
  ~GossiperDriver() override;
  Status bind();

  void start(std::function<void(const Refusal&)> refused) override;
  ViewPtr view() const override { return view_; }
  std::string waiting_for() const override;
  bool accepts_writes() const override { return !desk_.leased(loop_.now()); }
  void observe(MembershipObserver* observer) override { observers_.push_back(observer); }
  std::vector<GossipRow> gossip() const override;
  bool views_agree() const override;
  std::optional<Duration> clock_off() const override {
    return clocks_.off(loop_.now(), loop_.wall(), records_.nodes().size());
  }
  void suspect_evidence(const NodeId& node) override;
  void change_keyspace(const KeyspaceId& id, const KeyspaceChange& change, Duration timeout,
                       std::function<void(Result<KeyspaceRecord>)> done) override;
  void leave(Duration patience, std::function<void()> done) override;

 private:
  using Answer = std::function<void(Result<Bytes>)>;

  // gossiper.cpp
  void refuse(const Refusal& refusal);
  void call(const Endpoint& to, runtime::Verb verb, Bytes body, Duration timeout, Answer done);
  void save(std::function<void()> done);
  void save_now();
  // The same, when the disk may hold all that is known here already.
  void save_if(bool changed, const std::function<void()>& done);
  SavedState state() const;
  void arm();
  void on_timer();
  void received(const Endpoint& from, ByteView bytes);
  void log_clock();
  // False: the kernel refused it.
  bool send(const SwimOutbox::Send& send);
  // Carries out what a decider wants, publishes what changed, sets the next wake-up.
  void carry_out(SwimOutbox out);
  void publish(const std::vector<NodeId>& returned);

  // gossiper_join.cpp
  void begin_joining();
  void carry_out(JoinOutbox out);
  void ask_seed(const Endpoint& seed);
  void ask_grants(const std::vector<JoinOutbox::Grant>& granters);
  void tell_done(const JoinOutbox::Grant& granter, bool gave_up);
  void found_cluster();
  void take_slots();
  void disown(const NodeRecord& later);
  void become_member();
  void log_waiting();
  void begin_introduction();
  void introduced_to(const NodeId& node, Instant asked);
  bool accepted_by_majority() const;
  void end_introduction();
  void consider(const OtherLife& other);
  void doubt(const OtherLife& other);
  void look_at_doubt();
  void give_way();

  // gossiper_serve.cpp
  void serve_all();
  void serve_join_ask(const runtime::RpcRequest& request, const runtime::Responder& respond);
  void serve_join_grant(const runtime::RpcRequest& request, const runtime::Responder& respond);
  void grant_when_quiet(const NodeId& joiner, Instant until, const runtime::Responder& respond);
  void serve_join_done(const runtime::RpcRequest& request, const runtime::Responder& respond);
  void serve_sync(const runtime::RpcRequest& request, const runtime::Responder& respond);
  void serve_stream_probe(const runtime::RpcRequest& request, const runtime::Responder& respond);
  void serve_keyspace(const runtime::RpcRequest& request, const runtime::Responder& respond);
  Error holds_data() const;
  Error other_cluster(const std::string& theirs) const;

  // gossiper_keyspace.cpp
  struct KeyspaceSetting;
  void try_keyspace(const std::shared_ptr<KeyspaceSetting>& setting);
  void keyspace_held(const std::shared_ptr<KeyspaceSetting>& setting, unsigned attempt,
                     const HeldKeyspace& held);
  void keyspace_answered(KeyspaceSetting& setting, unsigned attempt, bool taken);

  // gossiper_sync.cpp
  void sync_with(const NodeId& node, const Endpoint& at);
  void announce();
  void serve() override;
  MemberSync summary() const;
  MemberSync answer_to(const MemberSync& message) const;
  void take(const MemberSync& message, const Endpoint& from, SwimOutbox& out);
  bool take_record(const NodeRecord& record, const NodeId& from,
                   const std::map<NodeId, Claim>& claims, SwimOutbox& out);
  void probe_over_stream(const SwimOutbox::StreamProbe& probe);
  void dial(const SwimOutbox::Knock& knock);

  // Constant after construction.
  const MembershipOptions& options_;
  runtime::Loop& loop_;
  runtime::Network& network_;
  runtime::Rpc& rpc_;
  Journal& journal_;
  Logger log_;
  GossiperMetrics metrics_;
  const GossiperStart start_;
  const std::uint64_t nonce_;

  Random random_;
  std::function<void(const Refusal&)> refused_;
  std::vector<MembershipObserver*> observers_;

  // The cluster; nil until founded or joined.
  GossipCluster cluster_;
  Bytes cluster_key_;
  bool member_ = false;  // probes, gossips and publishes
  bool leaving_ = false;
  // After a restart, until the others have had their chance to say that they know a later life of
  // this node: no view is shown.
  bool introducing_ = false;
  // Members that have heard our generation and accept it; in doubt, since the last news of the
  // other life.
  std::set<NodeId> introduced_;
  std::set<NodeId> objectors_;  // told of the other life and have not accepted this one since
  Instant disputed_at_{};       // the last news of another life
  std::map<NodeId, std::uint64_t> saved_nonces_;
  std::vector<NodeId> returned_early_;  // what the first view's observers are told too
  NodeRecord self_;
  OwnLife own_life_;
  Records records_;
  Swim swim_;
  PeerClocks clocks_;
  bool clock_is_off_ = false;  // as last logged
  std::optional<Join> join_;
  GrantDesk desk_;
  ViewPtr view_;
  std::string logged_waiting_;
  std::optional<Instant> logged_at_;

  std::map<NodeId, Instant> synced_at_;
  std::set<NodeId> syncing_;
  std::array<std::size_t, 4> members_by_state_{};
  std::vector<std::unique_ptr<Gauge>> gauges_;

  // Who waits for the save under way, whose state is not durable yet, and for the one after it.
  std::vector<std::function<void()>> saving_, to_save_;
  std::uint64_t next_call_ = 0;
  std::map<std::uint64_t, runtime::CallHandle> calls_;
  std::unique_ptr<runtime::DatagramSocket> socket_;
  runtime::Timer timer_, goodbye_timer_, introduction_timer_;
  Instant armed_for_{};  // what timer_ waits for, while it does
  Lifetime lifetime_;    // last: dies first
};

}  // namespace parley::membership
