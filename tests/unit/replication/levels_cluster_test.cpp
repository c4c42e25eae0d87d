// Scenario a in virtual time: five nodes with real stores and real rpc; every level, write and
// read, with 0 to 3 of a key's replicas gone.
#include <map>

#include "tests/unit/replication/test_cluster.h"

using namespace parley;
using namespace parley::replication;
using parley::replication::test::Cluster;

namespace {

const std::vector<std::string> kLevels = {"all", "quorum", "one", "any", "1", "2", "3"};

std::size_t required_of(const std::string& level) {
  if (level == "all" || level == "3") return 3;
  return level == "quorum" || level == "2" ? 2 : 1;
}

void check_read(const ReadReply& got, const std::string& level, std::size_t up,
                const std::string& value) {
  if (required_of(level) > up && level != "any") {
    CHECK(got.outcome == Outcome::NotWritten);
    REQUIRE(got.error.has_value());
    CHECK(got.error->code == ErrorCode::Unavailable);
    return;
  }
  CHECK(got.outcome == Outcome::Ok);
  CHECK(got.from_hint == (up == 0));
  REQUIRE(got.values.size() == 1);
  CHECK(got.values[0].value == value);
}

void check_write(const WriteReply& put, const std::string& level, std::size_t up) {
  if (required_of(level) > up && level != "any") {
    CHECK(put.outcome == Outcome::NotWritten);
    REQUIRE(put.error.has_value());
    CHECK(put.error->code == ErrorCode::Unavailable);
    return;
  }
  CHECK(put.outcome == Outcome::Ok);
  CHECK_FALSE(put.version.empty());
  CHECK_FALSE(put.context.empty());
  std::size_t durable = 0, hinted = 0;
  for (const ReplicaReceipt& replica : put.replicas) {
    durable += replica.state == ReplicaState::Durable ? 1U : 0U;
    hinted += replica.state == ReplicaState::Hinted ? 1U : 0U;
  }
  CHECK(hinted == 3 - up);
  CHECK(durable >= std::min(up, required_of(level)));
  if (up == 0) CHECK(put.hint_holders.size() == 2);
}

}  // namespace

TEST_CASE("cluster: every level with 0 to 3 replicas gone", "[replication][cluster]") {
  for (const bool through_owner : {false, true}) {
    Cluster cluster;
    const std::string key = "levels";
    const auto owners = cluster.owners(key);
    std::size_t other = 0;
    while (std::find(owners.begin(), owners.end(), other) != owners.end()) ++other;
    std::map<std::string, Bytes> context;
    for (std::size_t killed = 0; killed <= 3; ++killed) {
      if (killed > 0) {
        cluster.kill(owners[killed - 1]);
        cluster.publish();
      }
      if (killed == 3 && through_owner) continue;
      const std::size_t at = through_owner ? owners[2] : other;
      std::string last;
      std::optional<Bytes> seen;
      if (killed > 0 && killed < 3) seen = cluster.get(at, key, "any").context;
      for (const auto& level : kLevels) {
        INFO(level << " with " << killed << " killed");
        const Instant begun = cluster.world.now();
        const auto put = cluster.put(at, key, level + std::to_string(killed), level, seen);
        check_write(put, level, 3 - killed);
        if (put.outcome != Outcome::Ok) {
          CHECK(cluster.world.now() - begun < 100ms);
          if (!last.empty()) check_read(cluster.get(at, key, "any"), "any", 3 - killed, last);
          continue;
        }
        last = level + std::to_string(killed);
        seen = put.context;
        cluster.world.run_for(700ms);
        for (const auto& read : kLevels) {
          INFO("read " << read);
          check_read(cluster.get(at, key, read), read, 3 - killed, last);
        }
      }
    }
  }
}

TEST_CASE("cluster: levels that clients make up make no time series each",
          "[replication][cluster]") {
  Cluster cluster;
  const auto lines = [&cluster] {
    const std::string text = cluster.nodes[0].metrics->render();
    return std::count(text.begin(), text.end(), '\n');
  };
  cluster.get(0, "k", "100");
  const auto before = lines();
  for (int level = 101; level < 200; ++level) {
    CHECK(cluster.get(0, "k", std::to_string(level)).outcome == Outcome::NotWritten);
  }
  CHECK(lines() == before);
}

TEST_CASE("cluster: a replica that missed a write is repaired before a quorum read answers",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  cluster.kill(owners[0]);
  cluster.publish();
  const auto put = cluster.put(owners[1], "k", "v", "2");
  REQUIRE(put.outcome == Outcome::Ok);
  cluster.dead.clear();
  cluster.start(owners[0]);
  cluster.publish();
  auto state = cluster.inspect(owners[1], "k");
  CHECK(state.diverged);
  CHECK(state.replicas[0].hints_pending == 1);
  CHECK_FALSE(state.replicas[0].holds_record);
  const auto got = cluster.get(owners[0], "k", "all");
  CHECK(got.outcome == Outcome::Ok);
  CHECK(got.agreed == 2);
  CHECK(got.repaired == 1);
  REQUIRE(got.values.size() == 1);
  state = cluster.inspect(owners[1], "k");
  CHECK_FALSE(state.diverged);
}

TEST_CASE("cluster: a paused replica is hinted and a quorum write does not wait for it",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  cluster.nodes[owners[2]].host->pause();
  const Instant begun = cluster.world.now();
  const auto put = cluster.put(owners[0], "k", "v", "quorum");
  CHECK(put.outcome == Outcome::Ok);
  CHECK(cluster.world.now() - begun < 100ms);
  CHECK(put.replicas[2].state == ReplicaState::Pending);
  cluster.world.run_for(1s);
  CHECK(cluster.nodes[owners[0]].replication->hints().totals().size() == 1);
  const auto all = cluster.put(owners[0], "k", "w", "all");
  CHECK(all.outcome == Outcome::Unknown);
  CHECK(all.replicas[2].state == ReplicaState::Hinted);
  cluster.nodes[owners[2]].host->resume();
}
