// `parley demo`: what it can be asked, how it shows things, and that nothing is left of it.
#include <signal.h>

#include <fstream>
#include <sstream>

#include "tests/process/demo_stage.h"
#include "tests/process/own_cluster.h"
#include "tools/demo/traffic.h"

using namespace parley;
using namespace parley::process_test;
using namespace std::chrono_literals;

namespace {

// Real processes of a demo whose scratch directory this is.
bool runs_in(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string words = local::read_file(entry.path().string() + "/cmdline");
    if (words.find(directory) != std::string::npos && is_alive(std::stoi(pid))) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("demo: the list names them all, and is what no name gives", "[demo]") {
  const DemoStage stage;
  const auto list = stage.run({"list"});
  CHECK(list.exit_code == 0);
  for (const std::string name :
       {"levels", "partition", "oneway", "flapping", "hints", "lost-hints", "shopping-cart", "any",
        "slow-node", "clock-skew", "rolling-restart", "power-cut"}) {
    CHECK(list.out.find(name + " ") != std::string::npos);
  }
  CHECK(stage.run({}).out == list.out);
  const auto help = stage.run({"--help"});
  CHECK(help.exit_code == 0);
  for (const std::string word : {"NAME", "--slow", "--record FILE"}) {
    CHECK(help.out.find(word) != std::string::npos);
  }
}

TEST_CASE("demo: what cannot be is one clear line", "[demo]") {
  const DemoStage stage;
  check_refused(stage.run({"nothing"}), 2, "there is no demo 'nothing': parley demo list");
  check_refused(stage.run({"levels", "--fast"}), 2, "--fast");
  check_refused(stage.run({"levels", "hints"}), 2, "hints");
  check_refused(stage.run({"oneway", "--record", stage.file("no/where")}), 2, "cannot write");
  check_refused(stage.run({"oneway", "--record"}), 2, "--record");
  std::filesystem::create_directory(stage.file("bin"));
  for (const std::string name : {"/parley", "/parley-demo"}) {
    std::filesystem::copy_file(local::program_folder() + name, stage.file("bin") + name);
  }
  check_refused(stage.run({"oneway"}, {}, stage.file("bin")), 4, "there is no ");
  std::filesystem::remove(stage.lock());
  std::filesystem::create_directory(stage.lock());
  check_refused(stage.run({"oneway"}), 2, stage.lock());
}

TEST_CASE("demo: one at a time, and nothing is left of one that is interrupted", "[demo]") {
  const DemoStage stage;
  const auto with_signal = GENERATE(SIGINT, SIGTERM, SIGKILL);
  local::Process first({local::program_folder() + "/parley", "demo", "levels"}, stage.file("out"),
                       "", stage.environment());
  REQUIRE(eventually(
      20s, [&] { return local::read_file(stage.file("out")).find("2. ") != std::string::npos; }));
  CHECK(runs_in(stage.temporary()));
  check_refused(stage.run({"oneway"}), 4, "another demo is running");
  CHECK(stage.run({"list"}).exit_code == 0);
  first.signal(with_signal);
  REQUIRE(first.wait(10s) == (with_signal == SIGKILL ? 128 + SIGKILL : 130));
  CHECK(eventually(10s, [&] { return !runs_in(stage.temporary()); }));
  if (with_signal != SIGKILL) CHECK(std::filesystem::is_empty(stage.temporary()));
}

TEST_CASE("demo: plain where there is no terminal, recorded with times, and leaves no file",
          "[demo]") {
  const DemoStage stage;
  const auto result = stage.run({"lost-hints", "--record", stage.file("cast")}, {"TERM=xterm"});
  INFO(result.out << result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.out.find('\033') == std::string::npos);
  CHECK(std::filesystem::is_empty(stage.temporary()));

  std::ifstream cast(stage.file("cast"));
  std::string line, shown;
  REQUIRE(std::getline(cast, line));
  const Json head = Json::parse(line);
  CHECK(head.at("version") == 2);
  CHECK(head.at("width") == 80);
  CHECK(head.at("height").is_number_integer());
  double before = 0;
  while (std::getline(cast, line)) {
    const Json event = Json::parse(line);
    REQUIRE(event.size() == 3);
    CHECK(event.at(0).get<double>() >= before);
    before = event.at(0).get<double>();
    CHECK(event.at(1) == "o");
    shown += event.at(2).get<std::string>();
  }
  CHECK(before > 0);
  std::string expected;
  for (const char c : result.out) expected += c == '\n' ? "\r\n" : std::string(1, c);
  CHECK(shown == expected);
}

TEST_CASE("demo: a read is stale that shows less than was acknowledged before it began", "[demo]") {
  LocalClusterOptions options;
  options.nodes = 3;
  options.flags = {"--allow-faults"};
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  const auto large = cluster.client({0}, 5s, false), small = cluster.client({2}, 5s, false);
  demo::Traffic traffic;
  REQUIRE(traffic.put(*large, "key", "old", demo::write_at("all")).outcome == client::Outcome::Ok);
  traffic.get(*small, "key", demo::read_at("one"));
  REQUIRE(cluster.cli(0, {"fault", "partition", "1,2", "/", "3"}).exit_code == 0);
  traffic.put(*large, "key", "new", demo::write_at("quorum"));
  const auto acked = std::chrono::steady_clock::now();
  traffic.put(*large, "key", "refused", demo::write_at("5"));
  const auto old = traffic.get(*small, "key", demo::read_at("one"));
  REQUIRE(old.values.size() == 1);
  REQUIRE(old.values[0].value == "old");
  traffic.get(*large, "key", demo::read_at("quorum"));
  const auto most = std::chrono::steady_clock::now() - acked + 1s;

  const auto figures = traffic.figures();
  REQUIRE(figures.size() == 4);
  const std::vector<std::string> order = {"all", "quorum", "one", "5"};
  for (std::size_t i = 0; i < order.size(); ++i) CHECK(figures[i].level == order[i]);
  CHECK(figures[0].puts_ok == 1);
  CHECK(figures[1].puts_ok == 1);
  CHECK(figures[1].gets_ok == 1);
  CHECK(figures[1].stale == 0);
  CHECK(figures[1].latency.size() == 2);
  CHECK(figures[2].gets_ok == 2);
  CHECK(figures[2].stale == 1);
  CHECK(figures[2].oldest <= most);
  CHECK(figures[3].puts == 1);
  CHECK(figures[3].puts_ok == 0);
}
