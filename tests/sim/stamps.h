// The writes of a run in which the last writer wins, as their minters stamped them: which one a
// context must show. A value; pure.
//
// What replicas merge in any order has one ideal outcome: of all dots that a set's context covers
// the greatest by stamp, then dot, is live, and no other. A context covers only what was minted,
// and a mint is later than all that its minter and its client had seen.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "replication/version.h"

namespace parley::sim {

class Stamps {
 public:
  struct Write {
    replication::Stamp stamp = 0;
    replication::Dot dot;
    bool tombstone = false;
    auto operator<=>(const Write&) const = default;
  };

  // Somebody holds it. `minted`: at this moment, by its owner; an earlier one of this dot was
  // undone before anybody had it. False: the dot has another stamp already.
  bool add(const std::string& key, const replication::Sibling& sibling, bool minted);
  bool knows(const std::string& key, const replication::Dot& dot) const;
  // Of those that are covered; null: none is known.
  const Write* latest(const std::string& key, const replication::VersionVector& context) const;
  // Is that one all that is live?
  bool shows_latest(const std::string& key, const replication::VersionSet& set) const;

 private:
  struct Key {
    std::set<Write> by_stamp;
    std::map<replication::Dot, Write> by_dot;
  };
  std::map<std::string, Key> keys_;
};

std::string to_text(const Stamps::Write& write);

}  // namespace parley::sim
