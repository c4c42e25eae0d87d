// How often a request crosses the interfaces that exist so that a simulator can stand behind them.
// What one crossing costs: `parley-bench --benchmark_filter=indirection`. Both together are in
// docs/simulation.md.
#include <fmt/format.h>

#include "api/client_core.h"
#include "api/client_requests.h"
#include "api/node.h"
#include "runtime/kj_port.h"
#include "storage/sqlite_settings.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/sim/counting_world.h"
#include "tests/sim/sim_vfs.h"

namespace parley::sim {
namespace {

constexpr std::size_t kNodes = 5;  // three of which own a key
constexpr std::uint64_t kRequests = 500;
constexpr Duration kSpan = 20s;

class CountedCluster {
 public:
  CountedCluster()
      : world_(1),
        kj_loop_(world_.node("kj").loop(), calls_),
        kj_(kj_loop_),
        vfs_(2, [this] { return world_.node("kj").loop().wall(); }) {
    std::vector<Endpoint> seeds, clients;
    for (std::size_t i = 0; i < kNodes; ++i) {
      seeds.push_back({"127.0.0." + std::to_string(i + 1), 7401});
      clients.push_back({seeds.back().address, 7400});
    }
    for (const Endpoint& seed : seeds) start(seed.address, seeds);
    REQUIRE(world_.run_until([this] { return ready_ == kNodes; }, 60s));
    fake::Node& host = world_.node("127.0.9.1");
    core_ =
        std::make_unique<client::ClientCore>(clients, true, host.loop(), host.network(), Random(3));
  }
  ~CountedCluster() {
    core_.reset();
    for (auto& server : servers_) server->node.reset();
  }

  void put(std::uint64_t number) {
    client::WriteOptions options;
    options.level = "quorum";
    options.op = core_->mint_op();
    core_->run(client::write_call({key(number), Bytes(100, 'v'), std::nullopt}, options, 2s,
                                  [this](const client::WriteResult& result) {
                                    done_ += result.outcome == client::Outcome::Ok ? 1 : 0;
                                  }));
  }
  void get(std::uint64_t number, const std::string& level) {
    client::ReadOptions options;
    options.level = level;
    core_->run(
        client::read_call(key(number), options, 2s, [this](const client::ReadResult& result) {
          done_ += result.outcome == client::Outcome::Ok ? 1 : 0;
        }));
  }

  // For one request, what the same time costs without any taken away.
  template <typename Ask>
  Calls each(const Ask& ask) {
    ask(0);  // connections
    world_.run_for(5s);
    const Calls idle = count([this] { world_.run_for(kSpan); });
    const Calls busy = count([&] {
      done_ = 0;
      const Instant end = world_.now() + kSpan;
      for (std::uint64_t i = 0; i < kRequests; ++i) {
        ask(i);
        REQUIRE(world_.run_until([&] { return done_ == i + 1; }, 2s));
      }
      REQUIRE(world_.now() < end);
      world_.run_for(end - world_.now());
    });
    return {(busy.interface - idle.interface) / kRequests,
            (busy.callbacks - idle.callbacks) / kRequests, (busy.clock - idle.clock) / kRequests};
  }

 private:
  struct Server {
    Server(fake::Node& host, Calls& calls)
        : loop(host.loop(), calls), network(host.network(), calls), disk(Random(7)) {}
    CountingLoop loop;
    CountingNet network;
    SimDisk disk;
    api::NodeConfig config;
    MetricRegistry metrics;
    std::unique_ptr<api::Node> node;
  };

  static std::string key(std::uint64_t number) { return "key" + std::to_string(number); }

  Calls count(const std::function<void()>& work) {
    const Calls before = calls_;
    work();
    return {calls_.interface - before.interface, calls_.callbacks - before.callbacks,
            calls_.clock - before.clock};
  }

  void start(const std::string& address, const std::vector<Endpoint>& seeds) {
    servers_.push_back(std::make_unique<Server>(world_.node(address), calls_));
    Server& server = *servers_.back();
    server.config.listen = address;
    server.config.data_dir = "/" + address;
    server.config.seeds = seeds;
    vfs_.mount(server.config.data_dir, server.disk);
    storage::SqliteSettings settings;
    settings.vfs = SimVfs::kName;
    settings.threads = storage::StoreThreads::Inline;
    settings.free_bytes = [](const std::string&) { return std::uint64_t{1} << 40; };
    settings.real_directory = false;
    auto store =
        storage::open_sqlite_store_with(settings, server.config.data_dir, server.config.storage,
                                        server.loop, Logger{}, server.metrics, [](const Error&) {});
    REQUIRE(store.ok());
    api::NodeEvents events;
    events.ready = [this](const std::string&) { ++ready_; };
    events.failed = [](const Error& error) { FAIL(error.message); };
    server.node = api::make_node(
        server.config, std::make_unique<CountingStore>(std::move(*store), calls_), server.loop,
        server.network, kj_, Random(servers_.size()), Logger{}, server.metrics, std::move(events));
  }

  fake::World world_;
  Calls calls_;
  CountingLoop kj_loop_;
  runtime::KjPort kj_;
  SimVfs vfs_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::unique_ptr<client::ClientCore> core_;
  std::size_t ready_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace

TEST_CASE("indirection: how often a request crosses the simulated interfaces", "[indirection]") {
  CountedCluster cluster;
  const Calls put = cluster.each([&](std::uint64_t i) { cluster.put(i); });
  const Calls quorum = cluster.each([&](std::uint64_t i) { cluster.get(i, "quorum"); });
  const Calls one = cluster.each([&](std::uint64_t i) { cluster.get(i, "one"); });
  const auto row = [](const char* name, const Calls& calls) {
    return fmt::format("| {} | {} calls, {} of them of the clock; {} callbacks |\n", name,
                       calls.interface, calls.clock, calls.callbacks);
  };
  WARN("\n" << row("put quorum", put) << row("get quorum", quorum) << row("get one", one));
  // Twice of what they are: something was done for each request that was not before.
  CHECK(put.interface < 150);
  CHECK(quorum.interface < 100);
  CHECK(one.interface < 70);
}

}  // namespace parley::sim
