// Batches of any size over real loopback sockets.
#include <atomic>
#include <thread>

#include "api/client.h"
#include "tests/catch.h"
#include "tests/unit/api/served_client.h"

namespace parley {
namespace {

using client::Outcome;
using fake::client_of;
using fake::fresh_endpoint;
using fake::real_now;
using fake::refusal;
using fake::ServedNode;

std::vector<client::PutItem> numbered_items(int count) {
  std::vector<client::PutItem> items;
  for (int i = 0; i < count; ++i) {
    items.push_back({"k" + std::to_string(i), "v" + std::to_string(i), std::nullopt});
  }
  return items;
}

std::vector<Bytes> keys_of(const std::vector<client::PutItem>& items) {
  std::vector<Bytes> keys;
  for (const auto& item : items) keys.push_back(item.key);
  return keys;
}

TEST_CASE("client: a batch of any size goes through a node with its usual bounds",
          "[api][client]") {
  ServedNode node(fresh_endpoint());
  auto client = client_of({node.at()}, 60s);
  const auto items = numbered_items(10000);
  const auto puts = client->put_batch(items);
  REQUIRE(puts.size() == 10000);
  for (const auto& put : puts) REQUIRE(put.outcome == Outcome::Ok);
  CHECK(node.coordinator().writes == 10000);
  const auto gets = client->get_batch(keys_of(items));
  REQUIRE(gets.size() == 10000);
  for (std::size_t i = 0; i < gets.size(); ++i) {
    REQUIRE(gets[i].outcome == Outcome::Ok);
    REQUIRE(gets[i].values.size() == 1);
    REQUIRE(gets[i].values[0].value == "v" + std::to_string(i));
  }
}

TEST_CASE("client: batches at once share the bound; a node's overload is waited out",
          "[api][client]") {
  ServedNode node(fresh_endpoint());
  std::atomic<int> turned_away{0};
  node.on_thread([&](ServedNode& n) {
    n.coordinator().on_write = [&](auto, auto done) {
      // The first round of everything is turned away.
      const bool away = turned_away.fetch_add(1) < 500;
      replication::WriteReply reply;
      reply.outcome = replication::Outcome::Ok;
      n.loop().post([done, reply = away ? refusal(ErrorCode::Overloaded) : reply] { done(reply); });
    };
  });
  auto client = client_of({node.at()}, 60s);
  std::atomic<std::size_t> written{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (const auto& put : client->put_batch(numbered_items(1500))) {
        written += put.outcome == Outcome::Ok ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(written == 4500);
}

TEST_CASE("client: what of a batch was not sent in time is not written", "[api][client]") {
  ServedNode silent(fresh_endpoint());
  silent.on_thread([](ServedNode& n) { n.coordinator().be_silent(); });
  auto client = client_of({silent.at()}, 400ms);
  const Instant begun = real_now();
  const auto puts = client->put_batch(numbered_items(3000));
  CHECK(real_now() - begun < 5s);
  std::size_t unknown = 0, expired = 0;
  for (const auto& put : puts) {
    unknown += put.outcome == Outcome::Unknown ? 1 : 0;
    const bool unsent =
        put.outcome == Outcome::NotWritten && put.error && put.error->code == ErrorCode::Expired;
    expired += unsent ? 1 : 0;
  }
  CHECK(unknown >= 1);
  CHECK(unknown + expired == 3000);
  CHECK(static_cast<std::size_t>(silent.coordinator().writes) <= unknown);
}

TEST_CASE("client: a batch's items that a node refuses fail alone", "[api][client]") {
  ServedNode node(fresh_endpoint());
  auto client = client_of({node.at()}, 20s);
  auto items = numbered_items(10);
  items[4].context = Bytes("ctx");
  node.on_thread([](ServedNode& n) {
    n.coordinator().on_write = [&n](auto request, auto done) {
      replication::WriteReply reply;
      reply.outcome = replication::Outcome::Ok;
      if (request.context) reply = refusal(ErrorCode::BadContext);
      n.loop().post([done, reply] { done(reply); });
    };
  });
  const auto puts = client->put_batch(items);
  for (std::size_t i = 0; i < puts.size(); ++i) {
    CHECK((puts[i].outcome == Outcome::Ok) == (i != 4));
  }
  CHECK(puts[4].error->code == ErrorCode::BadContext);
  CHECK(client->put_batch({}).empty());
  CHECK(client->get_batch({}).empty());
}

TEST_CASE("client: values that overflow one reply come in several", "[api][client]") {
  ServedNode node(fresh_endpoint());
  node.on_thread([](ServedNode& n) {
    n.coordinator().on_read = [&n](auto request, auto done) {
      replication::ReadReply reply;
      reply.outcome = replication::Outcome::Ok;
      reply.found = true;
      reply.values = {{request.key + Bytes(1_MiB, 'x'), "v"}};
      n.loop().post([done, reply] { done(reply); });
    };
  });
  auto client = client_of({node.at()}, 60s);
  const auto keys = keys_of(numbered_items(30));  // 30 MiB; a reply holds 7
  const auto gets = client->get_batch(keys);
  REQUIRE(gets.size() == 30);
  for (std::size_t i = 0; i < gets.size(); ++i) {
    REQUIRE(gets[i].outcome == Outcome::Ok);
    CHECK(gets[i].values.at(0).value.substr(0, keys[i].size()) == keys[i]);
  }
}

}  // namespace
}  // namespace parley
