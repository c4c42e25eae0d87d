#include "tests/sim/ledger_tap.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "storage/forwarding_store.h"

namespace parley::sim {
namespace {

using replication::VersionSet;

// Format u8, then the node's id (api/node_identity.cpp).
constexpr ByteView kIdentity = "identity";
constexpr std::size_t kIdAt = 1, kIdBytes = 16;
constexpr ByteView kStorage = "storage_id";

VersionSet set_of(const storage::Found& found) {
  if (found.condition != storage::Condition::Sound) return {};
  auto set = VersionSet::decode(found.value);
  return set.ok() ? std::move(*set) : VersionSet{};
}

class LedgerTap final : public storage::ForwardingStore {
 public:
  LedgerTap(std::unique_ptr<storage::Store> store, TappedNode node, Ledger& ledger)
      : storage::ForwardingStore(std::move(store)), node_(std::move(node)), ledger_(ledger) {
    if (const auto identity = named(kIdentity)) learn(*identity);
  }

  void update(storage::RecordKey key, storage::Decide decide, storage::Durability durability,
              storage::Completion<storage::Updated> done) override {
    // Filled by the decision, told of by the completion.
    auto after = std::make_shared<VersionSet>();
    auto judged = [this, name = key.key, after,
                   decide = std::move(decide)](const storage::Found& current) {
      auto next = decide(current);
      *after = next ? decoded(*next) : set_of(current);
      if (next) ledger_.judge({node_.address, name, own(), set_of(current), *after}, node_.now());
      return next;
    };
    const bool lasts = durability == storage::Durability::Fsync;
    auto told = [this, name = key.key, after, lasts,
                 done = std::move(done)](Result<storage::Updated> result) {
      if (result.ok() && ledger_.on_commit) {
        ledger_.on_commit(node_.address, name, after->context());
      }
      if (result.ok() && lasts) ledger_.stored(node_.address, name, after->context(), node_.now());
      done(std::move(result));
    };
    storage::ForwardingStore::update(std::move(key), std::move(judged), durability,
                                     std::move(told));
  }

  void update_hint(storage::HintKey key, bool sole, WallTime now, storage::Decide decide,
                   storage::Completion<storage::Updated> done) override {
    const auto totals = hint_totals().find(key.target);
    const auto bytes = totals == hint_totals().end() ? 0 : totals->second.bytes;
    ledger_.hint_begun(node_.address, key, bytes, node_.hint_bytes_most);
    auto after = std::make_shared<std::optional<VersionSet>>();
    // A hint of an earlier life is as old as it is, which nobody here has seen: it may expire.
    auto since = std::make_shared<WallTime>(now);
    auto judged = [this, key, after, since,
                   decide = std::move(decide)](const storage::Found& current) {
      if (current.condition != storage::Condition::Missing) *since = WallTime{};
      auto next = decide(current);
      if (next) {
        *after = decoded(*next);
        ledger_.judge_hint(node_.address, key, set_of(current), **after);
      }
      return next;
    };
    auto told = [this, key, sole, after, since,
                 done = std::move(done)](Result<storage::Updated> result) {
      if (result.ok() && *after) {
        if (sole) sole_.insert(key);
        ledger_.hint_kept(node_.address, key, **after);
        kept_.try_emplace(key, *since);
      }
      done(std::move(result));
    };
    storage::ForwardingStore::update_hint(std::move(key), sole, now, std::move(judged),
                                          std::move(told));
  }

  void erase_hint(storage::HintKey key, std::uint64_t digest,
                  storage::Completion<bool> done) override {
    const auto since = kept_.find(key);
    const bool young = since != kept_.end() &&
                       node_.wall().millis - since->second.millis < to_millis(node_.hint_age_most);
    // An `any` write may have nothing else: age takes no such hint.
    const bool stays = young || sole_.contains(key);
    auto told = [this, key, stays, done = std::move(done)](Result<bool> erased) {
      if (erased.ok() && *erased) {
        kept_.erase(key);
        sole_.erase(key);
        stays ? ledger_.hint_erased(node_.address, key) : ledger_.hint_gone(node_.address, key);
      }
      done(std::move(erased));
    };
    storage::ForwardingStore::erase_hint(std::move(key), digest, std::move(told));
  }

  void put_named(Bytes name, Bytes value, storage::Completion<Done> done) override {
    if (name == kIdentity) learn(value);
    storage::ForwardingStore::put_named(std::move(name), std::move(value), std::move(done));
  }

 private:
  static VersionSet decoded(const Bytes& bytes) {
    auto set = VersionSet::decode(bytes);
    return set.ok() ? std::move(*set) : VersionSet{};
  }
  StorageId own() const {
    const auto bytes = named(kStorage);
    return bytes ? StorageId::from_bytes(*bytes).value_or(StorageId{}) : StorageId{};
  }
  void learn(ByteView identity) {
    if (identity.size() < kIdAt + kIdBytes) return;
    if (const auto id = NodeId::from_bytes(identity.substr(kIdAt, kIdBytes))) {
      ledger_.node_is(*id, node_.address);
    }
  }

  const TappedNode node_;
  Ledger& ledger_;
  std::set<storage::HintKey> sole_;            // in this life
  std::map<storage::HintKey, WallTime> kept_;  // in this life; when first
};

}  // namespace

std::unique_ptr<storage::Store> keep_ledger(std::unique_ptr<storage::Store> store, TappedNode node,
                                            Ledger& ledger) {
  return std::make_unique<LedgerTap>(std::move(store), std::move(node), ledger);
}

}  // namespace parley::sim
