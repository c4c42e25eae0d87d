// The client library and the service over real loopback sockets.
#include <atomic>
#include <thread>

#include "api/client.h"
#include "ring/ring.h"
#include "tests/catch.h"
#include "tests/unit/api/served_client.h"

namespace parley {
namespace {

using client::Client;
using client::ClientOptions;
using client::Outcome;
using fake::client_of;
using fake::fresh_endpoint;
using fake::real_now;
using fake::refusal;
using fake::ServedNode;

TEST_CASE("client: puts, gets and deletes through a node", "[api][client]") {
  ServedNode node(fresh_endpoint());
  auto client = client_of({node.at()});
  client::WriteOptions options;
  options.level = "2";
  const auto put = client->put("key", "value", options);
  REQUIRE(put.outcome == Outcome::Ok);
  CHECK(put.version == "v1");
  CHECK(put.context == "ctx");
  CHECK(put.level == "2");
  CHECK(put.connected);
  REQUIRE(put.replicas.size() == 2);
  CHECK(put.replicas[0].state == "durable");
  CHECK(put.replicas[1].state == "hinted");
  CHECK(put.replicas[1].hint_holder == "127.0.0.3");
  CHECK(put.hint_holders == std::vector<std::string>{"127.0.0.3"});
  const auto got = client->get("key");
  REQUIRE(got.outcome == Outcome::Ok);
  REQUIRE(got.values.size() == 1);
  CHECK(got.values[0].value == "value");
  CHECK(got.level == "quorum");
  REQUIRE(client->del("key").outcome == Outcome::Ok);
  CHECK_FALSE(client->get("key").found);
}

TEST_CASE("client: every write carries an op-id, the same over its retries", "[api][client]") {
  ServedNode silent(fresh_endpoint());
  ServedNode node(fresh_endpoint());
  silent.on_thread([](ServedNode& n) { n.coordinator().be_silent(); });
  auto client = client_of({silent.at(), node.at()}, 2s, false);
  const auto put = client->put("key", "value");
  CHECK(put.outcome == Outcome::Ok);
  REQUIRE(silent.coordinator().ops.size() == 1);
  REQUIRE(node.coordinator().ops.size() == 1);
  CHECK(silent.coordinator().ops == node.coordinator().ops);
  CHECK_FALSE(node.coordinator().ops[0].is_nil());
}

TEST_CASE("client: a write to a silent node is unknown at its deadline", "[api][client]") {
  ServedNode silent(fresh_endpoint());
  silent.on_thread([](ServedNode& n) { n.coordinator().be_silent(); });
  auto client = client_of({silent.at()}, 300ms);
  const Instant begun = real_now();
  const auto put = client->put("key", "value");
  CHECK(put.outcome == Outcome::Unknown);
  CHECK(put.connected);
  CHECK(put.error->code == ErrorCode::Unknown);
  CHECK(real_now() - begun >= 290ms);
  CHECK(real_now() - begun < 2s);
}

TEST_CASE("client: says so fast when no endpoint can be reached", "[api][client]") {
  auto client = client_of({fresh_endpoint(), fresh_endpoint()}, 5s);
  const Instant begun = real_now();
  const auto put = client->put("key", "value");
  CHECK(put.outcome == Outcome::NotWritten);
  CHECK_FALSE(put.connected);
  CHECK(put.error->code == ErrorCode::Unreachable);
  const auto got = client->get("key");
  CHECK_FALSE(got.connected);
  CHECK(client->status().error().code == ErrorCode::Unreachable);
  CHECK(real_now() - begun < 2s);
}

TEST_CASE("client: a refused write is tried elsewhere, a node that is gone is skipped",
          "[api][client]") {
  ServedNode refusing(fresh_endpoint());
  ServedNode node(fresh_endpoint());
  refusing.on_thread([&](ServedNode& n) {
    n.coordinator().on_write = [&n](auto, auto done) {
      n.loop().post([done] { done(refusal(ErrorCode::NotReady)); });
    };
  });
  auto client = client_of({fresh_endpoint(), refusing.at(), node.at()}, 5s, false);
  CHECK(client->put("key", "value").outcome == Outcome::Ok);
  CHECK(refusing.coordinator().writes == 1);
}

TEST_CASE("client: fails over when a node dies, and comes back to it", "[api][client]") {
  const Endpoint first_at = fresh_endpoint();
  auto first = std::make_unique<ServedNode>(first_at);
  ServedNode second(fresh_endpoint());
  auto client = client_of({first_at, second.at()}, 5s, false);
  REQUIRE(client->put("key", "1").outcome == Outcome::Ok);
  CHECK(second.coordinator().writes == 0);
  first.reset();
  CHECK(client->put("key", "2").outcome == Outcome::Ok);
  CHECK(second.coordinator().writes == 1);
  ServedNode again(first_at);
  const Instant begun = real_now();
  while (again.coordinator().writes == 0 && real_now() - begun < 10s) {
    CHECK(client->put("key", "3").outcome == Outcome::Ok);
  }
  CHECK(again.coordinator().writes > 0);
}

TEST_CASE("client: learns the ring over sockets and goes to the replica", "[api][client]") {
  const std::vector<Endpoint> ends = {fresh_endpoint(), fresh_endpoint(), fresh_endpoint()};
  std::vector<std::unique_ptr<ServedNode>> nodes;
  for (const Endpoint& end : ends) nodes.push_back(std::make_unique<ServedNode>(end, ends, 1));
  auto client = client_of({ends[0]}, 10s);
  // With one replica a key, each key belongs to one node: slots 1, 1001 and 2001 hold the ring.
  Bytes elsewhere;
  for (int i = 0; elsewhere.empty(); ++i) {
    const Bytes key = "k" + std::to_string(i);
    const Slot slot = slot_of(ring::token_of(key));
    if (slot > 1 && slot <= 2001) elsewhere = key;
  }
  const std::size_t owner = slot_of(ring::token_of(elsewhere)) <= 1001 ? 1 : 2;
  const Instant begun = real_now();
  while (nodes[owner]->coordinator().writes == 0 && real_now() - begun < 10s) {
    REQUIRE(client->put(elsewhere, "v").outcome == Outcome::Ok);
  }
  CHECK(nodes[owner]->coordinator().writes > 0);
  // And when that node is gone, to another, although only the first was ever named.
  nodes[owner].reset();
  CHECK(client->put(elsewhere, "v").outcome == Outcome::Ok);
}

TEST_CASE("client: the administration calls bring back what the node says", "[api][client]") {
  ServedNode node(fresh_endpoint());
  auto client = client_of({node.at()});
  const auto status = client->status();
  REQUIRE(status.ok());
  REQUIRE(status->nodes.size() == 1);
  CHECK(status->nodes[0].status == "UN");
  CHECK(status->nodes[0].owns == 0.5);
  CHECK(status->nodes[0].hints_for == 3);
  CHECK(status->views_agree);
  CHECK(status->no_answer == std::vector<std::string>{"127.0.0.8"});
  CHECK(client->ring()->vnodes.at(0).slot == 7);
  CHECK(client->info()->options.at(0).second == "1");
  CHECK(client->gossip()->at(0).rtt_ms == 0.5);
  CHECK(client->endpoints("k")->at(0).address == "127.0.0.1");
  CHECK(client->endpoints("k", "other").error().code == ErrorCode::NotFound);
  CHECK(client->inspect("k")->replicas.at(0).tombstone);
  CHECK(client->hints()->rows.at(0).sole_hints == 1);
  CHECK(client->hints()->no_answer == std::vector<std::string>{"127.0.0.9"});
  CHECK(*client->drop_hints("") == 4);
  CHECK(client->drop_hints("nobody").error().code == ErrorCode::NotFound);
  CHECK(*client->repair(true) == 9);
  CHECK(*client->repair(false) == 0);
  CHECK(client->repair_status()->rows.at(0).equal);
  const auto conflicts = client->conflicts("default", "k", 7);
  REQUIRE(conflicts.ok());
  CHECK(conflicts->rows.at(0).key == "key");
  CHECK(conflicts->rows.at(0).versions == std::vector<std::string>{"v1", "v7"});
  CHECK(conflicts->next == "k+");
  CHECK(conflicts->no_answer == std::vector<std::string>{"127.0.0.9"});
  CHECK(client->repair_status()->no_answer == std::vector<std::string>{"127.0.0.8", "127.0.0.9"});
  CHECK(client->keyspace("default")->write_level == "2");
  CHECK(client->set_consistency("default", "one", "")->read_level == "one");
  CHECK(client->set_consistency("default", "most", "").error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("client: latencies are those of the node that answers", "[api][client]") {
  ServedNode node(fresh_endpoint());
  const auto latencies = client_of({node.at()})->latencies();
  REQUIRE(latencies);
  CHECK(latencies->address == "127.0.0.1");
  CHECK(latencies->mint.at(0).weight == 3);
  CHECK(latencies->peers.at(0).node == "n2");
  CHECK(latencies->peers.at(0).read_back.at(0).from_ms == 7);
}

TEST_CASE("client: faults travel whole, and unknown words do not leave", "[api][client]") {
  ServedNode node(fresh_endpoint());
  auto client = client_of({node.at()});
  client::FaultSpec link;
  link.peer = "127.0.0.2";
  link.direction = "in";
  link.traffic = "gossip";
  link.cut = true;
  link.drop = 0.25;
  link.duplicate = 0.5;
  link.reorder = 0.125;
  link.corrupt = 0.75;
  link.delay_ms = 10;
  link.jitter_ms = 20;
  link.bytes_per_second = 4096;
  link.for_ms = 500;
  link.note = "partition";
  client::FaultSpec disk;
  disk.kind = "slow_disk";
  disk.delay_ms = 30;
  disk.jitter_ms = 5;
  client::FaultSpec skew;
  skew.kind = "skew";
  skew.skew_ms = -7000;
  client::FaultSpec pause;
  pause.kind = "pause";
  pause.for_ms = 100;
  const std::vector<client::FaultSpec> all = {link, disk, skew, pause};
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(*client->inject_fault(all[i]) == i + 1);
  const auto rows = client->faults();
  REQUIRE(rows);
  REQUIRE(rows->size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(rows->at(i).spec == all[i]);
    CHECK(rows->at(i).id == i + 1);
    CHECK(rows->at(i).left_ms == 250);
    CHECK(rows->at(i).text == "text");
  }
  CHECK(client->heal_faults(7, "").error().code == ErrorCode::NotFound);
  CHECK(client->heal_faults(0, "127.0.0.9").error().message == "healed 127.0.0.9");
  CHECK(*client->heal_faults(0, "", "no such note") == 0);
  CHECK(*client->heal_faults(0, "", link.note) == 1);
  CHECK(*client->heal_faults(0, "") == 3);
  link.peer = "nobody";
  CHECK(client->inject_fault(link).error().code == ErrorCode::InvalidArgument);
  link.direction = "up";
  CHECK(client->inject_fault(link).error().message == "no direction 'up'");
  CHECK(client->faults()->empty());
}

TEST_CASE("client: bad requests are refused with nothing sent or done", "[api][client]") {
  ServedNode node(fresh_endpoint());
  auto client = client_of({node.at()});
  client::WriteOptions options;
  options.level = "most";
  CHECK(client->put("k", "v", options).error->code == ErrorCode::InvalidArgument);
  options.level = "";
  options.keyspace = "nowhere";
  const auto unknown = client->put("k", "v", options);
  CHECK(unknown.error->code == ErrorCode::NotFound);
  CHECK(unknown.outcome == Outcome::NotWritten);
  CHECK(unknown.connected);
  CHECK(client->put("k", Bytes(9_MiB, 'x')).error->code == ErrorCode::TooLarge);
  CHECK(node.coordinator().writes == 0);
  CHECK_FALSE(Client::make({{"localhost:x"}}).ok());
  CHECK_FALSE(Client::make({{}}).ok());
}

TEST_CASE("client: a node that is no member yet answers not ready", "[api][client]") {
  ServedNode node(fresh_endpoint());
  node.member = false;
  auto client = client_of({node.at()});
  const auto put = client->put("k", "v");
  CHECK(put.outcome == Outcome::NotWritten);
  CHECK(put.error->code == ErrorCode::NotReady);
  CHECK(put.error->retry_after_ms > 0);
  CHECK(put.connected);
}

TEST_CASE("client: destroying it ends what is outstanding", "[api][client]") {
  ServedNode silent(fresh_endpoint());
  silent.on_thread([](ServedNode& n) { n.coordinator().be_silent(); });
  auto client = client_of({silent.at()}, 60s);
  std::promise<client::WriteResult> ended;
  client->put_async("k", "v", {},
                    [&](client::WriteResult result) { ended.set_value(std::move(result)); });
  const Instant begun = real_now();
  while (silent.coordinator().writes == 0 && real_now() - begun < 10s) std::this_thread::yield();
  client.reset();
  CHECK(ended.get_future().get().outcome == Outcome::Unknown);
}

TEST_CASE("client: destroyed with calls of several threads outstanding", "[api][client]") {
  ServedNode silent(fresh_endpoint());
  silent.on_thread([](ServedNode& n) { n.coordinator().be_silent(); });
  for (int round = 0; round < 5; ++round) {
    auto client = client_of({silent.at(), fresh_endpoint()}, 60s, round % 2 == 0);
    std::atomic<int> ended{0}, ok{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          client->put_async("k" + std::to_string(i), "v", {}, [&](client::WriteResult result) {
            ok += result.outcome == Outcome::Ok ? 1 : 0;
            ++ended;
          });
          client->get_async("k", {}, [&](const client::ReadResult&) { ++ended; });
        }
      });
    }
    for (auto& thread : threads) thread.join();
    client.reset();
    CHECK(ended == 400);
    CHECK(ok == 0);
  }
}

TEST_CASE("client: several clients are used and destroyed on threads of their own",
          "[api][client]") {
  ServedNode node(fresh_endpoint());
  std::atomic<int> ok{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      ClientOptions options;
      options.endpoints = {to_text(node.at())};
      options.timeout = 20s;
      for (int round = 0; round < 3; ++round) {
        auto client = std::move(*Client::make(options));
        const Bytes key = "t" + std::to_string(t);
        ok += client->put(key, "v").outcome == Outcome::Ok ? 1 : 0;
        ok += client->get(key).found ? 1 : 0;
        for (int i = 0; i < 20; ++i) client->get_async(key, {}, [](const client::ReadResult&) {});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(ok == 24);
}

TEST_CASE("client: past its bound of calls it says overloaded", "[api][client]") {
  ServedNode silent(fresh_endpoint());
  silent.on_thread([](ServedNode& n) { n.coordinator().be_silent(); });
  ClientOptions options;
  options.endpoints = {to_text(silent.at())};
  options.in_flight_most = 1;
  options.timeout = 60s;
  auto client = std::move(*Client::make(options));
  client->put_async("k", "v", {}, [](client::WriteResult) {});
  CHECK(client->put("k", "v").error->code == ErrorCode::Overloaded);
}

}  // namespace
}  // namespace parley
