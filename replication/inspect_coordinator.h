// InspectOperation: the state of one key on each of its owners, and the hints kept for them.
#pragma once

#include "base/lifetime.h"
#include "replication/coordination.h"
#include "replication/hint_search.h"

namespace parley::replication {

// Unless all owners are reachable, sound and hold the same record, they have diverged. Pure.
bool has_diverged(const std::vector<InspectRow>& rows);

class InspectOperation final : public Operation {
 public:
  InspectOperation(Coordination& parts, KeyspaceId keyspace, Bytes key, Instant deadline,
                   std::function<void(InspectReply)> reply, std::function<void()> ended);
  void start() override;

 private:
  void on_row(std::size_t owner, const Result<InspectCopyReply>& copy);
  void one_ended();
  void answer(std::optional<Error> error);

  Coordination& parts_;
  const KeyspaceId keyspace_;
  const Bytes key_;
  const Instant deadline_;
  std::function<void(InspectReply)> reply_;
  std::function<void()> ended_;
  InspectReply result_;
  HintSearch search_;
  std::size_t waiting_ = 0;
  bool finished_ = false;
  runtime::Timer deadline_timer_;
  Lifetime alive_;
};

}  // namespace parley::replication
