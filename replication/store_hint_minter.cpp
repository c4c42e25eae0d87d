#include "replication/store_hint_minter.h"

#include <memory>

#include "base/mutant.h"

namespace parley::replication {
namespace {

// A hint is erased once delivered and may come back older, from another node's hint, so the actor
// that minted onto it is never continued: every such write draws an epoch of its own.
class FreshEpochs final : public EpochSource {
 public:
  explicit FreshEpochs(EpochLease& lease) : lease_(lease) {}
  EpochBounds bounds() const override {
    EpochBounds bounds = lease_.bounds();
    bounds.floor = kEpochDrawMost;
    return bounds;
  }
  std::optional<std::uint64_t> draw() override { return lease_.draw(); }

 private:
  EpochLease& lease_;
};

struct Trace {
  Result<MintDecision> decision{Error{ErrorCode::Internal, "the mint was not decided", 0}};
  Bytes set;
};

// Nothing was written: what the disk's trouble is called elsewhere would leave that open.
Error unreadable(const Error& error) {
  if (error.code == ErrorCode::Overloaded) return error;
  return {ErrorCode::NotReady, "this node cannot read its hints: " + error.message, 1000};
}

VersionSet merge_rows(const std::vector<storage::HintRow>& rows) {
  VersionSet merged;
  for (const storage::HintRow& row : rows) {
    if (row.damaged) continue;
    if (const auto set = VersionSet::decode(row.value)) merged.merge(*set);
  }
  return merged;
}

}  // namespace

StoreHintMinter::StoreHintMinter(const ReplicationWorld& world, StoreHintLog& hints,
                                 StorageId storage, std::shared_ptr<EpochLease> epochs)
    : hints_(hints),
      storage_(storage),
      epochs_(std::move(epochs)),
      limits_{world.options.siblings_most(), world.options.set_bytes_most(), Minter::Hint} {}

void StoreHintMinter::mint(const NodeId& target, MintRequest request,
                           std::function<void(Result<Minted>)> done) {
  const storage::RecordKey key = request.key;
  hints_.find(key,
              alive_.guard([this, target, request = std::move(request), done = std::move(done)](
                               const Result<std::vector<storage::HintRow>>& rows) mutable {
                if (!rows) return done(unreadable(rows.error()));
                mint_in_room(target, std::move(request), merge_rows(*rows), std::move(done));
              }));
}

Result<Minted> StoreHintMinter::mint_unkept(const MintRequest& request) {
  FreshEpochs fresh(*epochs_);
  const auto decision = decide_mint({}, request, storage_, fresh, limits_);
  if (!decision) return decision.error();
  return Minted{decision->dot, decision->set.encode(), false};
}

void StoreHintMinter::mint_in_room(const NodeId& target, MintRequest request, VersionSet known,
                                   std::function<void(Result<Minted>)> done) {
  const std::size_t bytes = request.value.value_or("").size() + known.value_bytes();
  hints_.make_room(
      target, bytes,
      alive_.guard([this, target, bytes, request = std::move(request), known = std::move(known),
                    done = std::move(done)](const Status& room) mutable {
        if (!room) return done(room.error());
        mint_onto(target, bytes, std::move(request), std::move(known), std::move(done));
      }));
}

void StoreHintMinter::mint_onto(const NodeId& target, std::size_t bytes, MintRequest request,
                                VersionSet known, std::function<void(Result<Minted>)> done) {
  // A hint is durable whatever the request relaxed.
  request.durability = storage::Durability::Fsync;
  epochs_->top_up();
  auto trace = std::make_shared<Trace>();
  const storage::RecordKey key = request.key;
  auto decide = [own = storage_, epochs = epochs_, limits = limits_, trace, known,
                 request = std::move(request)](const storage::Found& found) {
    // A damaged hint is replaced: what other hints of the key hold is kept, and nobody counts a
    // hint as a replica's answer.
    LocalState local = local_state(found, OnDamage::Replace);
    local.set.merge(known);
    local.condition = local.set.empty() ? storage::Condition::Missing : storage::Condition::Sound;
    FreshEpochs fresh(*epochs);
    trace->decision = decide_mint(local, request, own, fresh, limits);
    std::optional<Bytes> out;
    if (!trace->decision) return out;
    trace->set = trace->decision->set.encode();
    if (!PARLEY_MUTANT(any_keeps_nothing)) out = trace->set;
    return out;
  };
  hints_.update({target, key}, true, bytes, std::move(decide),
                alive_.guard([trace, done](const Result<storage::Updated>& updated) {
                  if (!updated) return done(updated.error());
                  if (!trace->decision) return done(trace->decision.error());
                  const MintDecision& decision = *trace->decision;
                  done(Minted{decision.dot, std::move(trace->set), decision.again});
                }));
}

}  // namespace parley::replication
