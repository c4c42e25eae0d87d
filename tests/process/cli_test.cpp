// The command line: several endpoints, the deadline of the whole command, what it prints and how it
// exits.
#include <csignal>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

using Words = std::vector<std::string>;

RunResult parley_at(const std::string& endpoints, Words words, const std::string& input = {}) {
  words.insert(words.begin(), {local::program_folder() + "/parley", "-e", endpoints});
  return local::run(words, input, 20s);
}

// Through a shell, for what it does to the standard streams.
RunResult parley_in_shell(const std::string& endpoints, const std::string& words) {
  return local::run({"sh", "-c", local::program_folder() + "/parley -e " + endpoints + " " + words},
                    {}, 20s);
}

bool says(const RunResult& result, const std::string& text) {
  return (result.out + result.err).find(text) != std::string::npos;
}

struct Timed {
  RunResult result;
  local::WallDuration took{};
};
Timed timed(const std::string& endpoints, const Words& words) {
  const auto begun = std::chrono::steady_clock::now();
  Timed out;
  out.result = parley_at(endpoints, words);
  out.took =
      std::chrono::duration_cast<local::WallDuration>(std::chrono::steady_clock::now() - begun);
  return out;
}

LocalClusterOptions of_nodes(std::size_t nodes) {
  LocalClusterOptions options;
  options.nodes = nodes;
  return options;
}

const std::vector<Words> kEveryVerb = {
    {"put", "k", "v"}, {"get", "k"},
    {"inspect", "k"},  {"endpoints", "k"},
    {"status"},        {"ring"},
    {"info"},          {"gossip"},
    {"hints"},         {"hints", "drop", "--yes"},
    {"repair"},        {"repair", "status"},
    {"consistency"},   {"consistency", "set", "--read", "quorum"},
    {"del", "k"},
};

}  // namespace

TEST_CASE("cli: every verb fails over from endpoints that are gone", "[cli]") {
  LocalCluster cluster(of_nodes(1));
  REQUIRE(cluster.start());
  // Nothing listens at the first two.
  const std::string endpoints =
      cluster.address(0) + ":7499," + cluster.address(0) + ":7498," + cluster.client_endpoint(0);
  for (const Words& words : kEveryVerb) {
    const auto result = parley_at(endpoints, words);
    INFO(words[0] << ": " << result.out << result.err);
    CHECK(result.exit_code == 0);
  }
  for (const Words& words : kEveryVerb) {
    const auto result =
        parley_at(cluster.address(0) + ":7499," + cluster.address(0) + ":7498", words);
    INFO(words[0] << ": " << result.out << result.err);
    CHECK(result.exit_code == 3);
    CHECK(result.out.empty());
  }
}

TEST_CASE("cli: a stopped node costs no more than the deadline, and no lie", "[cli]") {
  LocalCluster cluster(of_nodes(1));
  REQUIRE(cluster.start());
  const std::string at = cluster.client_endpoint(0);
  REQUIRE(parley_at(at, {"put", "k", "v"}).exit_code == 0);
  cluster.stop(0);
  const auto check_in_time = [](const Timed& run, int exit_code) {
    INFO("took " << run.took.count() << " ms: " << run.result.out << run.result.err);
    CHECK(run.result.exit_code == exit_code);
    CHECK(run.took >= 250ms);
    CHECK(run.took < 1500ms);  // 300 ms and a process's start on a busy machine
  };
  const auto no_write_is_hinted = [](const Timed& run) {
    CHECK_FALSE(says(run.result, "may have been"));
  };
  for (const Words& words : kEveryVerb) {
    const std::string verb = words.front();
    const bool drops = words.size() > 1 && words[1] == "drop";
    const bool sets = words.size() > 1 && words[1] == "set";
    const bool repairs = verb == "repair" && words.size() == 1;
    Words all = words;
    all.insert(all.begin(), {"--timeout", "300ms"});
    INFO(verb);
    const auto run = timed(at, all);
    check_in_time(run, drops || sets || repairs ? 5 : 4);
    no_write_is_hinted(run);
    if (verb == "put" || verb == "del") CHECK(says(run.result, "not written"));
  }
  // Without the read before it, what was sent may be written.
  check_in_time(timed(at, {"put", "k", "v2", "--blind", "--timeout", "300ms"}), 5);
  cluster.resume(0);
  REQUIRE(cluster.wait_ready(0));
}

TEST_CASE("cli: a stopped node among others is passed by", "[cli]") {
  LocalCluster cluster(of_nodes(3));
  REQUIRE(cluster.start());
  cluster.stop(0);
  const std::string both = cluster.client_endpoint(0) + "," + cluster.client_endpoint(1);
  for (const Words& words : {Words{"put", "k", "v"}, Words{"get", "k"}, Words{"status"}}) {
    const auto run = timed(both, words);
    INFO(words[0] << " took " << run.took.count() << " ms: " << run.result.out << run.result.err);
    CHECK(run.result.exit_code == 0);
    CHECK(run.took < 3s);
  }
  cluster.resume(0);
  CHECK(cluster.wait_settled());
}

TEST_CASE("cli: what is gathered from all nodes names those that did not answer", "[cli]") {
  LocalCluster cluster(of_nodes(3));
  REQUIRE(cluster.start());
  const std::string at = cluster.client_endpoint(0), silent = cluster.address(2);
  for (const Words& verb : {Words{"hints"}, Words{"status"}, Words{"repair", "status"}}) {
    INFO(verb.front());
    CHECK_FALSE(says(parley_at(at, verb), "no answer"));
    CHECK(cli_json(cluster, 0, verb).json["no_answer"] == nlohmann::json::array());
    REQUIRE(cluster.wait_settled());  // it is asked only while it is not known to be dead
    cluster.stop(2);
    const auto table = parley_at(at, verb);
    const auto json = cli_json(cluster, 0, verb);
    cluster.resume(2);
    INFO(table.out << table.err);
    CHECK(table.exit_code == 0);
    CHECK(table.err.find("no answer from " + silent + "\n") != std::string::npos);
    CHECK(table.out.find("no answer") == std::string::npos);
    CHECK(json.exit_code == 0);
    CHECK(json.json["no_answer"] == nlohmann::json::array({silent}));
  }
  CHECK(cluster.wait_settled());
}

TEST_CASE("cli: siblings are all printed, raw is the bytes", "[cli]") {
  LocalCluster cluster(of_nodes(1));
  REQUIRE(cluster.start());
  const std::string at = cluster.client_endpoint(0);
  const std::string binary("a\0b\n\xff", 5);
  REQUIRE(parley_at(at, {"put", "raw", "-"}, binary).exit_code == 0);
  CHECK(parley_at(at, {"get", "raw", "-o", "raw"}).out == binary);
  REQUIRE(parley_at(at, {"put", "k", "one", "--blind"}).exit_code == 0);
  REQUIRE(parley_at(at, {"put", "k", "two", "--blind"}).exit_code == 0);
  for (const Words& form : {Words{}, Words{"-o", "raw"}}) {
    Words words = {"get", "k"};
    words.insert(words.end(), form.begin(), form.end());
    const auto get = parley_at(at, words);
    INFO(get.out << get.err);
    CHECK(get.exit_code == 6);
    const bool both = get.out == "one\ntwo\n" || get.out == "two\none\n";
    CHECK(both);
  }
  const auto json = cli_json(cluster, 0, {"get", "k"});
  CHECK(json.exit_code == 6);
  CHECK(values_of(json.json) == std::set<std::string>{"one", "two"});
  // A put that would silently choose is refused, and changes nothing.
  const auto put = parley_at(at, {"put", "k", "three"});
  CHECK(put.exit_code == 6);
  CHECK(says(put, "not written"));
  CHECK(parley_at(at, {"get", "k"}).exit_code == 6);
  // `-o raw` of a write is the context, which the next write may carry.
  const auto replaced = parley_at(at, {"put", "k", "three", "--replace", "-o", "raw"});
  REQUIRE(replaced.exit_code == 0);
  const std::string context = replaced.out.substr(0, replaced.out.find('\n'));
  CHECK(parley_at(at, {"put", "k", "four", "--context", context}).exit_code == 0);
  CHECK(parley_at(at, {"get", "k", "-o", "raw"}).out == "four");
  CHECK(parley_at(at, {"get", "nothing"}).exit_code == 1);
  CHECK(parley_at(at, {"put", "k", "v", "--context", "%%"}).exit_code == 2);
}

TEST_CASE("cli: interrupted it ends with 130", "[cli]") {
  LocalCluster cluster(of_nodes(1));
  REQUIRE(cluster.start());
  cluster.stop(0);
  local::Process parley({local::program_folder() + "/parley", "-e", cluster.client_endpoint(0),
                         "get", "k", "--timeout", "30s"},
                        "", "");
  // Interrupted before it has set its handler it would end with 128 + 2, which is the same number.
  REQUIRE_FALSE(parley.wait(300ms).has_value());
  parley.signal(SIGINT);
  const auto ended = parley.wait(5s);
  cluster.resume(0);
  REQUIRE(ended.has_value());
  CHECK(*ended == 130);
}

TEST_CASE("cli: a value that cannot be read is not stored", "[cli]") {
  LocalCluster cluster(of_nodes(1));
  REQUIRE(cluster.start());
  const std::string at = cluster.client_endpoint(0);
  REQUIRE(parley_at(at, {"put", "k", "before"}).exit_code == 0);
  for (const std::string from : {"< /tmp", "<&-", "-o json < /tmp"}) {
    const auto put = parley_in_shell(at, "put k - " + from);
    INFO(from << ": " << put.out << put.err);
    CHECK(put.exit_code == 2);
    CHECK(says(put, "cannot read the value from standard input"));
    CHECK(parley_at(at, {"get", "k", "-o", "raw"}).out == "before");
  }
  // Nothing at all is a value too.
  CHECK(parley_in_shell(at, "put k - < /dev/null").exit_code == 0);
  CHECK(parley_at(at, {"get", "k", "-o", "raw"}).out.empty());
}

TEST_CASE("cli: output that cannot be printed is no success", "[cli]") {
  LocalCluster cluster(of_nodes(1));
  REQUIRE(cluster.start());
  const std::string at = cluster.client_endpoint(0);
  const std::string large(100'000, 'x');  // more than standard output's buffer
  REQUIRE(parley_at(at, {"put", "large", "-"}, large).exit_code == 0);
  for (const std::string to : {" > /dev/full", " >&-"}) {
    const auto put = parley_in_shell(at, "put k v" + to);
    INFO(to << ": " << put.err);
    CHECK(put.exit_code == 9);
    CHECK(says(put, "parley: put was done, but its output could not be printed"));
    CHECK(parley_at(at, {"get", "k", "-o", "raw"}).out == "v");
    for (const std::string verb : {"get k", "get large -o raw", "status", "get no -o json"}) {
      const auto run = parley_in_shell(at, verb + to);
      INFO(verb << ": " << run.err);
      CHECK(run.exit_code == 9);
      CHECK(says(run, "parley: the output could not be printed"));
    }
    CHECK(parley_in_shell(at, "--help" + to).exit_code == 9);
    CHECK(parley_in_shell(at, "put k v -c 9 -o json" + to).exit_code == 2);  // nothing was written
  }
  // Not even standard error: the node is not sent what was meant for a person.
  CHECK(parley_in_shell(at, "put k v2 >&- 2>&- <&-").exit_code == 9);
  CHECK(parley_at(at, {"get", "k", "-o", "raw"}).out == "v2");
}

TEST_CASE("cli: a refusal names the level that was asked for", "[cli]") {
  LocalCluster cluster(of_nodes(1));
  REQUIRE(cluster.start());
  const std::string at = cluster.client_endpoint(0), nobody = cluster.address(0) + ":7499";
  const auto level_of = [](const std::string& endpoints, Words words) {
    words.insert(words.end(), {"-o", "json"});
    const auto run = parley_at(endpoints, words);
    INFO(words[0] << ": " << run.out << run.err);
    CHECK(run.exit_code != 0);
    const auto json = Json::parse(run.out, nullptr, false);
    REQUIRE(json.is_object());
    CHECK(json.contains("error"));
    return json.at("level");
  };
  for (const Words& words : {Words{"get", "k"}, Words{"put", "k", "v"}, Words{"del", "k"},
                             Words{"put", "k", "v", "--blind"}}) {
    INFO(words[0]);
    for (const std::string level : {"one", "all"}) {
      Words all = words;
      all.insert(all.end(), {"-c", level});
      CHECK(level_of(nobody, all) == level);
      all.insert(all.end(), {"-k", "nope"});
      CHECK(level_of(at, all) == level);
    }
    CHECK(level_of(nobody, words) == nullptr);  // the default of a keyspace that nobody asked
  }
  // Refused before planning, where the default is known.
  REQUIRE(parley_at(at, {"consistency", "set", "--read", "one", "--write", "all"}).exit_code == 0);
  const std::string long_key(5000, 'k');
  CHECK(level_of(at, {"get", long_key}) == "one");
  CHECK(level_of(at, {"put", long_key, "v", "--blind"}) == "all");
}

TEST_CASE("cli: a wait for repair names those that were not compared", "[cli]") {
  LocalCluster cluster(of_nodes(3));
  REQUIRE(cluster.start());
  REQUIRE(cluster.wait_settled());
  const auto whole = cli_json(cluster, 0, {"repair", "--wait"});
  CHECK(whole.json.at("finished") == true);
  CHECK(whole.json.at("not_compared") == Json::array());
  cluster.kill9(2);
  REQUIRE(cluster.wait_settled());
  const std::string down = cluster.address(2);
  const auto part = cli_json(cluster, 0, {"repair", "--wait"});
  CHECK(part.exit_code == 0);
  CHECK(part.json.at("finished") == false);
  CHECK(part.json.at("not_compared") == Json::array({down}));
  const auto table = cluster.cli(0, {"repair", "--wait"});
  CHECK(table.exit_code == 0);
  CHECK(table.err == "not compared, as it is down: " + down + "\n");
  CHECK(table.out.starts_with("finished among those that are up; "));
}

TEST_CASE("cli: hints that may be the only copy are kept, and that is said", "[cli]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  REQUIRE(cluster.wait_settled());
  const auto owners = cluster.owners(0, "k");
  std::size_t witness = 0;
  while (std::find(owners.begin(), owners.end(), witness) != owners.end()) ++witness;
  for (const std::size_t owner : owners) cluster.kill9(owner);
  REQUIRE(cluster.wait_settled());
  const auto inspect = cluster.cli(witness, {"inspect", "k"});
  CHECK(inspect.exit_code == 1);
  CHECK(inspect.err == "no replica could be asked\n");
  REQUIRE(cluster.cli(witness, {"put", "k", "v", "-c", "any"}).exit_code == 0);
  const auto dropped = cli_json(cluster, witness, {"hints", "drop", "--yes"});
  CHECK(dropped.exit_code == 0);
  CHECK(dropped.json.at("kept") > 0);
  const auto table = cluster.cli(witness, {"hints", "drop", "--yes"});
  CHECK(says(table, "kept: they may be the only copy of an acknowledged write"));
  const auto other =
      cli_json(cluster, witness, {"hints", "drop", "--yes", "--target", cluster.address(witness)});
  CHECK(other.json.at("kept") == 0);
}

TEST_CASE("cli: a level that cannot be is a usage error, and no version is none", "[cli]") {
  LocalCluster cluster(of_nodes(1));
  REQUIRE(cluster.start());
  for (const std::string level : {"03", "4", "0", "+1"}) {
    for (const Words& words : {Words{"get", "k"}, Words{"put", "k", "v"}, Words{"del", "k"}}) {
      Words all = words;
      all.insert(all.end(), {"-c", level});
      const auto run = cluster.cli(0, all);
      INFO(words[0] << " -c " << level << ": " << run.out << run.err);
      CHECK(run.exit_code == 2);
      CHECK_FALSE(says(run, "version"));
    }
  }
  for (int i = 0; i < 64; ++i) {
    REQUIRE(cluster.cli(0, {"put", "full", std::to_string(i), "--blind"}).exit_code == 0);
  }
  const auto capped = cluster.cli(0, {"put", "full", "v", "--blind"});
  INFO(capped.err);
  CHECK(capped.exit_code == 6);
  CHECK_FALSE(says(capped, "version "));
}
