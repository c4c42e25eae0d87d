// An old copy of a node's data directory comes back, or runs beside the node itself.
#include <filesystem>
#include <fstream>

#include "tests/process/harness.h"
#include "tests/process/sockets.h"

using namespace parley;
using namespace parley::process_test;

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kOld = 2;  // the node whose disk is restored
using Expected = std::map<std::string, std::string>;

LocalClusterOptions three() {
  LocalClusterOptions options;
  options.nodes = 3;
  return options;
}

client::ReadOptions read_at(const std::string& level) {
  client::ReadOptions options;
  options.level = level;
  return options;
}
client::WriteOptions write_at(const std::string& level) {
  client::WriteOptions options;
  options.level = level;
  return options;
}

// New keys, or new values in place of what a read shows; every one acked at quorum.
void write_all(client::Client& client, const std::string& prefix, std::size_t count,
               const std::string& value, Expected& expected) {
  std::vector<client::PutItem> items;
  std::vector<Bytes> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back(prefix + std::to_string(i));
  const auto before = client.get_batch(keys, read_at("quorum"));
  for (std::size_t i = 0; i < count; ++i) {
    REQUIRE(before[i].outcome == client::Outcome::Ok);
    items.push_back({keys[i], value + std::to_string(i), std::nullopt});
    if (!before[i].context.empty()) items.back().context = before[i].context;
  }
  const auto puts = client.put_batch(items, write_at("quorum"));
  for (std::size_t i = 0; i < count; ++i) {
    INFO(keys[i] << ": " << (puts[i].error ? puts[i].error->message : ""));
    REQUIRE(puts[i].outcome == client::Outcome::Ok);
    expected[keys[i]] = *items[i].value;
  }
}

// How many keys a quorum read through this client does not show with exactly the newest value.
std::size_t count_wrong(client::Client& client, const Expected& expected) {
  std::vector<Bytes> keys;
  for (const auto& [key, value] : expected) keys.push_back(key);
  const auto reads = client.get_batch(keys, read_at("quorum"));
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const bool right = reads[i].outcome == client::Outcome::Ok && reads[i].values.size() == 1 &&
                       reads[i].values[0].value == expected.at(keys[i]);
    wrong += right ? 0 : 1;
  }
  return wrong;
}

std::vector<std::string> keys_of(const Expected& expected) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : expected) keys.push_back(key);
  return keys;
}

client::NodeInfo info_of(LocalCluster& cluster, std::size_t i) {
  const auto info = cluster.client({i}, 2s, false)->info();
  return info.ok() ? *info : client::NodeInfo{};
}

// The directory as it is while the node is stopped, to be put back later.
class OldCopy {
 public:
  OldCopy(LocalCluster& cluster, std::size_t node) : live_(cluster.data_dir(node)) {
    REQUIRE(cluster.terminate(node) == 0);
    fs::copy(live_, copy(), fs::copy_options::recursive);
    cluster.launch(node);
    REQUIRE(cluster.wait_ready(node));
    REQUIRE(cluster.wait_settled());
  }
  void put_back() const {
    fs::remove_all(live_);
    fs::copy(copy(), live_, fs::copy_options::recursive);
  }
  std::string copy() const { return scratch_.path() + "/copy"; }

 private:
  const std::string live_;
  local::ScratchDirectory scratch_;
};

bool says(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("restore: an old copy of a disk rebuilds itself and nothing is lost", "[restore]") {
  LocalCluster cluster(three());
  REQUIRE(cluster.start());
  Expected expected;
  const auto everybody = cluster.client({}, 20s);
  write_all(*everybody, "early-", 300, "first ", expected);
  write_all(*everybody, "kept-", 100, "kept ", expected);
  const OldCopy old(cluster, kOld);
  const auto forgotten = cluster.client({kOld}, 20s, false);  // this node mints
  write_all(*forgotten, "early-", 300, "second ", expected);
  write_all(*forgotten, "early-", 300, "third ", expected);
  write_all(*forgotten, "late-", 500, "late ", expected);
  const auto before = info_of(cluster, kOld);
  cluster.kill9(kOld);
  old.put_back();
  cluster.launch(kOld);
  // Meanwhile the others go on.
  const auto others = cluster.client({0, 1}, 20s, false);
  write_all(*others, "during-", 200, "during ", expected);
  write_all(*others, "early-", 100, "fourth ", expected);
  REQUIRE(cluster.wait_ready(kOld, 60s));
  INFO(cluster.log(kOld));
  CHECK(says(cluster.log(kOld), "node.old_copy"));
  CHECK(says(cluster.log(kOld), "node.rebuilt"));
  const auto after = info_of(cluster, kOld);
  CHECK(after.ready == "ready");
  CHECK(after.node == before.node);
  CHECK(after.generation > before.generation);
  CHECK(after.storage_id != before.storage_id);
  CHECK_FALSE(after.storage_id.empty());
  CHECK(http_get(cluster.address(kOld), 7402, "/readyz").status == 200);

  REQUIRE(cluster.wait_settled());
  const auto again = cluster.client({kOld}, 20s, false);
  CHECK(count_wrong(*again, expected) == 0);
  CHECK(count_wrong(*others, expected) == 0);
  CHECK(eventually(30s, [&] { return count_diverged(*others, keys_of(expected)) == 0; }));
  // It mints again; what it writes blindly stands beside what is there, and collides with nothing.
  for (int i = 0; i < 20; ++i) {
    const std::string key = "late-" + std::to_string(i);
    REQUIRE(again->put(key, "beside", write_at("quorum")).outcome == client::Outcome::Ok);
    const auto both = others->get(key, read_at("quorum"));
    REQUIRE(both.values.size() == 2);
    auto resolve = write_at("quorum");
    resolve.context = both.context;
    REQUIRE(again->put(key, expected[key], resolve).outcome == client::Outcome::Ok);
  }
  // Each quorum that it is in.
  for (const std::size_t gone : {0U, 1U}) {
    cluster.kill9(gone);
    REQUIRE(cluster.wait_settled());
    CHECK(count_wrong(*again, expected) == 0);
    cluster.launch(gone);
    REQUIRE(cluster.wait_ready(gone));
    REQUIRE(cluster.wait_settled());
  }
}

TEST_CASE("restore: a rebuilding node waits for every co-owner and counts for nothing",
          "[restore]") {
  LocalCluster cluster(three());
  REQUIRE(cluster.start());
  Expected expected;
  write_all(*cluster.client({}, 20s), "key-", 100, "first ", expected);
  const OldCopy old(cluster, kOld);
  write_all(*cluster.client({kOld}, 20s, false), "key-", 100, "second ", expected);
  cluster.kill9(kOld);
  cluster.kill9(1);
  REQUIRE(cluster.wait_settled());
  old.put_back();
  const auto alone = cluster.client({kOld}, 2s, false);
  const auto waits = [&] {
    return says(info_of(cluster, kOld).ready, "1 of 2 co-owners compared");
  };
  // Once as it comes back, once after a crash, once after a clean stop.
  for (int start = 0; start < 3; ++start) {
    cluster.launch(kOld);
    INFO(cluster.log(kOld));
    REQUIRE(eventually(20s, waits));
    CHECK(says(info_of(cluster, kOld).ready, cluster.address(1) + " (down)"));
    const auto page = http_get(cluster.address(kOld), 7402, "/readyz");
    CHECK(page.status == 503);
    CHECK(says(page.body, "rebuilding: 1 of 2 co-owners compared"));
    for (const std::string level : {"one", "any", "quorum"}) {
      const auto read = alone->get("key-1", read_at(level));
      REQUIRE(read.outcome != client::Outcome::Ok);
      CHECK(read.error->code == ErrorCode::NotReady);
      const auto put = alone->put("key-1", "never", write_at(level));
      REQUIRE(put.outcome == client::Outcome::NotWritten);
      CHECK(put.error->code == ErrorCode::NotReady);
    }
    // Node 0 sees it up, knows that it serves nothing, and has no quorum with it: it says so before
    // anything is sent. At `one` it answers alone.
    REQUIRE(cluster.wait_sees_up(0, {0, kOld}));
    const auto other = cluster.client({0}, 2s, false);
    CHECK(other->get("key-1", read_at("quorum")).outcome != client::Outcome::Ok);
    REQUIRE(eventually(10s, [&] {
      const auto missed = other->put("new-" + std::to_string(start), "v", write_at("quorum"));
      return missed.outcome == client::Outcome::NotWritten &&
             missed.error->code == ErrorCode::Unavailable;
    }));
    const auto rows = other->inspect("key-1");
    REQUIRE(rows.ok());
    CHECK(rows->diverged);
    for (const auto& row : rows->replicas) {
      const bool rebuilds = row.address == cluster.address(kOld);
      CHECK(row.not_ready == rebuilds);
      CHECK(row.reachable == (rebuilds || row.address == cluster.address(0)));
    }
    const auto one = other->get("key-1", read_at("one"));
    REQUIRE(one.values.size() == 1);
    CHECK(one.values[0].value == expected["key-1"]);
    CHECK_FALSE(cluster.out(kOld).empty());
    CHECK(waits());
    if (start == 0) cluster.kill9(kOld);
    if (start == 1) CHECK(cluster.terminate(kOld) == 0);
  }
  cluster.launch(1);
  REQUIRE(cluster.wait_ready(1));
  REQUIRE(eventually(30s, [&] { return info_of(cluster, kOld).ready == "ready"; }));
  CHECK(http_get(cluster.address(kOld), 7402, "/readyz").status == 200);
  REQUIRE(cluster.wait_settled());
  cluster.kill9(0);
  REQUIRE(cluster.wait_settled());
  CHECK(count_wrong(*cluster.client({kOld}, 20s, false), expected) == 0);
}

TEST_CASE("restore: an old copy is found out though the whole cluster was stopped", "[restore]") {
  LocalCluster cluster(three());
  REQUIRE(cluster.start());
  Expected expected;
  write_all(*cluster.client({}, 20s), "key-", 100, "first ", expected);
  const OldCopy old(cluster, kOld);  // exactly one life is lost: the generations will be equal
  write_all(*cluster.client({kOld}, 20s, false), "key-", 100, "second ", expected);
  const auto before = info_of(cluster, kOld);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(cluster.terminate(i) == 0);
  old.put_back();
  for (std::size_t i = 0; i < 3; ++i) cluster.launch(i);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(cluster.wait_ready(i, 60s));
  INFO(cluster.log(kOld));
  CHECK(says(cluster.log(kOld), "node.rebuilt"));
  CHECK(info_of(cluster, kOld).storage_id != before.storage_id);
  REQUIRE(cluster.wait_settled());
  cluster.kill9(0);
  REQUIRE(cluster.wait_settled());
  CHECK(count_wrong(*cluster.client({kOld}, 20s, false), expected) == 0);
}

TEST_CASE("restore: a node that is told to stop as it begins again stops", "[restore]") {
  LocalCluster cluster(three());
  REQUIRE(cluster.start());
  Expected expected;
  const OldCopy old(cluster, kOld);
  write_all(*cluster.client({kOld}, 20s, false), "key-", 10, "value ", expected);
  cluster.kill9(kOld);
  const auto begins = [&] {
    const std::string log = cluster.log(kOld);
    std::size_t count = 0, at = 0;
    while ((at = log.find("daemon.begins_again", at) + 1) != 0) ++count;
    return count;
  };
  // Between the two lives are many places where a signal might be lost: each round's comes a little
  // later than the last one's.
  for (std::size_t round = 1; round <= 30; ++round) {
    old.put_back();
    cluster.launch(kOld);
    REQUIRE(eventually(20s, [&] {
      for (int look = 0; look < 100; ++look) {
        if (begins() == round) return true;
      }
      return false;
    }));
    for (std::size_t look = 0; look < round; ++look) REQUIRE(begins() == round);
    INFO(cluster.log(kOld));
    REQUIRE(cluster.terminate(kOld) == 0);
  }
}

TEST_CASE("restore: two old copies do not wait for each other", "[restore]") {
  LocalCluster cluster(three());
  REQUIRE(cluster.start());
  Expected expected;
  const OldCopy first(cluster, 1), second(cluster, 2);
  write_all(*cluster.client({}, 20s), "key-", 100, "value ", expected);
  REQUIRE(eventually(20s, [&] {
    return count_diverged(*cluster.client({0}, 20s, false), keys_of(expected)) == 0;
  }));
  for (const std::size_t i : {1U, 2U}) cluster.kill9(i);
  first.put_back();
  second.put_back();
  for (const std::size_t i : {1U, 2U}) cluster.launch(i);
  for (const std::size_t i : {1U, 2U}) {
    REQUIRE(cluster.wait_ready(i, 60s));
    CHECK(says(cluster.log(i), "node.rebuilt"));
  }
  cluster.kill9(0);
  REQUIRE(cluster.wait_settled());
  CHECK(count_wrong(*cluster.client({1}, 20s, false), expected) == 0);
}

TEST_CASE("restore: a copy that runs beside the node is refused for good", "[restore]") {
  LocalCluster cluster(three());
  REQUIRE(cluster.start());
  Expected expected;
  write_all(*cluster.client({}, 20s), "key-", 50, "first ", expected);
  const OldCopy copied(cluster, kOld);
  const auto before = info_of(cluster, kOld);
  const std::string elsewhere = cluster.address(0).substr(0, cluster.address(0).rfind('.')) + ".77";
  const std::vector<std::string> command = {local::program_folder() + "/parleyd",
                                            "--listen",
                                            elsewhere,
                                            "--cluster",
                                            "local",
                                            "--data-dir",
                                            copied.copy()};
  const auto refused = local::run(command);
  INFO(refused.err);
  CHECK(refused.exit_code == 1);
  CHECK(refused.out.empty());  // it never was ready
  CHECK(says(refused.err, "another process runs with this node's id"));
  CHECK(says(refused.err, cluster.address(kOld)));
  const auto again = local::run(command);
  CHECK(again.exit_code == 1);
  CHECK(says(again.err, "wipe it and start as a new node"));
  // The node itself lives on as it was.
  CHECK(cluster.wait_settled());
  const auto after = info_of(cluster, kOld);
  CHECK(after.generation == before.generation);
  CHECK(after.storage_id == before.storage_id);
  CHECK(after.ready == "ready");
  CHECK(count_wrong(*cluster.client({kOld}, 20s, false), expected) == 0);
}
