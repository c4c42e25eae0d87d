// A node destroyed after any number of events of any request leaves nothing behind: no callback
// comes, and nothing that is gone is touched (run it under the address sanitizer).
#include "tests/unit/replication/test_cluster.h"

namespace parley::replication {
namespace {

using test::Cluster;

// Begins one request at `at`, lets `events` more happen, destroys the node, and brings it back.
// True if the request had been answered before.
template <typename Begin>
bool destroy_after(Cluster& cluster, std::size_t at, int events, Begin begin) {
  bool told = false;
  begin(cluster.coordinator(at), [&](auto&&) { told = true; });
  int seen = 0;
  cluster.world.run_until([&] { return ++seen > events; }, 1s);
  const bool before = told;
  cluster.kill(at);
  cluster.world.run_for(1s);
  CHECK(told == before);
  cluster.start(at);
  cluster.world.run_for(100ms);
  return before;
}

template <typename Begin>
void sweep(Cluster& cluster, std::size_t at, Begin begin) {
  bool answered = false;
  for (int events = 0; events < 120 && !answered; events += 3) {
    answered = destroy_after(cluster, at, events, begin);
  }
  CHECK(answered);
}

}  // namespace

TEST_CASE("cluster: a coordinator destroyed at any moment leaves nothing behind",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto others = cluster.others("k");
  const auto write = [&](const char* level) {
    return [&cluster, level](Coordinator& coordinator, auto told) {
      coordinator.write(cluster.request("k", "v", level, 500ms), told);
    };
  };
  SECTION("write as an owner") { sweep(cluster, owners[0], write("all")); }
  SECTION("write passed on") { sweep(cluster, others[0], write("all")); }
  SECTION("write as hints") {
    cluster.dead = {owners[0], owners[1], owners[2]};
    cluster.publish();
    sweep(cluster, others[0], write("any"));
  }
  SECTION("write with hints for the dead") {
    cluster.dead = {owners[2]};
    cluster.publish();
    sweep(cluster, owners[0], write("quorum"));
  }
  SECTION("the owner that it was passed to is destroyed") {
    for (int events = 0; events < 60; events += 5) {
      std::optional<WriteReply> got;
      cluster.coordinator(others[0]).write(cluster.request("k", "v", "quorum"),
                                           [&](WriteReply reply) { got = reply; });
      int seen = 0;
      cluster.world.run_until([&] { return ++seen > events; }, 1s);
      cluster.kill(owners[0]);
      REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 3s));
      CHECK(got->outcome != Outcome::NotWritten);
      cluster.start(owners[0]);
      cluster.world.run_for(1s);
    }
  }
  SECTION("read with repair, and inspect") {
    REQUIRE(cluster.put(owners[0], "k", "v", "all").outcome == Outcome::Ok);
    cluster.world.run_for(1s);
    cluster.damage(owners[2], "k");
    sweep(cluster, others[0], [&](Coordinator& coordinator, auto told) {
      coordinator.read({cluster.keyspace(), "k", {}, cluster.world.now() + 500ms}, told);
    });
    sweep(cluster, others[0], [&](Coordinator& coordinator, auto told) {
      coordinator.inspect(cluster.keyspace(), "k", cluster.world.now() + 500ms, told);
    });
  }
}

TEST_CASE("cluster: a client may destroy its node from within the answer",
          "[replication][cluster]") {
  Cluster cluster;
  const auto at = cluster.owners("k")[0];
  bool told = false;
  cluster.coordinator(at).write(cluster.request("k", "v", "quorum"), [&](const WriteReply&) {
    told = true;
    cluster.kill(at);
  });
  cluster.world.run_for(3s);
  CHECK(told);
}

}  // namespace parley::replication
