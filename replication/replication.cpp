// Wiring of the floor, and the coordinator as the owner of its operations.
#include <memory>
#include <unordered_map>

#include "replication/epoch_lease.h"
#include "replication/inspect_coordinator.h"
#include "replication/read_coordinator.h"
#include "replication/replica_service.h"
#include "replication/storage_identity.h"
#include "replication/store_hint_minter.h"
#include "replication/write_coordinator.h"

namespace parley::replication {
namespace {

// The storage id and the epochs' lease must be durable before the first mint; mints are refused
// until then, and a full disk is tried again.
constexpr Duration kRetryPause = 1s;
constexpr std::uint32_t kNumbersCounted = 16;  // as levels with a label of their own
// Of 2^62 draws: room for 2^24 starts, and two of them meet with a chance of about draws / 2^38.
constexpr std::uint64_t kEpochJump = std::uint64_t{1} << 38;

class OperationSet final : public Coordinator {
 public:
  OperationSet(Coordination& parts)
      : parts_(parts),
        in_flight_gauge_(parts.world.metrics, "in_flight", "Client requests under way.",
                         [this] { return static_cast<double>(unanswered_); }) {}

  void write(WriteRequest request, std::function<void(WriteReply)> done) override {
    auto note = counted("write", request.level, std::move(done));
    run_write(std::move(request), PassOn::Yes, std::move(note));
  }
  void coordinate_here(WriteRequest request, std::function<void(WriteReply)> done) {
    run_write(std::move(request), PassOn::No, std::move(done));
  }
  void read(ReadRequest request, std::function<void(ReadReply)> done) override {
    const Level level = request.level;
    run<ReadOperation, ReadReply>(
        counted("read", level, std::move(done)),
        [level](const Error& error) {
          ReadReply reply;
          reply.error = error;
          reply.level = level;
          return reply;
        },
        std::move(request));
  }
  void inspect(KeyspaceId keyspace, Bytes key, Instant deadline,
               std::function<void(InspectReply)> done) override {
    run<InspectOperation, InspectReply>(
        std::move(done),
        [](const Error& error) {
          InspectReply reply;
          reply.error = error;
          return reply;
        },
        keyspace, std::move(key), deadline);
  }
  std::size_t in_flight() const override { return unanswered_; }

 private:
  void run_write(WriteRequest request, PassOn pass_on, std::function<void(WriteReply)> done) {
    const Level level = request.level;
    auto note = [this, done = std::move(done)](WriteReply reply) {
      for (const ReplicaReceipt& replica : reply.replicas) {
        parts_.metrics.replica_acks.with({to_text(replica.state)}).add();
      }
      done(std::move(reply));
    };
    run<WriteOperation, WriteReply>(
        std::move(note),
        [level](const Error& error) {
          WriteReply reply;
          reply.error = error;
          reply.level = level;
          return reply;
        },
        std::move(request), pass_on);
  }

  template <typename Reply>
  std::function<void(Reply)> counted(const char* op, const Level& level,
                                     std::function<void(Reply)> done) {
    const Instant begun = parts_.world.loop.now();
    return [this, op, level, begun, done = std::move(done)](Reply reply) {
      // Clients choose the number: it must not make a time series of its own for each.
      const bool odd = level.kind == Level::Kind::Number && level.number > kNumbersCounted;
      const std::string label = odd ? "other" : to_text(level);
      parts_.metrics.requests.with({op, label, to_text(reply.outcome)}).add();
      parts_.metrics.latency.with({op, label}).record(parts_.world.loop.now() - begun);
      done(std::move(reply));
    };
  }

  // Operations that only finish their hints after the reply count too, at half weight: they hold
  // memory, and end within the patience.
  bool full() const {
    const std::size_t most = parts_.world.options.in_flight_most();
    return unanswered_ >= most || operations_.size() >= 2 * most;
  }

  template <typename Kind, typename Reply, typename Refuse, typename... Arguments>
  void run(std::function<void(Reply)> done, Refuse refuse, Arguments&&... arguments) {
    auto& loop = parts_.world.loop;
    if (full()) {
      Reply reply = refuse(Error{ErrorCode::Overloaded, "too many requests are under way", 100});
      return loop.post(alive_.guard([done = std::move(done), reply = std::move(reply)]() mutable {
        done(std::move(reply));
      }));
    }
    ++unanswered_;
    const std::uint64_t id = ++operations_begun_;
    auto reply = [this, done = std::move(done)](Reply answer) {
      parts_.world.loop.post(alive_.guard([this, done, answer = std::move(answer)]() mutable {
        --unanswered_;
        done(std::move(answer));
      }));
    };
    auto ended = [this, id] {
      parts_.world.loop.post(alive_.guard([this, id] { operations_.erase(id); }));
    };
    auto operation = std::make_unique<Kind>(parts_, std::forward<Arguments>(arguments)...,
                                            std::move(reply), std::move(ended));
    Operation& started = *operation;
    operations_.emplace(id, std::move(operation));
    started.start();
  }

  Coordination& parts_;
  std::size_t unanswered_ = 0;
  std::uint64_t operations_begun_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Operation>> operations_;
  Gauge in_flight_gauge_;
  Lifetime alive_;
};

class StoreReplication final : public Replication {
 public:
  StoreReplication(ReplicationWorld world, Random random, StorageIdentity identity,
                   const EpochMark& mark)
      : world_(std::move(world)),
        random_(std::move(random)),
        storage_(identity.id),
        epochs_(std::make_shared<EpochLease>(world_.store, mark, world_.options.epoch_lease(),
                                             random_.below(kEpochJump))),
        replica_(make_replica(
            world_.options, world_.store, identity.id, epochs_,
            [this](const storage::RecordKey& key) {
              if (parts_.observer != nullptr) parts_.observer->record_damaged(key);
            },
            world_.log, world_.metrics)),
        hints_(world_),
        minter_(world_, hints_, identity.id, epochs_),
        latencies_(world_.options.latency_half_life()),
        peers_(world_, *replica_, hints_, latencies_),
        metrics_(world_.metrics),
        parts_{world_, *replica_, hints_, minter_, peers_, latencies_, random_, metrics_},
        coordinator_(parts_),
        service_(world_, *replica_, hints_, latencies_,
                 [this](WriteRequest request, std::function<void(WriteReply)> done) {
                   coordinator_.coordinate_here(std::move(request), std::move(done));
                 }),
        retry_timer_(world_.loop) {}

  Replica& replica() override { return *replica_; }
  HintLog& hints() override { return hints_; }
  Coordinator& coordinator() override { return coordinator_; }
  NodeLatencies latencies() const override { return latencies_.latencies(); }
  void observe(DivergenceObserver* observer) override { parts_.observer = observer; }

  void trust_earlier_lives() override { epochs_->trust_earlier_lives(); }

  void when_ready(std::function<void()> ready) override {
    ready_ = std::move(ready);
    if (leased_) world_.loop.post(alive_.guard([this] { tell_ready(); }));
  }

  // What to tell once the storage id is durable, or is not.
  std::function<void(const Status&)> when_named() {
    return alive_.guard([this](const Status& named) {
      if (named) return lease_epochs();
      retry_timer_.after(kRetryPause, [this] {
        world_.store.put_named("storage_id", Bytes(storage_.view()), when_named());
      });
    });
  }

 private:
  void lease_epochs() {
    epochs_->start(alive_.guard([this](const Status& leased) {
      if (!leased) return retry_timer_.after(kRetryPause, [this] { lease_epochs(); });
      leased_ = true;
      tell_ready();
    }));
  }
  void tell_ready() {
    if (const auto ready = std::exchange(ready_, nullptr)) ready();
  }

  const ReplicationWorld world_;
  Random random_;
  const StorageId storage_;
  const std::shared_ptr<EpochLease> epochs_;
  std::unique_ptr<Replica> replica_;
  StoreHintLog hints_;
  StoreHintMinter minter_;
  LatencyBook latencies_;
  ReplicaClient peers_;
  CoordinationMetrics metrics_;
  Coordination parts_;
  OperationSet coordinator_;
  ReplicaService service_;
  runtime::Timer retry_timer_;
  bool leased_ = false;
  std::function<void()> ready_;
  Lifetime alive_;
};

}  // namespace

Result<std::unique_ptr<Replication>> make_replication(ReplicationWorld world, Random random) {
  auto mark = stored_epoch_mark(world.store);
  if (!mark) return mark.error();
  // The id may become durable before or after the object exists that waits for it.
  struct Waiting {
    std::optional<Status> durable;
    std::function<void(const Status&)> tell;
  };
  auto waiting = std::make_shared<Waiting>();
  const auto identity = open_storage_identity(world.store, random, [waiting](const Status& status) {
    waiting->durable = status;
    if (waiting->tell) waiting->tell(status);
  });
  if (!identity) return identity.error();
  auto made =
      std::make_unique<StoreReplication>(std::move(world), std::move(random), *identity, *mark);
  waiting->tell = made->when_named();
  if (waiting->durable) waiting->tell(*waiting->durable);
  return std::unique_ptr<Replication>(std::move(made));
}

}  // namespace parley::replication
