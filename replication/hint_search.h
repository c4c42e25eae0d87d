// HintSearch: asks every live node, this one included, what hints it keeps for a key.
#pragma once

#include <functional>
#include <map>

#include "base/lifetime.h"
#include "replication/coordination.h"

namespace parley::replication {

class HintSearch {
 public:
  // `done` comes once all have answered or failed, in a later turn.
  // `trace`: nullptr for none.
  HintSearch(Coordination& parts, std::function<void()> done, RequestTrace* trace = nullptr);
  void start(const membership::View& view, const ReplicaPlan& plan, bool targets_only,
             Instant deadline);

  bool complete() const { return waiting_ == 0; }
  // So far.
  const VersionSet& merged() const { return merged_; }
  std::uint64_t count_for(const NodeId& target) const;

 private:
  Coordination& parts_;
  std::function<void()> done_;
  RequestTrace* const trace_;
  std::size_t waiting_ = 0;
  VersionSet merged_;
  std::map<NodeId, std::uint64_t> counts_;
  Lifetime alive_;
};

}  // namespace parley::replication
