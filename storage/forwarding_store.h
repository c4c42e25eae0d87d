// A store in front of another one: passes everything on. Those who listen override some of it.
#pragma once

#include <memory>
#include <utility>

#include "storage/store.h"

namespace parley::storage {

class ForwardingStore : public Store {
 public:
  explicit ForwardingStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  void finish() override { store_->finish(); }
  void get(RecordKey key, Completion<Found> done) override {
    store_->get(std::move(key), std::move(done));
  }
  void update(RecordKey key, Decide decide, Durability durability,
              Completion<Updated> done) override {
    store_->update(std::move(key), std::move(decide), durability, std::move(done));
  }
  void list_slot(KeyspaceNumber keyspace, Slot slot, std::optional<RecordKey> after,
                 std::size_t limit, Completion<std::vector<ListedKey>> done) override {
    store_->list_slot(keyspace, slot, std::move(after), limit, std::move(done));
  }
  void list_records(KeyspaceNumber keyspace, std::optional<RecordKey> after, std::size_t limit,
                    std::size_t bytes_limit, Completion<std::vector<ListedRecord>> done) override {
    store_->list_records(keyspace, std::move(after), limit, bytes_limit, std::move(done));
  }
  std::uint64_t undone() const override { return store_->undone(); }
  bool holds_data() const override { return store_->holds_data(); }
  std::uint64_t bytes_on_disk() const override { return store_->bytes_on_disk(); }
  void observe(RecordObserver* observer) override { store_->observe(observer); }
  std::vector<SlotDigest> take_slot_digests(KeyspaceNumber keyspace) override {
    return store_->take_slot_digests(keyspace);
  }

  void update_hint(HintKey key, bool sole, WallTime now, Decide decide,
                   Completion<Updated> done) override {
    store_->update_hint(std::move(key), sole, now, std::move(decide), std::move(done));
  }
  void erase_hint(HintKey key, std::uint64_t digest, Completion<bool> done) override {
    store_->erase_hint(std::move(key), digest, std::move(done));
  }
  void list_hints(NodeId target, std::optional<HintKey> after, std::size_t limit,
                  std::size_t bytes_limit, Completion<std::vector<HintRow>> done) override {
    store_->list_hints(target, std::move(after), limit, bytes_limit, std::move(done));
  }
  void find_hints(RecordKey key, Completion<std::vector<HintRow>> done) override {
    store_->find_hints(std::move(key), std::move(done));
  }
  void drop_hints(std::optional<NodeId> target, Completion<std::uint64_t> done) override {
    store_->drop_hints(target, std::move(done));
  }
  const std::map<NodeId, HintTotals>& hint_totals() const override { return store_->hint_totals(); }

  std::optional<Bytes> named(ByteView name) const override { return store_->named(name); }
  void put_named(Bytes name, Bytes value, Completion<Done> done) override {
    store_->put_named(std::move(name), std::move(value), std::move(done));
  }

 private:
  const std::unique_ptr<Store> store_;
};

}  // namespace parley::storage
