// What all stores of a run were made to hold, judged at the moment when it is decided: what lies
// between the replies, and is mended before anybody looks.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "replication/version.h"
#include "storage/store.h"
#include "tests/sim/history.h"

namespace parley::sim {

// No key of a workload has a slash.
inline std::string hint_name(const std::string& target, const std::string& key) {
  return target + "/" + key;
}

class Ledger {
 public:
  explicit Ledger(History& history) : history_(history) {}

  // One change of a record as it is decided. `own`: the storage id of the node.
  struct Change {
    const std::string& node;  // its address
    const std::string& key;
    const StorageId& own;
    const replication::VersionSet& before;  // of a sound record
    const replication::VersionSet& after;
  };
  void judge(const Change& change, Instant now);
  Instant last_change() const { return last_change_; }
  Instant last_mint() const { return last_mint_; }
  // The same of a hint.
  void judge_hint(const std::string& holder, const storage::HintKey& key,
                  const replication::VersionSet& before, const replication::VersionSet& after);

  // A further hint is begun for a target for which so many bytes are kept.
  void hint_begun(const std::string& holder, const storage::HintKey& key, std::uint64_t kept,
                  std::uint64_t most);

  // What became of it, in the order of commits.
  void node_is(const NodeId& node, const std::string& address) { addresses_[node] = address; }
  std::string address_of(const NodeId& node) const {
    const auto found = addresses_.find(node);
    return found == addresses_.end() ? std::string() : found->second;
  }
  void stored(const std::string& node, const std::string& key,
              const replication::VersionVector& context, Instant now);
  // The same, and of what need not be durable; of a hint, hint_name() is the key.
  std::function<void(const std::string& node, const std::string& key,
                     const replication::VersionVector& context)>
      on_commit;
  std::function<void(const std::string& holder, const std::string& name)> on_hint_gone;
  void hint_kept(const std::string& holder, const storage::HintKey& key,
                 const replication::VersionSet& set);
  // Not because of its age, nor by command.
  void hint_erased(const std::string& holder, const storage::HintKey& key);
  void hint_gone(const std::string& holder, const storage::HintKey& key) {
    hints_.erase({holder, key});
    if (on_hint_gone) on_hint_gone(holder, hint_name(address_of(key.target), key.record.key));
  }

  // Has this write come to this node from another one, to which it came without delay?
  std::function<bool(const WriteRecord& write, const std::string& node)> passed_on;
  // For how long the node has known by now that its clock is off; 0: not at all.
  std::function<Duration(const std::string& node)> clock_off_for;

 private:
  struct Held {
    const std::string& node;
    const std::string& key;
    const replication::VersionSet& before;
    const replication::VersionSet& after;
    const StorageId* own = nullptr;  // of a record: who mints here
    bool mints(const replication::Dot& dot) const {
      return own != nullptr && dot.actor.storage == *own && !before.context().covers(dot);
    }
  };
  std::size_t holders(const std::string& key, const replication::Dot& dot) const;
  void judge_stamps(const Held& held);
  void judge_first_stamp(const Held& held, const replication::Sibling& minted);
  void judge_mint(const Change& change, const replication::Sibling& minted, Instant now);
  void judge_time(const Change& change, const replication::Sibling& minted,
                  const WriteRecord& write, Instant now);

  History& history_;
  Instant last_change_{}, last_mint_{};
  std::set<std::pair<std::string, replication::Dot>> own_dots_;  // that a node has ever held
  std::set<replication::Dot> hinted_;  // in some hint, perhaps of another node
  std::map<NodeId, std::string> addresses_;
  std::map<std::pair<std::string, std::string>, replication::VersionVector> stored_;
  std::map<std::pair<std::string, storage::HintKey>, replication::VersionVector> hints_;
};

}  // namespace parley::sim
