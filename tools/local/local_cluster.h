// A cluster of real parleyd processes on loopback addresses of its own: for the demo and the
// process tests. They end with the program that started them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/client.h"
#include "tools/local/node_command.h"
#include "tools/local/process.h"

namespace parley::local {

struct LocalClusterOptions {
  std::size_t nodes = 5;
  std::string name = "local";
  std::size_t seeds = 1;                // so many of the nodes are everybody's --seed, in order
  std::vector<std::string> flags = {};  // for every node
  // Per node, added to the flags; may be shorter than `nodes`.
  std::vector<std::vector<std::string>> node_flags = {};
  std::vector<std::vector<std::string>> node_environment = {};
  bool replace_data_dir = false;  // node_flags bring a --data-dir of their own
};

class LocalCluster {
 public:
  // Prepares; starts nothing yet.
  explicit LocalCluster(LocalClusterOptions options = {});

  // Starts all and waits until every node has said that it is ready and sees all nodes up.
  // False, with the reason in why(), when that does not happen in time.
  bool start(WallDuration limit = std::chrono::seconds(30));
  const std::string& why() const { return why_; }

  std::size_t size() const { return nodes_.size(); }
  const std::string& address(std::size_t i) const { return nodes_[i].address; }
  std::string client_endpoint(std::size_t i) const { return client_endpoint_of(address(i)); }
  std::string peer_endpoint(std::size_t i) const { return peer_endpoint_of(address(i)); }
  std::string http_endpoint(std::size_t i) const { return http_endpoint_of(address(i)); }
  const std::string& data_dir(std::size_t i) const { return nodes_[i].data_dir; }
  std::string log(std::size_t i) const { return read_file(nodes_[i].log_file); }
  std::string out(std::size_t i) const { return read_file(nodes_[i].out_file); }
  std::size_t index_of(const std::string& address) const;
  bool running(std::size_t i);
  Process* process(std::size_t i) { return nodes_[i].process.get(); }

  void launch(std::size_t i);  // does not wait
  void kill9(std::size_t i);   // and reaps
  std::optional<int> terminate(std::size_t i, WallDuration limit = std::chrono::seconds(10));
  void stop(std::size_t i);    // SIGSTOP
  void resume(std::size_t i);  // SIGCONT
  bool wait_ready(std::size_t i, WallDuration limit = std::chrono::seconds(20));
  // Until node `i` shows exactly these nodes as UN and all others as DN.
  bool wait_sees_up(std::size_t i, const std::vector<std::size_t>& up,
                    WallDuration limit = std::chrono::seconds(15));
  // All running nodes agree that exactly the running nodes are up.
  bool wait_settled(WallDuration limit = std::chrono::seconds(20));

  // `parley ARGUMENTS -e <node i>`.
  RunResult cli(std::size_t i, std::vector<std::string> arguments, const std::string& input = {});
  // A client of these nodes only (all nodes if empty).
  std::unique_ptr<client::Client> client(const std::vector<std::size_t>& nodes = {},
                                         Duration timeout = std::chrono::seconds(2),
                                         bool learn_ring = true) const;
  // Which nodes own the key, as node `i` sees it, in preference order.
  std::vector<std::size_t> owners(std::size_t i, const std::string& key);

 private:
  struct Node {
    std::string address, data_dir, log_file, out_file;
    std::unique_ptr<Process> process;
    std::size_t ready_lines_before = 0;
  };
  std::size_t ready_lines(std::size_t i) const;
  std::vector<std::string> command_of(std::size_t i) const;

  LocalClusterOptions options_;
  ScratchDirectory directory_;
  std::vector<Node> nodes_;
  std::string why_;
};

}  // namespace parley::local
