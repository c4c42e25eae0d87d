// The deadlines of all outstanding calls behind one timer of the loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "runtime/loop.h"

namespace parley::runtime {

class RpcChannel;

class RpcTimeouts : public std::enable_shared_from_this<RpcTimeouts> {
 public:
  explicit RpcTimeouts(Loop& loop) : loop_(loop), timer_(loop) {}
  void add(Instant at, std::uint64_t call, std::weak_ptr<RpcChannel> channel);
  void remove(Instant at, std::uint64_t call) { pending_.erase({at, call}); }
  void stop();

 private:
  void arm();
  void fire();

  Loop& loop_;
  std::map<std::pair<Instant, std::uint64_t>, std::weak_ptr<RpcChannel>> pending_;
  Instant armed_at_ = Instant::max();
  Timer timer_;
};

}  // namespace parley::runtime
