// The store's counter of key epochs, as a decider: a range leased ahead on disk is handed out from
// memory. After a restart it goes on at the end of the lease, so no draw is ever given twice.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "replication/mint.h"

namespace parley::replication {

// What is on disk.
struct EpochMark {
  std::uint64_t end = 1;    // no draw at or above it was ever handed out
  std::uint64_t floor = 0;  // draws below it are never continued (mint.h)
  bool operator==(const EpochMark&) const = default;
};
Bytes encode_epoch_mark(const EpochMark& mark);
// Damaged for anything that encode_epoch_mark did not make.
Result<EpochMark> decode_epoch_mark(ByteView bytes);

class EpochRange final : public EpochSource {
 public:
  // Starts at the end of what was leased in earlier lives; nothing to draw until confirm().
  EpochRange(const EpochMark& on_disk, std::uint64_t block);

  EpochBounds bounds() const override {
    return {floor_, fleeting_from_, next_, doubted_ ? start_ : 0};
  }
  std::optional<std::uint64_t> draw() override;

  // Before the first mark: begins `jump` beyond the lease, where other lives of a copied disk, each
  // with its own chance, have not been; and continues no epoch of earlier lives until trust().
  void doubt_earlier_lives(std::uint64_t jump);
  // All that the earlier lives gave to others is known here.
  void trust_earlier_lives() { doubted_ = false; }

  // Dots of fleeting epochs were told and then undone: all that were drawn so far are dead.
  void end_fleeting() { fleeting_from_ = next_; }
  // Makes every draw up to and with `draw` dead here and now. Durable once a mark taken
  // afterwards is confirmed.
  void raise_floor(std::uint64_t draw);
  // Less than half a block is left beyond what was asked for: take mark() to the disk.
  bool wants_refill() const;
  // The next mark to make durable. Marks never shrink, so the last one written holds.
  EpochMark mark();
  // The mark is durable.
  void confirm(const EpochMark& mark);
  // The last mark() failed: it may be asked for again.
  void refused() { asked_end_ = durable_end_; }
  std::uint64_t durable_end() const { return durable_end_; }

 private:
  std::uint64_t start_;
  std::uint64_t fleeting_from_;
  const std::uint64_t block_;
  std::uint64_t next_;
  std::uint64_t durable_end_;
  std::uint64_t asked_end_;
  std::uint64_t floor_;
  bool doubted_ = false;
};

}  // namespace parley::replication
