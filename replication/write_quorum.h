// WriteQuorum: counts who has a write durably. A value; pure. Owners are named by their place in
// the plan. Late and duplicate replies change nothing but a wait into its answer.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "replication/coordinator.h"

namespace parley::replication {

enum class Verdict : std::uint8_t {
  Pending,
  Reached,
  Unreachable,  // what is still outstanding cannot suffice
};

class WriteQuorum {
 public:
  enum class Answer : std::uint8_t { NotAsked, Awaited, Durable, Memory, Failed, NoAnswer };
  enum class Hint : std::uint8_t { None, Writing, Kept, Lost };

  // `hint_counts`: level `any`, where one kept hint does when no replica acked.
  WriteQuorum(std::size_t owners, std::size_t required, bool hint_counts);

  void asked(std::size_t owner);
  void acked(std::size_t owner, storage::Durability durability);
  void failed(std::size_t owner);     // provably not done there
  void no_answer(std::size_t owner);  // may be done there
  void hint_begun(std::size_t owner);
  void hint_kept(std::size_t owner, std::string holder);
  void hint_lost(std::size_t owner);

  Verdict verdict() const;
  // No owner is awaited and no hint is being written: nothing more will come by itself.
  bool settled() const;
  // Hints of owners that will not answer are all written, or given up.
  bool hints_settled() const;
  bool needs_hint(std::size_t owner) const;  // neither acked nor hinted nor being hinted
  std::size_t ack_count() const;
  Answer answer(std::size_t owner) const { return slots_[owner].answer; }
  ReplicaState state(std::size_t owner) const;
  const std::string& hint_holder(std::size_t owner) const { return slots_[owner].holder; }
  std::size_t size() const { return slots_.size(); }

 private:
  struct Slot {
    Answer answer = Answer::NotAsked;
    Hint hint = Hint::None;
    std::string holder;
  };
  bool is_acked(const Slot& slot) const {
    return slot.answer == Answer::Durable || slot.answer == Answer::Memory;
  }
  void end(std::size_t owner, Answer answer);

  std::vector<Slot> slots_;
  std::size_t required_;
  bool hint_counts_;
};

}  // namespace parley::replication
