#include "tests/sim/run.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "api/client_codec.h"
#include "api/client_requests.h"
#include "base/check.h"
#include "base/hash.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_process.h"
#include "tests/sim/truth.h"

namespace parley::sim {
namespace {

constexpr Duration kFormMost = 60s;
constexpr Duration kConvergeMost = 120s;
constexpr Duration kCallsEndMost = 30s;
constexpr std::uint64_t kTruthSampling = 32;  // one reply in so many is held against the disks

// Lines with virtual time.
class TimedLog final : public LogSink {
 public:
  TimedLog(const fake::World& world, LogLevel least) : world_(world), least_(least) {}
  bool wants(LogLevel level) const override { return level >= least_; }
  void write(LogLevel, std::string_view floor, std::string_view event,
             const std::vector<LogField>& fields) override {
    std::string line;
    for (const auto& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    std::fprintf(stderr, "%10.3f %.*s %.*s%s\n", to_seconds(world_.now().time_since_epoch()) - 1000,
                 static_cast<int>(floor.size()), floor.data(), static_cast<int>(event.size()),
                 event.data(), line.c_str());
  }

 private:
  const fake::World& world_;
  const LogLevel least_;
};

class Run {
 public:
  explicit Run(const RunOptions& options)
      : options_(options),
        random_(options.seed),
        world_(random_.next()),
        log_(world_, options.log),
        kj_(world_.node("kj").loop()),
        vfs_(random_.next(), [this] { return world_.node("kj").loop().wall(); }) {}

  RunReport go();

 private:
  void perturb(api::NodeConfig& config);
  void make_nodes();
  void make_clients();
  void learn_owners();
  bool form();
  void work();
  void settle();
  bool converge();
  void judge();
  void fail(const std::string& rule, const std::string& key, const std::string& what) {
    report_.violations.push_back({rule, key, what});
  }
  std::vector<Endpoint> endpoints() const;

  const RunOptions options_;
  Random random_;
  fake::World world_;
  TimedLog log_;
  runtime::KjPort kj_;
  SimVfs vfs_;
  WorkloadOptions workload_;
  History history_{2};
  Truth truth_{vfs_, history_, random_.fork("truth"), kTruthSampling};
  std::vector<std::unique_ptr<SimProcess>> nodes_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::unique_ptr<Nemesis> nemesis_;
  RunReport report_;
};

// Options within their bounds: some seeds checkpoint all the time, some lease one epoch at a time.
void Run::perturb(api::NodeConfig& config) {
  static const std::vector<std::pair<const char*, std::vector<const char*>>> kChoices = {
      {"storage.checkpoint_pages", {"100", "100", "4000"}},
      {"storage.group_most", {"1", "16", "1024"}},
      {"replication.epoch_lease", {"1", "2", "4096"}},
      {"replication.replica_patience", {"50ms", "500ms"}},
      {"replication.pass_hedge", {"20ms", "300ms"}},
      {"replication.read_hedge", {"5ms", "30ms"}},
      {"repair.sync_interval", {"500ms", "2s", "10s"}},
      {"repair.batch_bytes", {"1024", "65536"}},
      {"membership.probe_interval", {"500ms", "1s"}}};
  for (const auto& [name, values] : kChoices) {
    PARLEY_CHECK(config.set_option(name, values[hash64(name, options_.seed) % values.size()]).ok());
  }
}

void Run::make_nodes() {
  const std::size_t count = 3 + random_.below(3);
  std::vector<Endpoint> seeds;
  for (std::size_t i = 0; i < count; ++i) {
    seeds.push_back({"127.0.0." + std::to_string(i + 1), 7401});
  }
  for (std::size_t i = 0; i < count; ++i) {
    nodes_.push_back(std::make_unique<SimProcess>(world_, kj_, vfs_, seeds[i].address, seeds,
                                                  random_.fork("node" + std::to_string(i)),
                                                  options_.log == LogLevel::Off ? nullptr : &log_));
    perturb(nodes_.back()->config());
    nodes_.back()->on_end = [this] { history_.process_ended(world_.now()); };
    truth_.add(seeds[i].address, "/" + seeds[i].address, nodes_.back()->disk());
    nodes_.back()->start();
  }
}

std::vector<Endpoint> Run::endpoints() const {
  std::vector<Endpoint> out;
  for (const auto& node : nodes_) out.push_back(node->client_endpoint());
  return out;
}

bool Run::form() {
  const bool formed = world_.run_until(
      [this] {
        for (const auto& node : nodes_) {
          if (!node->ready()) return false;
        }
        return true;
      },
      kFormMost);
  if (!formed) fail("forming", "", "the cluster did not form");
  return formed;
}

void Run::make_clients() {
  const std::size_t count = 2 + random_.below(4);
  workload_ = draw_workload(random_, count);
  for (std::uint32_t i = 0; i < count; ++i) {
    clients_.push_back(std::make_unique<SimClient>(world_, i, endpoints(), workload_, history_,
                                                   random_.fork("client" + std::to_string(i))));
  }
  learn_owners();
  history_.on_write = [this](const auto& write, const auto& said) { truth_.judge(write, said); };
  history_.on_read = [this](const auto& read) { truth_.judge(read); };
  for (const auto& client : clients_) client->start();
}

// Nobody joins or leaves later.
void Run::learn_owners() {
  using Rows = std::vector<client::ReplicaAddress>;
  std::vector<std::string> keys = workload_.keys;
  keys.insert(keys.end(), workload_.sets.begin(), workload_.sets.end());
  for (const std::string& key : keys) {
    auto ask = [key](api::schema::Admin::Client admin, std::uint32_t) {
      auto request = admin.endpointsRequest();
      request.setKeyspace(client::text_for("default"));
      request.setKey(client::data_of(key));
      return request.send().then([](auto&& response) -> Result<Rows> {
        if (auto failure = client::read_failure(response.getFailure())) return *failure;
        return client::read_rows<client::ReplicaAddress>(response.getReplicas());
      });
    };
    bool answered = false;
    std::vector<std::string> owners;
    clients_[0]->core().run(
        std::make_unique<client::AdminCall<Rows>>(ask, 2s, true, [&](const Result<Rows>& rows) {
          answered = true;
          for (std::size_t i = 0; rows.ok() && i < rows->size(); ++i) {
            owners.push_back((*rows)[i].address);
          }
        }));
    world_.run_until([&] { return answered; }, 10s);
    if (owners.size() != 3) fail("forming", key, "its owners are not known");
    history_.set_owners(key, std::move(owners));
  }
}

void Run::work() {
  const auto faults = Nemesis::draw(random_);
  const auto has = [&faults](Fault fault) {
    return std::count(faults.begin(), faults.end(), fault) > 0;
  };
  history_.reads_may_go_back = has(Fault::OldCopy);
  history_.minority_may_be_lost = has(Fault::OldCopy) || has(Fault::Damage);
  truth_.copies_may_go = history_.minority_may_be_lost;
  truth_.rollbacks = has(Fault::DiskFull);
  nemesis_ = std::make_unique<Nemesis>(world_, nodes_, faults, 3s, random_.fork("nemesis"));
  nemesis_->start();
  const Instant end = world_.now() + options_.span;
  while (world_.now() < end) {
    world_.run_for(100ms);
    nemesis_->supervise();
  }
}

void Run::settle() {
  nemesis_->heal();
  for (const auto& client : clients_) client->stop();
  const bool ended = world_.run_until(
      [this] {
        for (const auto& client : clients_) {
          if (!client->idle()) return false;
        }
        return true;
      },
      kCallsEndMost);
  if (!ended) fail("deadline", "", "a call did not end");
}

// Every key equal on all its replicas, as the nodes themselves say.
bool Run::converge() {
  const Instant limit = world_.now() + kConvergeMost;
  for (const std::string& key : history_.keys()) {
    bool equal = false;
    std::string last;
    while (!equal && world_.now() < limit) {
      bool answered = false;
      auto ask = [key](api::schema::Admin::Client admin, std::uint32_t timeout_ms) {
        auto request = admin.inspectRequest();
        request.setKeyspace(client::text_for("default"));
        request.setKey(client::data_of(key));
        request.setTimeoutMs(timeout_ms);
        return request.send().then([](auto&& response) -> Result<client::InspectResult> {
          if (auto failure = client::read_failure(response.getFailure())) return *failure;
          return client::read_struct(response.getResult());
        });
      };
      clients_[0]->core().run(std::make_unique<client::AdminCall<client::InspectResult>>(
          ask, 2s, true, [&](const Result<client::InspectResult>& result) {
            answered = true;
            last = result.ok() ? std::string() : result.error().message;
            if (result.ok()) {
              for (const auto& row : result->replicas) {
                last += " " + row.address + (row.reachable ? " [" : " unreachable [") +
                        row.version + "] hints " + std::to_string(row.hints_pending);
              }
            }
            equal = result.ok() && (!result->diverged || !result->exists);
            for (std::size_t i = 0; equal && i < result->replicas.size(); ++i) {
              equal = result->replicas[i].reachable && result->replicas[i].hints_pending == 0;
            }
          }));
      world_.run_until([&] { return answered; }, 10s);
      if (!equal) world_.run_for(200ms);
    }
    if (!equal) {
      fail("converge", key, "the replicas differ 120 s after everything was healed:" + last);
      return false;
    }
  }
  return true;
}

void Run::judge() {
  for (const std::string& key : history_.keys()) {
    client::ReadResult result;
    for (int i = 0; i < 5 && result.outcome != client::Outcome::Ok; ++i) {
      bool answered = false;
      client::ReadOptions all;
      all.level = "all";
      clients_[0]->core().run(client::read_call(key, all, 2s, [&](client::ReadResult one) {
        result = std::move(one);
        answered = true;
      }));
      world_.run_until([&] { return answered; }, 10s);
    }
    if (result.outcome != client::Outcome::Ok) {
      fail("available", key,
           "a read at all is refused although nothing is broken: " + result.error->message);
      continue;
    }
    const auto state = truth_.judge_end(key);
    if (!state) continue;
    std::set<WriteNumber> live, shown;
    for (const auto& sibling : state->siblings) {
      if (!sibling.tombstone) live.insert(sibling.write);
    }
    for (const auto& value : result.values) {
      if (const auto write = write_of(value.value)) shown.insert(*write);
    }
    if (live != shown) fail("shown", key, "a read at all shows other siblings than the disks hold");
    history_.judge_final(key, *state);
  }
  truth_.judge_refused();
}

RunReport Run::go() {
  report_.seed = options_.seed;
  const Instant begun = world_.now();
  make_nodes();
  if (form()) {
    make_clients();
    work();
    settle();
    if (report_.violations.empty() && converge()) judge();
  }
  for (const auto& write : history_.writes()) {
    if (write.open > 0) continue;
    if (write.result.outcome == client::Outcome::Ok) ++report_.ok;
    if (write.result.outcome == client::Outcome::NotWritten) ++report_.not_written;
    if (write.result.outcome == client::Outcome::Unknown) ++report_.unknown;
  }
  const auto& found = history_.violations();
  report_.violations.insert(report_.violations.end(), found.begin(), found.end());
  for (const auto& client : clients_) report_.calls += client->calls();
  if (nemesis_) report_.story = nemesis_->story();
  for (const Violation& one : report_.violations) {
    if (one.key.empty() || !report_.timeline.empty()) continue;
    report_.timeline = history_.timeline(one.key);
  }
  report_.virtual_time = world_.now() - begun;
  report_.digest = world_.digest();
  report_.events = world_.events();
  clients_.clear();
  nemesis_.reset();
  nodes_.clear();
  return report_;
}

}  // namespace

RunReport run_seed(const RunOptions& options) { return Run(options).go(); }

}  // namespace parley::sim
