#include "api/store_journal.h"

#include <utility>

#include "base/mutant.h"

namespace parley::api {
namespace {

constexpr ByteView kName = "membership";
constexpr Duration kRetryAfter = 200ms;

}  // namespace

std::optional<Bytes> StoreJournal::stored() const { return store_.named(kName); }

void StoreJournal::save(Bytes state, std::function<void()> done) {
  if (PARLEY_MUTANT(membership_not_saved)) return done();
  newest_ = std::move(state);
  waiting_.push_back(std::move(done));
  if (!writing_ && !retry_.pending()) write();
}

void StoreJournal::write() {
  writing_ = true;
  const Bytes state = *std::exchange(newest_, std::nullopt);
  Waiting waiting = std::exchange(waiting_, {});
  store_.put_named(Bytes(kName), state,
                   lifetime_.guard([this, state, waiting](const Result<Done>& saved) {
                     writing_ = false;
                     if (saved.ok()) {
                       for (const auto& done : waiting) done();
                     } else {
                       log_.warn("journal.retry", {{"reason", saved.error().message}});
                       if (!newest_) newest_ = state;
                       waiting_.insert(waiting_.begin(), waiting.begin(), waiting.end());
                       return retry_.after(kRetryAfter, [this] { write(); });
                     }
                     if (newest_ && !writing_) write();
                   }));
}

}  // namespace parley::api
