// One client process: the client library's routing, retries and RPC over the virtual network. It
// draws what it does from the workload, one act after the other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/client_batch_sender.h"
#include "api/client_core.h"
#include "base/lifetime.h"
#include "tests/fake/fake_world.h"
#include "tests/sim/history.h"
#include "tests/sim/workload.h"

namespace parley::sim {

class SimClient {
 public:
  SimClient(fake::World& world, std::uint32_t number, std::vector<Endpoint> endpoints,
            const WorkloadOptions& options, History& history, Random random);
  ~SimClient() { close_batches(); }
  SimClient(const SimClient&) = delete;
  SimClient& operator=(const SimClient&) = delete;

  void start() { next(); }
  // Begins no further call.
  void stop() { stopping_ = true; }
  // Its process ends, amid whatever it does, and never comes back: nobody will know what became of
  // its open calls. With its machine its streams do not even end. Never inside its own callback.
  void die(bool machine);
  bool dead() const { return core_ == nullptr; }
  fake::Node& host() { return host_; }
  const fake::Node& host() const { return host_; }
  bool idle() const { return under_way_ == 0; }
  // Each item of a batch is one.
  std::uint64_t calls() const { return calls_; }
  const std::string& address() const { return host_.address(); }
  // Or may it have sent something there itself?
  bool may_ask(const std::string& node) const;
  client::ClientCore& core() { return *core_; }

 private:
  // What a get, or the reply of a write, has taught about a key.
  struct Known {
    std::optional<Bytes> context;
    replication::VersionVector vector;
    std::set<WriteNumber> writes;
    std::set<WriteNumber> elements;
  };
  // A write as it goes out, and as it goes out again.
  struct Sending {
    WriteNumber number = 0;
    client::PutItem item;
    client::WriteOptions options;
  };
  using AfterRead = std::function<void(const ReadRecord&)>;
  using AfterWrite = std::function<void(const WriteRecord&)>;
  static constexpr std::size_t kBatchMost = 4;
  static constexpr unsigned kCallsMost = 3;  // of one write

  void next();
  void later();
  void get(const std::string& key, const std::string& level, AfterRead then);
  void get_many();
  void put_many();
  void add();
  void remove(const std::string& key);
  void forge(const std::string& key);
  void put_and_check(const std::string& key);
  Sending compose(const std::string& key, const Known& known, bool is_delete);
  void send(client::ClientCore& core, const Sending& sending, AfterWrite then);
  void ended(const Sending& sending, const Call& call, client::WriteResult result);
  void learn(const ReadRecord& read);
  void learn(const WriteRecord& write, const client::WriteResult& result);
  void put(const std::string& key, const Known& known) {
    send(*core_, compose(key, known, false), [this](const WriteRecord&) { later(); });
  }
  std::vector<std::string> draw_keys();
  void send(std::vector<client::PutItem> items, std::vector<OpId> ops, client::WriteOptions options,
            Duration timeout, client::Then<std::vector<client::WriteResult>> then);
  void send(std::vector<std::string> keys, client::ReadOptions options, Duration timeout,
            client::Then<std::vector<client::ReadResult>> then);
  void close_batches() {
    if (batches_) batches_->close();
  }
  Call begin_call();
  // What is said of its deadline: whoever was stopped then ends the call when it goes on.
  Call as_lived(Call call) const;
  void limit(WriteNumber number, const Call& call);
  const std::string& draw_level() { return options_.levels[random_.below(options_.levels.size())]; }
  Instant now() const { return host_.loop().now(); }

  // All of them, or one. `retries`: for the second client.
  std::vector<Endpoint> known(const std::vector<Endpoint>& endpoints, bool retries);

  fake::World& world_;
  const std::uint32_t number_;
  const WorkloadOptions& options_;
  History& history_;
  Random random_;
  fake::Node& host_;
  std::set<std::string> asked_;                   // nodes that it knows
  std::unique_ptr<client::BatchSender> batches_;  // of core_, which goes before it
  std::unique_ptr<client::ClientCore> core_;
  std::unique_ptr<client::ClientCore> other_;  // begins with other nodes: retries go there
  runtime::Timer pause_;
  bool stopping_ = false;
  std::size_t under_way_ = 0;
  std::uint64_t calls_ = 0;
  std::map<std::string, Known> read_;   // what the last get of a key knew
  std::map<std::string, Known> wrote_;  // what the last write of a key gave
  std::optional<Sending> again_;        // the next act
  Lifetime alive_;
};

}  // namespace parley::sim
