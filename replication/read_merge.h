// ReadMerge: what one read knows from its replicas: who answered, what they hold together, who
// lacks some of it, and what must happen before the answer may leave. A value; pure. Owners are
// named by their place in the plan. Only the merged set is kept: of the answers a digest each, so
// that large sets are compared once and equal ones are decoded once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "replication/read_answer.h"
#include "replication/version.h"

namespace parley::replication {

class ReadMerge {
 public:
  enum class Step : std::uint8_t {
    Ask,          // too few answers yet, and more may come (see to_ask)
    Repair,       // enough answers, but too few hold the merged set (see to_repair)
    Answer,       // the level is met
    Unavailable,  // it cannot be met any more
  };

  // `order`: the owners that are up, in the order they are to be asked. `majority` is that of all
  // owners: a read that requires as many answers only when that many durably hold what it returns,
  // so that such reads never go backwards.
  ReadMerge(Bytes key, std::size_t owners, std::vector<std::size_t> order, std::size_t required,
            std::size_t majority);

  Step step() const;
  // The owners to ask now: as many as the level still needs, and `extra` hedges.
  std::vector<std::size_t> to_ask(std::size_t extra = 0);

  // InvalidArgument: the bytes are no version set; the owner has failed then.
  Status answered(std::size_t owner, ReadAnswer answer);
  void failed(std::size_t owner);

  // Repair. The replicas to send the merged set to now, those that answered first.
  std::vector<std::size_t> to_repair();
  void repaired(std::size_t owner);
  void repair_failed(std::size_t owner);
  // It is silent: another owner takes the copy too. Its own ack still counts, whenever it comes.
  void repair_late(std::size_t owner);

  const VersionSet& merged() const { return merged_; }
  const Bytes& merged_bytes();  // canonical; encoded when first asked for, if they never came
  std::size_t asked() const;
  std::size_t answer_count() const;
  std::size_t agreed() const;  // answers that were the merged set by themselves
  std::size_t repaired_count() const;
  std::size_t holders() const;  // durably hold the merged set: agreed or repaired
  // Last writers that lost to one that had not seen them (VersionSet::merge).
  std::size_t discarded() const { return discarded_; }
  // Answered otherwise, and not repaired: for the background.
  std::vector<std::size_t> stale() const;

 private:
  enum class State : std::uint8_t { Unasked, Asked, Answered, Failed };
  enum class Mend : std::uint8_t { None, Sent, Late, Done, Failed };
  struct Slot {
    State state = State::Unasked;
    Mend mend = Mend::None;
    std::uint64_t digest = 0;  // of what it answered
  };
  bool agrees(const Slot& slot) const {
    return slot.state == State::Answered && slot.digest == merged_digest_;
  }
  bool may_mend(const Slot& slot) const {
    return slot.mend == Mend::None && !agrees(slot) && slot.state != State::Failed;
  }
  static bool is_awaited(const Slot& slot) {
    return slot.mend == Mend::Sent || slot.mend == Mend::Late;
  }
  Status take(ReadAnswer& answer);
  bool repairs() const { return required_ >= majority_; }
  std::size_t count(State state) const;
  std::size_t count(Mend mend) const;

  Bytes key_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> order_;
  std::size_t required_, majority_;
  bool mending_ = false;  // the merged set is final
  std::size_t discarded_ = 0;
  VersionSet merged_;
  std::uint64_t merged_digest_ = 0;
  Bytes merged_bytes_;  // of merged_; empty: not made yet
};

}  // namespace parley::replication
