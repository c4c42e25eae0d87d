// WriteOperation: one client write from its admission to its outcome: as an owner, passed on to an
// owner, or kept as hints at level `any`.
#pragma once

#include <memory>

#include "base/lifetime.h"
#include "replication/coordination.h"
#include "replication/hint_write.h"
#include "replication/owner_write.h"
#include "replication/pass_ledger.h"

namespace parley::replication {

enum class PassOn : bool { No, Yes };

class WriteOperation final : public Operation {
 public:
  // `PassOn::No`: another node passed it here; never passed on again (WrongRing in the reply's
  // error if this node is no owner).
  WriteOperation(Coordination& parts, WriteRequest request, PassOn pass_on,
                 std::function<void(WriteReply)> reply, std::function<void()> ended);
  void start() override;

 private:
  std::optional<Error> inadmissible(const membership::View& view);
  void refuse(Error error, bool with_receipt = false);
  void choose_way();
  void on_declined(Error error);
  void pass_around();
  void pass_to_next();
  void on_passed(std::size_t row, Result<WriteReply> answer);
  void after_pass();
  void write_hints();
  void on_deadline();
  void finish(WriteReply reply);

  Coordination& parts_;
  WriteRequest request_;
  const PassOn pass_on_;
  std::function<void(WriteReply)> reply_;
  std::function<void()> ended_;

  CausalContext seen_;
  Bytes cluster_key_;
  ReplicaPlan plan_;
  PassLedger ledger_;
  RequestTrace trace_;  // before those who write into it
  bool finished_ = false;
  std::optional<Error> own_trouble_;  // why this owner could not mint
  std::unique_ptr<OwnerWrite> owner_write_;
  std::unique_ptr<HintWrite> hint_write_;
  runtime::Timer deadline_timer_, hedge_timer_, ring_timer_;
  Lifetime alive_;
};

}  // namespace parley::replication
