// `parley cluster`, the verbs that only look: status, env, logs.
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

#include "tools/cli/local_output.h"
#include "tools/cli/verbs.h"

namespace parley::cli {
namespace {

using local::ClusterDirectory;
using local::ClusterPlan;
using local::DetachedCluster;
using State = DetachedCluster::State;

Result<DetachedCluster> look_at_local_cluster(const CommandLine& line) {
  return open_local_cluster(line, ClusterDirectory::Use::Read);
}

}  // namespace

ExitCode cluster_status(const CommandLine& line) {
  const auto cluster = look_at_local_cluster(line);
  if (!cluster.ok()) return fail(line, cluster.error());
  const ClusterPlan& plan = cluster->plan();
  const auto seen = cluster->ask_cluster(line.timeout);
  std::map<std::string, std::string> status;
  if (seen) {
    for (const auto& node : seen->second.nodes) status[node.address] = node.status;
  }
  Json nodes = Json::array();
  std::vector<std::vector<std::string>> rows = {
      {"NODE", "ADDRESS", "PID", "STATE", "READY", "STATUS", "RACK"}};
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    // A node that is paused would not answer.
    const bool asked = cluster->state(i) == State::Running;
    const std::string why_not = asked ? cluster->why_not_ready(i) : to_text(cluster->state(i));
    const auto said = status.find(plan.address(i));
    Json row = node_json(*cluster, i);
    row["ready"] = why_not.empty();
    row["status"] = said == status.end() ? Json(nullptr) : Json(said->second);
    nodes.push_back(std::move(row));
    rows.push_back({plan.name(i), plan.address(i), pid_text(*cluster, i),
                    to_text(cluster->state(i)), why_not.empty() ? "yes" : "no",
                    said == status.end() ? "-" : said->second, plan.rack(i)});
    if (asked && !why_not.empty()) {
      std::fprintf(stderr, "%s is not ready: %s\n", plan.name(i).c_str(), why_not.c_str());
    }
  }
  if (line.output == OutputForm::Json) {
    print_json({{"nodes", nodes},
                {"seen_by", seen ? Json(seen->first) : Json(nullptr)},
                {"endpoints", endpoints_of(plan)}});
    return kOk;
  }
  std::fputs(table_text(rows).c_str(), stdout);
  const std::string by = seen ? "STATUS as " + seen->first + " sees it" : "no node answers";
  std::fprintf(stderr, "%s\n", by.c_str());
  return kOk;
}

ExitCode cluster_env(const CommandLine& line) {
  const auto directory = ClusterDirectory::open(line.local.directory, ClusterDirectory::Use::Read);
  if (!directory.ok()) return fail(line, directory.error());
  const std::string endpoints = endpoints_of(directory->plan());
  if (line.output == OutputForm::Json)
    print_json({{"PARLEY_ENDPOINTS", endpoints}});
  else
    print_line("export PARLEY_ENDPOINTS=" + endpoints);
  return kOk;
}

namespace {

constexpr std::streamoff kTailBytesMost = 16 * 1024 * 1024;
constexpr int kFollowEveryMs = 100;

// A log that grows: whole lines, each behind `prefix`.
class Tail {
 public:
  Tail(const std::string& path, std::string prefix)
      : path_(path), prefix_(std::move(prefix)), file_(path, std::ios::binary) {}

  bool is_open() const { return file_.is_open(); }

  void print_last(int lines) {
    file_.seekg(0, std::ios::end);
    const std::streamoff size = file_.tellg();
    const std::streamoff begin = std::max<std::streamoff>(0, size - kTailBytesMost);
    file_.seekg(begin);
    std::vector<std::string> all = take_lines();
    if (begin > 0 && !all.empty()) all.erase(all.begin());  // its beginning is not there
    const auto skipped = std::max<std::ptrdiff_t>(0, std::ssize(all) - lines);
    std::for_each(all.begin() + skipped, all.end(), [this](const auto& l) { print(l); });
  }
  void print_new() {
    for (const std::string& each : take_lines()) print(each);
  }
  // What has no end yet, such as the last words of a crash.
  void print_rest() {
    if (!begun_.empty()) print(std::exchange(begun_, {}));
  }
  bool is_gone() const {
    struct stat there {};
    return stat(path_.c_str(), &there) != 0;
  }

 private:
  std::vector<std::string> take_lines() {
    std::vector<std::string> out;
    file_.clear();
    for (std::string part; std::getline(file_, part);) {
      begun_ += part;
      if (file_.eof()) break;
      out.push_back(std::exchange(begun_, {}));
    }
    return out;
  }
  void print(const std::string& text) { print_line(prefix_ + text); }

  std::string path_, prefix_, begun_;
  std::ifstream file_;
};

}  // namespace

ExitCode cluster_logs(const CommandLine& line) {
  const auto directory = ClusterDirectory::open(line.local.directory, ClusterDirectory::Use::Read);
  if (!directory.ok()) return fail(line, directory.error());
  const ClusterPlan& plan = directory->plan();
  const auto nodes = nodes_named(plan, line.local.names);
  if (!nodes.ok()) return fail(line, nodes.error());
  std::vector<Tail> tails;
  for (const std::size_t i : *nodes) {
    tails.emplace_back(directory->log_file(i), nodes->size() > 1 ? plan.name(i) + " | " : "");
    if (tails.back().is_open()) continue;
    return fail(line, {ErrorCode::NotFound, plan.name(i) + " has no log yet"});
  }
  for (Tail& tail : tails) {
    tail.print_last(line.local.lines);
    if (!line.local.follow) tail.print_rest();
  }
  while (line.local.follow && std::ferror(stdout) == 0) {
    if (std::all_of(tails.begin(), tails.end(), [](const Tail& tail) { return tail.is_gone(); })) {
      break;  // wiped
    }
    std::fflush(stdout);
    poll(nullptr, 0, kFollowEveryMs);
    for (Tail& tail : tails) tail.print_new();
  }
  return kOk;
}

}  // namespace parley::cli
