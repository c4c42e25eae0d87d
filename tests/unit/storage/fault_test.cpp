// Full disks, failing writes and syncs, damaged records.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/fake/fault_vfs.h"
#include "tests/unit/storage/raw_database.h"
#include "tests/unit/storage/store_case.h"

using namespace parley;
using namespace parley::storage_test;
using storage::VfsCall;
using storage::VfsFile;
using storage::VfsVerdict;

namespace {

struct Sums final : RecordObserver {
  void record_changed(KeyspaceNumber, Token token, ByteView key, std::uint64_t before,
                      std::uint64_t after) override {
    ++changes;
    sum += slot_term(token, key, after) - slot_term(token, key, before);
    last_after = after;
  }
  int changes = 0;
  std::uint64_t sum = 0;
  std::uint64_t last_after = 1;
};

SqliteSettings on(const fake::FaultVfs& vfs, StoreThreads threads) {
  SqliteSettings settings;
  settings.vfs = vfs.name();
  settings.threads = threads;
  return settings;
}

// Changes the last byte of `text` wherever it is in the file; how often it was.
int rot(const std::string& path, const std::string& text) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  file.clear();
  int places = 0;
  for (std::size_t at = bytes.find(text); at != Bytes::npos; at = bytes.find(text, at + 1)) {
    file.seekp(static_cast<std::streamoff>(at + text.size() - 1));
    file.put('!');
    ++places;
  }
  return places;
}

}  // namespace

TEST_CASE("full disk: the group rolls back, writes are refused, reads go on, it recovers") {
  fake::FaultVfs vfs;
  StoreCase test(on(vfs, StoreThreads::Inline));
  Sums sums;
  test.store->observe(&sums);
  REQUIRE(test.update(record_key("a"), put("before")).ok());
  const std::uint64_t sum = sums.sum;

  vfs.inject({VfsFile::Wal, VfsCall::Write, VfsVerdict::NoSpace, 2});
  std::vector<ErrorCode> codes;
  for (const char* key : {"a", "b", "c"}) {
    test.store->update(record_key(key), put("lost"), Durability::Fsync, [&](Result<Updated> r) {
      REQUIRE_FALSE(r.ok());
      codes.push_back(r.error().code);
    });
  }
  REQUIRE(test.world.run_until([&] { return codes.size() == 3; }, 1s));
  CHECK(codes == std::vector<ErrorCode>(3, ErrorCode::DiskFull));
  CHECK(test.store->undone() == 0);  // nobody was told anything else
  CHECK(sums.sum == sum);
  CHECK(test.get(record_key("a"))->value == "before");
  CHECK(test.get(record_key("b"))->condition == Condition::Missing);

  // No write is tried before the disk was looked at again.
  const std::uint64_t faults = vfs.faults();
  CHECK(test.put_named("n", "v").error().code == ErrorCode::DiskFull);
  CHECK(test.update_hint(hint_key(1, "k"), false, {1}, put("v")).error().code ==
        ErrorCode::DiskFull);
  CHECK(test.erase_hint(hint_key(1, "k"), 1).error().code == ErrorCode::DiskFull);
  CHECK(test.drop_hints(std::nullopt).error().code == ErrorCode::DiskFull);
  CHECK(vfs.faults() == faults);
  CHECK_FALSE(test.store->named("n").has_value());
  CHECK(test.store->hint_totals().empty());

  vfs.heal();
  test.world.run_for(150ms);
  CHECK(test.update(record_key("b"), put("after")).ok());
  CHECK_FALSE(test.store.fatal().has_value());
  test.store.reopen();
  CHECK(test.get(record_key("a"))->value == "before");
  CHECK(test.get(record_key("b"))->value == "after");
  CHECK(test.get(record_key("c"))->condition == Condition::Missing);
}

TEST_CASE("full disk: what a memory write had told before the commit is taken back") {
  fake::FaultVfs vfs;
  StoreCase test(on(vfs, StoreThreads::Inline));
  Sums sums;
  test.store->observe(&sums);
  REQUIRE(test.update(record_key("a"), put("1")).ok());
  REQUIRE(test.put_named("n", "old").ok());
  const std::uint64_t sum = sums.sum;
  vfs.inject({VfsFile::Wal, VfsCall::Write, VfsVerdict::NoSpace});
  int answers = 0;
  test.store->put_named("n", "new", [&](Status s) { answers += s.ok() ? 100 : 1; });
  test.store->update_hint(hint_key(1, "h"), false, {1}, put("v"),
                          [&](Result<Updated> r) { answers += r.ok() ? 100 : 1; });
  test.store->update(record_key("a"), put("2"), Durability::Fsync,
                     [&](Result<Updated> r) { answers += r.ok() ? 100 : 1; });
  bool memory_acked = false;
  test.store->update(record_key("a"), put("3"), Durability::Memory, [&](Result<Updated> r) {
    memory_acked = r.ok();
    CHECK(test.store->named("n") == "new");  // changes are told in order
    CHECK(test.store->hint_totals().size() == 1);
  });
  REQUIRE(test.world.run_until([&] { return answers >= 3; }, 1s));
  CHECK(answers == 3);
  CHECK(memory_acked);
  CHECK(test.store->undone() == 1);
  CHECK(sums.sum == sum);
  CHECK(test.store->named("n") == "old");
  CHECK(test.store->hint_totals().empty());
  CHECK(test.get(record_key("a"))->value == "1");
}

TEST_CASE("full disk: too little free space refuses writes before any is tried") {
  std::uint64_t free_bytes = 1_MiB;
  SqliteSettings settings = fake::inline_settings();
  settings.free_bytes = [&](const std::string&) { return free_bytes; };
  StoreCase test(settings);
  CHECK(test.update(record_key("a"), put("1")).error().code == ErrorCode::DiskFull);
  CHECK(test.get(record_key("a"))->condition == Condition::Missing);
  free_bytes = 65_MiB;
  CHECK(test.update(record_key("a"), put("1")).error().code == ErrorCode::DiskFull);
  test.world.run_for(100ms);
  CHECK(test.update(record_key("a"), put("1")).ok());
}

TEST_CASE("full disk: with too little free space the named values are still written") {
  std::uint64_t free_bytes = 1_MiB;
  SqliteSettings settings = fake::inline_settings();
  settings.free_bytes = [&](const std::string&) { return free_bytes; };
  StoreCase test(settings);
  // One batch: what must be kept to start and to be told apart, and what can wait for room.
  std::vector<std::string> answers;
  const auto note = [&](const char* what) {
    return [&answers, what](const auto& result) {
      answers.push_back(std::string(what) + (result.ok() ? " ok" : " refused"));
    };
  };
  test.store->put_named("identity", "1", note("first"));
  test.store->update(record_key("a"), put("1"), Durability::Fsync, note("record"));
  test.store->update_hint(hint_key(1, "h"), false, {1}, put("v"), note("hint"));
  test.store->put_named("identity", "2", note("second"));
  REQUIRE(test.world.run_until([&] { return answers.size() == 4; }, 1s));
  std::sort(answers.begin(), answers.end());
  CHECK(answers ==
        std::vector<std::string>{"first ok", "hint refused", "record refused", "second ok"});
  CHECK(test.store->named("identity") == "2");
  CHECK(test.get(record_key("a"))->condition == Condition::Missing);
  test.store.reopen();
  CHECK(test.store->named("identity") == "2");
  CHECK(test.update(record_key("a"), put("1")).error().code == ErrorCode::DiskFull);
}

TEST_CASE("full disk: a named value for which there is no room at all is refused") {
  fake::FaultVfs vfs;
  SqliteSettings settings = on(vfs, StoreThreads::Inline);
  settings.free_bytes = [](const std::string&) { return std::uint64_t{0}; };
  StoreCase test(settings);
  REQUIRE(test.put_named("n", "old").ok());
  vfs.inject({VfsFile::Wal, VfsCall::Write, VfsVerdict::NoSpace});
  CHECK(test.put_named("n", "new").error().code == ErrorCode::DiskFull);
  CHECK(test.store->named("n") == "old");
  const std::uint64_t faults = vfs.faults();
  CHECK(test.put_named("n", "new").error().code == ErrorCode::DiskFull);
  CHECK(vfs.faults() == faults);  // not tried again so soon
  vfs.heal();
  test.world.run_for(100ms);
  CHECK(test.put_named("n", "new").ok());
  CHECK_FALSE(test.store.fatal().has_value());
}

TEST_CASE("fail-stop: after a failed sync or write nothing is reported as success") {
  struct Case {
    VfsCall call;
    std::uint64_t first;
  };
  const auto broken =
      GENERATE(Case{VfsCall::Sync, 1}, Case{VfsCall::Write, 1}, Case{VfsCall::Write, 2});
  const auto threads = GENERATE(StoreThreads::Inline, StoreThreads::Real);
  fake::FaultVfs vfs;
  StoreCase test(on(vfs, threads));
  REQUIRE(test.update(record_key("a"), put("before")).ok());
  vfs.inject({VfsFile::Wal, broken.call, VfsVerdict::Fail, broken.first, 1});
  int answers = 0;
  for (int i = 0; i < 10; ++i) {
    test.store->update(record_key("k" + std::to_string(i)), put("lost"), Durability::Fsync,
                       [&](Result<Updated>) { ++answers; });
  }
  REQUIRE(test.world.run_real_until([&] { return test.store.fatal().has_value(); }, 10s));
  CHECK(test.store.fatal()->message.find("cannot") != Bytes::npos);
  vfs.heal();  // a sync that works again proves nothing
  test.store->update(record_key("b"), put("later"), Durability::Fsync,
                     [&](Result<Updated>) { ++answers; });
  test.store->get(record_key("a"), [&](Result<Found>) { ++answers; });
  test.world.run_for(1s);
  // Groups that had committed before the one that broke may have been answered.
  if (threads == StoreThreads::Inline) CHECK(answers == 0);
  const int before_close = answers;
  test.store.close();
  test.world.run_for(1s);
  CHECK(answers == before_close);
  test.store.open();
  CHECK(test.get(record_key("a"))->value == "before");
  CHECK(test.get(record_key("b"))->condition == Condition::Missing);
}

TEST_CASE("fail-stop: a failed sync of a checkpoint") {
  fake::FaultVfs vfs;
  StoreCase test(on(vfs, StoreThreads::Inline));
  REQUIRE(test.store.options().checkpoint_pages.set(100).ok());
  test.store.reopen();
  vfs.inject({VfsFile::Database, VfsCall::Sync, VfsVerdict::Fail});
  int acked = 0;
  for (int i = 0; i < 200 && !test.store.fatal(); ++i) {
    test.store->update(record_key("k" + std::to_string(i)), put(Bytes(4000, 'v')),
                       Durability::Fsync, [&](Result<Updated> r) { acked += r.ok() ? 1 : 0; });
    test.world.run_for(0ms);
  }
  REQUIRE(test.store.fatal().has_value());
  vfs.heal();
  test.store.reopen();
  for (int i = 0; i < acked; ++i) {
    if (test.get(record_key("k" + std::to_string(i)))->value.size() != 4000) FAIL("lost " << i);
  }
}

TEST_CASE("fail-stop: a page that cannot be read") {
  fake::FaultVfs vfs;
  StoreCase test(on(vfs, StoreThreads::Inline));
  for (int i = 0; i < 50; ++i) {
    REQUIRE(test.update(record_key("k" + std::to_string(i)), put(Bytes(4000, 'v'))).ok());
  }
  test.store.reopen();
  vfs.inject({VfsFile::Database, VfsCall::Read, VfsVerdict::Fail});
  const auto found = test.get(record_key("k7"));
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().code == ErrorCode::Internal);
  test.world.run_for(0ms);
  CHECK(test.store.fatal().has_value());
}

TEST_CASE("damage: a wrong checksum is no answer, is marked once, and can be repaired") {
  const auto settings = GENERATE(fake::inline_settings(), threaded_settings());
  StoreCase test(settings);
  const RecordKey key = record_key("a", 7);
  REQUIRE(test.update(key, put("value")).ok());
  const std::uint64_t digest = record_digest("a", "value");
  test.store.close();
  raw_sql(test.store.directory() + "/parley.db", "UPDATE records SET value=x'76616c7566'");
  test.store.open();
  Sums sums;
  sums.sum = test.store->take_slot_digests(kDefaultKeyspace).at(0).sum;
  CHECK(sums.sum == slot_term(7, "a", digest));
  test.store->observe(&sums);
  CHECK(test.get(key)->condition == Condition::Damaged);
  CHECK(test.get(key)->value.empty());
  REQUIRE(test.world.run_real_until([&] { return sums.changes == 1; }, 10s));
  CHECK(sums.sum == 0);
  REQUIRE(test.list_slot(0)->size() == 1);
  CHECK(test.list_slot(0)->front().digest == 0);
  CHECK(test.get(key)->condition == Condition::Damaged);
  CHECK(test.store.metrics().render().find("parley_store_damaged_total 1\n") != Bytes::npos);

  std::optional<Found> seen;
  const auto repaired = test.update(key, [&](const Found& current) {
    seen = current;
    return std::optional<Bytes>("value");
  });
  CHECK(repaired->before == Condition::Damaged);
  CHECK(repaired->changed);
  CHECK(seen->condition == Condition::Damaged);
  CHECK(seen->value.empty());
  CHECK(sums.sum == slot_term(7, "a", digest));
  CHECK(test.get(key)->value == "value");
}

// The reader goes to the file, the writer keeps the page that it wrote: without more they would
// never agree, and whoever mends the record would find it sound.
TEST_CASE("damage: what rots below the writer's own sound page is written anew") {
  const auto settings = GENERATE(fake::inline_settings(), threaded_settings());
  const std::size_t size = GENERATE(std::size_t{20}, std::size_t{20000});
  StoreCase test(settings);
  const RecordKey key = record_key("a", 7);
  const Bytes value = Bytes(size, 'v') + "the end";
  REQUIRE(test.update(key, put(value)).ok());
  REQUIRE(test.update_hint(hint_key(1, "h"), true, {1}, put(value)).ok());
  CHECK(rot(test.store.directory() + "/parley.db-wal", "the end") > 0);
  CHECK(test.get(key)->condition == Condition::Damaged);
  CHECK(test.list_hints(node_id(1))->front().damaged);
  // What the reader asked for is done before what is asked for now.
  REQUIRE(test.update(record_key("b"), put("other")).ok());
  CHECK(test.get(key)->condition == Condition::Sound);
  CHECK(test.get(key)->value == value);
  const auto hints = test.list_hints(node_id(1));
  CHECK_FALSE(hints->front().damaged);
  CHECK(hints->front().value == value);
  CHECK(hints->front().sole);
  CHECK(test.store.metrics().render().find("parley_store_damaged_total 2\n") != Bytes::npos);
  test.store.reopen();
  CHECK(test.get(key)->value == value);
  CHECK(test.list_slot(0)->back().digest == record_digest("a", value));
}

TEST_CASE("damage: an update that leaves a damaged record marks it") {
  StoreCase test;
  REQUIRE(test.update(record_key("a"), put("value")).ok());
  test.store.close();
  raw_sql(test.store.directory() + "/parley.db", "UPDATE records SET digest=digest+1");
  test.store.open();
  Sums sums;
  test.store->observe(&sums);
  const auto kept = test.update(record_key("a"), keep());
  CHECK(kept->before == Condition::Damaged);
  CHECK_FALSE(kept->changed);
  CHECK(kept->digest == 0);
  CHECK(sums.changes == 1);
  CHECK(sums.last_after == 0);
  CHECK(test.list_slot(0)->front().digest == 0);
}

TEST_CASE("damage: hints are listed as damaged, and can be replaced or erased") {
  StoreCase test;
  REQUIRE(test.update_hint(hint_key(1, "a"), true, {1}, put("value")).ok());
  REQUIRE(test.update_hint(hint_key(1, "b"), false, {1}, put("value")).ok());
  test.store.close();
  raw_sql(test.store.directory() + "/parley.db", "UPDATE hints SET value=x'00'");
  test.store.open();
  const auto rows = test.list_hints(node_id(1));
  REQUIRE(rows->size() == 2);
  CHECK(rows->front().damaged);
  CHECK(rows->front().digest == 0);
  CHECK(rows->front().value.empty());
  CHECK(test.find_hints(record_key("a"))->front().damaged);
  CHECK(*test.erase_hint(hint_key(1, "b"), 0));
  const auto replaced = test.update_hint(hint_key(1, "a"), false, {9}, put("again"));
  CHECK(replaced->before == Condition::Damaged);
  const auto healed = test.list_hints(node_id(1));
  REQUIRE(healed->size() == 1);
  CHECK(healed->front().value == "again");
  CHECK(healed->front().sole);
  CHECK(test.store->hint_totals().at(node_id(1)).bytes == 5);
  CHECK(test.store.metrics().render().find("parley_store_damaged_total 2\n") != Bytes::npos);
}

TEST_CASE("bounds: a full queue answers overloaded and does nothing") {
  StoreCase test;
  REQUIRE(test.store.options().write_queue_most.set(16).ok());
  REQUIRE(test.store.options().read_queue_most.set(16).ok());
  test.store.reopen();
  int ok = 0, overloaded = 0;
  const auto count = [&](const auto& result) {
    if (result.ok()) {
      ++ok;
    } else if (result.error().code == ErrorCode::Overloaded && result.error().retry_after_ms > 0) {
      ++overloaded;
    }
  };
  for (int i = 0; i < 20; ++i) {
    test.store->update(record_key("k" + std::to_string(i)), put("v"), Durability::Fsync, count);
    test.store->get(record_key("k"), count);
  }
  CHECK(ok + overloaded == 0);
  test.world.run_for(0ms);
  CHECK(ok == 32);
  CHECK(overloaded == 8);
  CHECK(test.get(record_key("k19"))->condition == Condition::Missing);
}

TEST_CASE("bounds: bytes that wait are limited, and a lone large value is not") {
  StoreCase test;
  REQUIRE(test.store.options().queued_bytes_most.set(1_MiB).ok());
  test.store.reopen();
  CHECK(test.put_named("large", Bytes(3_MiB, 'x')).ok());
  int ok = 0, overloaded = 0;
  for (int i = 0; i < 4; ++i) {
    test.store->put_named("n" + std::to_string(i), Bytes(400_KiB, 'x'),
                          [&](Status status) { ++(status.ok() ? ok : overloaded); });
  }
  test.world.run_for(0ms);
  CHECK(ok == 2);
  CHECK(overloaded == 2);
}

TEST_CASE("lifetime: a store destroyed at any moment drops its completions and keeps its writes") {
  const auto settings = GENERATE(fake::inline_settings(), threaded_settings());
  StoreCase test(settings);
  int late = 0;
  bool closed = false;
  for (int i = 0; i < 100; ++i) {
    test.store->update(record_key("k" + std::to_string(i)), put("v"), Durability::Fsync,
                       [&](Result<Updated>) {
                         if (closed) ++late;
                         closed = true;
                         test.store.close();  // from inside a completion
                       });
    test.store->get(record_key("k"), [&](Result<Found>) {
      if (closed) ++late;
    });
  }
  REQUIRE(test.world.run_real_until([&] { return closed; }, 10s));
  test.world.run_for(1s);
  CHECK(late == 0);
  test.store.open();
  CHECK(test.list_slot(0)->size() == 100);
}
