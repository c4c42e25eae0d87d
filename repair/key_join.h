// KeyJoin: finds the keys on which two replicas differ, from two listings that come in pages, both
// in (token, key) order.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/store.h"

namespace parley::repair {

struct KeyDifference {
  enum class Want : std::uint8_t {
    Pull,  // only the peer has a sound copy
    Push,  // only this node has one
    Both,  // both have one: pull, merge, and push if the peer lacked something
  };
  Bytes key;
  Want want = Want::Pull;
  bool operator==(const KeyDifference&) const = default;
};

class KeyJoin {
 public:
  // More keys of one side, following what it gave before; `last`: there are no more.
  // InvalidArgument when they are out of order; nothing is taken then.
  Status add_mine(const std::vector<storage::ListedKey>& keys, bool last);
  Status add_theirs(const std::vector<storage::ListedKey>& keys, bool last);

  bool wants_mine() const { return !mine_.last && mine_.keys.empty(); }
  bool wants_theirs() const { return !theirs_.last && theirs_.keys.empty(); }
  bool ended() const;
  // What is known to differ by now.
  std::vector<KeyDifference> take();

  // Where the next page of a side begins (empty: from the start).
  const Bytes& mine_after() const { return mine_.end.key; }
  const Bytes& theirs_after() const { return theirs_.end.key; }

 private:
  struct Place {
    Token token = 0;
    Bytes key;
    auto operator<=>(const Place&) const = default;
  };
  struct Entry {
    Place place;
    std::uint64_t digest = 0;
  };
  struct Side {
    std::deque<Entry> keys;
    Place end;
    bool last = false;
  };
  static Status add(Side& side, const std::vector<storage::ListedKey>& keys, bool last);

  Side mine_, theirs_;
};

}  // namespace parley::repair
