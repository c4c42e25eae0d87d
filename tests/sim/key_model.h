// The ideal state of one key as far as the answers so far establish it: a set of dots. What reads
// at a majority may and must show follows from it. A value; pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/records.h"

namespace parley::sim {

class KeyModel {
 public:
  // What a read at a majority that begins now must cover, and what it may not show any more.
  struct Snapshot {
    replication::VersionVector floor, replaced;
  };
  const Snapshot& now() const { return now_; }

  // From here on what it replaces may be gone.
  void begun(const WriteRecord& write);
  // Ok at a majority, durably. `context`: that of its receipt.
  void established(const WriteRecord& write, const replication::VersionVector& context);

  struct SeenValue {
    replication::Dot dot;
    WriteNumber write = 0;
  };
  struct Finding {
    std::string rule, what;
  };
  // A read at a majority that began with `then`. It establishes what it saw, `memory` writes too:
  // as many replicas hold it durably (replication/read_merge.h).
  std::vector<Finding> judge_read(const ReadRecord& read, const Snapshot& then,
                                  const std::vector<SeenValue>& values);

 private:
  struct Known {
    WriteNumber write = 0;
    Instant since{};
  };
  void remember(const ReadRecord& read, const std::vector<SeenValue>& values,
                std::vector<Finding>& out);

  Snapshot now_;
  // Puts that are ok at a majority, since when; those that nothing begun so far replaces.
  std::map<WriteNumber, Instant> must_see_;
  std::map<WriteNumber, Instant> elements_;  // of a set; these for ever
  std::set<WriteNumber> perhaps_replaced_;
  std::map<replication::Dot, Known> live_;    // shown by a majority, not yet missed by one
  std::map<replication::Dot, Instant> dead_;  // a majority had seen it and did not show it
};

}  // namespace parley::sim
