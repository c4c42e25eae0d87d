// Scenario h, the command line's and clients' half: each mistake gets a clear message and the
// right exit code, and harms nothing.
#include <random>

#include "tests/process/harness.h"
#include "tests/process/metrics.h"
#include "tests/process/sockets.h"

using namespace parley;
using namespace parley::process_test;

namespace {

struct Mistake {
  std::vector<std::string> words;
  int exit_code;
  std::string says;  // in standard error
};

void check_mistakes(LocalCluster& cluster, const std::vector<Mistake>& mistakes) {
  for (const auto& mistake : mistakes) {
    const RunResult result = cluster.cli(0, mistake.words);
    std::string line;
    for (const auto& word : mistake.words) line += word.substr(0, 40) + " ";
    INFO("parley " << line << "\nstderr: " << result.err);
    CHECK(result.exit_code == mistake.exit_code);
    CHECK(result.err.find(mistake.says) != std::string::npos);
  }
}

std::string random_bytes(std::mt19937& chance, std::size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(chance());
  return out;
}

void check_serves(LocalCluster& cluster) {
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    INFO(cluster.log(i));
    REQUIRE(cluster.running(i));
    const auto put = cli_json(cluster, i, {"put", "still-" + std::to_string(i), "here"});
    CHECK(put.exit_code == 0);
  }
}

}  // namespace

TEST_CASE("bad input: the command line says what is wrong", "[bad_input]") {
  LocalClusterOptions options;
  options.nodes = 3;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  check_mistakes(cluster, {{{"put", "k", "v", "--no-such-flag"}, 2, "--no-such-flag"},
                           {{"put", "k", "v", "-c", "most"}, 2, "most"},
                           {{"put", "k", "v", "-c", "0"}, 2, "0"},
                           {{"put", "k", "v", "-c", "-1"}, 2, ""},
                           {{"put", "k", "v", "-c", "99999999999999999999"}, 2, ""},
                           {{"frobnicate"}, 2, "frobnicate"},
                           {{}, 2, ""},
                           {{"put", "k"}, 2, "VALUE"},
                           {{"put", "", "v"}, 2, "empty"},
                           {{"get", ""}, 2, "empty"},
                           {{"put", "--hex", "0g", "v"}, 2, "hexadecimal"},
                           {{"put", std::string(4097, 'k'), "v"}, 2, "key"},
                           {{"get", std::string(5000, 'k')}, 2, "key"},
                           {{"get", "k", "-k", "nowhere"}, 2, "nowhere"},
                           {{"put", "k", "v", "--durability", "hope"}, 2, "durability"},
                           {{"put", "k", "v", "--context", "!!"}, 2, "malformed"},
                           {{"put", "k", "v", "--context", "AAAA"}, 2, "context"},
                           {{"get", "k", "--timeout", "soon"}, 2, "duration"},
                           {{"get", "k", "-o", "yaml"}, 2, "yaml"},
                           {{"hints", "drop"}, 2, "--yes"}});
  // Over JSON too.
  const auto usage = cli_json(cluster, 0, {"put", "k", "v", "-c", "most"});
  CHECK(usage.json.at("error").contains("message"));

  const std::string large(1048577, 'v');
  const auto refused = cluster.cli(0, {"put", "large", "-"}, large);
  CHECK(refused.exit_code == 2);
  CHECK(refused.err.find("value") != std::string::npos);
  CHECK(cluster.cli(0, {"get", "large"}).exit_code == 1);
  const std::string largest(1048576, 'v');
  CHECK(cluster.cli(0, {"put", "large", "-"}, largest).exit_code == 0);
  CHECK(cluster.cli(1, {"get", "large", "-o", "raw"}).out == largest);
  const std::string longest(4096, 'k');
  CHECK(cluster.cli(0, {"put", longest, "v"}).exit_code == 0);
  CHECK(cluster.cli(2, {"get", longest, "-o", "raw"}).out == "v");

  // Binary keys and values.
  CHECK(cluster.cli(0, {"put", "--hex", "00ff10", "-"}, std::string("\0\xff", 2)).exit_code == 0);
  CHECK(cluster.cli(1, {"get", "--hex", "00ff10", "-o", "raw"}).out == std::string("\0\xff", 2));
  const auto binary = cli_json(cluster, 2, {"get", "--hex", "00ff10"});
  CHECK(binary.json.at("values").at(0).at("value_base64") == "AP8=");

  // Nobody there.
  const auto nobody = local::run({local::program_folder() + "/parley", "get", "k", "-e",
                                  cluster.address(0) + ":1", "--timeout", "1s"});
  CHECK(nobody.exit_code == 3);
}

TEST_CASE("bad input: foreign, forged and damaged contexts are refused, nothing written",
          "[bad_input]") {
  LocalClusterOptions options;
  options.nodes = 1;
  LocalCluster cluster(options), foreign(options);
  REQUIRE(cluster.start());
  REQUIRE(foreign.start());
  const auto context_of = [](LocalCluster& c, const std::string& key) {
    REQUIRE(cli_json(c, 0, {"put", key, "first"}).exit_code == 0);
    return cli_json(c, 0, {"get", key}).json.at("context").get<std::string>();
  };
  const std::string mine = context_of(cluster, "k");
  std::string forged = mine;
  forged[forged.size() / 2] = forged[forged.size() / 2] == 'A' ? 'B' : 'A';
  for (const auto& bad : {context_of(cluster, "other key"), context_of(foreign, "k"), forged,
                          mine.substr(0, mine.size() / 2)}) {
    const auto put = cli_json(cluster, 0, {"put", "k", "second", "--context", bad});
    INFO(put.json.dump());
    CHECK(put.exit_code == 2);
    CHECK(put.json.at("outcome") == "not_written");
    CHECK(put.json.at("error").at("code") != "internal");
  }
  CHECK(values_of(cli_json(cluster, 0, {"get", "k"}).json) == std::set<std::string>{"first"});
  CHECK(cli_json(cluster, 0, {"put", "k", "second", "--context", mine}).exit_code == 0);
  CHECK(values_of(cli_json(cluster, 0, {"get", "k"}).json) == std::set<std::string>{"second"});
}

TEST_CASE("bad input: a conflict is said, not decided", "[bad_input]") {
  LocalClusterOptions options;
  options.nodes = 3;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  CHECK(cluster.cli(0, {"put", "k", "a", "--blind"}).exit_code == 0);
  CHECK(cluster.cli(1, {"put", "k", "b", "--blind"}).exit_code == 0);
  const auto both = cli_json(cluster, 2, {"get", "k"});
  CHECK(both.exit_code == 6);
  CHECK(values_of(both.json) == std::set<std::string>{"a", "b"});
  const auto conflict = cli_json(cluster, 0, {"put", "k", "c"});
  CHECK(conflict.exit_code == 6);
  CHECK(conflict.json.at("outcome") == "not_written");
  CHECK(cli_json(cluster, 1, {"del", "k"}).exit_code == 6);
  CHECK(cluster.cli(0, {"put", "k", "c", "--replace"}).exit_code == 0);
  CHECK(values_of(cli_json(cluster, 1, {"get", "k"}).json) == std::set<std::string>{"c"});
}

TEST_CASE("bad input: hostile bytes on each port harm nothing", "[bad_input]") {
  LocalClusterOptions options;
  options.nodes = 3;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  std::mt19937 chance(20240229);
  std::vector<std::string> attacks = {
      std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8),  // a segment count of 2^32
      std::string("\xff\xff\xff\xff", 4) + std::string(100000, '\0'),
      std::string("\0\0\0\0\xff\xff\xff\xff", 8),  // one segment of 32 GiB
      std::string("\x0f\0\0\0", 4) + std::string(1000, '\xff'),
      std::string(3, '\0'),
      "GET / HTTP/1.1\r\n\r\n",
      "GET " + std::string(100000, 'a') + " HTTP/1.1\r\n\r\n",
      "POST /metrics HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
      std::string(200000, 'x')};
  for (int i = 0; i < 60; ++i) attacks.push_back(random_bytes(chance, 1 + chance() % 3000));
  for (const auto& attack : attacks) {
    for (const int port : {7400, 7401, 7402}) {
      send_tcp(cluster.address(0), port, attack, std::chrono::milliseconds(30));
    }
    send_udp(cluster.address(0), 7401, attack.substr(0, 1400));
  }
  check_serves(cluster);
  // Captured once, then with one bit flipped, over and over.
  const std::string rpc("\0\0\0\0\x03\0\0\0\0\0\0\0\1\0\1\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
  for (int i = 0; i < 200; ++i) {
    std::string flipped = rpc;
    char& byte = flipped[chance() % flipped.size()];
    byte = static_cast<char>(byte ^ (1 << chance() % 8));
    send_tcp(cluster.address(1), 7400, flipped, std::chrono::milliseconds(10));
  }
  check_serves(cluster);
  CHECK(cluster.wait_settled());
}

TEST_CASE("bad input: who says nothing, or half of something, is not waited for on any port",
          "[bad_input]") {
  LocalClusterOptions options;
  options.nodes = 1;
  options.flags = {"--set", "serve.first_message_most=1s", "--set", "serve.message_most=2s",
                   "--set", "rpc.silence_max=1s"};
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  const std::string half_message("\0\0\0\0\x10\0\0\0half", 12);
  const std::string half_hello("\x40\0\0\0\1\0\xb4\xc5", 8);
  for (const auto& [port, bytes] :
       std::vector<std::pair<int, std::string>>{{7400, ""},
                                                {7400, half_message},
                                                {7401, ""},
                                                {7401, half_hello},
                                                {7402, ""},
                                                {7402, "GET /healthz HT"}}) {
    INFO(port << " after " << bytes.size() << " bytes");
    const Exchange exchange = send_tcp(cluster.address(0), port, bytes, std::chrono::seconds(30));
    CHECK(exchange.connected);
    CHECK(exchange.closed_by_peer);
  }
  CHECK(metric_of_all(cluster, "parley_client_connections_given_up_total") == 2);
  CHECK(metric_of_all(cluster, "parley_rpc_overdue_streams_total") == 2);
  CHECK(cluster.log(0).find("client.given_up") != std::string::npos);
  check_serves(cluster);
}
