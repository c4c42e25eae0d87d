// `parley conflicts`: which keys have several live values, and how one is resolved.
#include <fstream>
#include <map>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

using Words = std::vector<std::string>;

void blind_put(LocalCluster& cluster, const std::string& key, const Words& values) {
  for (const std::string& value : values) {
    REQUIRE(cluster.cli(0, {"put", key, value, "--blind", "-c", "all"}).exit_code == 0);
  }
}

// Key and number of siblings, of the whole list.
std::map<std::string, int> listed(LocalCluster& cluster, const Words& more = {}) {
  Words words = {"conflicts"};
  words.insert(words.end(), more.begin(), more.end());
  const auto result = cli_json(cluster, 0, words);
  CHECK(result.exit_code == 0);
  std::map<std::string, int> out;
  for (const auto& row : result.json.at("conflicts")) {
    out[row.at("key")] = row.at("siblings");
    CHECK(row.at("versions").size() == row.at("siblings"));
  }
  return out;
}

bool has(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

}  // namespace

TEST_CASE("conflicts: every key with several values is listed, whoever holds it", "[conflicts]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  CHECK(listed(cluster).empty());
  std::map<std::string, int> expected;
  const auto client = cluster.client({}, std::chrono::seconds(5));
  for (int i = 0; i < 300; ++i) {
    const std::string key = "key" + std::to_string(i);
    const int values = i % 20 == 0 ? 2 + i % 3 : 1;
    for (int v = 0; v < values; ++v) REQUIRE(!client->put(key, std::to_string(v)).error);
    if (values > 1) expected[key] = values;
  }
  REQUIRE(cluster.cli(0, {"put", "deleted", "v"}).exit_code == 0);
  REQUIRE(cluster.cli(0, {"del", "deleted", "--blind"}).exit_code == 0);  // one value beside it
  REQUIRE(cluster.cli(0, {"repair", "--wait"}).exit_code == 0);
  CHECK(listed(cluster) == expected);
  CHECK(listed(cluster, {"--limit", "4"}).size() == 4);
  // Page after page is the same list.
  std::map<std::string, int> paged;
  std::string after;
  for (int page = 0; page < 20; ++page) {
    Words words = {"conflicts", "--limit", "4"};
    if (!after.empty()) words.insert(words.end(), {"--after-hex", after});
    const auto part = cli_json(cluster, 0, words);
    for (const auto& row : part.json.at("conflicts")) {
      CHECK(paged.emplace(row.at("key"), row.at("siblings")).second);
    }
    if (part.json.at("next_hex").is_null()) break;
    after = part.json.at("next_hex");
  }
  CHECK(paged == expected);
  // With two nodes dead every key still has an owner that is up.
  cluster.kill9(3);
  cluster.kill9(4);
  REQUIRE(cluster.wait_settled());
  CHECK(listed(cluster) == expected);
  const auto table = cluster.cli(0, {"conflicts"});
  INFO(table.out << table.err);
  CHECK(table.out.starts_with("KEY "));
  CHECK(table.exit_code == 0);
}

TEST_CASE("conflicts: --take writes one of the values in place of all", "[conflicts]") {
  LocalCluster cluster(LocalClusterOptions{.nodes = 3});
  REQUIRE(cluster.start());
  blind_put(cluster, "k", {"one", "two", "three"});
  const auto shown = cluster.cli(0, {"conflicts", "k"});
  INFO(shown.out << shown.err);
  CHECK(shown.exit_code == 6);
  const auto get = cli_json(cluster, 0, {"get", "k"});
  REQUIRE(get.json.at("values").size() == 3);
  for (int i = 0; i < 3; ++i) {
    const std::string value = get.json.at("values")[static_cast<std::size_t>(i)].at("value");
    const auto at = shown.out.find("\n" + std::to_string(i + 1) + " ");
    REQUIRE(at != std::string::npos);
    CHECK(has(shown.out.substr(at + 1, shown.out.find('\n', at + 1) - at), value));
  }
  const auto none = cluster.cli(0, {"conflicts", "k", "--take", "4"});
  CHECK(none.exit_code == 2);
  CHECK(has(none.err, "not written: there are 3 values, and none is number 4"));
  const auto taken = cluster.cli(1, {"conflicts", "k", "--take", "2", "-c", "all"});
  INFO(taken.out << taken.err);
  CHECK(taken.exit_code == 0);
  CHECK(taken.out == "ok\n");
  CHECK(has(taken.err, "taken: 2 of 3, version "));
  CHECK(cluster.cli(0, {"get", "k", "-o", "raw"}).out == get.json.at("values")[1].at("value"));
  CHECK(listed(cluster).empty());
  const auto again = cluster.cli(0, {"conflicts", "k", "--take", "1"});
  CHECK(again.exit_code == 1);
  CHECK(has(again.err, "not written: the key has one value"));
  CHECK(cluster.cli(0, {"conflicts", "nothing", "--take", "1"}).exit_code == 1);
}

TEST_CASE("conflicts: --merge keeps what came after the read it was made from", "[conflicts]") {
  LocalCluster cluster(LocalClusterOptions{.nodes = 3});
  REQUIRE(cluster.start());
  local::ScratchDirectory folder;
  const std::string file = folder.path() + "/merged";
  const std::string merged("one\0and two\n", 12);
  std::ofstream(file, std::ios::binary) << merged;
  blind_put(cluster, "k", {"one", "two"});
  const std::string context = cli_json(cluster, 0, {"get", "k", "-c", "all"}).json.at("context");
  blind_put(cluster, "k", {"late"});
  const auto resolved = cluster.cli(0, {"conflicts", "k", "--merge", file, "--context", context});
  INFO(resolved.out << resolved.err);
  REQUIRE(resolved.exit_code == 0);
  CHECK(values_of(cli_json(cluster, 0, {"get", "k"}).json) ==
        std::set<std::string>{merged, "late"});
  // Without that context it replaces what it reads itself.
  CHECK(cluster.cli(0, {"conflicts", "k", "--merge", "-"}, "all").exit_code == 0);
  CHECK(cluster.cli(0, {"get", "k", "-o", "raw"}).out == "all");

  // In a shell the context is that of the last get.
  blind_put(cluster, "s", {"one", "two"});
  const auto shell = cluster.cli(0, {"shell", "-x", "conflicts s", "-x", "put s late --blind", "-x",
                                     "conflicts s --merge " + file});
  INFO(shell.out << shell.err);
  CHECK(values_of(cli_json(cluster, 0, {"get", "s"}).json) ==
        std::set<std::string>{merged});  // --blind has made the shell forget what it saw
  blind_put(cluster, "t", {"one", "two"});
  const auto bin = local::program_folder() + "/parley -e " + cluster.client_endpoint(0);
  const auto script = local::run(
      {"sh", "-c",
       "mkfifo " + folder.path() + "/lines; " + bin + " shell < " + folder.path() + "/lines > " +
           folder.path() + "/out 2>&1 & exec 3> " + folder.path() +
           "/lines; echo 'get t -o raw' >&3; until grep -q two " + folder.path() +
           "/out; do :; done; " + bin + " put t late --blind; echo 'conflicts t --merge " + file +
           "' >&3; exec 3>&-; wait"},
      {}, std::chrono::seconds(20));
  INFO(script.err << local::read_file(folder.path() + "/out"));
  CHECK(values_of(cli_json(cluster, 0, {"get", "t"}).json) ==
        std::set<std::string>{merged, "late"});
}

TEST_CASE("conflicts: what cannot be done is one clear line", "[conflicts]") {
  LocalCluster cluster(LocalClusterOptions{.nodes = 1});
  REQUIRE(cluster.start());
  const std::vector<std::pair<Words, std::string>> wrong = {
      {{"--take", "1"}, "want a KEY"},
      {{"k", "--take", "0"}, "from 1 on"},
      {{"k", "--take", "x"}, "--take"},
      {{"k", "--take", "1", "--merge", "f"}, "exclude each other"},
      {{"k", "--merge", "/nonexistent"}, "cannot read /nonexistent: No such file"},
      {{"k", "--merge", "/tmp"}, "cannot read /tmp"},
      {{"k", "--take", "1", "--context", "AAAA"}, "--context is for --merge"},
      {{"--limit", "0"}, "--limit must be in"},
      {{"--after-hex", "xyz"}, "not hexadecimal"},
      {{"-k", "nope"}, "there is no keyspace \"nope\""}};
  for (const auto& [words, text] : wrong) {
    Words all = {"conflicts"};
    all.insert(all.end(), words.begin(), words.end());
    const auto run = cluster.cli(0, all);
    INFO(text << ": " << run.out << run.err);
    CHECK(run.exit_code == 2);
    CHECK(run.out.empty());
    CHECK(has(run.err, text));
  }
  cluster.kill9(0);
  CHECK(cluster.cli(0, {"conflicts"}).exit_code == 3);
  CHECK(cluster.cli(0, {"conflicts", "k", "--take", "1"}).exit_code == 3);
}
