// ReadOperation: one client read. Asks as many owners as the level needs, hedges the slow ones,
// repairs before answering where the level demands it; at `any` the hints answer if no replica
// does.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/lifetime.h"
#include "replication/coordination.h"
#include "replication/hint_search.h"
#include "replication/read_merge.h"

namespace parley::replication {

class ReadOperation final : public Operation {
 public:
  ReadOperation(Coordination& parts, ReadRequest request, std::function<void(ReadReply)> reply,
                std::function<void()> ended);
  void start() override;

 private:
  void plan_and_ask();
  void advance();
  void ask(const std::vector<std::size_t>& owners);
  void hedge();
  void on_read(std::size_t owner, std::uint64_t round, Result<ReadAnswer> answer);
  void repair(const std::vector<std::size_t>& owners);
  void pass_over_repairs();
  void on_unavailable();
  void note_failure(std::size_t owner, ErrorCode code);
  std::string shortfall(const std::string& when) const;
  void search_hints();
  void answer_from_hints();
  void on_deadline();
  void answer(const VersionSet& set, bool from_hint);
  void refuse(Error error);
  void finish(ReadReply reply);

  Coordination& parts_;
  const ReadRequest request_;
  std::function<void(ReadReply)> reply_;
  std::function<void()> ended_;

  membership::ViewPtr view_;
  ReplicaPlan plan_;
  std::optional<ReadMerge> merge_;
  RequestTrace trace_;
  std::vector<std::size_t> repairing_;         // not answered yet, nor late
  std::map<std::size_t, ErrorCode> failures_;  // of the present plan
  std::uint64_t round_ = 0;
  bool wrong_ring_ = false;
  bool finished_ = false;
  std::unique_ptr<HintSearch> search_;
  runtime::Timer deadline_timer_, hedge_timer_, patience_timer_, ring_timer_;
  Lifetime alive_;
};

}  // namespace parley::replication
