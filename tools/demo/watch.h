// The table beside the story: every half a second each node is asked, by itself, what it sees and
// holds. Through the client library, as anybody could; nothing of it comes from the demo, but for
// what the demo's own clients measured.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/client.h"
#include "tools/demo/traffic.h"

namespace parley::demo {

class Watch {
 public:
  // `addresses` of the nodes, in order: n1, n2, ... `endpoints`: their client ports.
  Watch(std::vector<std::string> addresses, std::vector<std::string> endpoints,
        const Traffic& traffic);

  // What their replicas hold is shown.
  void keys(std::vector<std::string> keys);
  // Asks and draws: lines of at most 75 columns.
  std::string table();

 private:
  struct NodeView;
  NodeView ask(std::size_t node, const std::vector<std::string>& keys);
  std::vector<NodeView> ask_all(const std::vector<std::string>& keys);
  // Lines of their own from the figures of the levels.
  std::string level_lines() const;
  std::size_t index_of(const std::string& address) const;

  const std::vector<std::string> addresses_, endpoints_;
  const Traffic& traffic_;
  std::vector<std::unique_ptr<client::Client>> clients_;  // one for each node
  std::mutex mutex_;                                      // of the keys
  std::vector<std::string> keys_;
};

}  // namespace parley::demo
