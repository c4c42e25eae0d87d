// What every storage test needs: a world, a temporary store over it, and calls that wait.
#pragma once

#include "storage/store.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/fake/temp_store.h"

namespace parley::storage_test {

using namespace parley::storage;

inline RecordKey record_key(const Bytes& key, Token token = 0) {
  return {kDefaultKeyspace, token, key};
}
inline Decide put(Bytes value) {
  return [value = std::move(value)](const Found&) { return std::optional<Bytes>(value); };
}
inline Decide keep() {
  return [](const Found&) { return std::optional<Bytes>(); };
}
inline NodeId node_id(std::uint8_t number) {
  NodeId id;
  id.octets.fill(number);
  return id;
}
inline HintKey hint_key(std::uint8_t target, const Bytes& key, Token token = 0) {
  return {node_id(target), record_key(key, token)};
}

struct StoreCase {
  fake::World world;
  runtime::Loop& loop = world.node("127.0.0.1").loop();
  fake::TempStore store;

  explicit StoreCase(SqliteSettings settings = fake::inline_settings())
      : store(loop, std::move(settings)) {}

  template <typename T>
  Result<T> wait(const std::function<void(Completion<T>)>& call) {
    std::optional<Result<T>> answer;
    call([&](Result<T> result) { answer = std::move(result); });
    const bool done = world.run_real_until([&] { return answer.has_value(); }, 10s);
    REQUIRE(done);
    return std::move(*answer);
  }
  Result<Found> get(RecordKey key) {
    return wait<Found>([&](auto done) { store->get(key, done); });
  }
  Result<Updated> update(RecordKey key, Decide decide, Durability durability = Durability::Fsync) {
    return wait<Updated>([&](auto done) { store->update(key, decide, durability, done); });
  }
  Result<Updated> update_hint(HintKey key, bool sole, WallTime now, Decide decide) {
    return wait<Updated>([&](auto done) { store->update_hint(key, sole, now, decide, done); });
  }
  Result<bool> erase_hint(HintKey key, std::uint64_t digest) {
    return wait<bool>([&](auto done) { store->erase_hint(key, digest, done); });
  }
  Result<std::vector<HintRow>> list_hints(NodeId target, std::optional<HintKey> after = {},
                                          std::size_t limit = 100, std::size_t bytes = 1_MiB) {
    return wait<std::vector<HintRow>>(
        [&](auto done) { store->list_hints(target, after, limit, bytes, done); });
  }
  Result<std::vector<HintRow>> find_hints(RecordKey key) {
    return wait<std::vector<HintRow>>([&](auto done) { store->find_hints(key, done); });
  }
  Result<std::uint64_t> drop_hints(std::optional<NodeId> target) {
    return wait<std::uint64_t>([&](auto done) { store->drop_hints(target, done); });
  }
  Result<std::vector<ListedKey>> list_slot(Slot slot, std::optional<RecordKey> after = {},
                                           std::size_t limit = 100000) {
    return wait<std::vector<ListedKey>>(
        [&](auto done) { store->list_slot(kDefaultKeyspace, slot, after, limit, done); });
  }
  Result<std::vector<ListedRecord>> list_records(std::optional<RecordKey> after = {},
                                                 std::size_t limit = 100,
                                                 std::size_t bytes = 1_MiB) {
    return wait<std::vector<ListedRecord>>(
        [&](auto done) { store->list_records(kDefaultKeyspace, after, limit, bytes, done); });
  }
  Result<Done> put_named(Bytes name, Bytes value) {
    return wait<Done>([&](auto done) { store->put_named(name, value, done); });
  }
};

inline SqliteSettings threaded_settings() { return {}; }

}  // namespace parley::storage_test
