// `parley cluster`: processes that outlive the command, found again by the next one.
#include <arpa/inet.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/process/own_cluster.h"
#include "tests/process/sockets.h"

using namespace parley;
using namespace parley::process_test;
namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

Names names_in(const Json& list) { return list.get<Names>(); }

// What `status` says of every node.
std::vector<std::string> column(const OwnCluster& cluster, const char* name) {
  std::vector<std::string> out;
  const Json status = cluster.json("status");
  for (const Json& node : status.at("nodes")) {
    const Json& cell = node.at(name);
    out.push_back(cell.is_string() ? cell.get<std::string>() : cell.dump());
  }
  return out;
}

bool all_up(const OwnCluster& cluster, std::size_t nodes) {
  return column(cluster, "status") == Names(nodes, "UN") &&
         column(cluster, "ready") == Names(nodes, "true");
}

// "PID START BOOT" of a process that runs.
std::string pid_line(pid_t pid, const std::string& started = {}) {
  const std::string stat = local::read_file("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string start;
  for (int field = 3; field <= 22; ++field) fields >> start;
  return std::to_string(pid) + " " + (started.empty() ? start : started) + " " +
         local::read_file("/proc/sys/kernel/random/boot_id");
}

// Holds a directory as a command does.
class Held {
 public:
  explicit Held(const std::string& directory)
      : descriptor_(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    REQUIRE(flock(descriptor_, LOCK_EX | LOCK_NB) == 0);
  }
  ~Held() { close(descriptor_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  int descriptor_;
};

// Starts only once there is a file `go`; gives up after a minute, whatever became of the test.
constexpr const char* kWaitingDaemon = R"sh(
case " $* " in *" --check-config "*) exec "$REAL" "$@" ;; esac
for _ in $(seq 1200); do
  [ -e "$SCRATCH/go" ] && exec "$REAL" "$@"
  sleep 0.05
done
exit 1
)sh";

}  // namespace

TEST_CASE("cluster verb: data and addresses survive down and up", "[cluster_verb]") {
  OwnCluster cluster;
  const Json up = cluster.json("up", {"--nodes", "3", "--racks", "2"});
  CHECK(names_in(up.at("started")) == Names{"n1", "n2", "n3"});
  CHECK(up.at("nodes").at(2).at("rack") == "r1");
  CHECK(all_up(cluster, 3));
  const auto env = cluster.run("env");
  CHECK(env.out == "export PARLEY_ENDPOINTS=" + up.at("endpoints").get<std::string>() + "\n");
  REQUIRE(cluster.parley({"put", "k", "v", "-c", "all"}).exit_code == 0);
  const auto before = cluster.pids();
  CHECK(names_in(cluster.json("down").at("stopped")) == Names{"n1", "n2", "n3"});
  for (const pid_t pid : before) CHECK_FALSE(is_alive(pid));
  CHECK(column(cluster, "state") == Names(3, "dead"));
  CHECK(cluster.json("down").at("stopped").empty());
  CHECK(cluster.parley({"get", "k"}).exit_code == 3);
  const Json again = cluster.json("up");
  CHECK(again.at("endpoints") == up.at("endpoints"));
  CHECK(cluster.parley({"get", "k", "-c", "all"}).out == "v\n");
}

TEST_CASE("cluster verb: up attaches to what runs and starts what is dead", "[cluster_verb]") {
  OwnCluster cluster;
  cluster.json("up", {"--nodes", "3"});
  const auto first = cluster.pids();
  const auto table = cluster.run("up");
  CHECK(table.exit_code == 0);
  CHECK(says(table, "already up, nothing was started: 3 of 3 nodes up and ready"));
  CHECK(table.out.find("\nn2 ") != std::string::npos);
  CHECK(table.out.find("export PARLEY_ENDPOINTS=127.") != std::string::npos);
  CHECK(cluster.pids() == first);
  CHECK(cluster.run("kill", {"2"}).exit_code == 0);
  CHECK_FALSE(is_alive(first[1]));
  CHECK(names_in(cluster.json("up").at("started")) == Names{"n2"});
  const auto second = cluster.pids();
  CHECK(second[0] == first[0]);
  CHECK(second[1] != first[1]);
  CHECK(second[2] == first[2]);
  CHECK(all_up(cluster, 3));
}

TEST_CASE("cluster verb: kill, pause, resume and restart do so, and status tells",
          "[cluster_verb]") {
  OwnCluster cluster;
  const Json up = cluster.json("up", {"--nodes", "5"});
  const auto pids = cluster.pids();
  const std::string third = up.at("nodes").at(2).at("address");
  cluster.json("kill", {"1", "n2"});
  cluster.json("pause", {third});
  CHECK(column(cluster, "state") == Names{"dead", "dead", "paused", "running", "running"});
  CHECK(column(cluster, "ready") == Names{"false", "false", "false", "true", "true"});
  CHECK(eventually(30s, [&] {
    return column(cluster, "status") == Names{"DN", "DN", "DN", "UN", "UN"};
  }));
  // What is so already is no failure; what cannot be is.
  CHECK(cluster.run("kill", {"1"}).out == "n1 was dead already\n");
  CHECK(cluster.run("pause", {"3"}).out == "n3 was paused already\n");
  CHECK(cluster.run("resume", {"4"}).out == "n4 was not paused\n");
  check_refused(cluster.run("pause", {"1"}), 1, "n1 is dead");
  check_refused(cluster.run("resume", {"1"}), 1, "n1 is dead");
  const auto part = cluster.run("up");  // leaves the paused one alone
  CHECK(part.exit_code == 0);
  CHECK(says(part, "started n1, n2: 4 of 5 nodes up and ready"));
  CHECK(says(part, "paused: n3"));
  CHECK(cluster.run("resume", {"n3"}).out == "n3 resumed\n");
  CHECK(cluster.pids()[2] == pids[2]);
  // Also one that is paused stops cleanly.
  cluster.json("pause", {"5"});
  cluster.json("restart", {"4", "5"});
  CHECK(local::read_file(cluster.file("n5.log")).find("daemon.stopping") != std::string::npos);
  CHECK(cluster.pids()[3] != pids[3]);
  CHECK(eventually(30s, [&] { return all_up(cluster, 5); }));
}

TEST_CASE("cluster verb: the nodes outlive the command, its shell and its terminal",
          "[cluster_verb]") {
  OwnCluster cluster;
  int terminal = -1;
  auto words = cluster.words("up", {"--nodes", "2"});
  const std::string done = cluster.scratch() + "/done";
  std::string line;
  for (const std::string& word : words) line += "'" + word + "' ";
  line += "&& touch " + done + "; read -r none";
  const pid_t shell = forkpty(&terminal, nullptr, nullptr, nullptr);
  REQUIRE(shell >= 0);
  if (shell == 0) {
    execlp("sh", "sh", "-c", line.c_str(), nullptr);
    _exit(127);
  }
  CHECK(eventually(60s, [&] { return fs::exists(done); }));
  const auto pids = cluster.pids();
  close(terminal);  // the kernel hangs up on the whole session
  int status = 0;
  REQUIRE(eventually(20s, [&] { return waitpid(shell, &status, WNOHANG) == shell; }));
  CHECK(WIFSIGNALED(status));
  for (const pid_t pid : pids) {
    REQUIRE(is_alive(pid));
    CHECK(getsid(pid) == pid);
  }
  CHECK(all_up(cluster, 2));
  CHECK(cluster.pids() == pids);
}

TEST_CASE("cluster verb: an interrupted up stops what it started, and can be repeated",
          "[cluster_verb]") {
  OwnCluster cluster;
  cluster.use_own_programs(kWaitingDaemon);
  const std::string go = cluster.scratch() + "/go";
  const auto interrupt_up = [&](const Names& more, const std::string& last_started, int signal) {
    fs::remove(cluster.file(last_started + ".pid"));
    const std::string err = cluster.scratch() + "/err";
    fs::remove(err);
    local::Process up(cluster.words("up", more), "", err);
    REQUIRE(eventually(30s, [&] { return fs::exists(cluster.file(last_started + ".pid")); }));
    std::istringstream pid_file(local::read_file(cluster.file(last_started + ".pid")));
    pid_t pid = -1;
    REQUIRE(pid_file >> pid);
    CHECK(is_alive(pid));
    up.signal(signal);
    CHECK(up.wait(30s) == 130);
    CHECK(local::read_file(err) == "parley: interrupted: what was started is stopped again\n");
    CHECK_FALSE(is_alive(pid));
  };
  interrupt_up({"--nodes", "3"}, "n3", SIGINT);
  CHECK(column(cluster, "state") == Names(3, "dead"));
  std::ofstream(go) << "go";
  cluster.json("up", {"--nodes", "3"});
  CHECK(all_up(cluster, 3));
  // Those that ran before stay.
  const auto pids = cluster.pids();
  cluster.json("kill", {"2"});
  fs::remove(go);
  interrupt_up({}, "n2", SIGTERM);
  CHECK(cluster.pids() == std::vector<pid_t>{pids[0], 0, pids[2]});
  // So does one that is not ready in time.
  const auto late = cluster.run("up", {"--timeout", "300ms"});
  check_refused(late, 5, "n2 is not ready yet");
  CHECK(cluster.pids() == std::vector<pid_t>{pids[0], 0, pids[2]});
}

TEST_CASE("cluster verb: a process that is not the node is never signalled", "[cluster_verb]") {
  OwnCluster cluster;
  cluster.json("up", {"--nodes", "1"});
  const auto real = cluster.pids();
  const std::string pid_file = cluster.file("n1.pid");
  const auto check_left_alone = [&](local::Process& other, const std::string& line) {
    std::ofstream(pid_file, std::ios::trunc) << line;
    INFO(line);
    CHECK(column(cluster, "state") == Names{"dead"});
    for (const std::string verb : {"kill", "pause", "resume"}) cluster.run(verb, {"1"});
    CHECK(cluster.run("down", {"--timeout", "1ms"}).exit_code == 0);
    CHECK_FALSE(other.exit_code().has_value());
    const std::string stat = local::read_file("/proc/" + std::to_string(other.pid()) + "/stat");
    CHECK(stat.find(") T") == std::string::npos);
    return !other.exit_code().has_value();
  };
  local::Process foreign({"sleep", "600"}, "", "");
  CHECK(check_left_alone(foreign, pid_line(foreign.pid())));
  // Like a node in its arguments, but begun at another time, or in another life of the machine.
  const std::string fifo = cluster.scratch() + "/fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);  // to hang on
  local::Process similar(
      {"sh", "-c", "read -r none <\"$0\"", fifo, "--data-dir", cluster.file("n1")}, "", "");
  REQUIRE(eventually(5s, [&] {
    return local::read_file("/proc/" + std::to_string(similar.pid()) + "/cmdline").find("--data") !=
           std::string::npos;
  }));
  CHECK(check_left_alone(similar, pid_line(similar.pid(), "1")));
  std::string earlier = pid_line(similar.pid());
  earlier.replace(earlier.rfind(' ') + 1, 8, "00000000");
  CHECK(check_left_alone(similar, earlier));
  // The check above can fail: with everything right, that one is taken for the node.
  std::ofstream(pid_file, std::ios::trunc) << pid_line(similar.pid());
  CHECK(cluster.run("kill", {"1"}).exit_code == 0);
  CHECK(similar.wait(5s) == 128 + SIGKILL);
  // Whose pid file is lost is not found, but its address is taken: no second node beside it.
  REQUIRE(is_alive(real[0]));
  check_refused(cluster.run("up"), 4, "is in use by another program");
  std::ofstream(pid_file, std::ios::trunc) << pid_line(real[0]);
  CHECK(cluster.pids() == real);
}

TEST_CASE("cluster verb: a copy of the directory has none of the nodes", "[cluster_verb]") {
  OwnCluster cluster;
  cluster.json("up", {"--nodes", "1"});
  const auto pids = cluster.pids();
  const std::string copy = cluster.scratch() + "/copy";
  fs::copy(cluster.directory(), copy, fs::copy_options::recursive);
  const auto down = cluster.run("down", {"--dir", copy});
  CHECK(down.out == "nothing was running\n");
  check_refused(cluster.run("up", {"--dir", copy}), 4, "is in use by another program");
  CHECK(cluster.pids() == pids);
}

TEST_CASE("cluster verb: two commands at once do not meet", "[cluster_verb]") {
  OwnCluster cluster;
  SECTION("both make it") {
    local::Process one(cluster.words("up", {"--nodes", "3"}), "", "");
    local::Process two(cluster.words("up", {"--nodes", "3"}), "", "");
    const auto first = one.wait(90s), second = two.wait(90s);
    const std::set<int> codes = {first.value_or(-1), second.value_or(-1)};
    // One started it; the other attached, or did not wait for so long.
    CHECK((codes == std::set<int>{0} || codes == std::set<int>{0, 2}));
    CHECK(all_up(cluster, 3));
    for (const std::string name : {"n1", "n2", "n3"}) {
      const std::string out = local::read_file(cluster.file(name + ".out"));
      CHECK(out.find("parleyd ready") == out.rfind("parleyd ready"));
    }
  }
  SECTION("one holds it") {
    cluster.json("up", {"--nodes", "1"});
    const Held held(cluster.directory());
    const auto begun = std::chrono::steady_clock::now();
    for (const Names& verb : {Names{"up"}, Names{"down"}, Names{"kill", "1"}, Names{"pause", "1"},
                              Names{"restart", "1"}}) {
      check_refused(cluster.run(verb[0], {verb.begin() + 1, verb.end()}), 2,
                    "in use by another parley cluster command");
    }
    CHECK(std::chrono::steady_clock::now() - begun > 5s);  // it waits a little
    CHECK(all_up(cluster, 1));                             // to look is free
    CHECK(cluster.run("env").exit_code == 0);
    CHECK(cluster.run("logs", {"1"}).exit_code == 0);
  }
}

TEST_CASE("cluster verb: every node is started with the flags given, from wherever",
          "[cluster_verb]") {
  OwnCluster cluster;
  std::ofstream(cluster.scratch() + "/node.toml") << "vnodes = 8\n";
  const std::string up = "cd " + cluster.scratch() + " && " + local::program_folder() +
                         "/parley cluster --dir cluster up --nodes 2 --racks 2 --allow-faults -- "
                         "--config node.toml";
  const RunResult made = local::run({"sh", "-c", up});
  INFO(made.err);
  REQUIRE(made.exit_code == 0);
  const auto ring_size = [&] {
    const Json ring = Json::parse(cluster.parley({"ring", "-o", "json"}).out, nullptr, false);
    return ring.at("vnodes").size();
  };
  CHECK(ring_size() == 2 * 8);
  cluster.json("restart", {"1", "2"});
  for (const std::size_t number : {1, 2}) {
    const Json node = cluster.node(number);
    const std::string line =
        local::read_file("/proc/" + std::to_string(node.at("pid").get<int>()) + "/cmdline");
    const std::string end(1, '\0');
    CHECK(line.find(end + "--allow-faults" + end) != std::string::npos);
    CHECK(line.find("--rack" + end + "r" + std::to_string(number) + end) != std::string::npos);
  }
  CHECK(ring_size() == 2 * 8);
  // Others are taken only while no node runs with the old ones.
  check_refused(cluster.run("up", {"--", "--log-level", "debug"}), 2, "with other flags");
  cluster.json("down");
  cluster.json("up", {"--", "--log-level", "debug", "--vnodes", "8"});
  CHECK(local::read_file(cluster.file("n1.log")).find(" debug ") != std::string::npos);
}

TEST_CASE("cluster verb: what is not ours is left as it is", "[cluster_verb]") {
  OwnCluster cluster;
  const std::string mine = cluster.file("mine.txt");
  fs::create_directory(cluster.directory());
  std::ofstream(mine) << "precious";
  const auto entries = [&] {
    return std::distance(fs::directory_iterator(cluster.directory()), fs::directory_iterator());
  };
  check_refused(cluster.run("up"), 2, "is not empty and holds no cluster");
  check_refused(cluster.run("down", {"--wipe", "--yes"}), 2, "there is no cluster in");
  CHECK(entries() == 1);
  fs::remove(mine);
  cluster.json("up", {"--nodes", "1"});  // an empty one will do
  std::ofstream(mine) << "precious";
  check_refused(cluster.run("down", {"--wipe"}), 2, "repeat it with --yes");
  CHECK(column(cluster, "state") == Names{"running"});
  const auto wiped = cluster.run("down", {"--wipe", "--yes"});
  CHECK(wiped.exit_code == 0);
  CHECK(says(wiped, "stays: files are in it that parley cluster did not make"));
  CHECK(entries() == 1);
  CHECK(local::read_file(mine) == "precious");
  fs::remove(mine);
  cluster.json("up", {"--nodes", "1"});
  cluster.json("down", {"--wipe", "--yes"});
  CHECK_FALSE(fs::exists(cluster.directory()));
}

TEST_CASE("cluster verb: a node that no pid file tells of keeps its data", "[cluster_verb]") {
  OwnCluster cluster;
  cluster.json("up", {"--nodes", "1"});
  const auto pids = cluster.pids();
  const std::string known = cluster.file("n1.pid"), hidden = cluster.file("hidden.pid");
  fs::rename(known, hidden);
  check_refused(cluster.run("down", {"--wipe", "--yes"}), 2, "in use by another process");
  fs::rename(hidden, known);
  CHECK(cluster.pids() == pids);
  CHECK(all_up(cluster, 1));
}

TEST_CASE("cluster verb: down kills what does not stop in time, and says so", "[cluster_verb]") {
  OwnCluster cluster;
  cluster.json("up", {"--nodes", "2"});
  const auto pids = cluster.pids();
  const auto down = cluster.run("down", {"--timeout", "1ms"});
  CHECK(down.exit_code == 0);
  CHECK(says(down, "n1 did not stop in time and was killed (SIGKILL)"));
  for (const pid_t pid : pids) CHECK_FALSE(is_alive(pid));
}

TEST_CASE("cluster verb: a port that is taken is named, and nothing is started", "[cluster_verb]") {
  OwnCluster cluster;
  cluster.json("up", {"--nodes", "2"});
  const std::string address = cluster.node(2).at("address");
  cluster.json("down");
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(7402);
  inet_pton(AF_INET, address.c_str(), &at.sin_addr);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  REQUIRE(listen(fd, 1) == 0);
  check_refused(cluster.run("up"), 4,
                "n2 cannot be started: " + address + ":7402 is in use by another program");
  CHECK(column(cluster, "state") == Names(2, "dead"));
  close(fd);
  cluster.json("up");
}

TEST_CASE("cluster verb: a node that ends at once is named with its reason", "[cluster_verb]") {
  OwnCluster cluster;
  cluster.json("up", {"--nodes", "2"});
  const auto pids = cluster.pids();
  cluster.json("kill", {"2"});
  fs::remove_all(cluster.file("n2"));
  std::ofstream(cluster.file("n2")) << "no directory";
  for (const auto& result : {cluster.run("restart", {"2"}), cluster.run("up")}) {
    check_refused(result, 4, "n2 ended: ");
    CHECK(says(result, "not a directory"));
  }
  CHECK(cluster.pids() == std::vector<pid_t>{pids[0], 0});
}

TEST_CASE("cluster verb: parleyd is looked for beside parley, then in PATH", "[cluster_verb]") {
  OwnCluster cluster;
  cluster.use_own_programs("");
  check_refused(cluster.run("up", {"--nodes", "1"}, {"PATH=/nonexistent"}), 4,
                "there is no parleyd beside this parley");
  CHECK_FALSE(fs::exists(cluster.directory()));
  const auto up = cluster.run("up", {"--nodes", "1"}, {"PATH=/bin:" + local::program_folder()});
  INFO(up.err);
  CHECK(up.exit_code == 0);
}

TEST_CASE("cluster verb: logs shows the last lines, of several nodes, and follows",
          "[cluster_verb]") {
  OwnCluster cluster;
  cluster.json("up", {"--nodes", "2"});
  const auto last = cluster.run("logs", {"1", "--lines", "2"});
  CHECK(std::count(last.out.begin(), last.out.end(), '\n') == 2);
  CHECK(local::read_file(cluster.file("n1.log")).find(last.out) != std::string::npos);
  const std::string out = cluster.scratch() + "/out";
  local::Process follower(cluster.words("logs", {"n1", "2", "-f", "--lines", "0"}), out, "");
  // It has begun when it shows what came after it.
  CHECK(eventually(60s, [&] {
    cluster.json("restart", {"2"});
    const std::string text = local::read_file(out);
    return text.find("n1 | ") != std::string::npos && text.find("n2 | ") != std::string::npos &&
           text.find("daemon.stopping") != std::string::npos;
  }));
  CHECK_FALSE(follower.exit_code().has_value());
  cluster.json("down", {"--wipe", "--yes"});
  CHECK(follower.wait(20s) == 0);
}

TEST_CASE("cluster verb: bad input is refused with one line", "[cluster_verb]") {
  OwnCluster cluster;
  for (const std::string verb : {"down", "status", "env"}) {
    check_refused(cluster.run(verb), 2, "there is no cluster in");
  }
  for (const std::string nodes : {"0", "65", "-1", "many"}) {
    check_refused(cluster.run("up", {"--nodes", nodes}), 2, "--nodes");
  }
  check_refused(cluster.run("up", {"--racks", "0"}), 2, "--racks");
  check_refused(cluster.run("up", {"five"}), 2, "after --");
  check_refused(cluster.run("up", {"--", "--no-such"}), 2, "--no-such");
  check_refused(cluster.run("up", {"--", "--set", "no.such=1"}), 2, "no.such");
  for (const Names& config : {Names{"--config="}, Names{"--config", ""}, Names{"--config"}}) {
    Names more = {"--"};
    more.insert(more.end(), config.begin(), config.end());
    check_refused(cluster.run("up", more), 2, "--config");
  }
  for (const std::string flag : {"--listen=127.0.0.1", "--data-dir", "--found", "--version"}) {
    check_refused(cluster.run("up", {"--", flag}), 2, "is given by parley cluster itself");
  }
  check_refused(cluster.run("up", {"--dir", "/proc/version"}), 2, "/proc/version");
  check_refused(cluster.run("up", {"--dir", ""}), 2, "--dir");
  CHECK_FALSE(fs::exists(cluster.directory()));
  cluster.json("up", {"--nodes", "2", "--", "--log-level", "warn", "--vnodes", "8"});
  for (const std::string node : {"0", "3", "n3", "n", "127.0.0.1", "01"}) {
    check_refused(cluster.run("kill", {"1", node}), 2, "there is no node '" + node + "'");
  }
  CHECK(column(cluster, "state") == Names(2, "running"));
  check_refused(cluster.run("up", {"--nodes", "3"}), 2, "holds a cluster of 2 nodes");
  check_refused(cluster.run("up", {"--", "--log-level", "info"}), 2, "with other flags");
  CHECK(
      cluster.run("up", {"--nodes", "2", "--", "--log-level", "warn", "--vnodes", "8"}).exit_code ==
      0);
  const Json ring = Json::parse(cluster.parley({"ring", "-o", "json"}).out, nullptr, false);
  CHECK(ring.at("vnodes").size() == 2 * 8);
  cluster.json("down");
  std::ofstream(cluster.file("parley-cluster.json")) << "{\"parley_cluster\":1}";
  for (const std::string verb : {"up", "down", "status", "env"}) {
    check_refused(cluster.run(verb), 2, "parley-cluster.json is unreadable");
  }
  check_refused(cluster.run("down", {"--wipe", "-y"}), 2, "is unreadable");
  CHECK(fs::exists(cluster.file("n1")));
}
