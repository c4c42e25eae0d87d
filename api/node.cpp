#include "api/node.h"

#include <algorithm>

#include "api/client_listener.h"
#include "api/cluster_admin_rows.h"
#include "api/cluster_admin_service.h"
#include "api/console_service.h"
#include "api/fault_desk.h"
#include "api/http_service.h"
#include "api/node_identity.h"
#include "api/rebuild_mark.h"
#include "api/store_journal.h"
#include "base/lifetime.h"
#include "base/mutant.h"
#include "membership/gossiper.h"
#include "repair/repair.h"
#include "replication/coordinator.h"
#include "runtime/rpc.h"

namespace parley::api {
namespace {

constexpr Duration kGoodbyePatience = 500ms;
constexpr Duration kDrainPoll = 20ms;
constexpr Duration kRebuildLog = 5s;

// Members are destroyed in the reverse of the order in which they are built: from the clients'
// face down to the store.
class WiredNode final : public Node, public membership::MembershipObserver {
 public:
  WiredNode(const NodeConfig& config, std::unique_ptr<storage::Store> store, runtime::Loop& loop,
            runtime::Network& network, runtime::KjPort& kj, Random random, Logger log,
            MetricRegistry& metrics, NodeEvents events)
      : config_(config),
        network_(network),
        kj_(kj),
        random_(std::move(random)),
        log_(log.on_floor("api")),
        metrics_(metrics),
        events_(std::move(events)),
        faults_(config.allow_faults
                    ? std::make_unique<FaultDesk>(loop, network, random_.fork("faults"), log_,
                                                  metrics, events_.stall)
                    : nullptr),
        loop_(faults_ ? faults_->loop() : loop),
        peer_network_(faults_ ? faults_->network() : network),
        store_(faults_ ? faults_->wrap(std::move(store)) : std::move(store)),
        journal_(*store_, loop_, log_),
        rebuild_mark_(*store_, loop_, log_),
        drain_timer_(loop_),
        rebuild_timer_(loop_) {
    begin_life(*store_, random_, lifetime_.guard([this](Result<NodeIdentity> identity) {
      if (!identity.ok()) return fail(identity.error());
      identity_ = *identity;
      const Status begun = build();
      if (!begun.ok()) fail(begun.error());
    }));
  }

  // What waits in the store refers to the parts that are destroyed before it.
  ~WiredNode() override { store_->finish(); }

  void stop(std::function<void()> done) override;
  FaultDesk* fault_desk() override { return faults_.get(); }

  void view_changed(const membership::ViewPtr& view) override;
  void member_returned(const NodeId&) override {}

 private:
  Status build();
  Status build_floors();
  Status build_face();
  void fail(const Error& error);
  void refused(const membership::Refusal& refusal);
  void doubt(Generation later);
  void give_way(const membership::Refusal& refusal);
  void end_the_rebuild();
  void log_rebuild();
  std::string rebuild_state() const;
  membership::NodeRecord self_record() const;
  membership::ViewPtr view() const { return gossiper_ ? gossiper_->view() : nullptr; }
  // What clients and coordinators go by: nullptr while this node's copies must count for nothing.
  membership::ViewPtr serving_view() const {
    const bool old = identity_.rebuilding && !PARLEY_MUTANT(old_copy_serves);
    return old || failed_ ? nullptr : view();
  }
  std::optional<std::string> not_ready() const;
  std::optional<Error> clock_trouble() const;
  client::NodeInfo info() const;
  void drain(Instant until, std::function<void()> done);

  const NodeConfig& config_;
  runtime::Network& network_;
  runtime::KjPort& kj_;
  Random random_;
  const Logger log_;
  MetricRegistry& metrics_;
  const NodeEvents events_;
  const std::unique_ptr<FaultDesk> faults_;  // null: not allowed
  runtime::Loop& loop_;
  runtime::Network& peer_network_;  // network_, under the faults
  const Instant begun_ = loop_.now();
  NodeIdentity identity_;
  bool announced_ = false, stopping_ = false, failed_ = false;
  std::string rebuild_logged_;

  std::unique_ptr<storage::Store> store_;
  StoreJournal journal_;
  RebuildMark rebuild_mark_;
  std::unique_ptr<runtime::Rpc> rpc_;
  std::unique_ptr<membership::Gossiper> gossiper_;
  std::unique_ptr<replication::Replication> replication_;
  std::unique_ptr<repair::Repair> repair_;
  std::unique_ptr<ClusterAdminService> admin_;
  std::unique_ptr<ClientListener> clients_;
  std::unique_ptr<ConsoleService> console_;
  std::unique_ptr<HttpService> http_;
  runtime::Timer drain_timer_, rebuild_timer_;
  Lifetime lifetime_;
};

membership::NodeRecord WiredNode::self_record() const {
  membership::NodeRecord self;
  self.node = identity_.node;
  self.generation = identity_.generation;
  self.address = config_.listen;
  self.client_port = config_.client_port;
  self.peer_port = config_.peer_port;
  self.http_port = config_.http_port;
  self.rack = config_.rack;
  self.dc = config_.dc;
  self.serves = !identity_.rebuilding || PARLEY_MUTANT(old_copy_serves);
  return self;
}

void WiredNode::fail(const Error& error) {
  stopping_ = failed_ = true;
  if (events_.failed) events_.failed(error);
}

void WiredNode::refused(const membership::Refusal& refusal) {
  stopping_ = failed_ = true;
  if (refusal.later > 0) return give_way(refusal);
  if (refusal.error.code != ErrorCode::StaleCopy) return fail(refusal.error);
  retire_copy(*store_, lifetime_.guard([this, error = refusal.error] { fail(error); }));
}

// Whatever becomes of this process: the next life rebuilds.
void WiredNode::doubt(Generation later) {
  rebuild_mark_.begin(later, [] {});
}

void WiredNode::give_way(const membership::Refusal& refusal) {
  rebuild_mark_.begin(refusal.later, [this, refusal] {
    log_.warn(
        "node.old_copy",
        {{"node", identity_.node}, {"generation", identity_.generation}, {"later", refusal.later}});
    if (events_.begin_again) events_.begin_again(refusal.error);
  });
}

// Every write that was acked with this node's word is on another owner too, or was asked for at a
// level that one lost disk may lose; what all co-owners had is here now, but for copies that are
// damaged there (those met are counted): a write that only such copies hold is missing here too.
void WiredNode::end_the_rebuild() {
  if (failed_) return;  // the next life rebuilds anew
  rebuild_mark_.end([this] {
    rebuild_timer_.cancel();
    identity_.rebuilding = false;
    gossiper_->serve();
    const auto compared = repair_->comparisons();
    log_.info("node.rebuilt", {{"node", identity_.node},
                               {"co_owners", compared.co_owners},
                               {"damaged_there", compared.damaged_there},
                               {"storage_id", to_text(replication_->replica().storage_id())}});
    view_changed(view());
  });
}

void WiredNode::log_rebuild() {
  const std::string state = rebuild_state();
  if (state != rebuild_logged_) log_.info("node.rebuilding", {{"state", state}});
  rebuild_logged_ = state;
  rebuild_timer_.after(kRebuildLog, [this] { log_rebuild(); });
}

std::string WiredNode::rebuild_state() const {
  const auto compared = repair_->comparisons();
  if (!compared.known) return "rebuilding: no ring yet";
  std::string text = "rebuilding: " + std::to_string(compared.co_owners - compared.missing.size()) +
                     " of " + std::to_string(compared.co_owners) + " co-owners compared";
  const auto current = view();
  const char* before = "; missing: ";
  for (const NodeId& node : compared.missing) {
    const auto* member = current->find(node);
    if (member == nullptr) continue;
    text += before + member->record.address + (member->is_up() ? "" : " (down)");
    before = ", ";
  }
  return text;
}

Status WiredNode::build() {
  const Status floors = build_floors();
  if (!floors.ok()) return floors;
  const Status face = build_face();
  if (!face.ok()) return face;
  // A member that cannot mint yet would refuse its first writes: join the others only after.
  replication_->when_ready([this] {
    gossiper_->start(
        lifetime_.guard([this](const membership::Refusal& refusal) { refused(refusal); }));
    repair_->start();
    if (identity_.rebuilding) log_rebuild();
    repair_->when_compared(lifetime_.guard([this] {
      replication_->trust_earlier_lives();
      if (identity_.rebuilding) end_the_rebuild();
    }));
  });
  return Done{};
}

Status WiredNode::build_floors() {
  const Endpoint peer{config_.listen, config_.peer_port};
  auto rpc =
      runtime::make_rpc(config_.rpc, {identity_.node, identity_.generation, {}, config_.cluster},
                        peer, loop_, peer_network_, log_.on_floor("runtime"), metrics_);
  if (!rpc.ok()) return rpc.error();
  rpc_ = std::move(*rpc);
  membership::GossiperStart start;
  start.self = self_record();
  start.state = journal_.stored();
  start.cluster_name = config_.cluster;
  start.seeds = config_.seeds;
  start.found = config_.found;
  start.vnodes = config_.vnodes;
  start.conflict_rule = config_.conflict_rule;
  start.has_records = [this] { return store_->holds_data(); };
  start.in_doubt = lifetime_.guard([this](Generation later) { doubt(later); });
  start.writes_under_way = [this] {
    return replication_ && replication_->coordinator().in_flight() > 0;
  };
  auto gossiper = membership::make_gossiper(
      config_.membership, std::move(start), loop_, peer_network_, *rpc_, journal_,
      random_.fork("membership"), log_.on_floor("membership"), metrics_);
  if (!gossiper.ok()) return gossiper.error();
  gossiper_ = std::move(*gossiper);

  auto replication = replication::make_replication(
      {config_.replication, loop_, *rpc_, *store_, [this] { return serving_view(); },
       [this] {
         const bool accepts = gossiper_->accepts_writes() || PARLEY_MUTANT(writes_amid_join);
         return accepts && !stopping_;
       },
       [this](const NodeId& node) { gossiper_->suspect_evidence(node); },
       log_.on_floor("replication"), metrics_, [this] { return clock_trouble(); }},
      random_.fork("replication"));
  if (!replication.ok()) return replication.error();
  replication_ = std::move(*replication);
  repair_ = repair::make_repair(
      {config_.repair, loop_, *rpc_, *store_, replication_->replica(), replication_->hints(),
       [this] { return view(); }, log_.on_floor("repair"), metrics_},
      random_.fork("repair"));

  store_->observe(repair_.get());
  replication_->observe(repair_.get());
  gossiper_->observe(repair_.get());
  gossiper_->observe(this);
  return Done{};
}

Status WiredNode::build_face() {
  admin_ = std::make_unique<ClusterAdminService>(
      ClusterAdminWorld{loop_, *rpc_, *store_, *gossiper_, *replication_, *repair_,
                        [this] { return info(); }, faults_.get()});
  auto clients = ClientListener::open(
      {config_.listen, config_.client_port},
      {config_.serve, loop_, replication_->coordinator(), [this] { return serving_view(); },
       [this] { return not_ready().value_or("this node has failed"); }},
      *admin_, network_, log_, metrics_);
  if (!clients.ok()) return clients.error();
  clients_ = std::move(*clients);
  console_ = std::make_unique<ConsoleService>(*admin_, kj_, loop_, network_);
  auto http =
      make_http_service(kj_, network_, {config_.listen, config_.http_port},
                        {[this] { return metrics_.render(); }, [this] { return not_ready(); },
                         console_.get(), faults_ ? config_.console_token : ""},
                        {}, metrics_);
  if (!http.ok()) return http.error();
  http_ = std::move(*http);
  return Done{};
}

std::optional<Error> WiredNode::clock_trouble() const {
  const auto off = gossiper_->clock_off();
  const Duration most = config_.membership.clock_off_most();
  if (!off || std::chrono::abs(*off) <= most) return std::nullopt;
  if (PARLEY_MUTANT(slow_clock_stamps) && *off <= most) return std::nullopt;
  return Error{ErrorCode::ClockSkew,
               "this node's clock is " + std::to_string(to_millis(std::chrono::abs(*off))) +
                   " ms " + (*off > Duration{0} ? "ahead of" : "behind") +
                   " the members' (membership.clock_off_most): it stamps no writes"};
}

std::optional<std::string> WiredNode::not_ready() const {
  if (stopping_) return "this node is stopping";
  if (!view()) return gossiper_->waiting_for();
  if (identity_.rebuilding) return rebuild_state();
  return std::nullopt;
}

client::NodeInfo WiredNode::info() const {
  client::NodeInfo info;
  info.node = to_text(identity_.node);
  info.address = config_.listen;
  info.version = PARLEY_VERSION;
  info.cluster_name = config_.cluster;
  if (const auto current = view()) info.cluster_id = to_text(current->cluster);
  info.storage_id = to_text(replication_->replica().storage_id());
  info.data_dir = config_.data_dir;
  info.client_port = config_.client_port;
  info.peer_port = config_.peer_port;
  info.http_port = config_.http_port;
  info.generation = identity_.generation;
  info.uptime_ms = static_cast<std::uint64_t>(to_millis(loop_.now() - begun_));
  info.load_bytes = store_->bytes_on_disk();
  for (const auto& [target, totals] : replication_->hints().totals()) info.hints += totals.hints;
  info.rack = config_.rack;
  info.dc = config_.dc;
  info.ready = not_ready().value_or("ready");
  for (const OptionGroup* group : config_.groups()) {
    for (const OptionBase* option : group->options()) {
      info.options.emplace_back(group->name() + "." + option->name(), option->text());
    }
  }
  info.work = work_rows(metrics_);
  return info;
}

void WiredNode::view_changed(const membership::ViewPtr& view) {
  if (announced_ || stopping_ || !view || identity_.rebuilding) return;
  announced_ = true;
  log_.info(
      "node.ready",
      {{"node", identity_.node}, {"generation", identity_.generation}, {"cluster", view->cluster}});
  if (events_.ready) {
    events_.ready("parleyd ready: node " + to_text(identity_.node) + " of cluster " +
                  config_.cluster + ", clients at " +
                  to_text(Endpoint{config_.listen, config_.client_port}));
  }
}

void WiredNode::stop(std::function<void()> done) {
  if (stopping_ && !failed_) return;
  stopping_ = true;
  if (failed_ || !clients_) {  // there is nothing to serve, or not any more
    loop_.post(std::move(done));
    return;
  }
  clients_->drain();
  drain(loop_.now() + config_.serve.drain(), std::move(done));
}

// The goodbye comes after the last answer: peers that hear it stop asking this node.
void WiredNode::drain(Instant until, std::function<void()> done) {
  const bool idle =
      clients_->calls_under_way() == 0 && replication_->coordinator().in_flight() == 0;
  if (!idle && loop_.now() < until) {
    drain_timer_.after(kDrainPoll, [this, until, done = std::move(done)]() mutable {
      drain(until, std::move(done));
    });
    return;
  }
  gossiper_->leave(kGoodbyePatience, std::move(done));
}

}  // namespace

std::unique_ptr<Node> make_node(const NodeConfig& config, std::unique_ptr<storage::Store> store,
                                runtime::Loop& loop, runtime::Network& network, runtime::KjPort& kj,
                                Random random, Logger log, MetricRegistry& metrics,
                                NodeEvents events) {
  return std::make_unique<WiredNode>(config, std::move(store), loop, network, kj, std::move(random),
                                     log, metrics, std::move(events));
}

}  // namespace parley::api
