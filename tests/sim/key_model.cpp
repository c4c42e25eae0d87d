#include "tests/sim/key_model.h"

#include <algorithm>

#include "tests/sim/levels.h"

namespace parley::sim {

namespace {

std::string name_of(WriteNumber number) { return "w" + std::to_string(number); }

}  // namespace

void KeyModel::begun(const WriteRecord& write) {
  for (const WriteNumber one : write.replaces) {
    replacers_[one].insert(write.number);
    excused_.insert(acked_.extract(one));
  }
}

void KeyModel::refused(const WriteRecord& write) {
  for (const WriteNumber one : write.replaces) {
    const auto found = replacers_.find(one);
    if (found == replacers_.end()) continue;
    found->second.erase(write.number);
    if (!found->second.empty()) continue;
    replacers_.erase(found);
    acked_.insert(excused_.extract(one));
  }
}

void KeyModel::established(const WriteRecord& write, const replication::VersionVector& context,
                           const std::optional<replication::Dot>& dot) {
  now_.floor.merge(context);
  now_.replaced.merge(write.seen);
  replication::VersionVector all = context;
  if (dot) all.add(*dot);
  owe(all, write.begun, write.ended);
}

void KeyModel::must_be_shown(const WriteRecord& write) {
  if (!write.elements.empty()) elements_.emplace(write.number, write.ended);
  if (write.is_delete) return;
  auto& puts = replacers_.contains(write.number) ? excused_ : acked_;
  puts.emplace(write.number, write.ended);
}

void KeyModel::went_back(Instant now) { old_copy_ = OldCopy{now, owed_, {}, {}}; }

void KeyModel::regained(const replication::VersionVector& context, Instant now) {
  if (!old_copy_) return;
  old_copy_->has.merge(context);
  if (!old_copy_->whole && old_copy_->has.covers(old_copy_->owed)) old_copy_->whole = now;
}

void KeyModel::owe(const replication::VersionVector& context, Instant begun, Instant now) {
  owed_.merge(context);
  if (!old_copy_ || begun > old_copy_->since) return;
  old_copy_->owed.merge(context);
  old_copy_->whole.reset();
  regained({}, now);
}

bool KeyModel::may_go_back(const ReadRecord& read) const {
  if (!old_copy_ || replicas_asked(read.level) == kReplicas) return false;
  return !old_copy_->whole || read.begun <= *old_copy_->whole;
}

std::vector<KeyModel::Finding> KeyModel::judge_read(const ReadRecord& read, const Snapshot& then,
                                                    const std::vector<SeenValue>& values) {
  std::vector<Finding> out;
  if (!read.context.covers(then.floor)) {
    out.push_back({"backwards", "saw less than what an earlier read or an ok write established"});
  }
  for (const SeenValue& value : values) {
    if (then.replaced.covers(value.dot)) {
      out.push_back({"resurrected", "saw " + name_of(value.write) + " (" + to_text(value.dot) +
                                        "), which an ok write had replaced"});
    }
  }
  for (const auto& [number, acked] : acked_) {
    if (acked > read.begun || read.saw.contains(number)) continue;
    out.push_back({"unseen", "did not see " + name_of(number) +
                                 ", which was ok and which no write replaces"});
  }
  for (const auto& [number, acked] : elements_) {
    if (acked > read.begun || read.elements.contains(number)) continue;
    out.push_back({"set", "lacks the element of " + name_of(number) + ", which was ok"});
  }
  remember(read, values, out);
  now_.floor.merge(read.context);
  owe(read.context, read.begun, read.ended);
  if (may_go_back(read)) out.clear();
  return out;
}

// A dot that a majority has seen and does not show is dead for every later majority.
void KeyModel::remember(const ReadRecord& read, const std::vector<SeenValue>& values,
                        std::vector<Finding>& out) {
  for (const SeenValue& value : values) {
    const auto died = dead_.find(value.dot);
    if (died != dead_.end() && died->second <= read.begun) {
      out.push_back({"resurrected", "saw " + name_of(value.write) + " (" + to_text(value.dot) +
                                        "), which an earlier read had found replaced"});
    }
    live_.emplace(value.dot, Known{value.write, read.ended});
  }
  for (auto at = live_.begin(); at != live_.end();) {
    // Of two dots of one write only the least is shown.
    const bool dead = read.context.covers(at->first) && !read.saw.contains(at->second.write);
    if (!dead) {
      ++at;
      continue;
    }
    dead_.emplace(at->first, read.ended);
    at = live_.erase(at);
  }
}

}  // namespace parley::sim
