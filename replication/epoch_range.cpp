#include "replication/epoch_range.h"

#include <algorithm>

#include "base/codec.h"
#include "base/mutant.h"

namespace parley::replication {
namespace {

constexpr std::uint8_t kMarkFormat = 1;

}  // namespace

Bytes encode_epoch_mark(const EpochMark& mark) {
  ByteWriter out;
  out.number(kMarkFormat);
  out.number(mark.end);
  out.number(mark.floor);
  return out.take();
}

Result<EpochMark> decode_epoch_mark(ByteView bytes) {
  ByteReader in(bytes);
  const auto format = in.number<std::uint8_t>();
  EpochMark mark;
  mark.end = in.number<std::uint64_t>();
  mark.floor = in.number<std::uint64_t>();
  // Twice the highest draw that a merge can push us to: what is above was never written here.
  if (!in.complete() || format != kMarkFormat || mark.end == 0 || mark.floor > mark.end ||
      mark.end > 2 * kEpochDrawMost - 1) {
    return Error{ErrorCode::Damaged, "the lease of key epochs is unreadable", 0};
  }
  return mark;
}

EpochRange::EpochRange(const EpochMark& on_disk, std::uint64_t block)
    : start_(on_disk.end),
      fleeting_from_(on_disk.end),
      block_(block),
      next_(on_disk.end),
      durable_end_(on_disk.end),
      asked_end_(on_disk.end),
      floor_(on_disk.floor) {}

void EpochRange::doubt_earlier_lives(std::uint64_t jump) {
  const std::uint64_t begin = PARLEY_MUTANT(epochs_begin_again) ? 1 : durable_end_ + jump;
  start_ = fleeting_from_ = next_ = durable_end_ = asked_end_ = begin;
  doubted_ = !PARLEY_MUTANT(old_copy_continues_epochs);
}

std::optional<std::uint64_t> EpochRange::draw() {
  if (next_ >= durable_end_) return std::nullopt;
  return next_++;
}

void EpochRange::raise_floor(std::uint64_t draw) {
  // A draw at or above next_ was made by another life of this storage id (a cloned disk): skip it.
  next_ = std::max(next_, draw + 1);
  floor_ = std::max(floor_, next_);
}

bool EpochRange::wants_refill() const {
  return next_ >= asked_end_ || asked_end_ - next_ <= block_ / 2;
}

EpochMark EpochRange::mark() {
  // Below what is durable already no mark may fall, also after a refused one.
  asked_end_ = std::max({asked_end_, durable_end_, next_ + block_});
  return {asked_end_, floor_};
}

void EpochRange::confirm(const EpochMark& mark) { durable_end_ = std::max(durable_end_, mark.end); }

}  // namespace parley::replication
