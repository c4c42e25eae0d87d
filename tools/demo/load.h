// Shops that order at quorum all the time, through the client library with every endpoint, and read
// back each order that was acknowledged.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tools/demo/scene.h"

namespace parley::demo {

class Load {
 public:
  struct Figures {
    std::size_t puts_ok = 0, refused = 0, unknown = 0;
    std::size_t gets_ok = 0, gets_failed = 0, gets_wrong = 0;
    Seconds slowest{0};   // of a put or get that was served
    std::string failure;  // the last one
  };

  // `run` tells apart the orders of several loads on one cluster.
  Load(Scene& scene, int run, std::size_t shops);
  // No request is under way afterwards.
  void stop();

  Figures figures() const;
  // Key and value of every put that was acknowledged.
  std::map<std::string, std::string> acknowledged() const;

 private:
  void order(const std::stop_token& stop, int run, std::size_t shop);
  void put_and_get(const std::string& key, const std::string& value);

  Scene& scene_;
  std::unique_ptr<client::Client> client_;
  mutable std::mutex mutex_;
  Figures figures_;
  std::map<std::string, std::string> acknowledged_;
  std::vector<std::jthread> shops_;
};

// How many of them a read at quorum does not show.
std::size_t missing(client::Client& client, const std::map<std::string, std::string>& expected);

}  // namespace parley::demo
