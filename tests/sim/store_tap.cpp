#include "tests/sim/store_tap.h"

#include <utility>

#include "replication/version.h"
#include "tests/sim/history.h"

namespace parley::sim {
namespace {

using storage::Completion;
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

class StoreTap final : public storage::Store {
 public:
  StoreTap(std::unique_ptr<storage::Store> store, std::string node, Bytes key, Tell tell)
      : store_(std::move(store)),
        node_(std::move(node)),
        key_(std::move(key)),
        tell_(std::move(tell)) {}

  void get(storage::RecordKey key, Completion<storage::Found> done) override {
    store_->get(std::move(key), std::move(done));
  }
  void update(storage::RecordKey key, storage::Decide decide, storage::Durability durability,
              Completion<storage::Updated> done) override {
    if (key.key != key_) {
      return store_->update(std::move(key), std::move(decide), durability, std::move(done));
    }
    const auto how = durability == storage::Durability::Fsync ? "durable" : "in memory";
    store_->update(std::move(key), listen(std::move(decide), "record"), durability,
                   listen(std::move(done), std::string("record ") + how));
  }
  void list_slot(storage::KeyspaceNumber keyspace, Slot slot,
                 std::optional<storage::RecordKey> after, std::size_t limit,
                 Completion<std::vector<storage::ListedKey>> done) override {
    store_->list_slot(keyspace, slot, std::move(after), limit, std::move(done));
  }
  bool has_records() const override { return store_->has_records(); }
  std::uint64_t undone() const override { return store_->undone(); }
  std::uint64_t bytes_on_disk() const override { return store_->bytes_on_disk(); }
  void observe(storage::RecordObserver* observer) override { store_->observe(observer); }
  std::vector<std::uint64_t> initial_slot_digests(storage::KeyspaceNumber keyspace) const override {
    return store_->initial_slot_digests(keyspace);
  }

  void update_hint(storage::HintKey key, bool sole, WallTime now, storage::Decide decide,
                   Completion<storage::Updated> done) override {
    if (key.record.key != key_) {
      return store_->update_hint(std::move(key), sole, now, std::move(decide), std::move(done));
    }
    const std::string what = (sole ? "sole hint for " : "hint for ") + to_text(key.target);
    store_->update_hint(std::move(key), sole, now, listen(std::move(decide), what),
                        listen(std::move(done), what + " durable"));
  }
  void erase_hint(storage::HintKey key, std::uint64_t digest, Completion<bool> done) override {
    if (key.record.key == key_) tell_(node_ + " erases its hint for " + to_text(key.target));
    store_->erase_hint(std::move(key), digest, std::move(done));
  }
  void list_hints(NodeId target, std::optional<storage::HintKey> after, std::size_t limit,
                  std::size_t bytes_limit,
                  Completion<std::vector<storage::HintRow>> done) override {
    store_->list_hints(target, std::move(after), limit, bytes_limit, std::move(done));
  }
  void find_hints(storage::RecordKey key, Completion<std::vector<storage::HintRow>> done) override {
    store_->find_hints(std::move(key), std::move(done));
  }
  void drop_hints(std::optional<NodeId> target, Completion<std::uint64_t> done) override {
    store_->drop_hints(target, std::move(done));
  }
  const std::map<NodeId, storage::HintTotals>& hint_totals() const override {
    return store_->hint_totals();
  }

  std::optional<Bytes> named(ByteView name) const override { return store_->named(name); }
  void put_named(Bytes name, Bytes value, Completion<Done> done) override {
    store_->put_named(std::move(name), std::move(value), std::move(done));
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
  Completion<storage::Updated> listen(Completion<storage::Updated> done, std::string what) const {
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

  const std::unique_ptr<storage::Store> store_;
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
