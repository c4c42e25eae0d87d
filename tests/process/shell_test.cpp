// `parley shell`: lines of a script, contexts that are kept, levels and keyspaces of a session; and
// on a terminal.
#include <sstream>

#include "tests/process/harness.h"

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
