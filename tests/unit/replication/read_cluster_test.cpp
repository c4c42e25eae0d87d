// Reads and inspections on virtual time: hedges, repairs, damage, rings that differ, hints.
#include "tests/unit/replication/test_cluster.h"

#include "replication/inspect_coordinator.h"

namespace parley::replication {
namespace {

using runtime::Verb;
using test::Cluster;

// Node `missed` has an older version of the key than the others.
void make_stale(Cluster& cluster, const std::string& key, std::size_t missed) {
  const auto first = cluster.put(cluster.owners(key)[0], key, "old", "all");
  REQUIRE(first.outcome == Outcome::Ok);
  cluster.dead.insert(missed);
  cluster.publish();
  std::size_t at = 0;
  for (const std::size_t owner : cluster.owners(key)) {
    if (owner != missed) at = owner;
  }
  REQUIRE(cluster.put(at, key, "new", "2", first.context).outcome == Outcome::Ok);
  cluster.dead.clear();
  cluster.publish();
}

class Stale final : public DivergenceObserver {
 public:
  void replicas_stale(const storage::RecordKey&, const Bytes& merged,
                      const std::vector<NodeId>& replicas) override {
    CHECK(VersionSet::decode(merged));
    stale = replicas;
  }
  void record_damaged(const storage::RecordKey& key) override { damaged.push_back(key.key); }
  void hint_dropped(const NodeId& target, const storage::RecordKey&) override {
    dropped.push_back(target);
  }
  std::vector<NodeId> stale, dropped;
  std::vector<Bytes> damaged;
};

}  // namespace

TEST_CASE("read: what is refused before it is planned asks nobody", "[replication][cluster]") {
  Cluster cluster;
  const auto refused = [&](const std::string& key, const char* level, ErrorCode code) {
    const auto reply = cluster.get(0, key, level);
    CHECK(reply.outcome == Outcome::NotWritten);
    REQUIRE(reply.error);
    CHECK(reply.error->code == code);
    CHECK(reply.asked == 0);
  };
  refused("", "one", ErrorCode::InvalidArgument);
  refused(std::string(4097, 'k'), "one", ErrorCode::TooLarge);
  refused("k", "4", ErrorCode::InvalidArgument);
  CHECK(cluster.inspect(0, "").error->code == ErrorCode::InvalidArgument);
  CHECK(cluster.inspect(0, std::string(4097, 'k')).error->code == ErrorCode::TooLarge);
  cluster.nodes[0].view = nullptr;
  refused("k", "any", ErrorCode::NotReady);
  CHECK(cluster.inspect(0, "k").error->code == ErrorCode::NotReady);
  CHECK(cluster.calls_of_all() == 0);
}

TEST_CASE("read: a silent replica is hedged", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  REQUIRE(cluster.put(at, "k", "v", "all").outcome == Outcome::Ok);
  cluster.nodes[owners[0]].host->pause();
  const Instant begun = cluster.world.now();
  for (const char* level : {"one", "quorum", "any"}) {
    const auto got = cluster.get(at, "k", level);
    CHECK(got.outcome == Outcome::Ok);
    CHECK(got.values[0].value == "v");
    CHECK_FALSE(got.from_hint);
  }
  CHECK(cluster.world.now() - begun < 300ms);
  CHECK(cluster.get(at, "k", "one").asked == 2);
  const auto all = cluster.get(at, "k", "all");
  CHECK(all.outcome == Outcome::NotWritten);
  CHECK(all.error->code == ErrorCode::Unavailable);
  CHECK(all.answered == 2);
}

TEST_CASE("read: below a majority the stale are left to the background", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  make_stale(cluster, "k", owners[1]);
  Stale observer;
  cluster.nodes[owners[1]].replication->observe(&observer);
  // `one` asks itself, and is stale: nobody knows.
  CHECK(cluster.get(owners[1], "k", "one").values[0].value == "old");
  CHECK(observer.stale.empty());
  // A damaged one is not sent anything: it asks for what it needs.
  cluster.damage(owners[1], "k");
  const auto got = cluster.get(owners[1], "k", "one");
  CHECK(got.values[0].value == "new");
  CHECK(observer.stale.empty());
  CHECK(observer.damaged == std::vector<Bytes>{"k"});
}

TEST_CASE("read: a damaged copy is no answer, is told, and takes no copy",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto put = cluster.put(owners[0], "k", "v", "all");
  cluster.damage(owners[0], "k");
  auto state = cluster.inspect(owners[1], "k");
  CHECK(state.diverged);
  CHECK(state.replicas[0].damaged);
  CHECK(state.replicas[0].reachable);
  const auto all = cluster.get(owners[1], "k", "all");
  CHECK(all.outcome == Outcome::NotWritten);
  CHECK(all.error->code == ErrorCode::Unavailable);
  CHECK(all.answered < 3);
  Stale observer;
  cluster.nodes[owners[0]].replication->observe(&observer);
  const auto got = cluster.get(owners[0], "k", "quorum");
  CHECK(got.outcome == Outcome::Ok);
  CHECK(got.agreed == 2);
  CHECK(got.values[0].value == "v");
  CHECK(observer.stale.empty());
  CHECK(observer.damaged == std::vector<Bytes>{"k"});
  const auto short_of_one = cluster.put(owners[1], "k", "w", "all", put.context);
  CHECK(short_of_one.outcome == Outcome::Unknown);
  CHECK(test::state_of(short_of_one, cluster.id(owners[0])) == ReplicaState::Hinted);
  CHECK(cluster.inspect(owners[2], "k").replicas[0].damaged);
}

TEST_CASE("read: a replica that falls silent during its repair is replaced",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  make_stale(cluster, "k", owners[0]);
  const auto at = cluster.others("k")[0];
  // Answers: 0 old, 1 new. One of 0 and 2, which was not asked, must take the copy.
  const Instant begun = cluster.world.now();
  SECTION("silence") {
    cluster.refuse(owners[0], Verb::StoreCopy, std::nullopt);
    const auto got = cluster.get(at, "k", "quorum");
    CHECK(got.outcome == Outcome::Ok);
    CHECK(got.repaired == 1);
    CHECK(cluster.world.now() - begun >= cluster.options.replica_patience());
  }
  SECTION("refusal") {
    cluster.refuse(owners[0], Verb::StoreCopy, ErrorCode::DiskFull);
    const auto got = cluster.get(at, "k", "quorum");
    CHECK(got.outcome == Outcome::Ok);
    CHECK(got.repaired == 1);
    CHECK(cluster.world.now() - begun < 100ms);
  }
  SECTION("slow, and the one in its place refuses or is silent: its ack counts when it comes") {
    cluster.delay(owners[0], Verb::StoreCopy, 700ms);
    if (GENERATE(true, false)) {
      cluster.refuse(owners[2], Verb::StoreCopy, ErrorCode::DiskFull);
    } else {
      cluster.refuse(owners[2], Verb::StoreCopy, std::nullopt);
    }
    const auto got = cluster.get(at, "k", "quorum");
    CHECK(got.outcome == Outcome::Ok);
    CHECK(got.repaired == 1);
    CHECK(cluster.world.now() - begun >= 700ms);
    CHECK(cluster.world.now() - begun < 750ms);
  }
  SECTION("nobody else: waited for until the deadline") {
    cluster.refuse(owners[0], Verb::StoreCopy, std::nullopt);
    cluster.refuse(owners[2], Verb::StoreCopy, ErrorCode::DiskFull);
    const auto got = cluster.get(at, "k", "quorum");
    CHECK(got.outcome == Outcome::NotWritten);
    CHECK(got.error->code == ErrorCode::Unavailable);
    CHECK(cluster.world.now() - begun >= 2s);
  }
  SECTION("nobody at all") {
    cluster.refuse(owners[0], Verb::StoreCopy, ErrorCode::DiskFull);
    cluster.refuse(owners[2], Verb::StoreCopy, ErrorCode::DiskFull);
    const auto got = cluster.get(at, "k", "quorum");
    CHECK(got.error->code == ErrorCode::Unavailable);
    CHECK(cluster.world.now() - begun < 100ms);
  }
}

TEST_CASE("read: unavailable says whether answers or holders are missing, and who failed",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  make_stale(cluster, "k", owners[0]);
  const auto name = [&](std::size_t place) { return Cluster::address(owners[place]); };
  SECTION("too few answer") {
    cluster.refuse(owners[0], Verb::ReadCopy, ErrorCode::Overloaded);
    cluster.damage(owners[1], "k");
    const auto got = cluster.get(at, "k", "quorum");
    REQUIRE(got.error);
    CHECK(got.error->message ==
          "0 of 2 required replicas answered, and too few are left; failed: " + name(0) +
              " (overloaded), " + name(1) + " (damaged)");
  }
  SECTION("and one is down") {
    cluster.kill(owners[2]);
    cluster.publish();
    cluster.refuse(owners[0], Verb::ReadCopy, ErrorCode::Overloaded);
    const auto got = cluster.get(at, "k", "quorum");
    REQUIRE(got.error);
    CHECK(got.error->message ==
          "0 of 2 required replicas answered, and too few are left; failed: " + name(0) +
              " (overloaded), " + name(2) + " (down)");
  }
  SECTION("too few answer in time") {
    cluster.refuse(owners[0], Verb::ReadCopy, std::nullopt);
    cluster.damage(owners[1], "k");
    const auto got = cluster.get(at, "k", "quorum");
    REQUIRE(got.error);
    CHECK(got.error->message == "1 of 2 required replicas answered before the deadline; failed: " +
                                    name(1) + " (damaged)");
  }
  SECTION("enough answer, too few can be made to hold what was read") {
    cluster.refuse(owners[0], Verb::StoreCopy, ErrorCode::DiskFull);
    cluster.damage(owners[2], "k");
    cluster.refuse(owners[2], Verb::StoreCopy, ErrorCode::DiskFull);
    const auto got = cluster.get(at, "k", "quorum");
    CHECK(got.answered == 2);
    REQUIRE(got.error);
    CHECK(got.error->message ==
          "2 of 2 required replicas answered, but they differ, and only 1 could be made to hold "
          "all that was read; failed: " +
              name(0) + " (disk_full), " + name(2) + " (disk_full)");
  }
  SECTION("enough answer, and one falls silent") {
    cluster.refuse(owners[0], Verb::StoreCopy, std::nullopt);
    cluster.damage(owners[2], "k");
    cluster.refuse(owners[2], Verb::StoreCopy, ErrorCode::DiskFull);
    const auto got = cluster.get(at, "k", "quorum");
    CHECK(got.answered == 2);
    REQUIRE(got.error);
    CHECK(got.error->message ==
          "2 of 2 required replicas answered, but they differ, and only 1 could be made to hold "
          "all that was read before the deadline; failed: " +
              name(0) + " (no_answer), " + name(2) + " (disk_full)");
  }
  SECTION("enough answer, and a repair does not end in time") {
    cluster.refuse(owners[0], Verb::StoreCopy, std::nullopt);
    cluster.kill(owners[2]);
    cluster.publish();
    const auto got = cluster.get(at, "k", "quorum");
    CHECK(got.answered == 2);
    REQUIRE(got.error);
    CHECK(got.error->message ==
          "2 of 2 required replicas answered, but they differ, and only 1 could be made to hold "
          "all that was read before the deadline; failed: " +
              name(0) + " (no_answer), " + name(2) + " (down)");
  }
}

TEST_CASE("read: a repair that is passed over leaves what others said as it was (five replicas)",
          "[replication][cluster]") {
  Cluster cluster;
  cluster.base.keyspaces[0].replication_factor = 5;
  cluster.publish();
  std::vector<std::size_t> owners;
  for (const NodeId& node : cluster.base.ring->preference_list(slot_of(ring::token_of("k")), 5)) {
    owners.push_back(node.octets[0] - std::size_t{1});
  }
  REQUIRE(cluster.put(owners[0], "k", "old", "all").outcome == Outcome::Ok);
  // The newest is on the first one only.
  bool minted = false;
  MintRequest newer;
  newer.key = cluster.record_key("k");
  newer.value = "new";
  cluster.nodes[owners[0]].replication->replica().mint(
      newer, [&](const Result<Minted>& done) { minted = done.ok(); });
  REQUIRE(cluster.world.run_until([&] { return minted; }, 1s));
  cluster.refuse(owners[1], Verb::StoreCopy, ErrorCode::DiskFull);
  cluster.refuse(owners[2], Verb::StoreCopy, std::nullopt);
  cluster.refuse(owners[4], Verb::StoreCopy, ErrorCode::Overloaded);
  const auto got = cluster.get(owners[0], "k", "quorum");
  CHECK(got.repaired == 1);
  REQUIRE(got.error);
  const auto name = [&](std::size_t place) { return Cluster::address(owners[place]); };
  CHECK(got.error->message ==
        "3 of 3 required replicas answered, but they differ, and only 2 could be made to hold all "
        "that was read before the deadline; failed: " +
            name(1) + " (disk_full), " + name(2) + " (no_answer), " + name(4) + " (overloaded)");
}

TEST_CASE("read: a coordinator with an old ring plans anew", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  REQUIRE(cluster.put(owners[0], "k", "v", "all").outcome == Outcome::Ok);
  const auto at = cluster.others("k")[0];
  cluster.publish_to(at, cluster.ring_without(owners[0]));
  std::optional<ReadReply> got;
  cluster.coordinator(at).read(
      {cluster.keyspace(), "k", *parse_level("quorum"), cluster.world.now() + 2s},
      [&](ReadReply reply) { got = std::move(reply); });
  cluster.world.run_for(100ms);
  SECTION("and answers") {
    CHECK_FALSE(got);
    cluster.publish();
    REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 2s));
    CHECK(got->outcome == Outcome::Ok);
    CHECK(got->values[0].value == "v");
  }
  SECTION("until the deadline") {
    REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 3s));
    CHECK(got->error->code == ErrorCode::Unavailable);
  }
  SECTION("or is a member no more") {
    cluster.nodes[at].view = nullptr;
    REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 3s));
    CHECK(got->error->code == ErrorCode::NotReady);
  }
}

TEST_CASE("read: at any the hints answer although the rings differ", "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  for (const std::size_t owner : owners) cluster.dead.insert(owner);
  cluster.publish();
  REQUIRE(cluster.put(at, "k", "v", "any").outcome == Outcome::Ok);
  cluster.dead.clear();
  cluster.publish();
  for (const std::size_t owner : owners) {
    cluster.refuse(owner, Verb::ReadCopy, ErrorCode::WrongRing);
  }
  const Instant begun = cluster.world.now();
  const auto got = cluster.get(at, "k", "any");
  CHECK(got.outcome == Outcome::Ok);
  CHECK(got.from_hint);
  CHECK(cluster.world.now() - begun < 1s);
}

TEST_CASE("read: at any without replica and hint it is unavailable, never not found",
          "[replication][cluster]") {
  Cluster cluster;
  const auto owners = cluster.owners("k");
  const auto at = cluster.others("k")[0];
  REQUIRE(cluster.put(owners[0], "k", "v", "all").outcome == Outcome::Ok);
  REQUIRE(cluster.get(at, "k", "all").outcome == Outcome::Ok);  // connections are open
  SECTION("the owners are known to be dead") {
    for (const std::size_t owner : owners) cluster.kill(owner);
    cluster.publish();
    const Instant begun = cluster.world.now();
    CHECK(cluster.get(at, "k", "any").error->code == ErrorCode::Unavailable);
    CHECK(cluster.world.now() - begun < 100ms);
  }
  SECTION("the owners are silent: until the deadline") {
    for (const std::size_t owner : owners) cluster.nodes[owner].host->pause();
    CHECK(cluster.get(at, "k", "any").error->code == ErrorCode::Unavailable);
  }
  SECTION("the owners are silent and come back") {
    for (const std::size_t owner : owners) cluster.nodes[owner].host->pause();
    std::optional<ReadReply> got;
    cluster.coordinator(at).read(
        {cluster.keyspace(), "k", *parse_level("any"), cluster.world.now() + 4s},
        [&](ReadReply reply) { got = std::move(reply); });
    cluster.world.run_for(1500ms);
    CHECK_FALSE(got);
    for (const std::size_t owner : owners) cluster.nodes[owner].host->resume();
    REQUIRE(cluster.world.run_until([&] { return got.has_value(); }, 3s));
    CHECK(got->outcome == Outcome::Ok);
    CHECK_FALSE(got->from_hint);
    CHECK(got->values[0].value == "v");
  }
}

TEST_CASE("read: hints larger than a frame together are found from another node",
          "[replication][cluster]") {
  Cluster cluster;
  REQUIRE(cluster.options.value_bytes_most.set(3_MiB));
  const auto holder = cluster.others("k")[0], asker = cluster.others("k")[1];
  for (const std::size_t owner : cluster.owners("k")) cluster.kill(owner);
  cluster.dead.insert(asker);
  cluster.publish();
  const Bytes value(3_MiB, 'v');
  const auto put = cluster.put(holder, "k", value, "any");
  REQUIRE(put.outcome == Outcome::Ok);
  REQUIRE(cluster.hints_at(holder) == 3);
  REQUIRE(cluster.hints_at(asker) == 0);
  cluster.dead.erase(asker);
  cluster.publish();
  const auto got = cluster.get(asker, "k", "any");
  CHECK(got.outcome == Outcome::Ok);
  CHECK(got.from_hint);
  REQUIRE(got.values.size() == 1);
  CHECK(got.values[0].value == value);
  for (const InspectRow& row : cluster.inspect(asker, "k").replicas) CHECK(row.hints_pending == 1);
}

TEST_CASE("found hints: one set for all of a key's rows", "[replication]") {
  const auto row = [](std::uint8_t target, std::uint8_t storage, bool damaged = false) {
    storage::HintRow out;
    out.key.target.octets[0] = target;
    VersionSet set;
    StorageId id;
    id.octets[0] = storage;
    set.write({}, {Dot{Actor{id, 2}, 1}, false, {}, "v"});
    out.value = damaged ? Bytes{} : set.encode();
    out.damaged = damaged;
    return out;
  };
  const auto reply = found_hints({row(1, 1, true), row(2, 2), row(3, 3), row(4, 2)}, false);
  REQUIRE(reply.hints.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(reply.hints[i].target.octets[0] == i + 1);
  std::size_t filled = 0;
  for (const FoundHint& hint : reply.hints) {
    if (hint.set.empty()) continue;
    ++filled;
    CHECK(VersionSet::decode(hint.set)->siblings().size() == 2);
  }
  CHECK(filled == 1);
  for (const FoundHint& hint : found_hints({row(1, 1), row(2, 2)}, true).hints) {
    CHECK(hint.set.empty());
  }
  auto junk = row(1, 1);
  junk.value = "junk";
  CHECK(found_hints({junk}, false).hints[0].set.empty());
  CHECK(found_hints({}, false).hints.empty());
}

TEST_CASE("inspect: rows differ, are damaged, are missing or are away", "[replication]") {
  InspectRow row;
  row.reachable = row.holds_record = true;
  row.digest = 7;
  const std::vector<InspectRow> same{row, row, row};
  CHECK_FALSE(has_diverged(same));
  CHECK(has_diverged({}));
  const auto with = [&](auto change) {
    auto rows = same;
    change(rows[1]);
    return has_diverged(rows);
  };
  CHECK(with([](InspectRow& r) { r.reachable = false; }));
  CHECK(with([](InspectRow& r) { r.damaged = true; }));
  CHECK(with([](InspectRow& r) { r.not_ready = true; }));
  CHECK(with([](InspectRow& r) { r.holds_record = false; }));
  CHECK(with([](InspectRow& r) { r.digest = 8; }));
}

TEST_CASE("inspect: answers that come with the deadline are told or dropped",
          "[replication][cluster]") {
  Cluster cluster;
  const auto at = cluster.others("k")[0];
  REQUIRE(cluster.put(at, "k", "v", "all").outcome == Outcome::Ok);
  cluster.world.run_for(1s);
  std::size_t told = 0;
  for (int millis = 0; millis < 8; ++millis) {
    const auto state = cluster.inspect(at, "k", millis * 1ms);
    REQUIRE(state.replicas.size() == 3);
    for (const InspectRow& row : state.replicas) told += row.reachable ? 1U : 0U;
    CHECK(state.diverged == (state.replicas[0].reachable == false));
    cluster.world.run_for(100ms);
  }
  CHECK(told > 0);
}

}  // namespace parley::replication
