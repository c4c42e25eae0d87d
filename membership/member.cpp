#include "membership/member.h"

#include <tuple>

namespace parley::membership {

bool supersedes(const Claim& a, const Claim& b) {
  return std::tie(a.generation, a.incarnation, a.liveness) >
         std::tie(b.generation, b.incarnation, b.liveness);
}

}  // namespace parley::membership
