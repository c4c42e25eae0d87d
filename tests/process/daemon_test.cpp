// Scenario h, the daemon's half: what parleyd refuses to start with, and what it says while it
// runs.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/process/firewall.h"
#include "tests/process/harness.h"
#include "tests/process/sockets.h"
#include "tools/daemon/ending.h"

using namespace parley;
using namespace parley::process_test;
namespace fs = std::filesystem;

namespace {

RunResult parleyd(std::vector<std::string> words) {
  words.insert(words.begin(), local::program_folder() + "/parleyd");
  return local::run(words, {}, 15s);
}

// One clear line from parleyd itself, besides its log.
void check_refusal(const RunResult& result, const std::string& says) {
  INFO("exit " << result.exit_code << "\nstdout: " << result.out << "\nstderr: " << result.err);
  CHECK(result.exit_code != 0);
  CHECK(result.exit_code != -1);
  CHECK(result.err.find("parleyd: ") != std::string::npos);
  CHECK(result.err.find(says) != std::string::npos);
}

LocalClusterOptions single() {
  LocalClusterOptions options;
  options.nodes = 1;
  return options;
}

// A file system in memory. Needs root.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& size) {
    fs::create_directory(path());
    REQUIRE(local::run({"mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", path()}).exit_code ==
            0);
  }
  ~SmallDisk() { local::run({"umount", "-l", path()}); }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  std::string path() const { return scratch_.path() + "/disk"; }
  std::string filler() const { return path() + "/filler"; }
  void resize(const std::string& size) const {
    REQUIRE(local::run({"mount", "-o", "remount,size=" + size, path()}).exit_code == 0);
  }
  // To the last page.
  void fill() const {
    std::ofstream file(filler(), std::ios::binary);
    const std::string page(4096, 'f');
    while (file.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
    }
    REQUIRE(fs::space(path()).available == 0);
  }

 private:
  local::ScratchDirectory scratch_;
};

}  // namespace

TEST_CASE("daemon: bad options are refused with one line", "[daemon]") {
  local::ScratchDirectory scratch;
  const std::string dir = scratch.path() + "/d";
  check_refusal(parleyd({"--no-such-flag"}), "--no-such-flag");
  check_refusal(parleyd({"--data-dir", dir, "--listen", "192.0.2.1"}), "--insecure");
  check_refusal(parleyd({"--data-dir", dir, "--listen", "nonsense"}), "nonsense");
  check_refusal(parleyd({"--data-dir", dir, "--client-port", "70000"}), "70000");
  check_refusal(parleyd({"--data-dir", dir, "--seed", "nowhere"}), "nowhere");
  check_refusal(parleyd({"--data-dir", dir, "--set", "membership.probe_interval=fast"}), "fast");
  check_refusal(parleyd({"--data-dir", dir, "--set", "no.such=1"}), "no.such");
  check_refusal(parleyd({"--config", dir + "/missing.toml"}), "missing.toml");
  check_refusal(parleyd({"--data-dir", dir, "--vnodes", "0"}), "--vnodes");
  check_refusal(parleyd({"--config", scratch.path()}), "is a directory");
  check_refusal(parleyd({"--data-dir", ""}), "--data-dir must not be empty");
  check_refusal(parleyd({"--data-dir", dir, "--listen", ""}), "--listen must not be empty");
  check_refusal(parleyd({"--data-dir", dir, "--seed", ""}), "--seed must not be empty");
  const std::vector<std::pair<std::string, std::string>> bad_files = {
      {"listen = \"\"", "listen must not be empty"},
      {"data_dir = 5", "data_dir must be a string"},
      {"client_port = \"many\"", "client_port must be a whole number"},
      {"found = 1", "found must be true or false"},
      {"seeds = \"127.0.0.1:7401\"", "seeds must be a list"},
      {"seeds = [7401]", "a seed must be a string"},
      {"[nothing]", "unknown table [nothing]"},
      {"[membership]\nprobe_interval = [1]", "membership.probe_interval must be one value"},
      {"[membership]\nno_such = 1", "no_such"},
      {"listne = \"127.0.0.1\"", "unknown key 'listne'"}};
  for (const auto& [text, says] : bad_files) {
    std::ofstream(scratch.path() + "/wrong.toml") << text << "\n";
    const auto result = parleyd({"--config", scratch.path() + "/wrong.toml", "--check-config"});
    check_refusal(result, says);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  }
  std::ofstream(scratch.path() + "/bad.toml") << "listen = \n";
  check_refusal(parleyd({"--config", scratch.path() + "/bad.toml"}), "bad.toml");
  std::ofstream(scratch.path() + "/good.toml")
      << "listen = \"127.0.0.1\"\nseeds = [\"127.0.0.1:7401\"]\n[membership]\nprobe_interval = "
         "\"2s\"\n";
  const auto good = parleyd({"--config", scratch.path() + "/good.toml", "--check-config"});
  INFO(good.err);
  CHECK(good.exit_code == 0);
  CHECK_FALSE(fs::exists(dir));
}

TEST_CASE("daemon: a signal ends it, before or after the wish for another life", "[daemon]") {
  daemon::Ending ending;
  CHECK(ending.exit_code() == 0);
  SECTION("no signal: the next life begins") {
    CHECK(ending.begin_again());
    CHECK_FALSE(ending.exit_code().has_value());
  }
  SECTION("signal, then the wish") {
    ending.told_to_stop();
    CHECK_FALSE(ending.begin_again());
    CHECK(ending.exit_code() == 0);
  }
  SECTION("the wish, then a signal") {
    CHECK(ending.begin_again());
    ending.told_to_stop();
    CHECK(ending.exit_code() == 0);
  }
  SECTION("a failure is told, whatever else comes") {
    ending.failed();
    ending.told_to_stop();
    CHECK(ending.exit_code() == daemon::kRefused);
    CHECK_FALSE(ending.begin_again());
    CHECK(ending.exit_code() == daemon::kRefused);
  }
}

TEST_CASE("daemon: unusable data directories are refused with one line", "[daemon]") {
  local::ScratchDirectory scratch;
  LocalCluster cluster(single());
  REQUIRE(cluster.start());
  REQUIRE(cluster.cli(0, {"put", "k", "v"}).exit_code == 0);
  // In use by the running node; a port in use.
  check_refusal(parleyd({"--data-dir", cluster.data_dir(0), "--listen", "127.9.9.9"}), "in use");
  check_refusal(parleyd({"--data-dir", scratch.path() + "/p", "--listen", cluster.address(0)}),
                "in use");
  // A file where the directory should be.
  std::ofstream(scratch.path() + "/file") << "x";
  check_refusal(parleyd({"--data-dir", scratch.path() + "/file", "--listen", "127.9.9.9"}), "file");
  check_refusal(parleyd({"--data-dir", "/proc/parley", "--listen", "127.9.9.9"}), "/proc/parley");
  // Not a database; another cluster's name; a damaged database.
  fs::create_directory(scratch.path() + "/garbage");
  std::ofstream(scratch.path() + "/garbage/parley.db") << std::string(100000, 'x');
  check_refusal(parleyd({"--data-dir", scratch.path() + "/garbage", "--listen", "127.9.9.9"}),
                "parley.db");
  REQUIRE(cluster.terminate(0) == 0);
  check_refusal(parleyd({"--data-dir", cluster.data_dir(0), "--listen", cluster.address(0),
                         "--cluster", "another"}),
                "another");
  cluster.launch(0);
  REQUIRE(cluster.wait_ready(0));
  CHECK(cluster.cli(0, {"get", "k", "-o", "raw"}).out == "v");
  REQUIRE(cluster.terminate(0) == 0);
  std::fstream db(cluster.data_dir(0) + "/parley.db",
                  std::ios::in | std::ios::out | std::ios::binary);
  db.seekp(0);
  db << std::string(200, '\x5a');
  db.close();
  check_refusal(parleyd({"--data-dir", cluster.data_dir(0), "--listen", cluster.address(0)}),
                "parley.db");
}

TEST_CASE("daemon: a full disk refuses writes, serves reads and recovers", "[daemon]") {
  if (!Firewall::available()) {
    WARN("skipped: needs root to mount a small file system");
    return;
  }
  SmallDisk disk("24m");
  LocalClusterOptions options = single();
  options.node_flags = {
      {"--data-dir", disk.path() + "/node", "--set", "storage.free_bytes_least=0"}};
  options.replace_data_dir = true;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  const std::string value(500000, 'v');
  int refused = 0, last_ok = -1;
  for (int i = 0; i < 100 && refused == 0; ++i) {
    const auto put = cluster.cli(0, {"put", "k" + std::to_string(i), "-"}, value);
    if (put.exit_code == 0)
      last_ok = i;
    else
      refused = put.exit_code;
  }
  REQUIRE(last_ok >= 0);
  CHECK(refused == 4);  // nothing was written
  INFO(cluster.log(0));
  REQUIRE(cluster.running(0));
  CHECK(cluster.cli(0, {"get", "k" + std::to_string(last_ok), "-o", "raw"}).out == value);
  disk.resize("200m");
  CHECK(eventually(10s, [&] { return cluster.cli(0, {"put", "again", "v"}).exit_code == 0; }));
}

TEST_CASE("daemon: an owner with a full disk leaves a write to the others", "[daemon]") {
  if (!Firewall::available()) {
    WARN("skipped: needs root to mount a small file system");
    return;
  }
  SmallDisk disk("64m");
  local::ScratchDirectory scratch;
  LocalClusterOptions options;
  options.nodes = 3;
  options.flags = {"--set", "storage.free_bytes_least=16777216"};
  options.node_flags = {{"--data-dir", disk.path() + "/node"},
                        {"--data-dir", scratch.path() + "/1"},
                        {"--data-dir", scratch.path() + "/2"}};
  options.replace_data_dir = true;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  std::ofstream(disk.filler()) << std::string(60'000'000, 'x');
  const auto client = cluster.client({0}, 5s, false);
  REQUIRE(eventually(5s, [&] {
    (void)client->put("probe", "v");
    return cluster.log(0).find("store.disk_full") != std::string::npos;
  }));
  for (const char* level : {"one", "quorum"}) {
    const auto put = cli_json(cluster, 0, {"put", std::string("k-") + level, "v", "-c", level});
    INFO(put.json.dump());
    CHECK(put.exit_code == 0);
    for (const auto& replica : put.json.at("replicas")) {
      const bool full = replica.at("address") == cluster.address(0);
      if (full) CHECK(replica.at("state") != "durable");
    }
  }
  CHECK(cli_json(cluster, 0, {"put", "k-all", "v", "-c", "all"}).exit_code == 5);
  REQUIRE(fs::remove(disk.filler()));
  CHECK(eventually(15s, [&] { return replicas_equal(*client, "k-quorum"); }));
}

TEST_CASE("daemon: a node starts on a disk that is nearly full, and serves reads", "[daemon]") {
  if (!Firewall::available()) {
    WARN("skipped: needs root to mount a small file system");
    return;
  }
  SmallDisk disk("200m");
  LocalClusterOptions options = single();
  const std::string data_dir = disk.path() + "/node";
  options.node_flags = {{"--data-dir", data_dir}};
  options.replace_data_dir = true;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  REQUIRE(cluster.cli(0, {"put", "k", "v"}).exit_code == 0);
  REQUIRE(cluster.terminate(0) == 0);
  disk.resize("40m");  // storage.free_bytes_least is 64 MiB
  cluster.launch(0);
  INFO(cluster.log(0));
  REQUIRE(cluster.wait_ready(0));
  CHECK(cluster.cli(0, {"get", "k", "-o", "raw"}).out == "v");
  const auto put = cluster.cli(0, {"put", "k", "w"});
  CHECK(put.exit_code == 4);
  CHECK(put.err.find("disk is full") != std::string::npos);
  disk.resize("200m");
  CHECK(eventually(10s, [&] { return cluster.cli(0, {"put", "k", "w"}).exit_code == 0; }));
  // Not even room for the generation of the next life.
  REQUIRE(cluster.terminate(0) == 0);
  disk.fill();
  check_refusal(parleyd({"--data-dir", data_dir, "--listen", cluster.address(0)}),
                "the disk is full");
  fs::remove(disk.filler());
  cluster.launch(0);
  REQUIRE(cluster.wait_ready(0));
  CHECK(cluster.cli(0, {"get", "k", "-o", "raw"}).out == "w");
}

TEST_CASE("daemon: a foreign cluster's node is not let in", "[daemon]") {
  LocalCluster cluster(single());
  REQUIRE(cluster.start());
  local::ScratchDirectory scratch;
  const std::string other = cluster.address(0).substr(0, cluster.address(0).rfind('.')) + ".77";
  const auto refused = parleyd({"--data-dir", scratch.path() + "/d", "--listen", other, "--cluster",
                                "elsewhere", "--seed", cluster.peer_endpoint(0)});
  check_refusal(refused, "elsewhere");
  REQUIRE(cluster.cli(0, {"put", "k", "v"}).exit_code == 0);
  // The right name, but the cluster holds data by now.
  const auto late = parleyd({"--data-dir", scratch.path() + "/e", "--listen", other, "--cluster",
                             "local", "--seed", cluster.peer_endpoint(0)});
  check_refusal(late, "data");
  CHECK(cluster.client({0})->status()->nodes.size() == 1);
}

TEST_CASE("daemon: metrics, health and readiness; a clean stop", "[daemon]") {
  LocalClusterOptions options;
  options.nodes = 3;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  REQUIRE(cluster.cli(0, {"put", "k", "v"}).exit_code == 0);
  REQUIRE(cluster.cli(0, {"get", "k"}).exit_code == 0);
  CHECK(http_get(cluster.address(0), 7402, "/healthz").status == 200);
  CHECK(http_get(cluster.address(0), 7402, "/readyz").status == 200);
  CHECK(http_get(cluster.address(0), 7402, "/nowhere").status == 404);
  const auto metrics = http_get(cluster.address(0), 7402, "/metrics");
  CHECK(metrics.status == 200);
  for (const char* name :
       {"parley_requests_total{op=", "parley_request_seconds_bucket", "parley_fsync_seconds_count",
        "parley_hints_pending", "parley_read_repairs_total", "parley_anti_entropy_keys_total",
        "parley_anti_entropy_oldest_sync_seconds", "parley_members{state=\"alive\"} 3",
        "parley_membership_clock_off_milliseconds ", "parley_loop_lag_seconds",
        "parley_store_write_queue"}) {
    INFO(name << "\n" << metrics.body);
    CHECK(metrics.body.find(name) != std::string::npos);
  }
  // A clean stop: exit 0, said to the peers, who do not have to find out.
  const auto begun = std::chrono::steady_clock::now();
  CHECK(cluster.terminate(2) == 0);
  CHECK(cluster.wait_sees_up(0, {0, 1}, 3s));
  CHECK(std::chrono::steady_clock::now() - begun < 8s);
  cluster.launch(2);
  REQUIRE(cluster.wait_ready(2));
  CHECK(cluster.wait_settled());
}

TEST_CASE("daemon: a kill -9 is known to all of five nodes within 8 s", "[daemon]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  cluster.kill9(2);
  const auto begun = std::chrono::steady_clock::now();
  for (const std::size_t i : {0, 1, 3, 4}) CHECK(cluster.wait_sees_up(i, {0, 1, 3, 4}, 8s));
  CHECK(std::chrono::steady_clock::now() - begun < 8s);
}

TEST_CASE("daemon: a clock set an hour wrong on one node harms nothing", "[daemon]") {
  const std::string library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
  if (!fs::exists(library)) {
    WARN("skipped: libfaketime is not installed");
    return;
  }
#ifdef PARLEY_SANITIZED
  WARN("skipped: a sanitizer's runtime and libfaketime both want to be loaded first");
  return;
#endif
  LocalClusterOptions options;
  options.nodes = 3;
  options.node_environment = {{"LD_PRELOAD=" + library, "FAKETIME=+1h", "DONT_FAKE_MONOTONIC=1"}};
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string key = "clock-" + std::to_string(i);
    CHECK(cluster.cli(i, {"put", key, "first", "-c", "all"}).exit_code == 0);
    CHECK(cluster.cli((i + 1) % 3, {"put", key, "second", "-c", "all"}).exit_code == 0);
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(cluster.cli(j, {"get", key, "-o", "raw", "-c", "all"}).out == "second");
    }
    CHECK(cluster.cli(i, {"inspect", key}).exit_code == 0);
  }
  CHECK(cluster.wait_settled());
}
