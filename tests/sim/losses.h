// Which disks of a run have lost what they held, and when: from then on they do not bear out what
// was said of them before. Nothing else is excused. What holds after each of the faults:
//
// - A node that was never struck only learns: what it once had durably it has for good, so every
//   claim about it can be held against it, whatever became of the others.
// - `wipe`, `old-copy`: what was said of this node to a call that began before is void; the disk's
//   new life knows nothing of it. To a call that began later it has spoken in the new life, from
//   what is on its disk now.
// - `damage`: the same of its last strike, as each strike takes what was there. But rot may lie
//   unseen while the store's caches are sound: such a record answers, and whoever opens the file
//   finds it damaged, or cannot read the page. So that, and no more, is excused for ever.
// - An ok write lasts if one replica that had it durably has not lost it, since in the end it is
//   merged into all. What a majority acked has such a one: one node of a run is struck.
#pragma once

#include <map>
#include <string>

#include "base/units.h"

namespace parley::sim {

class Losses {
 public:
  void lost(const std::string& address, Instant now) { last_[address] = now; }

  bool none() const { return last_.empty(); }
  bool has(const std::string& address) const { return last_.contains(address); }
  // May what it said to a call that began then be true, and its disk not show it?
  bool reach(const std::string& address, Instant begun) const {
    const auto found = last_.find(address);
    return found != last_.end() && begun <= found->second;
  }

 private:
  std::map<std::string, Instant> last_;  // its last strike
};

}  // namespace parley::sim
