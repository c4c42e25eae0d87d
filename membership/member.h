// What SWIM says about a member, and which of two sayings wins: the one place of that rule.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/result.h"
#include "membership/view.h"

namespace parley::membership {

// One claim about one member's liveness, by itself or by others.
struct Claim {
  NodeId node;
  Generation generation = 0;
  Incarnation incarnation = 0;
  Liveness liveness = Liveness::Alive;
  NodeId accuser;           // Suspect: who could not reach it; else nil
  std::uint64_t nonce = 0;  // drawn by that life of the node at its start; 0: not known
  // Suspect: the accuser dialled it and the kernel there said that nobody listens.
  bool refused = false;
  bool operator==(const Claim&) const = default;
};

// SWIM (DSN 2002, section 4.2) with a persisted generation in front: (generation, incarnation,
// Alive < Suspect < Dead < Left). Only the member itself raises the first two, so it can outbid
// whatever is said about it, and nothing said about an earlier life counts against this one.
bool supersedes(const Claim& a, const Claim& b);
// Two processes took the same generation: the claims are about one member, not about one life.
bool other_life(const Claim& a, const Claim& b);

// What a node must hear that runs on an old copy of its disk.
Error old_copy(const NodeId& node);
// What a node must hear whose disk runs twice; `where` is empty when that is not known.
Error second_copy(const NodeId& node, const std::string& where);

}  // namespace parley::membership
