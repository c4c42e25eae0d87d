#include "replication/inspect_coordinator.h"

#include <algorithm>

namespace parley::replication {

bool has_diverged(const std::vector<InspectRow>& rows) {
  // Where nobody has the key, nobody differs.
  return rows.empty() || std::any_of(rows.begin(), rows.end(), [&](const InspectRow& row) {
           return !row.reachable || row.damaged || row.not_ready ||
                  row.digest != rows.front().digest ||
                  row.holds_record != rows.front().holds_record;
         });
}

InspectOperation::InspectOperation(Coordination& parts, KeyspaceId keyspace, Bytes key,
                                   Instant deadline, std::function<void(InspectReply)> reply,
                                   std::function<void()> ended)
    : parts_(parts),
      keyspace_(keyspace),
      key_(std::move(key)),
      deadline_(deadline),
      reply_(std::move(reply)),
      ended_(std::move(ended)),
      search_(parts, [this] { one_ended(); }),
      deadline_timer_(parts.world.loop) {}

void InspectOperation::start() {
  const auto most = parts_.world.options.key_bytes_most();
  if (key_.empty()) return answer(Error{ErrorCode::InvalidArgument, "the key is empty"});
  if (key_.size() > most) {
    return answer(
        Error{ErrorCode::TooLarge, "the key is longer than " + std::to_string(most) + " bytes"});
  }
  const auto view = parts_.world.view();
  if (view == nullptr) return answer(not_ready());
  const auto plan = plan_replicas(*view, keyspace_, key_, {Level::Kind::Any, 0});
  if (!plan) return answer(plan.error());
  deadline_timer_.at(deadline_, [this] { answer(std::nullopt); });
  waiting_ = 2;  // the search and this function
  for (std::size_t i = 0; i < plan->owners.size(); ++i) {
    const PlannedOwner& owner = plan->owners[i];
    InspectRow row;
    row.node = owner.node;
    row.address = owner.peer.address;
    result_.replicas.push_back(std::move(row));
    if (!owner.up && !owner.rebuilding) continue;
    ++waiting_;
    parts_.peers.inspect_copy(owner, *plan, deadline_,
                              alive_.guard([this, i](const Result<InspectCopyReply>& copy) {
                                on_row(i, copy);
                                one_ended();
                              }));
  }
  search_.start(*view, *plan, true, deadline_);
  one_ended();
}

void InspectOperation::on_row(std::size_t owner, const Result<InspectCopyReply>& copy) {
  if (finished_) return;  // the rows have left with the answer
  InspectRow& row = result_.replicas[owner];
  if (!copy) {
    row.reachable = row.not_ready = copy.error().code == ErrorCode::NotReady;
    return;
  }
  row.reachable = true;
  row.holds_record = copy->holds_record;
  row.damaged = copy->damaged;
  row.version = copy->version;
  row.context = copy->context;
  row.digest = copy->digest;
  row.tombstone = copy->tombstone;
}

void InspectOperation::one_ended() {
  if (--waiting_ == 0) answer(std::nullopt);
}

void InspectOperation::answer(std::optional<Error> error) {
  if (finished_) return;
  finished_ = true;
  deadline_timer_.cancel();
  result_.error = std::move(error);
  for (InspectRow& row : result_.replicas) row.hints_pending = search_.count_for(row.node);
  result_.diverged = has_diverged(result_.replicas);
  reply_(std::move(result_));
  ended_();
}

}  // namespace parley::replication
