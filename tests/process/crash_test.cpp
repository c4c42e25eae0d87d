// Scenario e: 64 writers at quorum while every node is killed at once.
#include <atomic>
#include <csignal>
#include <map>
#include <mutex>
#include <thread>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

struct Ledger {
  std::mutex mutex;
  std::vector<std::string> ok, not_written;  // keys, each written once, value = key
  void note(const std::string& key, const client::WriteResult& result) {
    const std::lock_guard lock(mutex);
    if (result.outcome == client::Outcome::Ok) ok.push_back(key);
    if (result.outcome == client::Outcome::NotWritten) not_written.push_back(key);
  }
};

// Writes unique keys one after another until told to stop.
void write_until(client::Client& client, int writer, const std::atomic<bool>& stop,
                 Ledger& ledger) {
  client::WriteOptions quorum;
  quorum.level = "quorum";
  for (int i = 0; !stop; ++i) {
    const std::string key = "crash-" + std::to_string(writer) + "-" + std::to_string(i);
    ledger.note(key, client.put(key, key, quorum));
  }
}

}  // namespace

TEST_CASE("crash: no acknowledged write is lost when every node is killed at once", "[crash]") {
  LocalCluster cluster;
  REQUIRE(cluster.start());
  Ledger ledger;
  std::atomic<bool> stop{false};
  {
    const auto client = cluster.client({}, 3s);
    std::vector<std::thread> writers;
    for (int w = 0; w < 64; ++w) {
      writers.emplace_back([&, w] { write_until(*client, w, stop, ledger); });
    }
    CHECK(eventually(30s, [&] {
      const std::lock_guard lock(ledger.mutex);
      return ledger.ok.size() > 5000;
    }));
    for (std::size_t i = 0; i < 5; ++i) cluster.process(i)->signal(SIGKILL);
    stop = true;
    for (auto& writer : writers) writer.join();
  }
  for (std::size_t i = 0; i < 5; ++i) {
    cluster.kill9(i);
    cluster.launch(i);
  }
  for (std::size_t i = 0; i < 5; ++i) REQUIRE(cluster.wait_ready(i));
  REQUIRE(cluster.wait_settled());
  const auto client = cluster.client({}, 10s);
  client::ReadOptions quorum;
  quorum.level = "quorum";
  std::size_t lost = 0, appeared = 0;
  for (std::size_t at = 0; at < ledger.ok.size(); at += 500) {
    const std::vector<Bytes> keys(
        ledger.ok.begin() + static_cast<std::ptrdiff_t>(at),
        ledger.ok.begin() + static_cast<std::ptrdiff_t>(std::min(at + 500, ledger.ok.size())));
    const auto values = client->get_batch(keys, quorum);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      REQUIRE_FALSE(values[i].error);
      lost += values[i].values.size() == 1 && values[i].values[0].value == keys[i] ? 0 : 1;
    }
  }
  for (const auto& key : ledger.not_written) appeared += client->get(key, quorum).found ? 1 : 0;
  INFO(ledger.ok.size() << " acknowledged, " << ledger.not_written.size() << " not written");
  CHECK(lost == 0);
  CHECK(appeared == 0);
}
