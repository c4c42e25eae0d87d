#include "runtime/rpc_timeouts.h"

#include "runtime/rpc_channel.h"

namespace parley::runtime {

void RpcTimeouts::add(Instant at, std::uint64_t call, std::weak_ptr<RpcChannel> channel) {
  pending_.emplace(std::pair{at, call}, std::move(channel));
  arm();
}

void RpcTimeouts::stop() {
  pending_.clear();
  timer_.cancel();
}

// Answered calls leave the timer standing: most calls are answered, and a timer that finds nothing
// is cheaper than moving it for each.
void RpcTimeouts::arm() {
  if (pending_.empty()) return;
  const Instant first = pending_.begin()->first.first;
  if (first >= armed_at_) return;
  armed_at_ = first;
  timer_.at(first, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->fire();
  });
}

void RpcTimeouts::fire() {
  armed_at_ = Instant::max();
  const Instant now = loop_.now();
  while (!pending_.empty() && pending_.begin()->first.first <= now) {
    const auto due = pending_.extract(pending_.begin());
    if (const auto channel = due.mapped().lock()) channel->on_deadline(due.key().second);
  }
  arm();
}

}  // namespace parley::runtime
