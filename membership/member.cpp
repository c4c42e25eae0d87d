#include "membership/member.h"

#include <tuple>

#include "base/mutant.h"

namespace parley::membership {

bool supersedes(const Claim& a, const Claim& b) {
  if (PARLEY_MUTANT(refutation_ignored)) {
    return std::tie(a.generation, a.liveness) > std::tie(b.generation, b.liveness);
  }
  return std::tie(a.generation, a.incarnation, a.liveness) >
         std::tie(b.generation, b.incarnation, b.liveness);
}

bool other_life(const Claim& a, const Claim& b) {
  return a.generation == b.generation && a.nonce != 0 && b.nonce != 0 && a.nonce != b.nonce;
}

Error old_copy(const NodeId& node) {
  return {ErrorCode::StaleCopy, "the cluster knows a later life of this node (" + to_text(node) +
                                    "): an old copy of its disk came back"};
}

Error second_copy(const NodeId& node, const std::string& where) {
  return {ErrorCode::StaleCopy,
          "another process runs with this node's id (" + to_text(node) + ")" +
              (where.empty() ? "" : " at " + where) +
              ": the data directory was copied; do not start this copy again: wipe its data "
              "directory and start it as a new node"};
}

}  // namespace parley::membership
