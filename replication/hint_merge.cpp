#include "replication/hint_merge.h"

#include "base/mutant.h"

namespace parley::replication {

std::optional<Bytes> decide_hint(const storage::Found& current, const VersionSet& incoming,
                                 const Bytes& bytes) {
  if (current.condition != storage::Condition::Sound || PARLEY_MUTANT(hint_overwritten))
    return bytes;
  auto set = VersionSet::decode(current.value);
  if (!set) return bytes;
  set->merge(incoming);
  Bytes merged = set->encode();
  if (merged == current.value) return std::nullopt;
  return merged;
}

}  // namespace parley::replication
