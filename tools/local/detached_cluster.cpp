#include "tools/local/detached_cluster.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/local/node_command.h"

namespace parley::local {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kSeedsMost = 3;
constexpr Duration kAnswerPatience = 1s;
constexpr std::uintmax_t kLastWordsBytes = 256 * 1024;

NodeCommand command_of(const std::string& parleyd, const ClusterPlan& plan, std::size_t i) {
  NodeCommand command{parleyd, plan.address(i), "", "local"};
  for (std::size_t seed = 0; seed < std::min(plan.nodes, kSeedsMost); ++seed) {
    command.seeds.push_back(plan.address(seed));
  }
  command.flags = {"--rack", plan.rack(i)};
  if (plan.allow_faults) command.flags.push_back("--allow-faults");
  command.flags.insert(command.flags.end(), plan.flags.begin(), plan.flags.end());
  return command;
}

// What parleyd says to people stands on lines of its own among its log.
std::string last_line_of_parleyd(const std::string& text) {
  static const std::string kSays = "parleyd: ";
  std::string found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kSays)) found = line.substr(kSays.size());
  }
  return found;
}

bool sees_up(client::Client& client, const std::set<std::string>& addresses) {
  const auto status = client.status();
  if (!status.ok()) return false;
  std::set<std::string> up;
  for (const auto& node : status->nodes) {
    if (node.status == "UN") up.insert(node.address);
  }
  return std::includes(up.begin(), up.end(), addresses.begin(), addresses.end());
}

std::string why_not_ready_of(client::Client& client) {
  const auto info = client.info();
  if (!info.ok()) return info.error().message;
  return info->ready == "ready" ? "" : info->ready;
}

}  // namespace

Status check_flags(const std::string& parleyd, const ClusterPlan& plan) {
  const auto ours = flag_that_is_ours(plan.flags);
  if (ours) return Error{ErrorCode::InvalidArgument, *ours + " is given by parley cluster itself"};
  NodeCommand command = command_of(parleyd, plan, 0);
  // In front: a last flag that lacks its value would take this for it.
  command.flags.insert(command.flags.begin(), "--check-config");
  const RunResult said = run(words_of(command));
  if (said.exit_code == 0) return Done{};
  const std::string why = last_line_of_parleyd(said.err);
  return Error{ErrorCode::InvalidArgument,
               "parleyd does not take these flags: " + (why.empty() ? said.err : why)};
}

DetachedCluster::DetachedCluster(ClusterDirectory directory)
    : directory_(std::move(directory)), nodes_(plan().nodes) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].process =
        DetachedProcess::find(directory_.pid_file(i), {"--data-dir", directory_.data_dir(i)});
  }
}

DetachedCluster::State DetachedCluster::state(std::size_t i) const {
  if (!nodes_[i].process) return State::Dead;
  switch (nodes_[i].process->state()) {
    case DetachedProcess::State::Running: return State::Running;
    case DetachedProcess::State::Paused: return State::Paused;
    case DetachedProcess::State::Ended: return State::Dead;
  }
  return State::Dead;
}

pid_t DetachedCluster::pid(std::size_t i) const {
  return state(i) == State::Dead ? 0 : nodes_[i].process->pid();
}

DetachedCluster::Nodes DetachedCluster::in_state(State wanted) const {
  Nodes out;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (state(i) == wanted) out.push_back(i);
  }
  return out;
}

Status DetachedCluster::start(const std::string& parleyd, const Nodes& nodes) {
  for (const std::size_t i : nodes) {
    const auto taken = taken_endpoint(plan().address(i));
    if (!taken) continue;
    return Error{ErrorCode::Unavailable, plan().name(i) + " cannot be started: " + *taken +
                                             " is in use by another program"};
  }
  for (const std::size_t i : nodes) {
    NodeCommand command = command_of(parleyd, plan(), i);
    command.data_dir = directory_.data_dir(i);
    Launch launch{words_of(command), directory_.out_file(i), directory_.log_file(i)};
    launch.working_directory = directory_.path();
    std::error_code none;
    const auto size = std::filesystem::file_size(directory_.log_file(i), none);
    nodes_[i].log_before = none ? 0 : size;
    auto started = DetachedProcess::start(std::move(launch), directory_.pid_file(i));
    if (!started.ok()) return started.error();
    nodes_[i].process = std::move(*started);
  }
  return Done{};
}

void DetachedCluster::signal(std::size_t i, int number) const {
  if (nodes_[i].process) nodes_[i].process->signal(number);
}

void DetachedCluster::ask_to_end(std::size_t i) const {
  signal(i, SIGTERM);
  signal(i, SIGCONT);
}

bool DetachedCluster::wait_dead(std::size_t i, WallDuration limit) {
  return !nodes_[i].process || nodes_[i].process->wait_ended(limit);
}

std::string DetachedCluster::why_not_ready(std::size_t i) const {
  return why_not_ready_of(*client_of(i, kAnswerPatience));
}

std::optional<std::pair<std::string, client::ClusterStatus>> DetachedCluster::ask_cluster(
    Duration timeout) const {
  for (const std::size_t i : in_state(State::Running)) {
    auto status = client_of(i, timeout)->status();
    if (status.ok() && !status->nodes.empty()) return std::pair(plan().name(i), *status);
  }
  return std::nullopt;
}

Status DetachedCluster::wait_ready(const Nodes& nodes, bool settled, WallDuration limit,
                                   const std::function<bool()>& stop) {
  const auto deadline = Clock::now() + limit;
  std::set<std::string> addresses;
  for (const std::size_t i : nodes) addresses.insert(plan().address(i));
  const auto wait = [&](std::size_t i, const std::function<bool()>& done) {
    const auto left = std::chrono::duration_cast<WallDuration>(deadline - Clock::now());
    return eventually(left, [&] { return stop() || state(i) == State::Dead || done(); });
  };
  for (const bool whole : settled ? std::vector{false, true} : std::vector{false}) {
    for (const std::size_t i : nodes) {
      const auto client = client_of(i, kAnswerPatience);
      std::string why = "it does not see all the others up";
      const bool done = wait(i, [&] {
        if (whole) return sees_up(*client, addresses);
        why = why_not_ready_of(*client);
        return why.empty();
      });
      const std::string name = plan().name(i);
      if (state(i) == State::Dead) {
        return Error{ErrorCode::Unavailable, name + " ended: " + last_words(i)};
      }
      if (!done || stop()) return Error{ErrorCode::Unknown, name + " is not ready yet: " + why};
    }
  }
  return Done{};
}

std::unique_ptr<client::Client> DetachedCluster::client_of(std::size_t i, Duration timeout) const {
  client::ClientOptions options;
  options.endpoints = {client_endpoint_of(plan().address(i))};
  options.timeout = timeout;
  options.learn_ring = false;
  return std::move(*client::Client::make(std::move(options)));
}

std::string DetachedCluster::last_words(std::size_t i) const {
  const std::string path = directory_.log_file(i);
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(nodes_[i].log_before));
  std::string text(kLastWordsBytes, '\0');
  file.read(text.data(), std::ssize(text));
  text.resize(static_cast<std::size_t>(file.gcount()));
  const std::string said = last_line_of_parleyd(text);
  return said.empty() ? "see " + path : said;
}

}  // namespace parley::local
