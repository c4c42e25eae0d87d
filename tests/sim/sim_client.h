// One client process: the client library's routing, retries and RPC over the virtual network, and
// a workload of gets, puts and deletes that it draws for itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/client_core.h"
#include "base/lifetime.h"
#include "tests/fake/fake_world.h"
#include "tests/sim/history.h"

namespace parley::sim {

struct WorkloadOptions {
  std::vector<std::string> keys;
  std::vector<std::string> levels;  // drawn for each call
  Duration pause_most{};            // between a call's end and the next
  Duration timeout = 2s;
  std::size_t value_bytes_most = 64;
  double blind = 0.2;  // writes without a read before
  double deletes = 0.1;
};

class SimClient {
 public:
  SimClient(fake::World& world, std::uint32_t number, std::vector<Endpoint> endpoints,
            const WorkloadOptions& options, History& history, Random random);

  void start() { next(); }
  // Begins no further call.
  void stop() { stopping_ = true; }
  bool idle() const { return under_way_ == 0; }
  std::uint64_t calls() const { return calls_; }
  const std::string& address() const { return host_.address(); }
  client::ClientCore& core() { return *core_; }

 private:
  void next();
  void later();
  void read_then(bool write);
  void write(const std::string& key, std::optional<Bytes> context, std::set<WriteNumber> saw);
  const std::string& any_of(const std::vector<std::string>& choices) {
    return choices[random_.below(choices.size())];
  }

  const std::uint32_t number_;
  const WorkloadOptions& options_;
  History& history_;
  Random random_;
  fake::Node& host_;
  std::unique_ptr<client::ClientCore> core_;
  runtime::Timer pause_;
  bool stopping_ = false;
  std::size_t under_way_ = 0;
  std::uint64_t calls_ = 0;
  Lifetime alive_;
};

}  // namespace parley::sim
