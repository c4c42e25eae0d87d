#include "tools/local/node_command.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <random>
#include <sstream>

#include "tools/local/process.h"

namespace parley::local {
namespace {

constexpr std::uint16_t kClientPort = 7400, kPeerPort = 7401, kHttpPort = 7402;
constexpr int kBlocksTried = 64;

bool is_taken(const std::string& address, std::uint16_t port, int type) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;  // parleyd will say what is wrong
  // As a daemon does: what a connection left behind (TIME_WAIT) is nobody's port.
  const int on = 1;
  if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &at.sin_addr);
  const bool taken =
      bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 && errno == EADDRINUSE;
  close(fd);
  return taken;
}

bool is_program(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

}  // namespace

std::string client_endpoint_of(const std::string& address) {
  return address + ":" + std::to_string(kClientPort);
}
std::string peer_endpoint_of(const std::string& address) {
  return address + ":" + std::to_string(kPeerPort);
}
std::string http_endpoint_of(const std::string& address) {
  return address + ":" + std::to_string(kHttpPort);
}

std::vector<std::string> words_of(const NodeCommand& command) {
  std::vector<std::string> words = {command.program, "--listen", command.address, "--cluster",
                                    command.cluster};
  for (const std::string& seed : command.seeds) {
    words.insert(words.end(), {"--seed", peer_endpoint_of(seed)});
  }
  if (!command.data_dir.empty()) words.insert(words.end(), {"--data-dir", command.data_dir});
  words.insert(words.end(), command.flags.begin(), command.flags.end());
  return words;
}

std::optional<std::string> flag_that_is_ours(const std::vector<std::string>& flags) {
  static constexpr std::array kOurs = {
      "--listen",       "--cluster",       "--seed",      "--data-dir", "--rack",
      "--client-port",  "--peer-port",     "--http-port", "--found",    "--allow-faults",
      "--check-config", "--print-options", "--help",      "-h",         "--version"};
  for (const std::string& flag : flags) {
    const std::string name = flag.substr(0, flag.find('='));
    if (std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end()) return name;
  }
  return std::nullopt;
}

std::optional<std::string> taken_endpoint(const std::string& address) {
  if (is_taken(address, kClientPort, SOCK_STREAM)) return client_endpoint_of(address);
  if (is_taken(address, kPeerPort, SOCK_STREAM)) return peer_endpoint_of(address);
  if (is_taken(address, kPeerPort, SOCK_DGRAM)) return peer_endpoint_of(address) + " (UDP)";
  if (is_taken(address, kHttpPort, SOCK_STREAM)) return http_endpoint_of(address);
  return std::nullopt;
}

Result<std::string> fresh_prefix(std::size_t nodes) {
  std::random_device chance;
  std::string taken;
  for (int i = 0; i < kBlocksTried; ++i) {
    const unsigned x = 1 + chance() % 250;
    const unsigned y = 1 + chance() % 250;
    const std::string prefix = "127." + std::to_string(x) + "." + std::to_string(y) + ".";
    bool free = true;
    for (std::size_t node = 1; free && node <= nodes; ++node) {
      const auto endpoint = taken_endpoint(prefix + std::to_string(node));
      free = !endpoint;
      if (endpoint) taken = *endpoint;
    }
    if (free) return prefix;
  }
  return Error{
      ErrorCode::Unavailable,
      "no free block of loopback addresses was found: another program listens on " + taken};
}

Result<std::string> find_parleyd() {
  const std::string beside = program_folder() + "/parleyd";
  if (is_program(beside)) return beside;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    // A relative folder would be another one where the node runs.
    if (folder.starts_with("/") && is_program(folder + "/parleyd")) return folder + "/parleyd";
  }
  return Error{ErrorCode::Unavailable,
               "there is no parleyd beside this parley (" + beside + ") and none in PATH"};
}

}  // namespace parley::local
