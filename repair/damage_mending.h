// DamageMending: what the other owners of a key say of it while the own record is damaged, and what
// may become of that record. A value; pure.
//
// A damaged record may have held any write that a majority acked, so it may only be replaced by a
// set that has them all. N owners, this one included; majority = floor(N/2)+1. An acked write is on
// majority - 1 of the N - 1 others at least, so N - majority + 1 true answers of them meet it.
// Where so many do not exist because others are damaged too, all of them must have spoken: nobody
// can ever know more, and what they hold together is the best there is. But an acked write that
// only damaged records held is missing from it, so such a mend is said to be in doubt.
#pragma once

#include <cstddef>

#include "replication/version.h"

namespace parley::repair {

class DamageMending {
 public:
  enum class Step : std::uint8_t {
    Wait,         // somebody has not spoken yet
    Mend,         // merged() replaces the record
    MendInDoubt,  // it does too, as all have spoken; but an acked write may be missing from it
    Lost,         // all have spoken and nobody holds anything
    TryAgain,     // too few have spoken, or will
  };

  explicit DamageMending(std::size_t owners);

  // What one other owner said, each once.
  void answered(const replication::VersionSet& set);  // empty: it has no record
  void damaged();                                     // its own record is damaged too
  void silent();                                      // down, or no answer

  Step step() const;
  const replication::VersionSet& merged() const { return merged_; }

 private:
  std::size_t others_, needed_;
  std::size_t answered_ = 0, damaged_ = 0, silent_ = 0;
  replication::VersionSet merged_;
};

}  // namespace parley::repair
