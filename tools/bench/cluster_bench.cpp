#include "tools/bench/cluster_bench.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <sstream>

#include "tools/local/local_cluster.h"

namespace parley::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::string scrape(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(7402);
  inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  std::string out;
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    const std::string ask = "GET /metrics HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n";
    if (write(fd, ask.data(), ask.size()) > 0) {
      char buffer[65536];
      for (ssize_t n = read(fd, buffer, sizeof buffer); n > 0;
           n = read(fd, buffer, sizeof buffer)) {
        out.append(buffer, static_cast<std::size_t>(n));
      }
    }
  }
  close(fd);
  return out;
}

// What all nodes have used so far.
struct Used {
  double fsyncs = 0, cpu_seconds = 0;
};

Used used_by(local::LocalCluster& cluster) {
  Used used;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    std::istringstream metrics(scrape(cluster.address(i)));
    for (std::string line; std::getline(metrics, line);) {
      if (line.starts_with("parley_store_fsyncs_total")) {
        used.fsyncs += std::atof(line.c_str() + line.rfind(' '));
      }
    }
    const auto stat =
        local::read_file("/proc/" + std::to_string(cluster.process(i)->pid()) + "/stat");
    std::istringstream fields(stat.substr(stat.rfind(')') + 2));
    std::string field;
    for (int n = 3; n <= 15 && fields >> field; ++n) {
      if (n >= 14)
        used.cpu_seconds += std::atof(field.c_str()) / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
  }
  return used;
}

// What the reads read: without it they would measure keys that nobody has.
constexpr std::uint64_t kLoadedKeys = 20'000;

std::string loaded_key(std::uint64_t number) { return fmt::format("loaded:{:012}", number); }

// Keeps `outstanding` operations going for a while; each completion starts the next.
class ClosedLoop {
 public:
  ClosedLoop(client::Client& client, bool write, std::string level)
      : client_(client), write_(write), level_(std::move(level)) {}

  struct Figures {
    double per_second = 0, fsyncs_per_op = 0, cpu_us_per_op = 0;
    std::uint64_t failed = 0;
  };

  Figures run(local::LocalCluster& cluster, int outstanding, double seconds) {
    const Used before = used_by(cluster);
    const auto begun = SteadyClock::now();
    ends_ = begun + std::chrono::duration_cast<SteadyClock::duration>(
                        std::chrono::duration<double>(seconds));
    running_ = outstanding;
    outstanding_ = static_cast<std::uint64_t>(outstanding);
    for (int i = 0; i < outstanding; ++i) next();
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return running_ == 0; });
    const double took = std::chrono::duration<double>(SteadyClock::now() - begun).count();
    const Used after = used_by(cluster);
    const auto done = static_cast<double>(std::max<std::uint64_t>(1, done_));
    return {done / took, (after.fsyncs - before.fsyncs) / done,
            (after.cpu_seconds - before.cpu_seconds) / done * 1e6, failed_};
  }

 private:
  void next() {
    if (SteadyClock::now() >= ends_) {
      const std::lock_guard lock(mutex_);
      if (--running_ == 0) idle_.notify_all();
      return;
    }
    const std::uint64_t number = counter_++;
    if (write_) {
      client::WriteOptions options;
      options.level = level_;
      // The newest context of a hot key would need a read: these are blind writes to fresh keys.
      client_.put_async(
          fmt::format("bench:{}:{:012}", level_, number + outstanding_ * 1'000'000'000),
          std::string(100, 'v'), std::move(options), [this](const client::WriteResult& result) {
            note(result.outcome == client::Outcome::Ok);
          });
    } else {
      client::ReadOptions options;
      options.level = level_;
      client_.get_async(loaded_key(number * 7919 % kLoadedKeys), std::move(options),
                        [this](const client::ReadResult& result) { note(result.found); });
    }
  }
  void note(bool ok) {
    (ok ? done_ : failed_) += 1;
    next();
  }

  client::Client& client_;
  bool write_;
  std::string level_;
  SteadyClock::time_point ends_;
  std::atomic<std::uint64_t> counter_{0}, done_{0}, failed_{0};
  std::mutex mutex_;
  std::condition_variable idle_;
  int running_ = 0;
  std::uint64_t outstanding_ = 0;
};

// Values of 100 B under loaded_key(0 .. kLoadedKeys - 1), on all replicas.
bool load(client::Client& client) {
  constexpr std::uint64_t kBatch = 500;
  std::mutex mutex;
  std::condition_variable idle;
  std::uint64_t left = 0;
  bool all_ok = true;
  for (std::uint64_t first = 0; first < kLoadedKeys && all_ok; first += kBatch) {
    left = kBatch;
    for (std::uint64_t i = first; i < first + kBatch; ++i) {
      client::WriteOptions options;
      options.level = "all";
      client.put_async(loaded_key(i), std::string(100, 'v'), std::move(options),
                       [&](const client::WriteResult& result) {
                         const std::lock_guard guard(mutex);
                         all_ok = all_ok && result.outcome == client::Outcome::Ok;
                         if (--left == 0) idle.notify_all();
                       });
    }
    std::unique_lock lock(mutex);
    idle.wait(lock, [&] { return left == 0; });
  }
  return all_ok;
}

}  // namespace

int run_cluster_bench(double seconds_each, const std::string& only) {
  local::LocalCluster cluster;
  if (!cluster.start()) {
    fmt::print(stderr, "parley-bench: {}\n", cluster.why());
    return 1;
  }
  const auto client = cluster.client({}, 10s);
  if (!load(*client)) {
    fmt::print(stderr, "parley-bench: the keys to read could not be written\n");
    return 1;
  }
  fmt::print("{:<22} {:>7} {:>10} {:>12} {:>14} {:>7}\n", "operation", "clients", "ops/s",
             "fsyncs/op", "server us/op", "failed");
  for (const auto& [name, write, level] :
       {std::tuple{"put quorum (fsynced)", true, "quorum"},
        std::tuple{"put one (fsynced)", true, "one"}, std::tuple{"get quorum", false, "quorum"},
        std::tuple{"get one", false, "one"}}) {
    if (!std::string(name).starts_with(only)) continue;
    for (const int outstanding : {1, 16, 64}) {
      const auto figures =
          ClosedLoop(*client, write, level).run(cluster, outstanding, seconds_each);
      fmt::print("{:<22} {:>7} {:>10.0f} {:>12.3f} {:>14.1f} {:>7}\n", name, outstanding,
                 figures.per_second, figures.fsyncs_per_op, figures.cpu_us_per_op, figures.failed);
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace parley::bench
