// A node's client side without the node: a Coordinator and a ClusterAdmin whose answers the test
// decides, behind a real ClientListener on its own thread and loopback port.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/client_listener.h"
#include "runtime/asio_loop.h"
#include "runtime/kj_port.h"

namespace parley::fake {

inline NodeId node_id(std::uint8_t n) {
  NodeId id;
  id.octets[15] = n;
  return id;
}

class Coordinator final : public replication::Coordinator {
 public:
  using Write =
      std::function<void(replication::WriteRequest, std::function<void(replication::WriteReply)>)>;
  using Read =
      std::function<void(replication::ReadRequest, std::function<void(replication::ReadReply)>)>;

  explicit Coordinator(runtime::Loop& loop) : loop_(loop) {}

  // A store of one node: what was put is there.
  void write(replication::WriteRequest request,
             std::function<void(replication::WriteReply)> done) override {
    ++writes;
    {
      const std::lock_guard lock(mutex);
      ops.push_back(request.op);
    }
    if (on_write) return on_write(std::move(request), std::move(done));
    loop_.post([this, request = std::move(request), done = std::move(done)]() mutable {
      replication::WriteReply reply;
      reply.level = request.level;
      reply.required = 1;
      reply.outcome = replication::Outcome::Ok;
      reply.version = "v1";
      reply.context = "ctx";
      reply.replicas = {{node_id(1), "127.0.0.1", replication::ReplicaState::Durable, ""},
                        {node_id(2), "127.0.0.2", replication::ReplicaState::Hinted, "127.0.0.3"}};
      reply.hint_holders = {"127.0.0.3"};
      if (request.value)
        values[request.key] = *request.value;
      else
        values.erase(request.key);
      done(std::move(reply));
    });
  }
  void read(replication::ReadRequest request,
            std::function<void(replication::ReadReply)> done) override {
    ++reads;
    if (on_read) return on_read(std::move(request), std::move(done));
    loop_.post([this, request = std::move(request), done = std::move(done)] {
      replication::ReadReply reply;
      reply.outcome = replication::Outcome::Ok;
      reply.level = request.level;
      reply.required = reply.asked = reply.answered = reply.agreed = 1;
      reply.context = "ctx";
      const auto found = values.find(request.key);
      reply.found = found != values.end();
      if (reply.found) reply.values = {{found->second, "v1"}};
      done(std::move(reply));
    });
  }
  void inspect(KeyspaceId, Bytes, Instant,
               std::function<void(replication::InspectReply)> done) override {
    loop_.post([done = std::move(done)] { done({}); });
  }
  std::size_t in_flight() const override { return 0; }

  // Takes writes and never answers.
  void be_silent() {
    on_write = [this](auto, auto done) { unanswered.push_back(std::move(done)); };
  }

  std::vector<std::function<void(replication::WriteReply)>> unanswered;
  Write on_write;
  Read on_read;
  std::map<Bytes, Bytes> values;
  std::atomic<int> writes{0}, reads{0};
  std::mutex mutex;
  std::vector<OpId> ops;

 private:
  runtime::Loop& loop_;
};

class ClusterAdmin : public api::ClusterAdmin {
 public:
  explicit ClusterAdmin(runtime::Loop& loop) : loop_(loop) {}

  void status(Duration, Done<client::ClusterStatus> done) override {
    client::ClusterStatus status;
    status.nodes = {{"127.0.0.1", "UN", "n1", "r", "d", 10, 0.5, 3, 64}};
    status.ring_digest = "00ff";
    status.views_agree = true;
    status.cluster_name = "parley";
    status.cluster_id = "c";
    status.no_answer = {"127.0.0.8"};
    later<client::ClusterStatus>(std::move(done), status);
  }
  Result<client::RingInfo> ring() override {
    return client::RingInfo{"00ff", {{7, "n1", "127.0.0.1"}}};
  }
  client::NodeInfo info() override {
    client::NodeInfo info;
    info.node = "n1";
    info.client_port = 7400;
    info.options = {{"a.b", "1"}};
    return info;
  }
  std::vector<client::GossipRow> gossip() override {
    return {{"n1", "127.0.0.1", "alive", 3, 1, 20, 0.5, "aa", "bb"}};
  }
  Result<std::vector<client::ReplicaAddress>> endpoints(const std::string& keyspace,
                                                        const Bytes&) override {
    if (keyspace != "default") return Error{ErrorCode::NotFound, "no keyspace", 0};
    return std::vector<client::ReplicaAddress>{{"127.0.0.1", "n1"}};
  }
  void inspect(const std::string&, Bytes, Duration, Done<client::InspectResult> done) override {
    client::InspectResult result;
    result.replicas = {{"127.0.0.1", "n1", "v", "c", "d", true, true, false, 2}};
    result.diverged = false;
    result.exists = true;
    later<client::InspectResult>(std::move(done), result);
  }
  void hints(Duration, Done<client::Gathered<client::HintRow>> done) override {
    later<client::Gathered<client::HintRow>>(
        std::move(done), client::Gathered<client::HintRow>{
                             {{"127.0.0.1", "127.0.0.2", "n2", 5, 1, 100, 7}}, {"127.0.0.9"}});
  }
  void drop_hints(const std::string& target, Duration, Done<std::uint64_t> done) override {
    if (target == "nobody") {
      return later<std::uint64_t>(std::move(done), Error{ErrorCode::NotFound, "no node", 0});
    }
    later<std::uint64_t>(std::move(done), std::uint64_t{4});
  }
  void repair(bool wait, Duration, Done<std::uint64_t> done) override {
    later<std::uint64_t>(std::move(done), std::uint64_t{wait ? 9u : 0u});
  }
  void repair_status(Duration, Done<client::Gathered<client::RepairRow>> done) override {
    later<client::Gathered<client::RepairRow>>(
        std::move(done),
        client::Gathered<client::RepairRow>{{{"127.0.0.1", "127.0.0.2", 10, 1, 2, false, true}},
                                            {"127.0.0.8", "127.0.0.9"}});
  }
  void conflicts(const std::string&, Bytes after, std::size_t limit, Duration,
                 Done<client::ConflictPage> done) override {
    later<client::ConflictPage>(
        std::move(done),
        client::ConflictPage{
            {{"key", {"v1", "v" + std::to_string(limit)}}}, after + "+", {"127.0.0.9"}});
  }
  Result<client::KeyspaceInfo> keyspace(const std::string&) override {
    return client::KeyspaceInfo{"default", "id", "siblings", "quorum", "2", 3, 1};
  }
  void set_consistency(const std::string& name, const std::string& read_level,
                       const std::string& write_level, Duration,
                       Done<client::KeyspaceInfo> done) override {
    later<client::KeyspaceInfo>(
        std::move(done),
        client::KeyspaceInfo{name, "id", "siblings", read_level, write_level, 3, 2});
  }
  Result<std::vector<client::FaultRow>> faults() override {
    std::vector<client::FaultRow> rows;
    for (const auto& spec : injected) rows.push_back({rows.size() + 1, spec, "text", 250});
    return rows;
  }
  Result<std::uint64_t> inject_fault(const client::FaultSpec& spec) override {
    if (spec.peer == "nobody") return Error{ErrorCode::InvalidArgument, "no such peer"};
    injected.push_back(spec);
    return injected.size();
  }
  Result<std::uint64_t> heal_faults(std::uint64_t id, const std::string& peer,
                                    const std::string& note) override {
    if (id != 0 || !peer.empty()) return Error{ErrorCode::NotFound, "healed " + peer};
    return std::erase_if(injected,
                         [&](const auto& one) { return note.empty() || one.note == note; });
  }
  Result<client::NodeLatencies> latencies() override {
    client::NodeLatencies out{"n1", "127.0.0.1", {{1, 2, 3}}, {}, {}, {}};
    out.peers = {{"n2", "127.0.0.2", {{4, 5, 6}}, {}, {}, {{7, 8, 9}}}};
    return out;
  }
  std::vector<client::FaultSpec> injected;

 private:
  template <typename T>
  void later(Done<T> done, Result<T> value) {
    loop_.post([done = std::move(done), value = std::move(value)] { done(value); });
  }
  runtime::Loop& loop_;
};

// One node on its own thread. The constructor returns when it listens.
class ServedNode {
 public:
  explicit ServedNode(Endpoint at, std::vector<Endpoint> ring_nodes = {},
                      std::uint32_t replication_factor = 3,
                      const std::function<void(api::ServeOptions&)>& tune = {})
      : at_(std::move(at)),
        ring_nodes_(std::move(ring_nodes)),
        replication_factor_(replication_factor) {
    if (ring_nodes_.empty()) ring_nodes_ = {at_};
    if (tune) tune(options);
    world_ = runtime::make_asio_world(Logger{}, metrics_);
    std::promise<bool> listening;
    auto ready = listening.get_future();
    thread_ = std::thread([this, &listening] { run(listening); });
    if (!ready.get()) throw std::runtime_error("cannot listen");
  }
  ~ServedNode() { stop(); }

  void stop() {
    if (!thread_.joinable()) return;
    world_->stop();
    thread_.join();
  }
  // Runs on the node's thread and waits for it.
  void on_thread(const std::function<void(ServedNode&)>& task) {
    std::promise<void> done;
    world_->loop().post([&] {
      task(*this);
      done.set_value();
    });
    done.get_future().get();
  }

  // The value of parley_<name>; -1 when there is none.
  double metric(const std::string& name) {
    std::string text;
    on_thread([&](ServedNode& node) { text = node.metrics_.render(); });
    const auto found = text.find("\nparley_" + name + " ");
    return found == text.npos ? -1 : std::stod(text.substr(found + name.size() + 9));
  }

  Coordinator& coordinator() { return *coordinator_; }
  api::ClientListener& listener() { return *listener_; }
  const Endpoint& at() const { return at_; }
  runtime::Loop& loop() { return world_->loop(); }
  api::ServeOptions options;
  std::atomic<bool> member{true};

 private:
  membership::ViewPtr make_view() const {
    if (!member) return nullptr;
    auto view = std::make_shared<membership::View>();
    membership::KeyspaceRecord keyspace;
    keyspace.id.octets[0] = 1;
    keyspace.name = "default";
    keyspace.replication_factor = replication_factor_;
    view->keyspaces = {keyspace};
    view->self = node_id(1);
    std::vector<ring::RingRecord> records;
    for (std::size_t i = 0; i < ring_nodes_.size(); ++i) {
      membership::Member one;
      one.record.node = one.record.ring.node = node_id(static_cast<std::uint8_t>(i + 1));
      one.record.address = ring_nodes_[i].address;
      one.record.client_port = ring_nodes_[i].port;
      one.record.ring.status = ring::RingStatus::Normal;
      one.record.ring.version = 1;
      one.record.ring.slots = {static_cast<Slot>(i * 1000 + 1)};
      records.push_back(one.record.ring);
      view->members.push_back(one);
    }
    view->ring = ring::Ring::build(records);
    return view;
  }
  void run(std::promise<bool>& listening) {
    runtime::KjPort port(world_->loop());
    Coordinator coordinator(world_->loop());
    ClusterAdmin admin(world_->loop());
    coordinator_ = &coordinator;
    auto listener = api::ClientListener::open(
        at_,
        {options, world_->loop(), coordinator, [this] { return make_view(); },
         [] { return std::string("its seeds"); }},
        admin, world_->network(), Logger{}, metrics_);
    if (!listener) return listening.set_value(false);
    listener_ = std::move(*listener);
    listening.set_value(true);
    world_->run();
    listener_.reset();
  }

  Endpoint at_;
  std::vector<Endpoint> ring_nodes_;
  const std::uint32_t replication_factor_;
  MetricRegistry metrics_;
  std::unique_ptr<runtime::AsioWorld> world_;
  Coordinator* coordinator_ = nullptr;
  std::unique_ptr<api::ClientListener> listener_;
  std::thread thread_;
};

}  // namespace parley::fake
