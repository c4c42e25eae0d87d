#include "repair/repair.h"

#include "base/random.h"
#include "repair/sync_codec.h"
#include "tests/catch.h"
#include "tests/unit/repair/repair_cluster.h"

namespace parley::repair::test {
namespace {

bool has_metric(const MetricRegistry& metrics, const std::string& line) {
  return metrics.render().find(line + "\n") != std::string::npos;
}

// Random letters on random owners; what all of them must have in the end.
std::map<Bytes, Bytes> scatter(Cluster& cluster, std::size_t keys, Random& random) {
  std::map<Bytes, Bytes> expected;
  for (std::size_t i = 0; i < keys; ++i) {
    const Bytes key = key_name(i);
    Bytes all;
    const auto owners = cluster.owners_of(key);
    for (const std::size_t owner : owners) {
      if (random.below(4) == 0) continue;
      Bytes letters;
      for (char c = 'a'; c <= 'd'; ++c) {
        if (random.below(2) == 0) letters += c;
      }
      if (letters.empty()) letters = "z";
      cluster.nodes[owner].store->put(key, letters);
      all = letters_union(all, letters);
    }
    if (all.empty()) continue;
    expected[key] = all;
    if (random.below(20) != 0) continue;
    // One damaged copy beside a sound one that has everything.
    cluster.nodes[owners[0]].store->put(key, all);
    if (owners.size() > 1) cluster.nodes[owners[1]].store->damage(key);
  }
  return expected;
}

TEST_CASE("anti-entropy: random divergences converge; the second round sends no keys", "[repair]") {
  for (const std::size_t size : {std::size_t{2}, std::size_t{3}, std::size_t{5}}) {
    Random random(size);
    Cluster cluster(size);
    const auto expected = scatter(cluster, 300, random);
    cluster.mend_when_met();
    cluster.start();
    REQUIRE(cluster.soon([&] { return cluster.all_equal(expected); }, 20s));
    cluster.world.run_for(5s);
    cluster.board.forget();
    REQUIRE(cluster.round() == 0);
    REQUIRE(cluster.board.calls[runtime::Verb::SyncCompare] >= size * (size - 1));
    REQUIRE(cluster.board.calls[runtime::Verb::SyncList] == 0);
    REQUIRE(cluster.board.calls[runtime::Verb::SyncFetch] == 0);
    REQUIRE(cluster.board.calls[runtime::Verb::SyncStore] == 0);
    for (const auto& node : cluster.nodes) {
      for (const auto& row : node.repair->status()) {
        REQUIRE(row.equal);
        REQUIRE(row.keys_last == 0);
        REQUIRE(row.last_sync_ms >= 0);
        REQUIRE_FALSE(row.address.empty());
      }
    }
  }
}

TEST_CASE("anti-entropy: only keys that differ travel", "[repair]") {
  Cluster cluster(3);
  for (std::size_t i = 0; i < 2000; ++i) {
    for (auto& node : cluster.nodes) node.store->put(key_name(i), "abc");
  }
  cluster.start();
  cluster.world.run_for(3s);
  cluster.board.forget();
  std::vector<std::size_t> merges;
  for (auto& node : cluster.nodes) merges.push_back(node.replica->merges);
  REQUIRE(merges == std::vector<std::size_t>{0, 0, 0});
  cluster.nodes[0].store->put(key_name(5), "abcd");
  REQUIRE(cluster.soon([&] { return cluster.all_equal({{key_name(5), "abcd"}}); }, 10s));
  cluster.world.run_for(5s);
  for (auto& node : cluster.nodes) REQUIRE(node.replica->merges <= 3);
  REQUIRE(cluster.board.bytes < 200'000);
}

// Simulator seed 257 with --mode safety --keys 40 --faults old-copy,skew,kill: it turned for ever.
TEST_CASE("anti-entropy: waits while there is no view (a node that doubts its own life)",
          "[repair]") {
  Cluster cluster(3);
  cluster.start();
  cluster.world.run_for(2s);
  cluster.nodes[0].view = nullptr;
  cluster.nodes[0].repair->view_changed(nullptr);
  cluster.world.run_for(60s);
  cluster.nodes[1].store->put(key_name(5), "abc");
  cluster.publish();
  cluster.nodes[0].repair->view_changed(cluster.nodes[0].view);
  REQUIRE(cluster.soon([&] { return cluster.all_equal({{key_name(5), "abc"}}); }, 30s));
}

TEST_CASE("anti-entropy: 10,000 keys that a returning node missed come within seconds",
          "[repair]") {
  Cluster cluster(5);
  cluster.set_up(0, false);
  cluster.start();
  cluster.world.run_for(2s);
  std::map<Bytes, Bytes> expected;
  for (std::size_t i = 0; i < 10'000; ++i) {
    expected[key_name(i)] = "v";
    for (const std::size_t owner : cluster.owners_of(key_name(i))) {
      if (owner != 0) cluster.nodes[owner].store->put(key_name(i), "v");
    }
  }
  cluster.set_up(0, true);
  REQUIRE(cluster.soon([&] { return cluster.nodes[0].store->size() > 5000; }, 10s));
  cluster.world.run_for(5s);
  REQUIRE(cluster.all_equal(expected));
}

TEST_CASE("anti-entropy: writes while it runs disturb nothing", "[repair]") {
  Cluster cluster(3);
  Random random(3);
  auto expected = scatter(cluster, 300, random);
  cluster.mend_when_met();
  cluster.start();
  for (std::size_t i = 0; i < 400; ++i) {
    const Bytes key = key_name(random.below(400));
    cluster.nodes[random.below(3)].replica->merge(record_key(key), "q", storage::Durability::Fsync,
                                                  [](Result<storage::Updated>) {});
    expected[key] = letters_union(expected[key], "q");
    cluster.world.run_for(5ms);
  }
  REQUIRE(cluster.soon([&] { return cluster.all_equal(expected); }, 20s));
  cluster.world.run_for(8s);
  REQUIRE(cluster.round() == 0);
}

TEST_CASE("anti-entropy: rot noticed only by a merge does not upset the sums for ever",
          "[repair]") {
  Cluster cluster(3);
  for (auto& node : cluster.nodes) node.store->put("k", "ab");
  cluster.start();
  cluster.mend_when_met();
  cluster.world.run_for(1s);
  cluster.nodes[0].store->rot("k");
  cluster.nodes[1].store->put("k", "abc");
  REQUIRE(cluster.soon([&] { return cluster.all_equal({{"k", "abc"}}); }, 20s));
  // The first node's sum still holds the rotten record's old share until listings put it right.
  cluster.world.run_for(20s);
  cluster.board.forget();
  REQUIRE(cluster.round() == 0);
  REQUIRE(cluster.board.calls[runtime::Verb::SyncList] == 0);
}

TEST_CASE("anti-entropy: a damaged record that cannot be mended yet holds nothing up", "[repair]") {
  Cluster cluster(3);
  std::map<Bytes, Bytes> expected;
  for (std::size_t i = 0; i < 30; ++i) {
    expected[key_name(i)] = "ab";
    for (auto& node : cluster.nodes) node.store->put(key_name(i), "ab");
  }
  cluster.nodes[0].store->damage(key_name(7));
  std::size_t met = 0;
  cluster.nodes[0].replica->met_damage = [&](const Bytes& key) {
    REQUIRE(key == key_name(7));
    ++met;
  };
  cluster.start();
  cluster.nodes[1].store->put(key_name(20), "abc");
  expected[key_name(20)] = "abc";
  std::map<Bytes, Bytes> others = expected;
  others.erase(key_name(7));
  REQUIRE(cluster.soon([&] { return cluster.all_equal(others); }, 10s));
  REQUIRE(met > 0);
  cluster.world.run_for(10s);
  cluster.board.forget();
  cluster.world.run_for(60s);
  REQUIRE_FALSE(cluster.nodes[0].store->value(key_name(7)));
  // At the pace of its turns, and no run failed.
  REQUIRE(cluster.board.calls[runtime::Verb::SyncCompare] < 400);
  for (const auto& node : cluster.nodes) {
    REQUIRE(has_metric(*node.metrics, "parley_anti_entropy_rounds_total{result=\"failed\"} 0"));
  }
  cluster.mend_when_met();
  REQUIRE(cluster.soon([&] { return cluster.all_equal(expected); }, 10s));
  cluster.world.run_for(5s);
  REQUIRE(cluster.round() == 0);
}

TEST_CASE("anti-entropy: waits while the rings differ, and resumes", "[repair]") {
  Cluster cluster(3);
  cluster.nodes[0].ring_salt = 1;
  cluster.publish();
  cluster.nodes[0].store->put("k", "a");
  cluster.start();
  cluster.world.run_for(10s);
  REQUIRE_FALSE(cluster.nodes[1].store->value("k"));
  REQUIRE(cluster.board.calls[runtime::Verb::SyncCompare] < 100);
  bool failed = false;
  cluster.nodes[0].repair->run_round(1s, [&](Result<std::uint64_t> moved) {
    failed = !moved.ok() && moved.error().code == ErrorCode::Unknown;
  });
  cluster.world.run_for(2s);
  REQUIRE(failed);
  cluster.nodes[0].ring_salt = 0;
  cluster.publish();
  for (auto& node : cluster.nodes) node.repair->view_changed(node.view);
  REQUIRE(cluster.soon([&] { return cluster.all_equal({{"k", "a"}}); }, 10s));
}

TEST_CASE("anti-entropy: a full disk is tried again, and idle costs little", "[repair]") {
  Cluster cluster(3);
  cluster.nodes[1].store->disk_full = true;
  cluster.nodes[0].store->put("k", "a");
  cluster.start();
  cluster.world.run_for(10s);
  REQUIRE(cluster.board.calls[runtime::Verb::SyncFetch] < 200);
  cluster.nodes[1].store->disk_full = false;
  REQUIRE(cluster.soon([&] { return cluster.all_equal({{"k", "a"}}); }, 10s));
  cluster.world.run_for(10s);
  cluster.board.forget();
  cluster.world.run_for(100s);
  REQUIRE(cluster.board.calls[runtime::Verb::SyncCompare] <= 3 * 70);
  REQUIRE(cluster.board.calls[runtime::Verb::SyncCompare] >= 3 * 35);
}

TEST_CASE("anti-entropy: a round with nobody up ends at once with nothing", "[repair]") {
  Cluster cluster(2);
  cluster.set_up(1, false);
  cluster.start(0);
  bool done = false;
  cluster.nodes[0].repair->run_round(
      10s, [&](Result<std::uint64_t> moved) { done = moved.ok() && *moved == 0; });
  REQUIRE_FALSE(done);
  cluster.world.run_for(10ms);
  REQUIRE(done);
}

TEST_CASE("anti-entropy: a round does not wait for a peer that dies meanwhile", "[repair]") {
  Cluster cluster(4);
  REQUIRE(cluster.options.sync_interval.set(3600s).ok());
  cluster.start();
  cluster.world.run_for(5s);  // all are equal
  // Silent and not known to be dead yet: the comparison with it cannot end.
  cluster.board.down.insert(cluster.nodes[2].at);
  std::optional<Result<std::uint64_t>> answer;
  const Instant begun = cluster.world.now();
  cluster.nodes[0].repair->run_round(
      60s, [&](const Result<std::uint64_t>& moved) { answer.emplace(moved); });
  cluster.world.run_for(1s);
  CHECK_FALSE(answer);
  SECTION("it is known to be dead") {
    cluster.set_up(2, false);
    REQUIRE(cluster.soon([&] { return answer.has_value(); }, 10s));
    REQUIRE_FALSE(answer->ok());
    CHECK(answer->error().code == ErrorCode::Unknown);
    CHECK(answer->error().message.find("127.0.0.3") != std::string::npos);
    CHECK(answer->error().message.find("127.0.0.2") == std::string::npos);
  }
  SECTION("it leaves the ring: there is nothing to compare any more") {
    cluster.take_off_ring(2);
    REQUIRE(cluster.soon([&] { return answer.has_value(); }, 10s));
    CHECK(answer->ok());
  }
  CHECK(cluster.world.now() - begun < 15s);
}

TEST_CASE("repair: can be destroyed at any moment", "[repair]") {
  int stopped_before_its_end = 0;
  for (int stop_at = 0; stop_at < 9; ++stop_at) {
    Cluster cluster(3);
    Random random(1);
    auto expected = scatter(cluster, 60, random);
    for (std::size_t i = 0; i < 20; ++i) {
      cluster.nodes[0].hints->keep(cluster.nodes[1].id, key_name(i), "h");
      expected[key_name(i)] = letters_union(expected[key_name(i)], "h");
    }
    cluster.mend_when_met();
    cluster.start();
    int told = 0;
    cluster.nodes[0].repair->run_round(10s, [&](Result<std::uint64_t>) { ++told; });
    cluster.nodes[0].repair->replicas_stale(record_key("r"), "r", {cluster.nodes[2].id});
    cluster.world.run_for(stop_at * 29ms);
    const auto stopped = static_cast<std::size_t>(stop_at) % 3;
    const int before = told;
    cluster.stop(stopped);
    cluster.world.run_for(12s);
    if (stopped == 0) {
      REQUIRE(told == before);  // nothing comes of it any more
      stopped_before_its_end += before == 0 ? 1 : 0;
    } else {
      REQUIRE(told == 1);
    }
    // Nor has it left anything half done: the next life ends the work.
    cluster.start(stopped);
    REQUIRE(cluster.soon([&] { return cluster.all_equal(expected); }, 20s));
  }
  REQUIRE(stopped_before_its_end > 0);
}

TEST_CASE("hints: delivered when the target is up, then gone", "[repair][hint]") {
  Cluster cluster(5);
  cluster.set_up(1, false);
  std::map<Bytes, Bytes> expected;
  std::size_t kept = 0;
  for (std::size_t i = 0; kept < 10'000; ++i) {
    const auto owners = cluster.owners_of(key_name(i));
    if (std::find(owners.begin(), owners.end(), std::size_t{1}) == owners.end()) continue;
    cluster.nodes[0].hints->keep(cluster.nodes[1].id, key_name(i), "h");
    expected[key_name(i)] = "h";
    ++kept;
  }
  cluster.start(0);
  cluster.start(1);
  cluster.world.run_for(5s);
  REQUIRE(cluster.nodes[0].hints->size() == 10'000);
  REQUIRE(cluster.board.calls[runtime::Verb::DeliverHints] == 0);
  cluster.set_up(1, true);
  REQUIRE(cluster.soon([&] { return cluster.nodes[0].hints->size() == 0; }, 5s));
  for (const auto& [key, set] : expected) REQUIRE(cluster.nodes[1].store->value(key) == set);
  REQUIRE(cluster.nodes[1].replica->merges >= 10'000);
  REQUIRE(has_metric(*cluster.nodes[0].metrics, "parley_hints_delivered_total 10000"));
}

TEST_CASE("hints: one that changed under way stays, and goes with the next look",
          "[repair][hint]") {
  Cluster cluster(3);
  cluster.nodes[0].hints->keep(cluster.nodes[1].id, "k", "a");
  cluster.start();
  REQUIRE(cluster.world.run_until([&] { return cluster.nodes[1].store->value("k") == Bytes("a"); },
                                  5s));
  cluster.nodes[0].hints->keep(cluster.nodes[1].id, "k", "ab");  // before the ack is here
  cluster.world.run_for(100ms);
  REQUIRE(cluster.nodes[0].hints->size() == 1);
  REQUIRE(cluster.soon([&] { return cluster.nodes[0].hints->size() == 0; }, 3s));
  REQUIRE(cluster.nodes[1].store->value("k") == Bytes("ab"));
}

TEST_CASE("hints: a target that fails stops the stream until the next look", "[repair][hint]") {
  Cluster cluster(3);
  cluster.nodes[1].store->disk_full = true;
  for (std::size_t i = 0; i < 50; ++i) {
    cluster.nodes[0].hints->keep(cluster.nodes[1].id, key_name(i), "h");
  }
  cluster.start(0);
  cluster.start(1);
  cluster.world.run_for(5s);
  REQUIRE(cluster.nodes[0].hints->size() == 50);
  REQUIRE(cluster.board.calls[runtime::Verb::DeliverHints] <= 6);
  cluster.nodes[1].store->disk_full = false;
  cluster.board.down.insert(cluster.nodes[1].at);  // up in the view, but silent
  cluster.world.run_for(5s);
  REQUIRE(cluster.nodes[0].hints->size() == 50);
  cluster.board.down.clear();
  REQUIRE(cluster.soon([&] { return cluster.nodes[0].hints->size() == 0; }, 3s));
}

TEST_CASE("hints: damaged and refused ones stay, counted once, and hold nothing up",
          "[repair][hint]") {
  Cluster cluster(3);
  cluster.nodes[0].hints->keep(cluster.nodes[1].id, "bad", "x", true);
  cluster.nodes[0].hints->keep(cluster.nodes[1].id, "no-letters", "zz");
  cluster.nodes[0].hints->keep(cluster.nodes[1].id, "good", "g");
  cluster.start();
  cluster.world.run_for(5s);
  REQUIRE(cluster.nodes[0].hints->size() == 2);
  REQUIRE(cluster.nodes[1].store->value("good") == Bytes("g"));
  REQUIRE(has_metric(*cluster.nodes[0].metrics, "parley_hints_useless_total 2"));
}

TEST_CASE("hints: one for a damaged record stays and holds no other up", "[repair][hint]") {
  Cluster cluster(3);
  REQUIRE(cluster.options.batch_bytes.set(1_KiB).ok());
  cluster.nodes[1].store->damage(key_name(0));
  for (std::size_t i = 0; i < 1000; ++i) {
    cluster.nodes[0].hints->keep(cluster.nodes[1].id, key_name(i), "h");
  }
  cluster.start(0);
  cluster.start(1);
  REQUIRE(cluster.soon([&] { return cluster.nodes[0].hints->size() == 1; }, 900ms));
  cluster.world.run_for(5s);
  REQUIRE(cluster.nodes[0].hints->size() == 1);
  cluster.mend_when_met();
  cluster.nodes[2].store->put(key_name(0), "g");
  REQUIRE(cluster.soon([&] { return cluster.nodes[0].hints->size() == 0; }, 5s));
  REQUIRE(cluster.nodes[1].store->value(key_name(0)) == Bytes("gh"));
}

TEST_CASE("hints: a target that owns the key no more sends them to who does", "[repair][hint]") {
  Cluster cluster(5);
  cluster.take_off_ring(4);
  for (std::size_t i = 0; i < 30; ++i) {
    cluster.nodes[0].hints->keep(cluster.nodes[4].id, key_name(i), "h");
  }
  const std::size_t down = 3;
  cluster.set_up(down, false);
  cluster.start();
  cluster.world.run_for(3s);
  std::size_t blocked = 0;
  std::map<Bytes, Bytes> expected;
  for (std::size_t i = 0; i < 30; ++i) {
    const auto owners = cluster.owners_of(key_name(i));
    if (std::find(owners.begin(), owners.end(), down) != owners.end()) ++blocked;
    expected[key_name(i)] = "h";
  }
  REQUIRE(blocked > 0);
  REQUIRE(blocked < 30);
  REQUIRE(cluster.nodes[0].hints->size() == blocked);
  cluster.set_up(down, true);
  REQUIRE(cluster.soon([&] { return cluster.nodes[0].hints->size() == 0; }, 5s));
  REQUIRE(cluster.all_equal(expected));
  REQUIRE(cluster.nodes[4].store->size() == 0);
}

TEST_CASE("read repair: stale replicas get the set soon", "[repair]") {
  Cluster cluster(3);
  REQUIRE(cluster.options.sync_interval.set(3600s).ok());
  cluster.start();
  cluster.world.run_for(1s);
  cluster.board.forget();
  const std::vector<NodeId> stale = {cluster.nodes[0].id, cluster.nodes[1].id};
  for (std::size_t i = 0; i < 100; ++i) {
    cluster.nodes[0].repair->replicas_stale(record_key(key_name(i)), "r", stale);
    cluster.nodes[0].repair->replicas_stale(record_key(key_name(i)), "r", {cluster.nodes[2].id});
  }
  cluster.world.run_for(50ms);
  for (const auto& node : cluster.nodes) REQUIRE(node.store->size() == 100);
  REQUIRE(cluster.board.calls[runtime::Verb::SyncStore] == 2);  // itself without a call
  REQUIRE(has_metric(*cluster.nodes[0].metrics, "parley_read_repairs_background_total 300"));
  REQUIRE(has_metric(*cluster.nodes[0].metrics, "parley_read_repair_queue 0"));
}

TEST_CASE("read repair: past its bound keys are left to anti-entropy", "[repair]") {
  Cluster cluster(3);
  REQUIRE(cluster.options.background_most.set(10).ok());
  cluster.start();
  cluster.world.run_for(1s);
  std::map<Bytes, Bytes> expected;
  for (std::size_t i = 0; i < 40; ++i) {
    cluster.nodes[0].store->put(key_name(i), "r");
    cluster.nodes[0].repair->replicas_stale(record_key(key_name(i)), "r", {cluster.nodes[1].id});
    expected[key_name(i)] = "r";
  }
  REQUIRE(has_metric(*cluster.nodes[0].metrics, "parley_read_repair_queue 10"));
  cluster.world.run_for(60ms);
  REQUIRE(cluster.nodes[1].store->size() == 10);
  REQUIRE(cluster.soon([&] { return cluster.all_equal(expected); }, 5s));
}

TEST_CASE("sync service: a key that is not owned here is refused, never kept", "[repair]") {
  Cluster cluster(5);
  cluster.start();
  Bytes key;
  for (std::size_t i = 0; key.empty(); ++i) {
    const auto owners = cluster.owners_of(key_name(i));
    if (std::find(owners.begin(), owners.end(), std::size_t{2}) == owners.end()) {
      key = key_name(i);
    }
  }
  KeyspaceId keyspace;
  keyspace.octets.fill(9);
  Result<StoreReply> reply = StoreReply{};
  const auto call = cluster.nodes[0].rpc->call(
      cluster.nodes[2].at, runtime::Verb::DeliverHints,
      encode_store_request({keyspace, {{key, "a"}}}), {},
      [&](Result<Bytes> answer) { reply = decode_store_reply(answer.value()); });
  cluster.world.run_for(50ms);
  REQUIRE(reply->outcomes == std::vector<StoreOutcome>{StoreOutcome::NotOwner});
  REQUIRE_FALSE(cluster.nodes[2].store->value(key));
}

TEST_CASE("sync service: garbage and strangers' keyspaces are refused clearly", "[repair]") {
  Cluster cluster(2);
  cluster.start();
  KeyspaceId foreign;
  foreign.octets.fill(3);
  const std::vector<std::pair<runtime::Verb, Bytes>> questions = {
      {runtime::Verb::SyncCompare, encode_compare_request({foreign, 1, {}})},
      {runtime::Verb::SyncList, encode_list_request({foreign, {1}, "", 1, 1})},
      {runtime::Verb::SyncFetch, encode_fetch_request({foreign, {"k"}, 1})},
      {runtime::Verb::SyncStore, encode_store_request({foreign, {{"k", "a"}}})},
      {runtime::Verb::DeliverHints, encode_store_request({foreign, {{"k", "a"}}})}};
  for (const auto& [verb, body] : questions) {
    for (const Bytes& sent : {body, Bytes("garbage")}) {
      ErrorCode code = ErrorCode::Internal;
      const auto call =
          cluster.nodes[0].rpc->call(cluster.nodes[1].at, verb, sent, {},
                                     [&](Result<Bytes> answer) { code = answer.error().code; });
      cluster.world.run_for(50ms);
      REQUIRE(code == (sent == body ? ErrorCode::NotFound : ErrorCode::InvalidArgument));
    }
  }
}

}  // namespace
}  // namespace parley::repair::test
