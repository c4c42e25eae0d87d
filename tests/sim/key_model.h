// The ideal state of one key as far as the answers so far establish it: a set of dots. What reads
// at a majority may and must show follows from it. A value; pure.
#pragma once

#include <map>
#include <optional>
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

  // From here on what it replaces may be gone ...
  void begun(const WriteRecord& write);
  // ... but it was not written: nothing of that is.
  void refused(const WriteRecord& write);
  // Ok at a majority, durably. `context` and `dot`: those of its receipt. The one may leave the
  // other out, since covering it would cover a sibling that the writer has not seen.
  void established(const WriteRecord& write, const replication::VersionVector& context,
                   const std::optional<replication::Dot>& dot);
  // Where siblings are kept: readers see that until something may have replaced it.
  void must_be_shown(const WriteRecord& write);

  struct SeenValue {
    replication::Dot dot;
    WriteNumber write = 0;
  };
  struct Finding {
    std::string rule, what;
  };
  // One owner's copy is of an earlier day, and nobody can see it. Of what was established with its
  // word from before, a majority with it may show less, until its copy covers all of that. A read
  // that asks every owner asks one more that has it, and goes back never.
  void went_back(Instant now);
  // That copy holds this now.
  void regained(const replication::VersionVector& context, Instant now);

  // A read at a majority that began with `then`. It establishes what it saw, `memory` writes too:
  // as many replicas hold it durably (replication/read_merge.h).
  std::vector<Finding> judge_read(const ReadRecord& read, const Snapshot& then,
                                  const std::vector<SeenValue>& values);

 private:
  struct Known {
    WriteNumber write = 0;
    Instant since{};
  };
  // Established by a call that began then: a copy that goes back had to have it.
  void owe(const replication::VersionVector& context, Instant begun, Instant now);
  bool may_go_back(const ReadRecord& read) const;
  void remember(const ReadRecord& read, const std::vector<SeenValue>& values,
                std::vector<Finding>& out);

  Snapshot now_;
  // All that was established, with the writes' own dots: a copy that goes back is whole again when
  // it covers this.
  replication::VersionVector owed_;
  // Puts that are ok at a majority, since when; apart, those that something may have replaced.
  std::map<WriteNumber, Instant> acked_, excused_;
  // By what may have replaced them: those that were begun, and not refused.
  std::map<WriteNumber, std::set<WriteNumber>> replacers_;
  std::map<WriteNumber, Instant> elements_;   // of a set; these for ever
  std::map<replication::Dot, Known> live_;    // shown by a majority, not yet missed by one
  std::map<replication::Dot, Instant> dead_;  // a majority had seen it and did not show it
  struct OldCopy {
    Instant since{};
    replication::VersionVector owed, has;
    std::optional<Instant> whole;  // since when
  };
  std::optional<OldCopy> old_copy_;
};

}  // namespace parley::sim
