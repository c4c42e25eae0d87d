#include "storage/hint_ledger.h"
#include "tests/unit/storage/store_case.h"

using namespace parley;
using namespace parley::storage_test;

TEST_CASE("hint ledger: totals follow every change and vanish with the last hint") {
  HintLedger ledger;
  const NodeId a = node_id(1);
  ledger.change(a, std::nullopt, HintShare{10, {100}, false});
  ledger.change(a, std::nullopt, HintShare{5, {50}, true});
  CHECK(ledger.totals().at(a).hints == 2);
  CHECK(ledger.totals().at(a).sole_hints == 1);
  CHECK(ledger.totals().at(a).bytes == 15);
  CHECK(ledger.totals().at(a).oldest.millis == 50);
  ledger.change(a, HintShare{10, {100}, false}, HintShare{30, {100}, true});
  CHECK(ledger.totals().at(a).sole_hints == 2);
  CHECK(ledger.totals().at(a).bytes == 35);
  ledger.change(a, HintShare{5, {50}, true}, std::nullopt);
  CHECK(ledger.totals().at(a).oldest.millis == 100);
  ledger.change(a, HintShare{30, {100}, true}, std::nullopt);
  CHECK(ledger.totals().empty());
}

TEST_CASE("hints: one per target and key, merged by the decision, age and sole kept") {
  const auto settings = GENERATE(fake::inline_settings(), threaded_settings());
  StoreCase test(settings);
  const HintKey key = hint_key(1, "k", 42);
  REQUIRE(test.update_hint(key, true, {1000}, put("one"))->changed);
  const auto merged = test.update_hint(key, false, {2000}, [](const Found& current) {
    return std::optional<Bytes>(current.value + "+two");
  });
  CHECK(merged->before == Condition::Sound);
  const auto rows = test.list_hints(node_id(1));
  REQUIRE(rows->size() == 1);
  const HintRow& row = rows->front();
  CHECK(row.key == key);
  CHECK(row.value == "one+two");
  CHECK(row.digest == record_digest("k", "one+two"));
  CHECK(row.created.millis == 1000);
  CHECK(row.sole);
  CHECK_FALSE(row.damaged);
  const auto& totals = test.store->hint_totals();
  REQUIRE(totals.size() == 1);
  CHECK(totals.at(node_id(1)).hints == 1);
  CHECK(totals.at(node_id(1)).sole_hints == 1);
  CHECK(totals.at(node_id(1)).bytes == 7);
  CHECK(totals.at(node_id(1)).oldest.millis == 1000);
  CHECK_FALSE(test.update_hint(hint_key(1, "other"), false, {1}, keep())->changed);
  CHECK(test.list_hints(node_id(1))->size() == 1);
}

TEST_CASE("hints: a hint that becomes sole is written even when its value stays") {
  StoreCase test;
  REQUIRE(test.update_hint(hint_key(1, "k"), false, {1}, put("v")).ok());
  REQUIRE(test.update_hint(hint_key(1, "k"), true, {2}, put("v"))->changed);
  CHECK(test.list_hints(node_id(1))->front().sole);
  CHECK(test.store->hint_totals().at(node_id(1)).sole_hints == 1);
}

TEST_CASE("hints: erased only with the digest that is stored") {
  StoreCase test;
  const HintKey key = hint_key(1, "k");
  const auto first = test.update_hint(key, false, {1}, put("one"));
  const auto second = test.update_hint(key, false, {1}, put("two"));
  CHECK_FALSE(*test.erase_hint(key, first->digest));
  CHECK(test.list_hints(node_id(1))->size() == 1);
  CHECK(*test.erase_hint(key, second->digest));
  CHECK_FALSE(*test.erase_hint(key, second->digest));
  CHECK(test.list_hints(node_id(1))->empty());
  CHECK(test.store->hint_totals().empty());
}

TEST_CASE("hints: listed in key order by pages of rows and of bytes; found by key") {
  StoreCase test;
  const Bytes value(100, 'v');
  for (int i = 0; i < 16; ++i) {
    // Tokens with the top bit set come last.
    const Token token = static_cast<Token>(i) << 60;
    REQUIRE(
        test.update_hint(hint_key(1, "k" + std::to_string(i), token), false, {i}, put(value)).ok());
  }
  REQUIRE(test.update_hint(hint_key(2, "k3", Token{3} << 60), true, {7}, put("w")).ok());

  std::vector<HintKey> seen;
  std::optional<HintKey> after;
  for (;;) {
    const auto page = test.list_hints(node_id(1), after, 3);
    if (page->empty()) break;
    CHECK(page->size() <= 3);
    for (const auto& row : *page) seen.push_back(row.key);
    after = seen.back();
  }
  CHECK(seen.size() == 16);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(test.list_hints(node_id(1), {}, 100, 250)->size() == 2);
  CHECK(test.list_hints(node_id(1), {}, 100, 1)->size() == 1);
  CHECK(test.list_hints(node_id(3))->empty());

  const auto found = test.find_hints(record_key("k3", Token{3} << 60));
  REQUIRE(found->size() == 2);
  CHECK((*found)[0].key.target == node_id(1));
  CHECK((*found)[1].key.target == node_id(2));
  CHECK((*found)[1].sole);
  CHECK(test.find_hints(record_key("k3", 5))->empty());
}

TEST_CASE("hints: dropping spares sole ones and other targets, over many slices") {
  const auto settings = GENERATE(fake::inline_settings(), threaded_settings());
  StoreCase test(settings);
  int left = 3000;
  for (int i = 0; i < 3000; ++i) {
    const auto target = static_cast<std::uint8_t>(1 + i % 2);
    test.store->update_hint(hint_key(target, "k" + std::to_string(i), static_cast<Token>(i)),
                            i % 10 == 0, {i + 1}, put("value"), [&](Result<Updated> result) {
                              if (result.ok()) --left;
                            });
  }
  REQUIRE(test.world.run_real_until([&] { return left == 0; }, 20s));
  CHECK(*test.drop_hints(node_id(2)) == 1500);
  CHECK(test.store->hint_totals().count(node_id(2)) == 0);
  CHECK(*test.drop_hints(std::nullopt) == 1200);
  const HintTotals totals = test.store->hint_totals().at(node_id(1));
  CHECK(totals.hints == 300);
  CHECK(totals.sole_hints == 300);
  CHECK(totals.bytes == 1500);
  CHECK(*test.drop_hints(std::nullopt) == 0);
  CHECK(test.list_hints(node_id(1), {}, 1000)->size() == 300);

  test.store.reopen();
  const HintTotals scanned = test.store->hint_totals().at(node_id(1));
  CHECK(scanned.hints == totals.hints);
  CHECK(scanned.sole_hints == totals.sole_hints);
  CHECK(scanned.bytes == totals.bytes);
  CHECK(scanned.oldest == totals.oldest);
}

TEST_CASE("hints: a store that holds a hint alone holds data") {
  StoreCase test;
  CHECK_FALSE(test.store->holds_data());
  REQUIRE(test.update_hint(hint_key(1, "k"), true, {1}, put("v")).ok());
  CHECK(test.store->holds_data());
  test.store.reopen();
  CHECK(test.store->holds_data());
}
