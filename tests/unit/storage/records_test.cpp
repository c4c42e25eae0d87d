#include "storage/sqlite_store.h"
#include "tests/unit/storage/store_case.h"

using namespace parley;
using namespace parley::storage_test;

namespace {

struct Heard {
  Bytes key;
  std::uint64_t before, after;
  bool operator==(const Heard&) const = default;
};

struct Listener final : RecordObserver {
  void record_changed(KeyspaceNumber, Token token, ByteView key, std::uint64_t before,
                      std::uint64_t after) override {
    heard.push_back({Bytes(key), before, after});
    sums[slot_of(token)] += slot_term(token, key, after) - slot_term(token, key, before);
  }
  std::vector<Heard> heard;
  std::map<Slot, std::uint64_t> sums;
};

}  // namespace

TEST_CASE("digests: frozen, never 0, and a missing record adds nothing to its slot") {
  CHECK(record_digest("key", "value") == 0xb19fcf792e11118eULL);
  CHECK(record_digest("", "") == 0x412f1275e10017f3ULL);
  CHECK(slot_term(7, "key", 1) == 0x18901a6f1f0f161aULL);
  CHECK(record_digest("key", "value") != record_digest("kez", "value"));
  CHECK(record_digest("", "") != 0);
  CHECK(slot_term(7, "key", 0) == 0);
  CHECK(slot_term(7, "key", 1) != slot_term(8, "key", 1));
  CHECK(slot_term(7, "key", 1) != slot_term(7, "key", 2));
}

TEST_CASE("records: written, read, replaced, left alone") {
  const auto settings = GENERATE(fake::inline_settings(), threaded_settings());
  StoreCase test(settings);
  CHECK_FALSE(test.store->holds_data());
  CHECK(test.get(record_key("a"))->condition == Condition::Missing);

  const auto first = test.update(record_key("a"), put("one"));
  REQUIRE(first.ok());
  CHECK(first->before == Condition::Missing);
  CHECK(first->changed);
  CHECK(first->digest == record_digest("a", "one"));
  CHECK(test.store->holds_data());

  const auto found = test.get(record_key("a"));
  CHECK(found->condition == Condition::Sound);
  CHECK(found->value == "one");
  CHECK(found->digest == first->digest);

  std::optional<Found> seen;
  const auto second = test.update(record_key("a"), [&](const Found& current) {
    seen = current;
    return std::optional<Bytes>("two");
  });
  CHECK(second->before == Condition::Sound);
  CHECK(seen->value == "one");
  const auto third = test.update(record_key("a"), keep());
  CHECK_FALSE(third->changed);
  CHECK(third->digest == second->digest);
  const auto same = test.update(record_key("a"), put("two"));
  CHECK_FALSE(same->changed);
  CHECK(same->digest == second->digest);
  CHECK(test.get(record_key("a"))->value == "two");
  CHECK_FALSE(test.update(record_key("none"), keep())->changed);
  CHECK(test.get(record_key("none"))->condition == Condition::Missing);
}

TEST_CASE("records: empty and binary values, large values, keys with zero bytes") {
  StoreCase test;
  const Bytes binary("\0\xff\0key", 6);
  const Bytes large(3_MiB, 'x');
  REQUIRE(test.update(record_key(binary, ~Token{0}), put("")).ok());
  REQUIRE(test.update(record_key("large"), put(large)).ok());
  CHECK(test.get(record_key(binary, ~Token{0}))->condition == Condition::Sound);
  CHECK(test.get(record_key(binary, ~Token{0}))->value.empty());
  CHECK(test.get(record_key(Bytes("\0\xff\0", 3), ~Token{0}))->condition == Condition::Missing);
  CHECK(test.get(record_key("large"))->value == large);
}

TEST_CASE("records: updates of one key in one group see each other, completions in order") {
  StoreCase test;
  std::vector<int> order;
  for (int i = 0; i < 50; ++i) {
    test.store->update(
        record_key("hot"),
        [](const Found& current) { return std::optional<Bytes>(current.value + "x"); },
        Durability::Fsync,
        [&order, i](Result<Updated> result) {
          REQUIRE(result.ok());
          order.push_back(i);
        });
  }
  CHECK(order.empty());  // never inside the call
  REQUIRE(test.world.run_real_until([&] { return order.size() == 50; }, 10s));
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(test.get(record_key("hot"))->value == Bytes(50, 'x'));
  CHECK(test.store.metrics().render().find("parley_store_commits_total 1\n") != Bytes::npos);
}

TEST_CASE("records: the observer hears each change before its completion, in commit order") {
  StoreCase test;
  Listener listener;
  test.store->observe(&listener);
  std::size_t heard_at_first = 0;
  test.store->update(record_key("a"), put("1"), Durability::Fsync,
                     [&](Result<Updated>) { heard_at_first = listener.heard.size(); });
  test.store->update(record_key("b"), keep(), Durability::Fsync, [](Result<Updated>) {});
  REQUIRE(test.update(record_key("a"), put("2")).ok());
  CHECK(heard_at_first >= 1);
  const std::vector<Heard> expected = {{"a", 0, record_digest("a", "1")},
                                       {"a", record_digest("a", "1"), record_digest("a", "2")}};
  CHECK(listener.heard == expected);
}

TEST_CASE("records: slots are listed in token and key order, in pages") {
  StoreCase test;
  const Slot slot = 0x8000;  // where signed and unsigned order part
  const Token low = static_cast<Token>(slot) << 48;
  const std::vector<RecordKey> keys = {record_key("b", low), record_key("a", low + 1),
                                       record_key("b", low + 1),
                                       record_key("c", low + 0xffffffffffff)};
  for (const auto& key : keys) REQUIRE(test.update(key, put("v")).ok());
  REQUIRE(test.update(record_key("before", low - 1), put("v")).ok());
  REQUIRE(test.update(record_key("behind", low + (Token{1} << 48)), put("v")).ok());

  const auto all = test.list_slot(slot);
  REQUIRE(all->size() == keys.size());
  std::optional<RecordKey> after;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    CHECK((*all)[i].key == keys[i].key);
    CHECK((*all)[i].digest == record_digest(keys[i].key, "v"));
    const auto page = test.list_slot(slot, after, 1);
    REQUIRE(page->size() == 1);
    CHECK(page->front().key == keys[i].key);
    after = keys[i];
  }
  CHECK(test.list_slot(slot, after, 1)->empty());
  CHECK(test.list_slot(0)->empty());
}

TEST_CASE("records: all of a keyspace are listed in pages, by token and key") {
  StoreCase test;
  std::vector<RecordKey> keys;
  for (int i = 0; i < 40; ++i) {
    // Both halves of the token space, and several keys of one token.
    keys.push_back(record_key("key" + std::to_string(i), static_cast<Token>(i / 2) << 59));
    REQUIRE(test.update(keys.back(), put("value" + std::to_string(i))).ok());
  }
  RecordKey elsewhere = keys[0];
  elsewhere.keyspace = kDefaultKeyspace + 1;
  REQUIRE(test.update(elsewhere, put("not listed")).ok());
  std::sort(keys.begin(), keys.end());
  std::optional<RecordKey> after;
  std::vector<RecordKey> seen;
  while (true) {
    const auto page = test.list_records(after, 7);
    if (page->empty()) break;
    CHECK(page->size() <= 7);
    for (const auto& record : *page) {
      seen.push_back(record.key);
      CHECK(record.found.condition == Condition::Sound);
      CHECK(record.found.value.substr(5) == record.key.key.substr(3));
    }
    after = page->back().key;
  }
  CHECK(seen == keys);
  CHECK(test.list_records({}, 100, 14)->size() == 2);  // bytes of values
  CHECK(test.list_records({}, 100, 1)->size() == 1);
}

TEST_CASE("records: a slot of more keys than one transaction lists comes whole") {
  StoreCase test;
  int left = 10000;
  for (int i = 0; i < 10000; ++i) {
    test.store->update(record_key("k" + std::to_string(i), static_cast<Token>(i)), put("v"),
                       Durability::Fsync, [&](Result<Updated> result) {
                         if (result.ok()) --left;
                       });
    if (i % 5000 == 0) test.world.run_for(0ms);
  }
  REQUIRE(test.world.run_real_until([&] { return left == 0; }, 20s));
  CHECK(test.list_slot(0)->size() == 10000);
  CHECK(test.list_slot(0, {}, 9999)->size() == 9999);
}

TEST_CASE("records: slot digests scanned at open equal those kept from the changes") {
  StoreCase test;
  Listener listener;
  test.store->observe(&listener);
  for (int i = 0; i < 300; ++i) {
    const Token token = static_cast<Token>(i % 70) * 0x9e3779b97f4a7c15ULL;
    REQUIRE(test.update(record_key("key" + std::to_string(i % 90), token), put(std::to_string(i)))
                .ok());
  }
  CHECK(test.store->take_slot_digests(kDefaultKeyspace).empty());  // nothing was there at open
  test.store.reopen();
  CHECK(test.store->holds_data());
  const auto sums = test.store->take_slot_digests(kDefaultKeyspace);
  const std::map<Slot, std::uint64_t> kept(listener.sums.begin(), listener.sums.end());
  REQUIRE(sums.size() == kept.size());
  CHECK(std::equal(sums.begin(), sums.end(), kept.begin(), [](const auto& one, const auto& other) {
    return one.slot == other.first && one.sum == other.second;
  }));
  CHECK(test.store->take_slot_digests(7).empty());
  CHECK(test.store->take_slot_digests(kDefaultKeyspace).empty());  // once
}

TEST_CASE("named values: read at once after the completion, and after a reopen") {
  const auto settings = GENERATE(fake::inline_settings(), threaded_settings());
  StoreCase test(settings);
  CHECK_FALSE(test.store->named("generation").has_value());
  REQUIRE(test.put_named("generation", "1").ok());
  REQUIRE(test.put_named("empty", "").ok());
  REQUIRE(test.put_named("generation", "2").ok());
  CHECK(test.store->named("generation") == "2");
  test.store.reopen();
  CHECK(test.store->named("generation") == "2");
  CHECK(test.store->named("empty") == "");
  CHECK_FALSE(test.store->holds_data());
  CHECK(test.store->bytes_on_disk() >= 4096);
}

TEST_CASE("records: a store that finishes decides what waits, and takes nothing more") {
  StoreCase test(GENERATE(true, false) ? fake::inline_settings() : threaded_settings());
  constexpr ErrorCode kNone{};
  int decided = 0;
  const auto submit = [&](std::optional<ErrorCode>& answer) {
    test.store->update(
        record_key("k"), [&](const Found&) { return ++decided, std::optional<Bytes>("v"); },
        Durability::Fsync,
        [&](const Result<Updated>& updated) { answer = updated ? kNone : updated.error().code; });
  };
  std::optional<ErrorCode> first, second;
  submit(first);
  test.store->finish();
  CHECK(decided == 1);
  submit(second);
  REQUIRE(test.world.run_real_until([&] { return first && second; }, 10s));
  CHECK(first == kNone);
  CHECK(second == ErrorCode::Overloaded);
  test.store->finish();
  CHECK(decided == 1);
}

TEST_CASE("records: memory durability answers too, and is there after a clean close") {
  StoreCase test(threaded_settings());
  Listener listener;
  test.store->observe(&listener);
  int done = 0;
  test.store->update(record_key("a"), put("f"), Durability::Fsync, [&](auto) { ++done; });
  test.store->update(record_key("a"), put("m"), Durability::Memory, [&](auto) { ++done; });
  REQUIRE(test.world.run_real_until([&] { return done == 2; }, 10s));
  REQUIRE(listener.heard.size() == 2);
  CHECK(listener.heard[1].before == listener.heard[0].after);
  test.store.reopen();
  CHECK(test.get(record_key("a"))->value == "m");
}
