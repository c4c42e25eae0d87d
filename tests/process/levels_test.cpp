// Scenario a: every level, write and read, with 0 to 3 of a key's replicas killed.
#include <map>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

const std::vector<std::string> kLevels = {"all", "quorum", "one", "any", "1", "2", "3"};

std::size_t required_of(const std::string& level) {
  static const std::map<std::string, std::size_t> kRequired = {
      {"all", 3}, {"quorum", 2}, {"one", 1}, {"any", 1}, {"1", 1}, {"2", 2}, {"3", 3}};
  return kRequired.at(level);
}

struct Scene {
  LocalCluster cluster;
  std::vector<std::size_t> owners;  // of every key used, in preference order
  std::vector<std::size_t> others;  // the two nodes that own nothing of them
  std::size_t killed = 0;           // owners[0..killed) are dead
  std::vector<std::string> spare_keys;
  std::map<std::string, std::string> accepted, refused;  // key -> value

  std::string take_key() {
    REQUIRE_FALSE(spare_keys.empty());
    std::string key = spare_keys.back();
    spare_keys.pop_back();
    return key;
  }
  std::vector<std::size_t> coordinators() const {
    std::vector<std::size_t> out = {others[0]};
    if (killed < 3) out.push_back(owners[2]);
    return out;
  }
};

void check_level_json(const Json& json, const std::string& level) {
  if (level.size() == 1)
    CHECK(json.at("level") == std::stoi(level));
  else
    CHECK(json.at("level") == level);
  CHECK(json.at("required") == required_of(level));
}

void check_receipt(Scene& scene, const Json& put, bool hint_only, std::size_t required) {
  std::size_t durable = 0;
  REQUIRE(put.at("replicas").size() == 3);
  for (const auto& replica : put.at("replicas")) {
    const auto node = scene.cluster.index_of(replica.at("address"));
    const std::string state = replica.at("state");
    const auto end = scene.owners.begin() + static_cast<std::ptrdiff_t>(scene.killed);
    const bool dead = std::find(scene.owners.begin(), end, node) != end;
    INFO(put.dump());
    if (dead) {
      CHECK(state == "hinted");
      CHECK(scene.cluster.running(scene.cluster.index_of(replica.at("hint_holder"))));
    } else {
      CHECK((state == "durable" || state == "pending"));
    }
    durable += state == "durable" ? 1 : 0;
  }
  if (hint_only)
    CHECK_FALSE(put.at("hint_holders").empty());
  else
    CHECK(durable >= required);
}

void write_at(Scene& scene, std::size_t coordinator, const std::string& level,
              const std::string& key) {
  const std::string value = "value of " + key + " at " + level;
  const auto put = cli_json(scene.cluster, coordinator, {"put", key, value, "-c", level});
  const std::size_t up = 3 - scene.killed;
  const std::size_t required = required_of(level);
  const bool hint_only = level == "any" && up == 0;
  INFO("put -c " << level << " with " << scene.killed << " killed: " << put.json.dump());
  check_level_json(put.json, level);
  if (required <= up || hint_only) {
    CHECK(put.exit_code == 0);
    CHECK(put.json.at("outcome") == "ok");
    CHECK_FALSE(put.json.at("version").get<std::string>().empty());
    check_receipt(scene, put.json, hint_only, required);
    scene.accepted[key] = value;
  } else {
    CHECK(put.exit_code == 4);
    CHECK(put.json.at("outcome") == "not_written");
    CHECK(put.json.at("error").at("code") == "unavailable");
    REQUIRE(put.json.at("replicas").size() == 3);
    for (const auto& replica : put.json.at("replicas")) CHECK(replica.at("state") == "failed");
    scene.refused[key] = value;
  }
}

void read_at(Scene& scene, std::size_t coordinator, const std::string& level,
             const std::string& key) {
  const auto get = cli_json(scene.cluster, coordinator, {"get", key, "-c", level});
  const std::size_t up = 3 - scene.killed;
  INFO("get -c " << level << " with " << scene.killed << " killed: " << get.json.dump());
  check_level_json(get.json, level);
  if (required_of(level) <= up) {
    CHECK(get.exit_code == 0);
    CHECK(get.json.at("found") == true);
    CHECK(values_of(get.json) == std::set<std::string>{scene.accepted.at(key)});
    CHECK(get.json.at("answered") >= required_of(level));
    CHECK(get.json.at("from_hint") == false);
  } else if (level == "any") {
    CHECK(get.exit_code == 0);
    CHECK(get.json.at("from_hint") == true);
    CHECK(values_of(get.json) == std::set<std::string>{scene.accepted.at(key)});
  } else {
    CHECK(get.exit_code == 4);
    CHECK(get.json.at("error").at("code") == "unavailable");
  }
}

void round_with_killed(Scene& scene) {
  for (const std::size_t coordinator : scene.coordinators()) {
    for (const auto& level : kLevels) {
      const std::string key = scene.take_key();
      write_at(scene, coordinator, level, key);
      if (!scene.accepted.contains(key)) {
        // What was refused must be readable nowhere. (No replica up: nobody can say.)
        const auto get = cli_json(scene.cluster, coordinator, {"get", key, "-c", "any"});
        CHECK(get.exit_code == (scene.killed == 3 ? 4 : 1));
        continue;
      }
      for (const auto& read_level : kLevels) read_at(scene, coordinator, read_level, key);
    }
  }
}

void check_unavailable_is_quick(Scene& scene) {
  const auto client = scene.cluster.client({scene.others[0]}, 5s, false);
  REQUIRE(client->status().ok());  // connected from here on
  client::WriteOptions options;
  options.level = "all";
  const auto begun = std::chrono::steady_clock::now();
  const auto put = client->put(scene.spare_keys.front(), "refused", options);
  const auto took = std::chrono::steady_clock::now() - begun;
  CHECK(put.outcome == client::Outcome::NotWritten);
  CHECK(took < 100ms);
}

void check_aftermath(Scene& scene) {
  for (const std::size_t i : scene.owners) scene.cluster.launch(i);
  for (const std::size_t i : scene.owners) REQUIRE(scene.cluster.wait_ready(i));
  REQUIRE(scene.cluster.wait_settled());
  const auto client = scene.cluster.client({scene.others[1]}, 2s, false);
  client::ReadOptions quorum;
  quorum.level = "quorum";
  for (const auto& [key, value] : scene.accepted) {
    INFO(key);
    CHECK(eventually(20s, [&, k = key, v = value] {
      const auto get = client->get(k, quorum);
      return !get.error && get.values.size() == 1 && get.values[0].value == v;
    }));
  }
  client::ReadOptions all;
  all.level = "all";
  for (const auto& [key, value] : scene.refused) {
    INFO(key);
    client::ReadResult get;
    CHECK(eventually(20s, [&, k = key] {
      get = client->get(k, all);
      return !get.error;
    }));
    CHECK_FALSE(get.found);
  }
}

}  // namespace

TEST_CASE("levels: outcome, exit code and receipt with 0 to 3 replicas killed", "[levels]") {
  Scene scene;
  INFO(scene.cluster.why());
  REQUIRE(scene.cluster.start());
  const auto found = scene.cluster.owners(0, "levels-0");
  REQUIRE(found.size() == 3);
  scene.owners = found;
  for (std::size_t i = 0; i < 5; ++i) {
    if (std::find(found.begin(), found.end(), i) == found.end()) scene.others.push_back(i);
  }
  scene.spare_keys =
      keys_owned_by(scene.cluster, scene.others[0], {found.begin(), found.end()}, 52, "levels-");
  round_with_killed(scene);
  while (scene.killed < 3) {
    scene.cluster.kill9(scene.owners[scene.killed]);
    ++scene.killed;
    REQUIRE(scene.cluster.wait_settled());
    check_unavailable_is_quick(scene);
    round_with_killed(scene);
  }
  // From each live node, not only from the one that holds the hint.
  for (const auto& [key, value] : scene.accepted) {
    for (const std::size_t node : scene.others) {
      const auto get = cli_json(scene.cluster, node, {"get", key, "-c", "any"});
      if (get.exit_code == 4) continue;  // written while replicas were up: no hint needed
      CHECK(get.json.at("from_hint") == true);
    }
  }
  check_aftermath(scene);
}

TEST_CASE("levels: a number above the replication factor is a usage error", "[levels]") {
  LocalClusterOptions options;
  options.nodes = 1;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  const auto four = cli_json(cluster, 0, {"put", "k", "v", "-c", "4"});
  CHECK(four.exit_code == 2);
  // One node alone: N is 1, so quorum and all are met by it, and 2 cannot be.
  CHECK(cli_json(cluster, 0, {"put", "k", "v", "-c", "all"}).exit_code == 0);
  CHECK(cli_json(cluster, 0, {"put", "k", "v", "-c", "quorum"}).exit_code == 0);
  CHECK(cli_json(cluster, 0, {"put", "k", "v", "-c", "2"}).exit_code == 4);
  CHECK(cli_json(cluster, 0, {"get", "k"}).json.at("values").at(0).at("value") == "v");
  CHECK(cli_json(cluster, 0, {"del", "k"}).exit_code == 0);
  const auto gone = cli_json(cluster, 0, {"get", "k"});
  CHECK(gone.exit_code == 1);
  CHECK_FALSE(gone.json.at("context").get<std::string>().empty());
}
