// How a node on this machine's loopback addresses is started: the same for the process tests, the
// demo and `parley cluster`. Every node has an address 127.x.y.i and the default ports.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace parley::local {

inline constexpr std::size_t kNodesMost = 64;  // in one block of addresses

std::string client_endpoint_of(const std::string& address);
std::string peer_endpoint_of(const std::string& address);
std::string http_endpoint_of(const std::string& address);

struct NodeCommand {
  std::string program;  // parleyd
  std::string address;
  std::string data_dir;  // "": the flags bring one
  std::string cluster;
  std::vector<std::string> seeds = {};  // addresses
  std::vector<std::string> flags = {};
};
std::vector<std::string> words_of(const NodeCommand& command);
// The first of the flags that `words_of` gives, or that would keep the node from running.
std::optional<std::string> flag_that_is_ours(const std::vector<std::string>& flags);

// The first of a node's endpoints that another program listens on.
std::optional<std::string> taken_endpoint(const std::string& address);
// "127.x.y." with x and y by chance, and nobody on the ports of its first `nodes` addresses:
// clusters that run beside each other do not meet. Unavailable: none was found.
Result<std::string> fresh_prefix(std::size_t nodes);

// parleyd beside this program, otherwise in PATH. Unavailable: it is in neither.
Result<std::string> find_parleyd();

}  // namespace parley::local
