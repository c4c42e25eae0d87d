// `parley shell`: lines of a script, contexts that are kept, levels and keyspaces of a session; and
// on a terminal.
#include <algorithm>
#include <map>
#include <sstream>

#include "tests/process/harness.h"
#include "tests/process/typing_terminal.h"

using namespace parley;
using namespace parley::process_test;

namespace {

using Words = std::vector<std::string>;

LocalClusterOptions one_node() {
  LocalClusterOptions options;
  options.nodes = 1;
  return options;
}

// `parley shell` over a script.
RunResult script(LocalCluster& cluster, const std::string& lines, Words more = {}) {
  more.insert(more.begin(), "shell");
  return cluster.cli(0, more, lines);
}
RunResult commands(LocalCluster& cluster, const Words& lines, Words more = {}) {
  more.insert(more.begin(), "shell");
  for (const std::string& line : lines) more.insert(more.end(), {"-x", line});
  return cluster.cli(0, more);
}

std::size_t count(const std::string& text, const std::string& piece) {
  std::size_t n = 0;
  for (auto at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) ++n;
  return n;
}

bool has(const std::string& text, const std::string& piece) { return count(text, piece) > 0; }

}  // namespace

TEST_CASE("shell: a script says what its verbs say, and ends as its first failing line",
          "[shell]") {
  LocalCluster cluster(one_node());
  REQUIRE(cluster.start());
  const auto all_good = script(cluster,
                               "# a comment\n\nput k 'hello  world'\nget k\n"
                               "put \"q\\\"k\" a\\ b # the rest\nget 'q\"k' -o raw\nDEL k\n");
  INFO(all_good.out << all_good.err);
  CHECK(all_good.exit_code == 0);
  CHECK(all_good.out == "ok\nhello  world\nok\na bok\n");
  CHECK_FALSE(has(all_good.out + all_good.err, "\033"));  // nobody's terminal
  const auto failing = script(cluster, "get none\nput k v -c 9\nput k after\nexit\nput k never\n");
  INFO(failing.out << failing.err);
  CHECK(failing.exit_code == 1);
  CHECK(has(failing.err, "line 1 ended with 1"));
  CHECK(has(failing.err, "line 2 ended with 2"));
  CHECK(cluster.cli(0, {"get", "k", "-o", "raw"}).out == "after");
  const auto lines = commands(cluster, {"put k -", "get k -o raw"});
  CHECK(lines.exit_code == 0);  // no script on standard input: it may be a value
  CHECK(lines.out == "ok\n");
}

TEST_CASE("shell: what cannot be done is one clear line and the command line's exit code",
          "[shell]") {
  LocalCluster cluster(one_node());
  REQUIRE(cluster.start());
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"bogus", "'bogus' is nothing that this shell knows"},
      {"cluster down", "'cluster' is nothing that this shell knows"},
      {"put k 'v", "a quote is not closed"},
      {"put k v\\", "a backslash ends the line"},
      {std::string("put k a\0b", 9), "zero byte"},
      {"put k -", "standard input"},
      {"put k", "VALUE is required"},
      {"CONSISTENCY most", "'most' is none of"},
      {"CONSISTENCY 0", "'0' is none of"},
      {"SERIAL CONSISTENCY", "no conditional writes"},
      {"KEYSPACE nope", "no keyspace \"nope\""},
      {"CONTEXT a b", "CONTEXT takes"}};
  for (const auto& [line, text] : wrong) {
    const auto run = script(cluster, line + "\n");
    INFO(line << ": " << run.out << run.err);
    CHECK(run.exit_code == 2);
    CHECK(run.out.empty());
    CHECK(has(run.err, text));
    CHECK(count(run.err, "\n") == 2);  // the line, and which one it was
    if (line.find('\0') != std::string::npos) continue;
    const auto json = commands(cluster, {line}, {"-o", "json"});
    if (line == "put k -") continue;
    INFO(json.out);
    CHECK(Json::parse(json.out, nullptr, false).contains("error"));
  }
  cluster.kill9(0);
  const auto nobody = script(cluster, "get k\n");
  CHECK(nobody.exit_code == 3);
}

TEST_CASE("shell: a write after a get replaces what the get saw, and nothing else", "[shell]") {
  LocalCluster cluster(one_node());
  REQUIRE(cluster.start());
  const std::string bin = local::program_folder() + "/parley -e " + cluster.client_endpoint(0);
  REQUIRE(cluster.cli(0, {"put", "k", "one", "--blind"}).exit_code == 0);
  REQUIRE(cluster.cli(0, {"put", "k", "two", "--blind"}).exit_code == 0);
  // Without a get it is the command line's put, which refuses to choose.
  CHECK(commands(cluster, {"put k x"}).exit_code == 6);
  const auto resolved = commands(cluster, {"get k", "put k both", "put k again"});
  INFO(resolved.out << resolved.err);
  CHECK(resolved.exit_code == 6);  // the get
  CHECK(cluster.cli(0, {"get", "k", "-o", "raw"}).out == "again");
  CHECK(count(resolved.err, "with the context kept") == 2);

  // Somebody else writes between the get and the put: that is kept beside it.
  local::ScratchDirectory folder;
  const std::string fifo = folder.path() + "/lines";
  const auto between =
      local::run({"sh", "-c",
                  "mkfifo " + fifo + "; " + bin + " shell < " + fifo + " > " + folder.path() +
                      "/out 2>&1 & exec 3> " + fifo + "; echo 'get k' >&3; " +
                      "until grep -q again " + folder.path() + "/out; do :; done; " + bin +
                      " put k theirs; echo 'put k mine' >&3; exec 3>&-; wait"},
                 {}, std::chrono::seconds(20));
  INFO(between.out << between.err << local::read_file(folder.path() + "/out"));
  CHECK(between.exit_code == 0);
  const auto both = cli_json(cluster, 0, {"get", "k"});
  CHECK(values_of(both.json) == std::set<std::string>{"mine", "theirs"});

  // What was meant otherwise is done otherwise.
  const auto otherwise = commands(cluster, {"get k", "put k new --blind", "get k -o json",
                                            "put k one --replace", "CONTEXT CLEAR", "CONTEXT k"});
  INFO(otherwise.out << otherwise.err);
  CHECK_FALSE(has(otherwise.err, "with the context kept"));
  CHECK(has(otherwise.err, "no context is kept"));
  CHECK(cluster.cli(0, {"get", "k", "-o", "raw"}).out == "one");
}

TEST_CASE("shell: CONTEXT shows what is kept, of the keys used last", "[shell]") {
  LocalCluster cluster(one_node());
  REQUIRE(cluster.start());
  const auto shown = commands(cluster, {"put k v -o raw", "CONTEXT k"});
  INFO(shown.out << shown.err);
  const std::string token = shown.out.substr(0, shown.out.find('\n'));
  CHECK(shown.out == token + "\n" + token + "\n");
  CHECK(cluster.cli(0, {"put", "k", "w", "--context", token}).exit_code == 0);
  std::string lines = "get k0 -o raw\n";
  for (int i = 1; i <= 256; ++i) lines += "get k" + std::to_string(i) + " -o raw\n";
  const auto many = script(cluster, lines + "CONTEXT\nCONTEXT k0\n");
  CHECK(count(many.out, "\n") == 257);  // and the head
  CHECK(has(many.err, "no context is kept for this key"));
}

TEST_CASE("shell: CONSISTENCY holds for the lines that follow, and names what was used",
          "[shell]") {
  LocalCluster cluster(one_node());
  REQUIRE(cluster.start());
  const auto level_of = [](const std::string& line) {
    return Json::parse(line, nullptr, false).at("level");
  };
  const auto run = commands(cluster,
                            {"CONSISTENCY READ one", "consistency write ALL", "put k v", "get k",
                             "get k -c 1", "CONSISTENCY DEFAULT", "get k", "CONSISTENCY"},
                            {"-o", "json"});
  INFO(run.out << run.err);
  std::vector<std::string> lines;
  std::istringstream text(run.out);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  REQUIRE(lines.size() == 8);
  CHECK(lines[0] == R"({"read":"one","write":null})");
  CHECK(lines[1] == R"({"read":"one","write":"all"})");
  CHECK(level_of(lines[2]) == "all");
  CHECK(level_of(lines[3]) == "one");
  CHECK(level_of(lines[4]) == 1);
  CHECK(level_of(lines[6]) == "quorum");
  CHECK(lines[7] == R"({"read":null,"write":null})");
  // The keyspace's own levels are still the verb's.
  CHECK(commands(cluster, {"consistency set --write one"}).exit_code == 0);
  CHECK(has(commands(cluster, {"consistency show"}).out, "siblings  quorum  one"));
  const auto begun = commands(cluster, {"KEYSPACE", "CONSISTENCY"}, {"-c", "one"});
  CHECK(begun.out == "default\nread one\nwrite one\n");
}

namespace {

const std::string kPrompt = "parley:default> ";
const std::string kUp = "\033[A";

struct AtTerminal {
  explicit AtTerminal(const std::string& endpoints)
      : home(),
        terminal({local::program_folder() + "/parley", "-e", endpoints, "shell"},
                 {"XDG_STATE_HOME=" + home.path() + "/state", "LC_ALL=C.UTF-8"}) {}
  std::string history_file() const { return home.path() + "/state/parley/history"; }
  bool prompts() {
    const bool shown = terminal.shows(kPrompt);
    if (!shown) WARN(terminal.screen());
    return shown;
  }

  local::ScratchDirectory home;
  Terminal terminal;
};

}  // namespace

TEST_CASE("shell: a person has completion by Tab and earlier lines by Up", "[shell]") {
  LocalCluster cluster(one_node());
  REQUIRE(cluster.start());
  AtTerminal at(cluster.client_endpoint(0));
  Terminal& terminal = at.terminal;
  REQUIRE(terminal.shows("1 of 1 nodes up"));
  REQUIRE(at.prompts());
  terminal.type("pu\tk first\r");
  CHECK(terminal.shows("\nok\r\n"));
  REQUIRE(at.prompts());
  terminal.type("get k -c q\t\r");
  CHECK(terminal.shows("level quorum"));
  CHECK(terminal.shows("first\r\n"));
  REQUIRE(at.prompts());
  terminal.type("get k --consistency \t");
  CHECK(terminal.shows("all     any     one     quorum"));
  terminal.type("an\t\r");
  CHECK(terminal.shows("level any"));
  REQUIRE(at.prompts());
  terminal.type("consistency wr\t");  // folded: WRITE
  CHECK(terminal.shows("WRITE "));
  terminal.type("a\x03");
  REQUIRE(at.prompts());
  terminal.type("use d\t\r");
  REQUIRE(at.prompts());
  terminal.type("get st\t");  // a key, and of keys nothing is known
  CHECK(terminal.shows("\a"));
  terminal.type("\x15" + kUp + kUp + kUp + kUp + "\r");  // the put
  CHECK(terminal.shows("\nok\r\n"));
  REQUIRE(at.prompts());
  terminal.type(" put secret s\r");
  CHECK(terminal.shows("\nok\r\n"));
  REQUIRE(at.prompts());
  terminal.type("exit\r");
  CHECK(terminal.end() == 0);
  INFO(terminal.screen());
  CHECK(local::read_file(at.history_file()) ==
        "put k first\nget k -c quorum\nget k --consistency any\nuse default\nput k first\nexit\n");
  CHECK(local::run({"stat", "-c", "%a", at.history_file()}).out == "600\n");

  Terminal next({local::program_folder() + "/parley", "-e", cluster.client_endpoint(0), "shell"},
                {"XDG_STATE_HOME=" + at.home.path() + "/state"});
  REQUIRE(next.shows(kPrompt));
  next.type(kUp + kUp + "\r");
  CHECK(next.shows("\nok\r\n"));
  REQUIRE(next.shows(kPrompt));
  next.type("\x04");
  CHECK(next.end() == 0);
}

TEST_CASE("shell: Ctrl-C gives the line up, not the shell", "[shell]") {
  LocalCluster cluster(one_node());
  REQUIRE(cluster.start());
  AtTerminal at(cluster.client_endpoint(0));
  Terminal& terminal = at.terminal;
  REQUIRE(at.prompts());
  terminal.type("put k lost\x03");
  CHECK(terminal.shows("^C"));
  REQUIRE(at.prompts());
  terminal.type("get k\r");
  CHECK(terminal.shows("not found"));
  REQUIRE(at.prompts());
  // While an answer is awaited: told once, and the shell goes on; twice, and it ends. A write with
  // a kept context says so just before it is sent.
  cluster.stop(0);
  terminal.type("put k v\r");
  REQUIRE(terminal.shows("with the context kept"));
  terminal.type("\x03");
  CHECK(terminal.shows("Ctrl-C again leaves the shell"));
  REQUIRE(at.prompts());
  terminal.type("put k v --timeout 60s\r");
  REQUIRE(terminal.shows("with the context kept"));
  terminal.type("\x03");
  CHECK(terminal.shows("Ctrl-C again leaves the shell"));
  terminal.type("\x03");
  CHECK(terminal.end() == 130);
  cluster.resume(0);
}

TEST_CASE("shell: the history file is bounded, and what cannot be kept is not missed", "[shell]") {
  LocalCluster cluster(one_node());
  REQUIRE(cluster.start());
  AtTerminal at(cluster.client_endpoint(0));
  REQUIRE(at.prompts());
  at.terminal.type("get first\r");
  CHECK(at.terminal.shows("not found"));
  REQUIRE(at.prompts());
  at.terminal.type("\x04");
  REQUIRE(at.terminal.end() == 0);
  const auto many = local::run({"sh", "-c",
                                "i=0; while [ $i -lt 2500 ]; do echo \"get k$i\"; i=$((i+1)); "
                                "done > " +
                                    at.history_file()});
  REQUIRE(many.exit_code == 0);
  const auto with = [&](const std::string& state) {
    Terminal next({local::program_folder() + "/parley", "-e", cluster.client_endpoint(0), "shell"},
                  {"XDG_STATE_HOME=" + state});
    REQUIRE(next.shows(kPrompt));
    next.type("get last\r");
    CHECK(next.shows("not found"));
    REQUIRE(next.shows(kPrompt));
    next.type("\x04");
    CHECK(next.end() == 0);
  };
  with(at.home.path() + "/state");
  const std::string kept = local::read_file(at.history_file());
  CHECK(count(kept, "\n") == 1001);
  CHECK(kept.starts_with("get k1500\n"));
  CHECK(kept.ends_with("get k2499\nget last\n"));
  with("/dev/null");
}

TEST_CASE("shell: at a terminal nobody to talk to is one line", "[shell]") {
  Terminal terminal({local::program_folder() + "/parley", "-e", "127.0.0.1:1", "shell"}, {});
  CHECK(terminal.end() == 3);
  INFO(terminal.screen());
  CHECK(count(terminal.screen(), "\n") == 1);
  CHECK(has(terminal.screen(), "parley: "));
}

TEST_CASE("shell: tracing names each replica's answer and its times", "[shell]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  const auto owners = cluster.owners(0, "k");
  std::size_t other = 0;
  while (std::find(owners.begin(), owners.end(), other) != owners.end()) ++other;
  const auto words_of = [](const Json& trace) {
    std::map<std::string, int> out;
    for (const auto& row : trace) {
      ++out[row.at("what").get<std::string>()];
      CHECK(row.at("sent_us") >= 0);
      if (!row.at("answered_us").is_null()) CHECK(row.at("answered_us") >= row.at("sent_us"));
    }
    return out;
  };
  using Counts = std::map<std::string, int>;
  // Through a node that is no owner: what the owner did is told too.
  const auto put = cli_json(cluster, other, {"put", "k", "v", "-c", "all", "--trace"});
  INFO(put.json.dump());
  CHECK(put.exit_code == 0);
  CHECK(words_of(put.json.at("trace")) == Counts{{"pass on", 1}, {"mint", 1}, {"write", 2}});
  CHECK(words_of(put.json.at("read_trace")) == Counts{{"read", 3}});
  const auto get = cli_json(cluster, other, {"get", "k", "-c", "all", "--trace"});
  CHECK(words_of(get.json.at("trace")) == Counts{{"read", 3}});
  std::set<std::string> asked;
  for (const auto& row : get.json.at("trace")) {
    asked.insert(row.at("address"));
    CHECK(row.at("outcome") == "ok");
  }
  CHECK(asked.size() == 3);
  CHECK_FALSE(cli_json(cluster, other, {"get", "k"}).json.contains("trace"));

  const auto shell = cluster.cli(other, {"shell", "-x", "TRACING ON", "-x", "get k -c all", "-x",
                                         "tracing off", "-x", "get k -c all"});
  INFO(shell.out << shell.err);
  CHECK(shell.exit_code == 0);
  CHECK(shell.out == "tracing on\nv\ntracing off\nv\n");
  CHECK(count(shell.err, "ADDRESS") == 1);
  CHECK(count(shell.err, "  read  ") == 3);
  std::istringstream lines(shell.err);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("context ")) CHECK(line.size() <= 80);
  }
  // What failed is traced as well.
  cluster.kill9(owners[0]);
  REQUIRE(cluster.wait_settled());
  const auto hinted = cli_json(cluster, owners[1], {"put", "k", "w", "--blind", "--trace"});
  CHECK(words_of(hinted.json.at("trace"))["hint for " + cluster.address(owners[0])] == 1);
}
