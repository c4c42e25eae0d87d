// `parley cluster`, the verbs that change something: up, down, kill, restart, pause, resume.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <functional>

#include "tools/cli/local_output.h"
#include "tools/cli/verbs.h"
#include "tools/local/node_command.h"

namespace parley::cli {
namespace {

using local::ClusterDirectory;
using local::ClusterPlan;
using local::DetachedCluster;
using local::WallDuration;
using Nodes = DetachedCluster::Nodes;
using State = DetachedCluster::State;

constexpr WallDuration kEndPatience = std::chrono::seconds(20);
// What the kernel takes for SIGKILL, SIGSTOP and SIGCONT.
constexpr WallDuration kSignalPatience = std::chrono::seconds(10);

WallDuration limit_of(const CommandLine& line) {
  return std::chrono::duration_cast<WallDuration>(line.timeout);
}

Result<DetachedCluster> hold_local_cluster(const CommandLine& line) {
  return open_local_cluster(line, ClusterDirectory::Use::Alone);
}

// --- up ---

volatile std::sig_atomic_t interrupted = 0;

void hear_interrupts() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    // What we were started to ignore (nohup) is still ignored.
    const auto before = std::signal(number, [](int) { interrupted = 1; });
    if (before == SIG_IGN) std::signal(number, SIG_IGN);
  }
}
bool was_interrupted() { return interrupted != 0; }

// The end of an `up` that failed; an interrupt may be why.
ExitCode undone(const CommandLine& line, Error error, const std::string& what_stays) {
  if (was_interrupted()) {
    std::fprintf(stderr, "parley: interrupted: %s\n", what_stays.c_str());
    return kInterrupted;
  }
  error.message += "; " + what_stays;
  return fail(line, error);
}

// What is there already, or what is wanted now.
Result<ClusterPlan> plan_of(const LocalWords& words, const ClusterDirectory& directory) {
  ClusterPlan plan = directory.plan();
  const auto nodes = static_cast<std::size_t>(words.nodes.value_or(static_cast<int>(plan.nodes)));
  const auto racks = static_cast<std::size_t>(words.racks.value_or(static_cast<int>(plan.racks)));
  if (!directory.is_new() && (nodes != plan.nodes || racks != plan.racks)) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("{} holds a cluster of {} nodes and {} racks already: leave out "
                             "--nodes and --racks, or choose another --dir",
                             directory.path(), plan.nodes, plan.racks)};
  }
  plan.nodes = nodes;
  plan.racks = racks;
  plan.allow_faults = plan.allow_faults || words.allow_faults;
  if (!words.flags.empty()) plan.flags = words.flags;
  if (directory.is_new()) {
    auto prefix = local::fresh_prefix(nodes);
    if (!prefix.ok()) return prefix.error();
    plan.prefix = std::move(*prefix);
  }
  return plan;
}

// The cluster as it is to be, with nothing started yet.
Result<DetachedCluster> prepare(const CommandLine& line, const std::string& parleyd) {
  ClusterPlan asked;
  asked.prefix = "127.0.0.";
  asked.flags = line.local.flags;
  const Status sound = local::check_flags(parleyd, asked);
  if (!sound.ok()) return sound.error();
  auto directory = ClusterDirectory::open_or_make(line.local.directory);
  if (!directory.ok()) return directory.error();
  const auto plan = plan_of(line.local, *directory);
  if (!plan.ok()) return plan.error();
  if (directory->is_new()) {
    const Status saved = directory->save(*plan);
    if (!saved.ok()) return saved.error();
    return DetachedCluster(std::move(*directory));
  }
  DetachedCluster cluster(std::move(*directory));
  const ClusterPlan& old = cluster.plan();
  if (plan->flags == old.flags && plan->allow_faults == old.allow_faults) return cluster;
  if (cluster.in_state(State::Dead).size() < old.nodes) {
    return Error{ErrorCode::InvalidArgument,
                 "nodes are running with other flags: parley cluster down stops them"};
  }
  const Status saved = cluster.directory().save(*plan);
  if (!saved.ok()) return saved.error();
  return cluster;
}

// Those that had to be killed.
Nodes end_nodes(DetachedCluster& cluster, const Nodes& nodes, WallDuration limit) {
  for (const std::size_t i : nodes) cluster.ask_to_end(i);
  local::eventually(limit, [&] {
    for (const std::size_t i : nodes) {
      if (cluster.state(i) != State::Dead) return false;
    }
    return true;
  });
  Nodes killed;
  for (const std::size_t i : nodes) {
    if (cluster.state(i) == State::Dead) continue;
    cluster.signal(i, SIGKILL);
    cluster.wait_dead(i, kSignalPatience);
    killed.push_back(i);
  }
  return killed;
}

void print_up(const CommandLine& line, const DetachedCluster& cluster, const Nodes& started) {
  const ClusterPlan& plan = cluster.plan();
  const Nodes paused = cluster.in_state(State::Paused);
  const std::string is_up = fmt::format("{} of {} nodes up and ready",
                                        cluster.in_state(State::Running).size(), plan.nodes);
  if (started.empty())
    std::fprintf(stderr, "already up, nothing was started: %s\n", is_up.c_str());
  else
    std::fprintf(stderr, "started %s: %s\n", names_of(plan, started).c_str(), is_up.c_str());
  if (!paused.empty()) {
    std::fprintf(stderr, "paused: %s; parley cluster resume lets them go on\n",
                 names_of(plan, paused).c_str());
  }
  Json nodes = Json::array(), names = Json::array();
  std::vector<std::vector<std::string>> rows = {
      {"NODE", "ADDRESS", "CLIENT", "HTTP", "RACK", "PID", "STATE"}};
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    nodes.push_back(node_json(cluster, i));
    const std::string& address = plan.address(i);
    rows.push_back({plan.name(i), address, local::client_endpoint_of(address),
                    local::http_endpoint_of(address), plan.rack(i), pid_text(cluster, i),
                    to_text(cluster.state(i))});
  }
  for (const std::size_t i : started) names.push_back(plan.name(i));
  if (line.output == OutputForm::Json) {
    print_json({{"nodes", nodes}, {"started", names}, {"endpoints", endpoints_of(plan)}});
    return;
  }
  std::fputs(table_text(rows).c_str(), stdout);
  print_line("\nexport PARLEY_ENDPOINTS=" + endpoints_of(plan));
}

}  // namespace

ExitCode cluster_up(const CommandLine& line) {
  hear_interrupts();
  const auto parleyd = local::find_parleyd();
  if (!parleyd.ok()) return fail(line, parleyd.error());
  auto cluster = prepare(line, *parleyd);
  if (!cluster.ok() && !was_interrupted()) return fail(line, cluster.error());
  if (!cluster.ok()) return undone(line, cluster.error(), "nothing was started");
  const Nodes dead = cluster->in_state(State::Dead);
  Nodes wanted = cluster->in_state(State::Running);
  wanted.insert(wanted.end(), dead.begin(), dead.end());
  Status up = cluster->start(*parleyd, dead);
  if (up.ok()) up = cluster->wait_ready(wanted, true, limit_of(line), was_interrupted);
  if (up.ok()) {
    print_up(line, *cluster, dead);
    return kOk;
  }
  end_nodes(*cluster, dead, kEndPatience);
  return undone(line, up.error(),
                dead.empty() ? "nothing was started" : "what was started is stopped again");
}

// --- down ---

ExitCode cluster_down(const CommandLine& line) {
  auto cluster = hold_local_cluster(line);
  if (!cluster.ok()) return fail(line, cluster.error());
  const ClusterPlan plan = cluster->plan();
  Nodes alive;
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    if (cluster->state(i) != State::Dead) alive.push_back(i);
  }
  const Nodes killed = end_nodes(*cluster, alive, limit_of(line));
  for (const std::size_t i : killed) {
    std::fprintf(stderr, "%s did not stop in time and was killed (SIGKILL)\n",
                 plan.name(i).c_str());
  }
  if (cluster->in_state(State::Dead).size() < plan.nodes) {
    return fail(line, {ErrorCode::Internal, "some nodes could not even be killed"});
  }
  bool whole = false;
  if (line.local.wipe) {
    const auto wiped = cluster->directory().wipe();
    if (!wiped.ok()) return fail(line, wiped.error());
    whole = *wiped;
    if (!whole) {
      std::fprintf(stderr, "%s stays: files are in it that parley cluster did not make\n",
                   cluster->directory().path().c_str());
    }
  }
  if (line.output == OutputForm::Json) {
    Json stopped = Json::array(), names = Json::array();
    for (const std::size_t i : alive) stopped.push_back(plan.name(i));
    for (const std::size_t i : killed) names.push_back(plan.name(i));
    print_json({{"stopped", stopped}, {"killed", names}, {"wiped", line.local.wipe}});
    return kOk;
  }
  print_line(alive.empty() ? "nothing was running" : "stopped " + names_of(plan, alive));
  if (line.local.wipe) print_line("data removed");
  return kOk;
}

namespace {

// --- kill, pause, resume ---

// What became of one node. Not `as_asked`: it could not be done, and `text` says why.
struct Struck {
  bool as_asked = true;
  std::string text;
};

ExitCode strike(const CommandLine& line,
                const std::function<Struck(DetachedCluster&, std::size_t)>& stroke) {
  auto cluster = hold_local_cluster(line);
  if (!cluster.ok()) return fail(line, cluster.error());
  const auto nodes = nodes_named(cluster->plan(), line.local.names);
  if (!nodes.ok()) return fail(line, nodes.error());
  Json rows = Json::array();
  ExitCode code = kOk;
  for (const std::size_t i : *nodes) {
    const Struck struck = stroke(*cluster, i);
    const std::string text = cluster->plan().name(i) + " " + struck.text;
    Json row = node_json(*cluster, i);
    row["as_asked"] = struck.as_asked;
    rows.push_back(std::move(row));
    if (!struck.as_asked) {
      std::fprintf(stderr, "parley: %s\n", text.c_str());
      code = kNegative;
    } else if (line.output != OutputForm::Json) {
      print_line(text);
    }
  }
  if (line.output == OutputForm::Json) print_json({{"nodes", rows}});
  return code;
}

bool wait_state(const DetachedCluster& cluster, std::size_t i, State state) {
  return local::eventually(kSignalPatience, [&] { return cluster.state(i) == state; });
}

}  // namespace

ExitCode cluster_kill(const CommandLine& line) {
  return strike(line, [](DetachedCluster& cluster, std::size_t i) -> Struck {
    const pid_t pid = cluster.pid(i);
    if (pid == 0) return {true, "was dead already"};
    cluster.signal(i, SIGKILL);
    if (!cluster.wait_dead(i, kSignalPatience)) return {false, "does not end"};
    return {true, fmt::format("killed (pid {})", pid)};
  });
}

ExitCode cluster_pause(const CommandLine& line) {
  return strike(line, [](DetachedCluster& cluster, std::size_t i) -> Struck {
    if (cluster.state(i) == State::Dead) return {false, "is dead: it cannot be paused"};
    if (cluster.state(i) == State::Paused) return {true, "was paused already"};
    cluster.signal(i, SIGSTOP);
    if (!wait_state(cluster, i, State::Paused)) return {false, "does not stop"};
    return {true, "paused"};
  });
}

ExitCode cluster_resume(const CommandLine& line) {
  return strike(line, [](DetachedCluster& cluster, std::size_t i) -> Struck {
    if (cluster.state(i) == State::Dead)
      return {false, "is dead: parley cluster restart starts it"};
    if (cluster.state(i) == State::Running) return {true, "was not paused"};
    cluster.signal(i, SIGCONT);
    if (!wait_state(cluster, i, State::Running)) return {false, "does not go on"};
    return {true, "resumed"};
  });
}

// --- restart ---

namespace {

// One after the other, so that no more than one is away because of us.
Status restart_one(DetachedCluster& cluster, const std::string& parleyd, std::size_t i,
                   WallDuration limit) {
  cluster.ask_to_end(i);
  if (!cluster.wait_dead(i, limit)) {
    return Error{ErrorCode::Unknown, cluster.plan().name(i) + " was told to stop and still runs"};
  }
  const Status started = cluster.start(parleyd, {i});
  return started.ok() ? cluster.wait_ready({i}, false, limit) : started;
}

}  // namespace

ExitCode cluster_restart(const CommandLine& line) {
  const auto parleyd = local::find_parleyd();
  if (!parleyd.ok()) return fail(line, parleyd.error());
  auto cluster = hold_local_cluster(line);
  if (!cluster.ok()) return fail(line, cluster.error());
  const auto nodes = nodes_named(cluster->plan(), line.local.names);
  if (!nodes.ok()) return fail(line, nodes.error());
  Json rows = Json::array();
  for (const std::size_t i : *nodes) {
    const Status restarted = restart_one(*cluster, *parleyd, i, limit_of(line));
    if (!restarted.ok()) return fail(line, restarted.error(), true, {{"nodes", rows}});
    rows.push_back(node_json(*cluster, i));
    if (line.output == OutputForm::Json) continue;
    print_line(fmt::format("{} is ready (pid {})", cluster->plan().name(i), cluster->pid(i)));
  }
  if (line.output == OutputForm::Json) print_json({{"nodes", rows}});
  return kOk;
}

}  // namespace parley::cli
