#include "replication/write_context.h"

#include <algorithm>

#include "base/mutant.h"
#include "replication/context_token.h"

namespace parley::replication {

CausalContext context_after_write(const CausalContext& before, const Dot& dot,
                                  const VersionSet& set) {
  const VersionVector& seen = before.vector;
  OpId op;
  for (const Sibling& sibling : set.siblings()) {
    if (sibling.dot == dot) op = sibling.op;
  }
  const auto own = [&](const Sibling& s) { return s.dot == dot || (!op.is_nil() && s.op == op); };
  VersionVector context = seen;
  context.add(dot);
  for (const Sibling& sibling : set.siblings()) {
    if (own(sibling)) context.add(sibling.dot);
  }
  const bool hides =
      !PARLEY_MUTANT(reply_context_hides_sibling) &&
      std::any_of(set.siblings().begin(), set.siblings().end(), [&](const Sibling& s) {
        return !own(s) && !seen.covers(s.dot) && context.covers(s.dot);
      });
  const Stamp own_stamp = PARLEY_MUTANT(write_token_keeps_old_stamp) ? Stamp{0} : set.stamp();
  return {hides ? seen : context, std::max(before.stamp, own_stamp)};
}

VersionVector context_of_read(const VersionSet& set) {
  constexpr std::size_t kMost = kContextEntriesMost - 1;
  if (set.context().entries().size() <= kMost) return set.context();
  VersionVector context;
  for (const Sibling& sibling : set.siblings()) {
    context.add(sibling.dot);
    if (context.entries().size() == kMost) break;
  }
  return context;
}

}  // namespace parley::replication
