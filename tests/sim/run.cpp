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

namespace parley::sim {
namespace {

constexpr Duration kFormMost = 60s;
constexpr Duration kConvergeMost = 120s;
constexpr Duration kCallsEndMost = 30s;

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
  const std::size_t keys = 1 + random_.below(12);
  for (std::size_t i = 0; i < keys; ++i) workload_.keys.push_back("key" + std::to_string(i));
  static const std::vector<std::string> kLevels = {"all", "quorum", "quorum", "one", "any", "2"};
  workload_.levels = random_.below(3) == 0 ? std::vector<std::string>{"quorum"} : kLevels;
  const std::size_t count = 2 + random_.below(4);
  // About ten calls a second over all of them, and more.
  workload_.pause_most = Duration(200ms) * static_cast<std::int64_t>(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    clients_.push_back(std::make_unique<SimClient>(world_, i, endpoints(), workload_, history_,
                                                   random_.fork("client" + std::to_string(i))));
    clients_.back()->start();
  }
}

void Run::work() {
  const auto faults = Nemesis::draw(random_);
  const auto has = [&faults](Fault fault) {
    return std::count(faults.begin(), faults.end(), fault) > 0;
  };
  history_.reads_may_go_back = has(Fault::OldCopy);
  history_.minority_may_be_lost = has(Fault::OldCopy) || has(Fault::Damage);
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
    std::set<WriteNumber> values;
    for (const auto& value : result.values) {
      if (const auto write = write_of(value.value)) values.insert(*write);
    }
    history_.judge_final(key, values);
  }
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
    if (!write.done) continue;
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
