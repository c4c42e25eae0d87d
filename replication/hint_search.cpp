#include "replication/hint_search.h"

namespace parley::replication {

HintSearch::HintSearch(Coordination& parts, std::function<void()> done, RequestTrace* trace)
    : parts_(parts), done_(std::move(done)), trace_(trace) {}

void HintSearch::start(const membership::View& view, const ReplicaPlan& plan, bool targets_only,
                       Instant deadline) {
  for (const membership::Member& member : view.members) {
    const NodeId& node = member.record.node;
    if (!view.is_up(node)) continue;
    ++waiting_;
    const std::size_t row =
        trace_ == nullptr ? 0 : trace_->sent(node, member.record.address, "find hints");
    parts_.peers.find_hints({node, member.record.peer()}, node == view.self, plan, targets_only,
                            deadline,
                            alive_.guard([this, row](const Result<FindHintsReply>& reply) {
                              if (trace_ != nullptr) trace_->answered(row, reply);
                              if (reply) {
                                for (const FoundHint& hint : reply->hints) {
                                  ++counts_[hint.target];
                                  if (hint.set.empty()) continue;
                                  if (const auto set = VersionSet::decode(hint.set)) {
                                    merged_.merge(*set);
                                  }
                                }
                              }
                              if (--waiting_ == 0) done_();
                            }));
  }
}

std::uint64_t HintSearch::count_for(const NodeId& target) const {
  const auto found = counts_.find(target);
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace parley::replication
