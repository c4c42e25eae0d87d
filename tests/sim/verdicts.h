// What the checkers make of the nodes' own words. Pure, so that each can be shown words that are
// false. Of those that return text: what is wrong; empty: nothing.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/client.h"
#include "base/units.h"
#include "membership/options.h"

namespace parley::sim {

using Addresses = std::set<std::string>;

// Every copy is reachable and sound, all are equal, and no hint waits for one of them. What is kept
// for a node that never comes back (`lost`) stays, and so do `useless` hints, of any node, that
// rotted.
bool all_equal(const client::InspectResult& result, const Addresses& lost,
               std::uint64_t useless = 0);

// The members as one node tells them: all of `nodes` alive, those of them that are `lost` dead or
// left, and nobody else.
std::string wrong_members(const std::vector<client::GossipRow>& rows, const Addresses& nodes,
                          const Addresses& lost);

// Which node's own digests of its view, as `told` by each node about all, are not those of the
// first.
std::string other_view(const std::map<std::string, std::vector<client::GossipRow>>& told);

// Somebody of the core is taken for dead, or gone.
std::string dead_in_core(const std::vector<client::GossipRow>& rows, const Addresses& core);

// Somebody of those that stand still is taken for alive.
std::string thought_alive(const std::vector<client::GossipRow>& rows, const Addresses& still);

// Do so many of the core's clocks agree with this one, which is among them, that it is in the
// middle of the clocks of all `nodes`, whatever those outside the core show
// (membership.clock_off_most)?
bool is_clock_sound(WallTime own, const std::vector<WallTime>& core, std::size_t nodes);

// How long a suspicion lasts at most in these few nodes: that of who suspects alone, since the
// others have convicted already and say so no more (docs/options.md, suspicion_factor_most).
Duration lonely_suspicion(const membership::MembershipOptions& options);
inline constexpr Duration kConvictSlack = 10s;  // until it begins

// The copies of the core, whatever the others hold, are reachable and equal.
bool core_equal(const client::InspectResult& result, const Addresses& core);

}  // namespace parley::sim
