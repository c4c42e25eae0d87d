#include "replication/epoch_lease.h"

#include <utility>

#include "base/mutant.h"

namespace parley::replication {
namespace {

constexpr ByteView kName = "epoch_lease";

}  // namespace

Result<EpochMark> stored_epoch_mark(const storage::Store& store) {
  const auto bytes = store.named(kName);
  if (!bytes) return EpochMark{};
  return decode_epoch_mark(*bytes);
}

EpochBounds EpochLease::bounds() const {
  const std::lock_guard hold(lock_);
  // A dot may have left in the answer to a write that is not there any more.
  if (const auto undone = store_.undone(); undone != undone_) {
    undone_ = undone;
    range_.end_fleeting();
  }
  return range_.bounds();
}

std::optional<std::uint64_t> EpochLease::draw() {
  const std::lock_guard hold(lock_);
  return range_.draw();
}

void EpochLease::start(std::function<void(Status)> done) {
  put([this, done = std::move(done)](const Status& status) {
    if (status) started_ = true;
    done(status);
  });
}

void EpochLease::top_up() {
  if (!started_ || PARLEY_MUTANT(epochs_run_out)) return;
  {
    const std::lock_guard hold(lock_);
    if (!range_.wants_refill()) return;
  }
  put([](const Status&) {});
}

void EpochLease::trust_earlier_lives() {
  const std::lock_guard hold(lock_);
  range_.trust_earlier_lives();
}

void EpochLease::raise_floor(std::uint64_t draw, std::function<void(Status)> done) {
  {
    const std::lock_guard hold(lock_);
    range_.raise_floor(draw);
  }
  put(std::move(done));
}

void EpochLease::put(std::function<void(Status)> done) {
  EpochMark mark;
  {
    const std::lock_guard hold(lock_);
    mark = range_.mark();
  }
  store_.put_named(Bytes(kName), encode_epoch_mark(mark),
                   alive_.guard([this, mark, done = std::move(done)](const Result<Done>& put) {
                     {
                       const std::lock_guard hold(lock_);
                       if (put) {
                         range_.confirm(mark);
                       } else {
                         range_.refused();
                       }
                     }
                     done(put);
                   }));
}

}  // namespace parley::replication
