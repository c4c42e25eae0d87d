#include "tests/sim/stamps.h"

namespace parley::sim {

bool Stamps::add(const std::string& key, const replication::Sibling& sibling, bool minted) {
  Key& known = keys_[key];
  const Write write{sibling.stamp, sibling.dot, sibling.tombstone};
  const auto [at, fresh] = known.by_dot.emplace(sibling.dot, write);
  if (!fresh && at->second == write) return true;
  if (!fresh && !minted) return false;
  if (!fresh) known.by_stamp.erase(at->second);
  at->second = write;
  known.by_stamp.insert(write);
  return true;
}

bool Stamps::knows(const std::string& key, const replication::Dot& dot) const {
  const auto known = keys_.find(key);
  return known != keys_.end() && known->second.by_dot.contains(dot);
}

const Stamps::Write* Stamps::latest(const std::string& key,
                                    const replication::VersionVector& context) const {
  const auto known = keys_.find(key);
  if (known == keys_.end()) return nullptr;
  const auto& all = known->second.by_stamp;
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    if (context.covers(at->dot)) return &*at;
  }
  return nullptr;
}

bool Stamps::shows_latest(const std::string& key, const replication::VersionSet& set) const {
  if (set.empty()) return true;
  const Write* write = latest(key, set.context());
  const auto& live = set.siblings();
  return write != nullptr && live.size() == 1 &&
         *write == Write{live[0].stamp, live[0].dot, live[0].tombstone};
}

std::string to_text(const Stamps::Write& write) {
  return to_text(write.dot) + " of stamp " + std::to_string(write.stamp) +
         (write.tombstone ? " (a delete)" : "");
}

}  // namespace parley::sim
