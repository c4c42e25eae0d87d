// What a traced request says of who was asked when; and that nothing is said unless asked for.
#include "replication/request_trace.h"

#include "tests/unit/replication/test_cluster.h"

namespace parley::replication {
namespace {

using runtime::Verb;
using test::Cluster;

WriteReply write(Cluster& cluster, std::size_t at, const std::string& key, const char* level,
                 bool trace = true) {
  WriteRequest request;
  request.keyspace = cluster.keyspace();
  request.key = key;
  request.value = "value";
  request.level = *parse_level(level);
  request.deadline = cluster.nodes[at].host->loop().now() + 2s;
  request.trace = trace;
  std::optional<WriteReply> got;
  cluster.coordinator(at).write(std::move(request), [&](WriteReply reply) { got = reply; });
  REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 5s));
  return *got;
}

ReadReply read(Cluster& cluster, std::size_t at, const std::string& key, const char* level,
               bool trace = true) {
  std::optional<ReadReply> got;
  const Instant deadline = cluster.nodes[at].host->loop().now() + 2s;
  cluster.coordinator(at).read({cluster.keyspace(), key, *parse_level(level), deadline, trace},
                               [&](ReadReply reply) { got = reply; });
  REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 5s));
  return *got;
}

std::size_t count(const std::vector<TraceRow>& rows, const std::string& what) {
  return static_cast<std::size_t>(std::count_if(
      rows.begin(), rows.end(), [&](const TraceRow& row) { return row.what == what; }));
}

void check_times(const std::vector<TraceRow>& rows) {
  for (const TraceRow& row : rows) {
    INFO(row.what << " at " << row.address << ": " << row.sent_us << " to " << row.answered_us);
    CHECK(row.sent_us >= 0);
    const bool sound = row.answered_us < 0 ? row.outcome.empty() : row.answered_us >= row.sent_us;
    CHECK(sound);
  }
}

}  // namespace

TEST_CASE("trace: nothing is kept unless asked for", "[replication][cluster][trace]") {
  Cluster cluster;
  const std::string key = "k";
  CHECK(write(cluster, cluster.owners(key)[0], key, "all", false).trace.empty());
  CHECK(write(cluster, cluster.others(key)[0], key, "all", false).trace.empty());
  CHECK(read(cluster, 0, key, "all", false).trace.empty());
}

TEST_CASE("trace: an owner's write names its mint and every replica", "[replication][trace]") {
  Cluster cluster;
  const std::string key = "k";
  const auto owners = cluster.owners(key);
  const auto reply = write(cluster, owners[0], key, "all");
  REQUIRE(reply.outcome == Outcome::Ok);
  check_times(reply.trace);
  REQUIRE(reply.trace.size() == 3);
  CHECK(reply.trace[0].what == "mint");
  CHECK(reply.trace[0].address == Cluster::address(owners[0]));
  CHECK(reply.trace[0].node == cluster.id(owners[0]));
  for (std::size_t i = 1; i < 3; ++i) {
    CHECK(reply.trace[i].what == "write");
    CHECK(reply.trace[i].outcome == "ok");
    CHECK(reply.trace[i].sent_us >= reply.trace[0].answered_us);
  }
}

TEST_CASE("trace: a write that is passed on brings what the owner did", "[replication][trace]") {
  Cluster cluster;
  const std::string key = "k";
  const auto reply = write(cluster, cluster.others(key)[0], key, "all");
  REQUIRE(reply.outcome == Outcome::Ok);
  check_times(reply.trace);
  REQUIRE(reply.trace.size() == 4);
  CHECK(reply.trace[0].what == "pass on");
  CHECK(reply.trace[0].outcome == "ok");
  CHECK(count(reply.trace, "mint") == 1);
  CHECK(count(reply.trace, "write") == 2);
  for (const TraceRow& row : reply.trace) CHECK(row.answered_us <= reply.trace[0].answered_us);
}

TEST_CASE("trace: who is silent or fails is told as such", "[replication][trace]") {
  Cluster cluster;
  const std::string key = "k";
  const auto owners = cluster.owners(key);
  cluster.refuse(owners[1], Verb::StoreCopy, std::nullopt);
  cluster.refuse(owners[2], Verb::StoreCopy, ErrorCode::DiskFull);
  const auto reply = write(cluster, owners[0], key, "2");
  CHECK(reply.outcome == Outcome::Unknown);
  check_times(reply.trace);
  std::map<std::string, std::string> outcomes;
  for (const TraceRow& row : reply.trace) {
    if (row.what == "write") outcomes[row.address] = row.outcome;
  }
  CHECK(outcomes[Cluster::address(owners[2])] == "disk_full");
  const std::string silent = outcomes[Cluster::address(owners[1])];
  CHECK((silent.empty() || silent == "no_answer"));
  CHECK(count(reply.trace, "hint for " + Cluster::address(owners[2])) == 1);
}

TEST_CASE("trace: a write kept as hints names who keeps them", "[replication][trace]") {
  Cluster cluster;
  const std::string key = "k";
  for (const std::size_t owner : cluster.owners(key)) cluster.dead.insert(owner);
  cluster.publish();
  const auto reply = write(cluster, cluster.others(key)[0], key, "any");
  REQUIRE(reply.outcome == Outcome::Ok);
  check_times(reply.trace);
  CHECK(reply.trace.size() == 6);  // three for each of both nodes
  for (const TraceRow& row : reply.trace) CHECK(row.what.starts_with("hint for 127.0.0."));
}

TEST_CASE("trace: a read names reads and repairs", "[replication][trace]") {
  Cluster cluster;
  const std::string key = "k";
  const auto owners = cluster.owners(key);
  cluster.dead.insert(owners[2]);
  cluster.publish();
  REQUIRE(write(cluster, owners[0], key, "2").outcome == Outcome::Ok);
  cluster.dead.clear();
  cluster.publish();
  const auto reply = read(cluster, owners[0], key, "all");
  REQUIRE(reply.outcome == Outcome::Ok);
  check_times(reply.trace);
  CHECK(count(reply.trace, "read") == 3);
  CHECK(count(reply.trace, "repair") == 1);
  CHECK(reply.trace.back().address == Cluster::address(owners[2]));
  CHECK(reply.trace.back().outcome == "ok");
}

TEST_CASE("trace: it is bounded", "[replication][trace]") {
  fake::World world{1};
  runtime::Loop& loop = world.node("127.0.0.1").loop();
  RequestTrace trace(loop, true);
  for (std::size_t i = 0; i < 2 * RequestTrace::kRowsMost; ++i) {
    const std::size_t row = trace.sent(NodeId{}, "127.0.0.1", "read");
    trace.answered(row, Status(Done{}));
  }
  CHECK(trace.rows().size() == RequestTrace::kRowsMost);
  RequestTrace other(loop, true);
  const std::size_t row = other.sent(NodeId{}, "127.0.0.1", "pass on");
  other.include(row, trace.rows());
  CHECK(other.rows().size() == RequestTrace::kRowsMost);
  CHECK(other.rows()[1].outcome == "ok");
}

}  // namespace parley::replication
