// `parley consistency measure`, `predict` and `advise` on real daemons: what is predicted is what
// is measured.
#include <cmath>
#include <csignal>
#include <map>
#include <sstream>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;
using namespace std::chrono_literals;

namespace {

constexpr double kAgree = 0.03;  // percentage points / 100

LocalClusterOptions breakable() {
  LocalClusterOptions options;
  options.flags = {"--allow-faults"};
  return options;
}

// A ring of its own in every run: who owns what is part of what is predicted.
struct Cells {
  std::map<std::string, Json> by_name;  // "one/quorum at 30"
};

Cells cells_of(const Json& pairs) {
  Cells out;
  for (const auto& pair : pairs) {
    for (const auto& moment : pair.at("staleness")) {
      const std::string name = pair.at("read").get<std::string>() + "/" +
                               pair.at("write").get<std::string>() + " at " +
                               std::to_string(moment.at("at_ms").get<int>());
      out.by_name[name] = moment;
    }
  }
  return out;
}

// How many cells were compared that are neither never nor always stale.
std::size_t compare(const Json& measured, const Json& predicted) {
  const Cells seen = cells_of(measured.at("pairs")), said = cells_of(predicted.at("pairs"));
  std::size_t telling = 0;
  for (const auto& [name, cell] : seen.by_name) {
    const double fresh = cell.at("fresh").get<double>();
    const double expected = said.by_name.at(name).at("fresh").get<double>();
    INFO(name << ": measured " << fresh << " of " << cell.at("reads") << " reads, predicted "
              << expected);
    CHECK(cell.at("reads").get<int>() > 1000);
    CHECK(std::abs(fresh - expected) <= kAgree);
    telling += expected > 0.05 && expected < 0.95 ? 1 : 0;
  }
  return telling;
}

const Json& row_of(const Json& rows, const std::string& level) {
  for (const auto& row : rows) {
    if (row.at("level") == level) return row;
  }
  FAIL("no row of level " << level);
  return rows;
}

std::size_t keys_left(LocalCluster& cluster) {
  const auto client = cluster.client({}, 5s);
  std::size_t left = 0;
  for (int i = 0; i < 4096; i += 8) {
    std::vector<Bytes> names;
    for (int k = i; k < i + 8; ++k) names.push_back("parley-measure/" + std::to_string(k));
    client::ReadOptions options;
    options.level = "quorum";
    for (const auto& one : client->get_batch(names, options)) left += one.found ? 1 : 0;
  }
  return left;
}

}  // namespace

// The delays differ by 120 ms, and each time, with and without the 30 ms that a read waits before
// it asks one owner more, lies 30 ms from where a message with these delays would arrive:
// a disk or a scheduler that is late by less changes nothing, and what is later is in the
// measurements that the prediction is made from. Every cell has thousands of reads, spread
// evenly over all pairs of nodes and the ring, of which at most a deviation of 1.1 points is left
// to chance (0.5 / sqrt(2000)).
TEST_CASE("staleness: with delays put between the nodes, prediction and measurement agree",
          "[staleness]") {
  LocalCluster cluster(breakable());
  REQUIRE(cluster.start());
  REQUIRE(cluster.cli(0, {"consistency", "predict"}).exit_code == 4);  // nothing is measured yet
  REQUIRE(cluster.cli(0, {"fault", "delay", "1,2", "3,4,5", "120ms"}).exit_code == 0);
  REQUIRE(cluster.cli(0, {"fault", "delay", "3", "4,5", "240ms"}).exit_code == 0);
  const auto measure = [&](const char* read, const char* write, const char* lasts) {
    const auto result =
        cli_json(cluster, 0,
                 {"consistency", "measure", "--duration", lasts, "--rate", "300", "--keys", "1024",
                  "--read", read, "--write", write, "--at", "30ms,150ms", "--timeout", "5s"});
    INFO(result.err);
    CHECK(result.exit_code == 0);
    CHECK(result.json.at("keys_left") == 0);
    return result.json;
  };
  const Json one = measure("one", "one", "40s");
  const Json one_quorum = measure("one", "quorum", "20s");
  const Json quorum_one = measure("quorum", "one", "20s");
  const auto predicted = cli_json(cluster, 0, {"consistency", "predict", "--at", "30ms,150ms"});
  REQUIRE(predicted.exit_code == 0);
  CHECK(predicted.json.at("links_unmeasured") == 0);
  CHECK(compare(one, predicted.json) >= 1);
  compare(one_quorum, predicted.json);
  compare(quorum_one, predicted.json);
  // By design, without any luck.
  for (const auto& pair : predicted.json.at("pairs")) {
    const auto& required = pair.at("required");
    if (required.at("read").get<int>() + required.at("write").get<int>() <= 3) continue;
    for (const auto& moment : pair.at("staleness")) CHECK(moment.at("fresh") == 1.0);
  }
  // A write at quorum waits for a second owner, which is 120 ms away for most of them.
  const double said = row_of(predicted.json.at("writes"), "quorum").at("p50_ms");
  const double took = row_of(one_quorum.at("writes"), "quorum").at("p50_ms");
  INFO("p50 of writes at quorum: predicted " << said << " ms, measured " << took << " ms");
  CHECK(std::abs(said - took) < 30);
}

TEST_CASE("staleness: what is measured is deleted again, on an interrupt too", "[staleness]") {
  LocalCluster cluster(breakable());
  REQUIRE(cluster.start());
  SECTION("at its end") {
    const auto result = cluster.cli(0, {"consistency", "measure", "--duration", "2s"});
    INFO(result.err);
    CHECK(result.exit_code == 0);
    for (const char* word : {"read", "write", "one", "quorum", "all", "STALE", "P99"}) {
      CHECK(result.out.find(word) != std::string::npos);
    }
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      // The sign of the error is two bytes and one column.
      std::size_t columns = 0;
      for (const char byte : line) columns += (byte & 0xc0) != 0x80 ? 1 : 0;
      CHECK(columns <= 80);
    }
    const auto predicted = cluster.cli(0, {"consistency", "predict"});
    CHECK(predicted.exit_code == 0);
    CHECK(predicted.out.find("99.9 % AFTER") != std::string::npos);
    const auto advice =
        cli_json(cluster, 0, {"consistency", "advise", "--staleness", "10s@99%", "--survive", "1"});
    CHECK(advice.exit_code == 0);
    CHECK(advice.json.at("best").at("survives").get<int>() >= 1);
    CHECK(advice.json.at("best_with_n").at("n") == 3);
    // By design only: of three, quorum both ways.
    const auto strict = cli_json(
        cluster, 0, {"consistency", "advise", "--staleness", "0ms@100%", "--survive", "1"});
    CHECK(strict.exit_code == 0);
    CHECK(strict.json.at("best_with_n").at("read") == "quorum");
    CHECK(strict.json.at("best_with_n").at("write") == "quorum");
    const auto none =
        cluster.cli(0, {"consistency", "advise", "--staleness", "10ms@90%", "--survive", "5"});
    CHECK(none.exit_code == 1);
    CHECK(std::count(none.err.begin(), none.err.end(), '\n') == 1);
  }
  SECTION("interrupted") {
    const std::vector<std::string> words = {
        local::program_folder() + "/parley", "consistency", "measure", "--duration", "60s", "-e",
        cluster.client_endpoint(0)};
    local::Process process(words, "", "");
    REQUIRE(eventually(20s, [&] { return keys_left(cluster) > 0; }));
    process.signal(SIGINT);
    const auto ended = process.wait(30s);
    REQUIRE(ended.has_value());
    CHECK(*ended == 130);
  }
  CHECK(keys_left(cluster) == 0);
}

TEST_CASE("staleness: bad input is one clear line", "[staleness]") {
  LocalCluster cluster(breakable());
  REQUIRE(cluster.start());
  const auto refused = [&](std::vector<std::string> words, const std::string& why) {
    words.insert(words.begin(), "consistency");
    const auto result = cluster.cli(0, words);
    INFO(words[1] << ": " << result.err);
    CHECK(result.exit_code == 2);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.err.find(why) != std::string::npos);
  };
  refused({"measure", "--read", "most"}, "--read: unknown consistency level 'most'");
  refused({"measure", "--write", "9"}, "level 9 is outside 1..3");
  refused({"measure", "--at", "soon"}, "--at:");
  refused({"measure", "--at", "2h"}, "a minute at most");
  refused({"measure", "--duration", "1ms"}, "--duration must be between");
  refused({"measure", "--rate", "0"}, "--rate must be between");
  refused({"measure", "--keys", "0"}, "--keys must be between");
  refused({"measure", "-k", "nowhere"}, "nowhere");
  refused({"predict", "--at", ","}, "--at names no time");
  refused({"advise"}, "--staleness");
  refused({"advise", "--staleness", "10ms"}, "such as 10ms@99.9%");
  refused({"advise", "--staleness", "10ms@150%"}, "no share above 0 %");
  refused({"advise", "--staleness", "10ms@1.2.3%"}, "no share above 0 %");
  refused({"advise", "--staleness", "soon@99%"}, "--staleness:");
  refused({"advise", "--staleness", "10ms@99%", "--survive", "-1"}, "--survive must be between");
}
