#include "replication/write_quorum.h"

#include <algorithm>

#include "base/mutant.h"

namespace parley::replication {

WriteQuorum::WriteQuorum(std::size_t owners, std::size_t required, bool hint_counts)
    : slots_(owners), required_(required), hint_counts_(hint_counts) {}

void WriteQuorum::asked(std::size_t owner) {
  Slot& slot = slots_.at(owner);
  // Asked again after a refusal: awaited again. An ack is for ever, a silence stays in doubt.
  if (slot.answer == Answer::NotAsked || slot.answer == Answer::Failed) {
    slot.answer = PARLEY_MUTANT(ack_counted_when_sent) ? Answer::Durable : Answer::Awaited;
  }
}

void WriteQuorum::acked(std::size_t owner, storage::Durability durability) {
  end(owner, durability == storage::Durability::Fsync ? Answer::Durable : Answer::Memory);
}

void WriteQuorum::failed(std::size_t owner) { end(owner, Answer::Failed); }

void WriteQuorum::no_answer(std::size_t owner) { end(owner, Answer::NoAnswer); }

void WriteQuorum::end(std::size_t owner, Answer answer) {
  if (slots_.at(owner).answer == Answer::Awaited) slots_[owner].answer = answer;
}

void WriteQuorum::hint_begun(std::size_t owner) {
  if (slots_.at(owner).hint != Hint::Kept) slots_[owner].hint = Hint::Writing;
}

void WriteQuorum::hint_kept(std::size_t owner, std::string holder) {
  Slot& slot = slots_.at(owner);
  if (slot.hint == Hint::Kept) return;
  slot.hint = Hint::Kept;
  slot.holder = std::move(holder);
}

void WriteQuorum::hint_lost(std::size_t owner) {
  if (slots_.at(owner).hint == Hint::Writing) slots_[owner].hint = Hint::Lost;
}

std::size_t WriteQuorum::ack_count() const {
  return static_cast<std::size_t>(
      std::count_if(slots_.begin(), slots_.end(), [this](const Slot& slot) {
        return is_acked(slot) || (PARLEY_MUTANT(hint_counts_as_ack) && slot.hint == Hint::Kept);
      }));
}

Verdict WriteQuorum::verdict() const {
  const std::size_t acks = ack_count();
  if (acks >= required_) return Verdict::Reached;
  const auto has = [this](auto test) { return std::any_of(slots_.begin(), slots_.end(), test); };
  if (hint_counts_) {
    // The replicas come first: a hint decides only once none of them can.
    if (has([](const Slot& s) { return s.answer == Answer::Awaited; })) return Verdict::Pending;
    if (has([](const Slot& s) { return s.hint == Hint::Kept; })) return Verdict::Reached;
    if (has([](const Slot& s) { return s.hint == Hint::Writing; })) return Verdict::Pending;
    return Verdict::Unreachable;
  }
  const auto awaited = static_cast<std::size_t>(std::count_if(
      slots_.begin(), slots_.end(), [](const Slot& s) { return s.answer == Answer::Awaited; }));
  return acks + awaited >= required_ ? Verdict::Pending : Verdict::Unreachable;
}

bool WriteQuorum::settled() const {
  return hints_settled() && std::none_of(slots_.begin(), slots_.end(),
                                         [](const Slot& s) { return s.answer == Answer::Awaited; });
}

bool WriteQuorum::hints_settled() const {
  return std::none_of(slots_.begin(), slots_.end(),
                      [this](const Slot& s) { return !is_acked(s) && s.hint == Hint::Writing; });
}

bool WriteQuorum::needs_hint(std::size_t owner) const {
  const Slot& slot = slots_.at(owner);
  return !is_acked(slot) && slot.hint == Hint::None;
}

ReplicaState WriteQuorum::state(std::size_t owner) const {
  const Slot& slot = slots_.at(owner);
  if (slot.answer == Answer::Durable) return ReplicaState::Durable;
  if (PARLEY_MUTANT(hint_told_as_durable) && slot.hint == Hint::Kept) return ReplicaState::Durable;
  if (slot.answer == Answer::Memory) return ReplicaState::Memory;
  if (slot.hint == Hint::Kept) return ReplicaState::Hinted;
  if (slot.answer == Answer::Awaited) return ReplicaState::Pending;
  return slot.answer == Answer::NoAnswer ? ReplicaState::NoAnswer : ReplicaState::Failed;
}

}  // namespace parley::replication
