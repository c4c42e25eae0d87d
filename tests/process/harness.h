// What the process tests share: the command line's JSON, keys with chosen owners, unique values.
#pragma once

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tools/local/local_cluster.h"

namespace parley::process_test {

using Json = nlohmann::json;
using local::eventually;
using local::LocalCluster;
using local::LocalClusterOptions;
using local::RunResult;

// `parley ... -o json` at node i; fails the test when standard output is no JSON.
struct JsonResult {
  int exit_code = -1;
  Json json;
  std::string err;
};
inline JsonResult cli_json(LocalCluster& cluster, std::size_t i, std::vector<std::string> words,
                           const std::string& input = {}) {
  words.push_back("-o");
  words.push_back("json");
  const RunResult result = cluster.cli(i, words, input);
  JsonResult out{result.exit_code, Json::parse(result.out, nullptr, false), result.err};
  std::string line;
  for (const auto& word : words) line += word + " ";
  INFO("parley " << line << "\nstdout: " << result.out << "\nstderr: " << result.err);
  REQUIRE_FALSE(out.json.is_discarded());
  return out;
}

inline std::set<std::string> values_of(const Json& get) {
  std::set<std::string> out;
  for (const auto& value : get.at("values")) out.insert(value.at("value").get<std::string>());
  return out;
}

// `count` keys whose owners are exactly this set of nodes.
inline std::vector<std::string> keys_owned_by(LocalCluster& cluster, std::size_t ask,
                                              std::set<std::size_t> owners, std::size_t count,
                                              const std::string& prefix) {
  std::vector<std::string> keys;
  const auto client = cluster.client({ask}, std::chrono::seconds(5), false);
  for (int i = 0; keys.size() < count && i < 100000; ++i) {
    const std::string key = prefix + std::to_string(i);
    const auto replicas = client->endpoints(key);
    if (!replicas.ok()) continue;
    std::set<std::size_t> found;
    for (const auto& replica : *replicas) found.insert(cluster.index_of(replica.address));
    if (found == owners) keys.push_back(key);
  }
  REQUIRE(keys.size() == count);
  return keys;
}

// True when every replica of the key is reachable and equal (and, with `must_exist`, has it).
inline bool replicas_equal(client::Client& client, const std::string& key) {
  const auto inspected = client.inspect(key);
  return inspected.ok() && inspected->exists && !inspected->diverged;
}

// How many of the keys are not (yet) equal on all their replicas.
inline std::size_t count_diverged(client::Client& client, const std::vector<std::string>& keys) {
  return static_cast<std::size_t>(std::count_if(
      keys.begin(), keys.end(), [&](const auto& key) { return !replicas_equal(client, key); }));
}

// Hints held by any node that is up, as `client`'s node sums them; -1 when it cannot say.
inline std::int64_t hints_left(client::Client& client) {
  const auto hints = client.hints();
  if (!hints.ok() || !hints->no_answer.empty()) return -1;
  std::int64_t total = 0;
  for (const auto& row : hints->rows) total += static_cast<std::int64_t>(row.hints);
  return total;
}

}  // namespace parley::process_test
