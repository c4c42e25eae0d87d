// What the console decides without a network: who may ask, what links are, what is summed, and the
// JSON (console.capnp) in golden bytes.
#include "api/console_facts.h"
#include "api/console_gate.h"
#include "api/console_links.h"
#include "api/work_tally.h"
#include "base/metric.h"
#include "tests/catch.h"

namespace parley::api {
namespace {

constexpr const char* kToken = "0123456789abcdef";

BrowserRequest honest() {
  return {"127.0.0.1:7402", "http://127.0.0.1:7402", "application/json",
          std::string("Bearer ") + kToken};
}

unsigned obeyed(const BrowserRequest& request, std::string_view token = kToken) {
  const auto refused = refuse_to_obey(request, token);
  return refused ? refused->status : 200;
}

client::FaultRow fault(const std::string& peer, const std::string& direction, bool cut) {
  client::FaultRow row;
  row.spec.peer = peer;
  row.spec.direction = direction;
  row.spec.cut = cut;
  row.text = "text";
  return row;
}

client::WorkRow work(const std::string& level, std::uint64_t ok,
                     std::vector<std::uint64_t> buckets) {
  return {"read", level, ok, 0, 0, 0, std::move(buckets)};
}

TEST_CASE("console gate: numbers cannot be rebound, names can", "[api][console]") {
  for (const char* host : {"127.0.0.1", "127.0.0.1:7402", "localhost", "localhost:9999", "[::1]",
                           "[::1]:7402", "192.168.1.5:7402"}) {
    INFO(host);
    CHECK(is_safe_host(host));
  }
  for (const char* host : {"", "evil.example", "evil.example:7402", "127.0.0.1.evil.example",
                           "localhost.evil.example", "127.0.0.1:", "127.0.0.1:x", "[::1", "::1",
                           "0x7f.1", "127.1", "2130706433", "localhost:80:80", "127.0.0.1@evil"}) {
    INFO(host);
    CHECK_FALSE(is_safe_host(host));
  }
  CHECK(refuse_to_show({"evil.example", "", "", ""})->status == 403);
  CHECK_FALSE(refuse_to_show({"localhost", "http://evil.example", "", ""}));
}

TEST_CASE("console gate: an order needs its own page, JSON and the token", "[api][console]") {
  CHECK(obeyed(honest()) == 200);
  BrowserRequest request = honest();
  request.content_type = "application/json; charset=utf-8";
  CHECK(obeyed(request) == 200);
  for (const char* type :
       {"", "text/plain", "application/jsonx", "application/x-www-form-urlencoded"}) {
    request.content_type = type;
    CHECK(obeyed(request) == 415);
  }
  request = honest();
  for (const char* origin : {"", "null", "http://evil.example", "http://127.0.0.1:7403",
                             "https://127.0.0.1:7402", "http://127.0.0.1:7402.evil.example"}) {
    INFO(origin);
    request.origin = origin;
    CHECK(obeyed(request) == 403);
  }
  request = honest();
  for (const char* said : {"", "Bearer ", "Bearer 0123456789abcdeX", "Bearer 0123456789abcde",
                           "0123456789abcdef", "Basic 0123456789abcdef"}) {
    request.authorization = said;
    CHECK(obeyed(request) == 401);
  }
  // A page that lives under a name of an attacker's, wherever that points, is never obeyed.
  request = honest();
  request.host = "evil.example:7402";
  request.origin = "http://evil.example:7402";
  CHECK(obeyed(request) == 403);
  // Without a token nothing is, not even the empty one.
  request = honest();
  request.authorization = "Bearer ";
  CHECK(obeyed(request, "") == 403);
  CHECK(refuse_to_obey(request, "")->text == "this node was not started with --allow-faults");
}

TEST_CASE("console links: each direction is as bad as the worst of both ends' faults",
          "[api][console]") {
  const std::vector<std::string> all = {"a", "b", "c"};
  CHECK(links_of(all, {}).empty());
  const auto one_way = links_of(all, {{"b", {fault("c", "out", true)}}});
  REQUIRE(one_way.size() == 1);
  CHECK(one_way[0].a == "b");
  CHECK(one_way[0].b == "c");
  CHECK(one_way[0].to_b == LinkState::Cut);
  CHECK(one_way[0].to_a == LinkState::Sound);
  CHECK(one_way[0].because == std::vector<std::string>{"b: text"});
  // The same cut, as the other end has it.
  const auto hears_not = links_of(all, {{"c", {fault("b", "in", true)}}});
  REQUIRE(hears_not.size() == 1);
  CHECK(hears_not[0].to_b == LinkState::Cut);
  CHECK(hears_not[0].to_a == LinkState::Sound);
  const auto both =
      links_of(all, {{"b", {fault("c", "both", false)}}, {"c", {fault("b", "out", true)}}});
  REQUIRE(both.size() == 1);
  CHECK(both[0].to_b == LinkState::Bad);
  CHECK(both[0].to_a == LinkState::Cut);
  CHECK(both[0].because.size() == 2);
  CHECK(links_of(all, {{"a", {fault("", "both", true)}}}).size() == 2);  // cut from everybody
  auto lossy = fault("b", "both", false);
  lossy.spec.drop = 1;
  CHECK(links_of(all, {{"a", {lossy}}})[0].to_b == LinkState::Cut);
  // Only when nothing passes is it cut: neither streams nor gossip.
  auto streams = fault("b", "both", true), gossip = fault("b", "out", false);
  streams.spec.traffic = "peer";
  gossip.spec.traffic = "gossip";
  gossip.spec.drop = 1;
  for (const auto& one : {streams, gossip}) {
    CHECK(links_of(all, {{"a", {one}}})[0].to_b == LinkState::Bad);
  }
  const auto in_two = links_of(all, {{"a", {streams, gossip}}});
  CHECK(in_two[0].to_b == LinkState::Cut);
  CHECK(in_two[0].to_a == LinkState::Bad);
  auto slow_disk = fault("", "both", false);
  slow_disk.spec.kind = "slow_disk";
  CHECK(links_of(all, {{"a", {slow_disk}}}).empty());
}

TEST_CASE("console work: sums only grow, whoever is silent or starts again", "[api][console]") {
  WorkTally tally;
  tally.add("a", 1, {work("one", 100, {90, 10})});
  CHECK(tally.totals().at(0).ok == 0);  // done before, nobody knows when
  tally.add("a", 1, {work("one", 105, {94, 11})});
  tally.add("b", 7, {});
  tally.add("b", 7, {work("quorum", 3, {3, 0})});
  REQUIRE(tally.totals().size() == 2);
  CHECK(tally.totals()[0].ok == 5);
  CHECK(tally.totals()[0].buckets == std::vector<std::uint64_t>{4, 1});
  CHECK(tally.totals()[1].ok == 3);
  // A life later, counting from nothing.
  tally.add("a", 2, {work("one", 2, {2, 0})});
  CHECK(tally.totals()[0].ok == 7);
  CHECK(tally.totals()[0].buckets == std::vector<std::uint64_t>{6, 1});
  tally.add("a", 2, {work("one", 2, {2, 0})});
  CHECK(tally.totals()[0].ok == 7);
}

ConsoleFacts two_nodes() {
  ConsoleFacts facts;
  facts.self.address = "127.0.0.1";
  facts.self.version = "1.2";
  facts.self.ready = "ready";
  facts.self.generation = 4;
  facts.self.uptime_ms = 5000;
  facts.status.cluster_name = "blue \"<\"";
  facts.status.ring_digest = "00ff";
  facts.status.views_agree = true;
  facts.status.no_answer = {"127.0.0.2"};
  for (const char* address : {"127.0.0.1", "127.0.0.2"}) {
    client::StatusRow row;
    row.address = address;
    row.status = "UN";
    row.node = address + std::string("-id");
    row.owns = 0.5;
    facts.status.nodes.push_back(row);
  }
  facts.gossip = {{"127.0.0.2-id", "127.0.0.2", "suspect", 3, 1, 20, 0.5, "aa", "bb"}};
  facts.hints.rows = {{"127.0.0.1", "127.0.0.2", "127.0.0.2-id", 5, 1, 100, 7}};
  facts.repair.rows = {{"127.0.0.1", "127.0.0.2", 10, 1, 2, false, true},
                       {"127.0.0.2", "127.0.0.1", -1, 0, 0, true, false}};
  facts.work = {{"get", "quorum", 3, 1, 2, 0.5, {1, 2}}};
  NodeWord own;
  own.info = facts.self;
  own.info.work = {{"get", "quorum", 3, 1, 2, 0.5, {1, 2}}};
  own.faults = {fault("127.0.0.2", "both", true)};
  facts.words["127.0.0.1"] = own;
  return facts;
}

TEST_CASE("console json: the cluster, in golden bytes", "[api][console][golden]") {
  const std::string node_tail =
      R"("rack":"","dc":"","loadBytes":0,"owns":0.5,"tokens":0,"hintsFor":0,)";
  const std::string json = cluster_json(two_nodes());
  CHECK(json ==
        R"({"name":"blue \"<\"","self":"127.0.0.1","version":"1.2","ready":"ready",)"
        R"("uptimeMs":5000,"generation":4,"ringDigest":"00ff","viewsAgree":true,)"
        R"("faultsAllowed":true,"nodes":[{"address":"127.0.0.1","status":"UN",)" +
            node_tail +
            R"("lastHeardMs":-1,"rttMs":-1,"answers":true,"ready":"ready","version":"1.2",)"
            R"("uptimeMs":5000,"hintsKept":0,"requests":6,"faultsAllowed":true,"faults":[{"id":0,)"
            R"("text":"text","note":"","leftMs":-1,"kind":"link"}],"oldestSyncMs":10,"coOwners":1,)"
            R"("syncing":false,"node":"127.0.0.1-id","faultCount":0},{"address":"127.0.0.2",)"
            R"("status":"UN","liveness":"suspect",)" +
            node_tail +
            R"("lastHeardMs":20,"rttMs":0.5,"answers":false,"uptimeMs":0,"hintsKept":0,)"
            R"("requests":0,"faultsAllowed":false,"oldestSyncMs":-1,"coOwners":1,"syncing":true,)"
            R"("node":"127.0.0.2-id","faultCount":0}],"links":[{"a":"127.0.0.1",)"
            R"("b":"127.0.0.2","toB":"cut","toA":"cut","because":["127.0.0.1: text"]}],"hints":[)"
            R"({"holder":"127.0.0.1","target":"127.0.0.2","hints":5,"soleHints":1,"bytes":100,)"
            R"("oldestMs":7}],"hintRows":1,"repair":{"oldestMs":10,"oldestHolder":"127.0.0.1",)"
            R"("oldestPeer":"127.0.0.2","pairs":2,"never":1,"running":1,"differed":0,"keys":2},)"
            R"("work":[{"op":"get","level":"quorum","ok":3,"refused":1,"unknown":2,)"
            R"("buckets":[1,2]}],"noAnswer":["127.0.0.2"],"notAsked":0,"bounds":[5e-05,)"
            R"(0.0001,0.00025,0.0005,0.001,0.0025,0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,10]})");
}

TEST_CASE("console json: in a large cluster an answer stays small", "[api][console]") {
  ConsoleFacts facts = two_nodes();
  facts.hints.rows.assign(5000, facts.hints.rows[0]);
  facts.hints.rows[4999].hints = 777;
  const std::string json = cluster_json(facts);
  CHECK(json.size() < 20'000);
  CHECK(json.find("\"hintRows\":5000") != std::string::npos);
  CHECK(json.find("\"hints\":777") != std::string::npos);  // the most first
}

TEST_CASE("console json: ring, key and words, in golden bytes", "[api][console][golden]") {
  CHECK(ring_json({"00ff", {{7, "n2", "b"}, {9, "n1", "a"}, {65535, "n2", "b"}}}) ==
        R"({"digest":"00ff","addresses":["a","b"],"slots":[7,9,65535],"owners":[1,0,1]})");
  client::InspectResult found;
  found.exists = found.diverged = true;
  found.replicas.resize(6);
  found.replicas[0] = {"a", "n1", "v", "c", "d1", false, true, false, 2, false};
  found.replicas[1].reachable = found.replicas[1].damaged = true;
  found.replicas[2].reachable = found.replicas[2].not_ready = true;
  found.replicas[3].reachable = true;
  found.replicas[4] = {"b", "n2", "", "c", "d2", true, true, false, 0, false};
  const std::string json = key_json("default", "greeting", found);
  CHECK(json.substr(0, 174) ==
        R"({"keyspace":"default","slot":8136,"token":"1fc809e0902f8741","exists":true,)"
        R"("diverged":true,"replicas":[{"address":"a","state":"has it","version":"v",)"
        R"("digest":"d1","hintsPendi)");
  for (const char* state : {"damaged", "not ready", "has nothing", "deleted", "no answer"}) {
    INFO(state);
    CHECK(json.find(std::string("\"state\":\"") + state + "\"") != std::string::npos);
  }
  CHECK(said_json("cut") == R"({"text":"cut"})");
  CHECK(refusal_json("no \"\n") == R"({"error":"no \"\n"})");
}

TEST_CASE("console json: orders are read, and nothing else is", "[api][console]") {
  const auto cut = read_order(R"({"do":"cut","a":"127.0.0.1","b":"127.0.0.2"})");
  REQUIRE(cut.ok());
  CHECK(cut->what == ConsoleOrder::What::Cut);
  CHECK(cut->a == "127.0.0.1");
  CHECK(cut->b == "127.0.0.2");
  CHECK(read_order(R"({"do":"heal"})").ok());
  CHECK(read_order(R"({"do":"heal","a":"x"})").ok());
  CHECK(read_order(R"({"do":"heal","a":"x","b":"y","newer":1})").ok());
  for (const char* text :
       {"", "{", "[]", "null", "17", R"({"do":"cut"})", R"({"do":"cut","a":"x"})",
        R"({"do":"cut","a":"x","b":"x"})", R"({"do":"heal","b":"x"})", R"({"do":"explode"})",
        R"({"do":7})", R"({"a":{"a":{"a":{}}}})", "{\"do\":\"\xff\xfe\"}", R"({"do":"heal"} x)"}) {
    INFO(text);
    const auto order = read_order(text);
    REQUIRE_FALSE(order.ok());
    CHECK(order.error().code == ErrorCode::InvalidArgument);
  }
  CHECK_FALSE(read_order(std::string(4096, '[')).ok());
}

}  // namespace
}  // namespace parley::api
