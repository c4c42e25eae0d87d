#include "replication/read_merge.h"

#include <algorithm>

#include "base/mutant.h"

namespace parley::replication {

ReadMerge::ReadMerge(Bytes key, std::size_t owners, std::vector<std::size_t> order,
                     std::size_t required, std::size_t majority)
    : key_(std::move(key)),
      slots_(owners),
      order_(std::move(order)),
      required_(required),
      majority_(majority) {}

std::size_t ReadMerge::count(State state) const {
  return static_cast<std::size_t>(std::count_if(
      slots_.begin(), slots_.end(), [state](const Slot& s) { return s.state == state; }));
}

std::size_t ReadMerge::count(Mend mend) const {
  return static_cast<std::size_t>(std::count_if(slots_.begin(), slots_.end(),
                                                [mend](const Slot& s) { return s.mend == mend; }));
}

std::size_t ReadMerge::asked() const { return slots_.size() - count(State::Unasked); }
std::size_t ReadMerge::answer_count() const { return count(State::Answered); }
std::size_t ReadMerge::repaired_count() const { return count(Mend::Done); }

std::size_t ReadMerge::agreed() const {
  return static_cast<std::size_t>(
      std::count_if(slots_.begin(), slots_.end(), [this](const Slot& s) { return agrees(s); }));
}

std::size_t ReadMerge::holders() const {
  return agreed() * (PARLEY_MUTANT(replica_counted_twice) ? 2 : 1) + repaired_count();
}

ReadMerge::Step ReadMerge::step() const {
  if (answer_count() < required_) {
    const auto unasked =
        static_cast<std::size_t>(std::count_if(order_.begin(), order_.end(), [this](std::size_t i) {
          return slots_[i].state == State::Unasked;
        }));
    const bool possible = answer_count() + count(State::Asked) + unasked >= required_;
    return possible ? Step::Ask : Step::Unavailable;
  }
  // A key that nobody has ever seen needs no copy anywhere.
  if (!repairs() || merged_.empty() || holders() >= required_) return Step::Answer;
  if (PARLEY_MUTANT(read_repair_skipped)) return Step::Answer;
  const auto mendable = static_cast<std::size_t>(std::count_if(
      order_.begin(), order_.end(), [this](std::size_t i) { return may_mend(slots_[i]); }));
  const bool possible = holders() + count(Mend::Sent) + count(Mend::Late) + mendable >= required_;
  return possible ? Step::Repair : Step::Unavailable;
}

std::vector<std::size_t> ReadMerge::to_ask(std::size_t extra) {
  const std::size_t coming = answer_count() + count(State::Asked);
  std::size_t wanted = (required_ > coming ? required_ - coming : 0) + extra;
  std::vector<std::size_t> next;
  for (const std::size_t i : order_) {
    if (wanted == 0) break;
    if (slots_[i].state != State::Unasked) continue;
    slots_[i].state = State::Asked;
    next.push_back(i);
    --wanted;
  }
  return next;
}

Status ReadMerge::answered(std::size_t owner, ReadAnswer answer) {
  Slot& slot = slots_.at(owner);
  // What comes after repair began changes nothing: the answer is settled by then.
  const bool settled = mending_ && !PARLEY_MUTANT(answer_amid_repair_merged);
  if (slot.state != State::Asked || settled) return Done{};
  if (answer.digest != 0 && answer.digest != merged_digest_) {
    const Status taken = take(answer);
    if (!taken) {
      slot.state = State::Failed;
      return taken;
    }
  }
  slot.state = State::Answered;
  slot.digest = answer.digest;
  return Done{};
}

// Joins a set that differs from the merged one.
Status ReadMerge::take(ReadAnswer& answer) {
  if (!answer.set) {
    auto set = VersionSet::decode(answer.bytes);
    if (!set) return set.error();
    answer.set = std::move(*set);
  }
  if (merged_.empty()) {
    merged_ = std::move(*answer.set);
    merged_digest_ = answer.digest;
    merged_bytes_ = std::move(answer.bytes);
    return Done{};
  }
  if (PARLEY_MUTANT(first_answer_wins)) return Done{};
  if (merged_.merge(*answer.set)) ++discarded_;
  merged_bytes_ = merged_.encode();
  if (PARLEY_MUTANT(merged_digest_stale)) return Done{};
  merged_digest_ = storage::record_digest(key_, merged_bytes_);
  return Done{};
}

const Bytes& ReadMerge::merged_bytes() {
  if (merged_bytes_.empty() && !merged_.empty()) merged_bytes_ = merged_.encode();
  return merged_bytes_;
}

void ReadMerge::failed(std::size_t owner) {
  Slot& slot = slots_.at(owner);
  if (slot.state == State::Asked) slot.state = State::Failed;
}

std::vector<std::size_t> ReadMerge::to_repair() {
  mending_ = true;
  const std::size_t coming = holders() + count(Mend::Sent);
  std::size_t wanted = required_ > coming ? required_ - coming : 0;
  std::vector<std::size_t> next;
  const auto take = [&](auto test) {
    for (const std::size_t i : order_) {
      if (wanted == 0) return;
      if (!may_mend(slots_[i]) || !test(slots_[i].state)) continue;
      slots_[i].mend = PARLEY_MUTANT(repair_counted_when_sent) ? Mend::Done : Mend::Sent;
      next.push_back(i);
      --wanted;
    }
  };
  take([](State s) { return s == State::Answered; });
  take([](State s) { return s == State::Asked || s == State::Unasked; });
  return next;
}

void ReadMerge::repaired(std::size_t owner) {
  if (is_awaited(slots_.at(owner))) slots_[owner].mend = Mend::Done;
}

void ReadMerge::repair_failed(std::size_t owner) {
  if (is_awaited(slots_.at(owner))) slots_[owner].mend = Mend::Failed;
}

void ReadMerge::repair_late(std::size_t owner) {
  if (slots_.at(owner).mend == Mend::Sent) slots_[owner].mend = Mend::Late;
}

std::vector<std::size_t> ReadMerge::stale() const {
  std::vector<std::size_t> out;
  if (merged_.empty()) return out;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const bool differs = slot.state == State::Answered && slot.digest != merged_digest_;
    if (differs && slot.mend != Mend::Done) out.push_back(i);
  }
  return out;
}

}  // namespace parley::replication
