#include "tools/local/local_cluster.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <stdexcept>

namespace parley::local {
namespace {

std::size_t count_lines_with(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

}  // namespace

LocalCluster::LocalCluster(LocalClusterOptions options) : options_(std::move(options)) {
  const auto prefix = fresh_prefix(options_.nodes);
  if (!prefix.ok()) throw std::runtime_error(prefix.error().message);
  for (std::size_t i = 0; i < options_.nodes; ++i) {
    Node node;
    const std::string name = std::to_string(i + 1);
    node.address = *prefix + name;
    node.data_dir = directory_.path() + "/node" + name;
    node.log_file = directory_.path() + "/node" + name + ".log";
    node.out_file = directory_.path() + "/node" + name + ".out";
    nodes_.push_back(std::move(node));
  }
}

std::vector<std::string> LocalCluster::command_of(std::size_t i) const {
  const Node& node = nodes_[i];
  NodeCommand command{program_folder() + "/parleyd", node.address, node.data_dir, options_.name};
  if (options_.replace_data_dir) command.data_dir.clear();
  for (std::size_t seed = 0; seed < options_.seeds; ++seed) {
    command.seeds.push_back(address(seed));
  }
  command.flags = options_.flags;
  if (i < options_.node_flags.size()) {
    command.flags.insert(command.flags.end(), options_.node_flags[i].begin(),
                         options_.node_flags[i].end());
  }
  return words_of(command);
}

void LocalCluster::launch(std::size_t i) {
  Node& node = nodes_[i];
  node.ready_lines_before = ready_lines(i);
  const auto environment = i < options_.node_environment.size() ? options_.node_environment[i]
                                                                : std::vector<std::string>{};
  node.process.reset();
  node.process =
      std::make_unique<Process>(command_of(i), node.out_file, node.log_file, environment);
}

bool LocalCluster::start(WallDuration limit) {
  for (std::size_t i = 0; i < size(); ++i) launch(i);
  for (std::size_t i = 0; i < size(); ++i) {
    if (!wait_ready(i, limit)) {
      why_ = "node " + address(i) + " did not get ready: " + log(i);
      return false;
    }
  }
  if (wait_settled(limit)) return true;
  why_ = "the nodes do not agree that all are up";
  return false;
}

std::size_t LocalCluster::ready_lines(std::size_t i) const {
  return count_lines_with(out(i), "parleyd ready");
}

bool LocalCluster::wait_ready(std::size_t i, WallDuration limit) {
  return eventually(limit,
                    [&] { return ready_lines(i) > nodes_[i].ready_lines_before || !running(i); }) &&
         running(i);
}

std::size_t LocalCluster::index_of(const std::string& wanted) const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (address(i) == wanted) return i;
  }
  return size();
}

bool LocalCluster::running(std::size_t i) {
  return nodes_[i].process && !nodes_[i].process->exit_code();
}

void LocalCluster::kill9(std::size_t i) {
  nodes_[i].process->signal(SIGKILL);
  nodes_[i].process->wait(std::chrono::seconds(10));
}

std::optional<int> LocalCluster::terminate(std::size_t i, WallDuration limit) {
  nodes_[i].process->signal(SIGTERM);
  return nodes_[i].process->wait(limit);
}

void LocalCluster::stop(std::size_t i) { nodes_[i].process->signal(SIGSTOP); }
void LocalCluster::resume(std::size_t i) { nodes_[i].process->signal(SIGCONT); }

bool LocalCluster::wait_sees_up(std::size_t i, const std::vector<std::size_t>& up,
                                WallDuration limit) {
  const auto asked = client({i}, std::chrono::seconds(1), false);
  return eventually(limit, [&] {
    const auto status = asked->status();
    if (!status.ok() || status->nodes.size() != size()) return false;
    return std::all_of(status->nodes.begin(), status->nodes.end(), [&](const auto& row) {
      const bool wanted = std::find(up.begin(), up.end(), index_of(row.address)) != up.end();
      return (row.status == "UN") == wanted;
    });
  });
}

bool LocalCluster::wait_settled(WallDuration limit) {
  std::vector<std::size_t> up;
  for (std::size_t i = 0; i < size(); ++i) {
    if (running(i)) up.push_back(i);
  }
  return std::all_of(up.begin(), up.end(),
                     [&](std::size_t i) { return wait_sees_up(i, up, limit); });
}

RunResult LocalCluster::cli(std::size_t i, std::vector<std::string> arguments,
                            const std::string& input) {
  arguments.insert(arguments.begin(), program_folder() + "/parley");
  arguments.push_back("-e");
  arguments.push_back(client_endpoint(i));
  return run(arguments, input);
}

std::unique_ptr<client::Client> LocalCluster::client(const std::vector<std::size_t>& nodes,
                                                     Duration timeout, bool learn_ring) const {
  client::ClientOptions options;
  options.endpoints.clear();
  for (const std::size_t i : nodes) options.endpoints.push_back(client_endpoint(i));
  for (std::size_t i = 0; nodes.empty() && i < size(); ++i) {
    options.endpoints.push_back(client_endpoint(i));
  }
  options.timeout = timeout;
  options.learn_ring = learn_ring;
  return std::move(*client::Client::make(std::move(options)));
}

std::vector<std::size_t> LocalCluster::owners(std::size_t i, const std::string& key) {
  std::vector<std::size_t> out;
  const auto replicas = client({i}, std::chrono::seconds(2), false)->endpoints(key);
  if (!replicas.ok()) return out;
  for (const auto& replica : *replicas) out.push_back(index_of(replica.address));
  return out;
}

}  // namespace parley::local
