#include "tests/sim/store_tap.h"

#include <utility>

#include "replication/version.h"
#include "storage/forwarding_store.h"
#include "tests/sim/history.h"

namespace parley::sim {
namespace {

using storage::Condition;

// "{w12 w15}"; a deleted value has no name.
std::string text_of_set(ByteView bytes) {
  const auto set = replication::VersionSet::decode(bytes);
  if (!set.ok()) return "no version set";
  std::string out = "{";
  for (const auto& sibling : set->siblings()) {
    const auto write = write_of(sibling.value);
    if (out.size() > 1) out += " ";
    out += sibling.tombstone ? "deleted" : write ? "w" + std::to_string(*write) : "?";
    if (sibling.stamp != 0) out += " of " + std::to_string(sibling.stamp);
  }
  return out + "}";
}

std::string text_of(const storage::Found& found) {
  switch (found.condition) {
    case Condition::Missing: return "nothing";
    case Condition::Damaged: return "damaged";
    case Condition::Sound: break;
  }
  return text_of_set(found.value);
}

class StoreTap final : public storage::ForwardingStore {
 public:
  StoreTap(std::unique_ptr<storage::Store> store, std::string node, Bytes key, Tell tell)
      : storage::ForwardingStore(std::move(store)),
        node_(std::move(node)),
        key_(std::move(key)),
        tell_(std::move(tell)) {}

  void update(storage::RecordKey key, storage::Decide decide, storage::Durability durability,
              storage::Completion<storage::Updated> done) override {
    if (key.key == key_) {
      const auto how = durability == storage::Durability::Fsync ? "durable" : "in memory";
      decide = listen(std::move(decide), "record");
      done = listen(std::move(done), std::string("record ") + how);
    }
    storage::ForwardingStore::update(std::move(key), std::move(decide), durability,
                                     std::move(done));
  }
  void update_hint(storage::HintKey key, bool sole, WallTime now, storage::Decide decide,
                   storage::Completion<storage::Updated> done) override {
    if (key.record.key == key_) {
      const std::string what = (sole ? "sole hint for " : "hint for ") + to_text(key.target);
      decide = listen(std::move(decide), what);
      done = listen(std::move(done), what + " durable");
    }
    storage::ForwardingStore::update_hint(std::move(key), sole, now, std::move(decide),
                                          std::move(done));
  }
  void erase_hint(storage::HintKey key, std::uint64_t digest,
                  storage::Completion<bool> done) override {
    if (key.record.key == key_) tell_(node_ + " erases its hint for " + to_text(key.target));
    storage::ForwardingStore::erase_hint(std::move(key), digest, std::move(done));
  }

 private:
  storage::Decide listen(storage::Decide decide, std::string what) const {
    return [decide = std::move(decide), what = std::move(what), node = node_,
            tell = tell_](const storage::Found& current) {
      auto next = decide(current);
      if (next) tell(node + " " + what + ": " + text_of(current) + " -> " + text_of_set(*next));
      return next;
    };
  }
  storage::Completion<storage::Updated> listen(storage::Completion<storage::Updated> done,
                                               std::string what) const {
    return [done = std::move(done), what = std::move(what), node = node_,
            tell = tell_](Result<storage::Updated> result) {
      if (!result.ok()) {
        tell(node + " " + what + ": failed: " + result.error().message);
      } else if (result->changed) {
        tell(node + " " + what);
      }
      done(std::move(result));
    };
  }

  const std::string node_;
  const Bytes key_;
  const Tell tell_;
};

}  // namespace

std::unique_ptr<storage::Store> tap_store(std::unique_ptr<storage::Store> store, std::string node,
                                          Bytes key, Tell tell) {
  return std::make_unique<StoreTap>(std::move(store), std::move(node), std::move(key),
                                    std::move(tell));
}

}  // namespace parley::sim
