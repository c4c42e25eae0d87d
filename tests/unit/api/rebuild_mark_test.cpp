#include "api/rebuild_mark.h"

#include "api/node_identity.h"
#include "storage/forwarding_store.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/fake/temp_store.h"

using namespace parley;
using namespace parley::api;

namespace {

// Refuses named values while it is `full`.
class FullStore final : public storage::ForwardingStore {
 public:
  FullStore(std::unique_ptr<storage::Store> store, runtime::Loop& loop)
      : ForwardingStore(std::move(store)), loop_(loop) {}
  void put_named(Bytes name, Bytes value, storage::Completion<Done> done) override {
    if (!full) return ForwardingStore::put_named(std::move(name), std::move(value), done);
    ++refused;
    loop_.post([done = std::move(done)] { done(Error{ErrorCode::DiskFull, "full", 0}); });
  }
  bool full = false;
  int refused = 0;

 private:
  runtime::Loop& loop_;
};

struct Fixture {
  fake::World world;
  runtime::Loop& loop = world.node("127.0.0.1").loop();
  fake::TempDirectory directory;
  storage::StoreOptions options;
  MetricRegistry metrics;
  FullStore full{opened(), loop};
  RebuildMark mark{full, loop, Logger{}};
  int begun = 0, ended = 0;

  std::unique_ptr<storage::Store> opened() {
    auto store = storage::open_sqlite_store_with(fake::inline_settings(), directory.path(), {},
                                                 loop, Logger{}, metrics, nullptr);
    REQUIRE(store.ok());
    return std::move(*store);
  }
  Generation marked() const {
    const auto stored = full.named("rebuild");
    return stored ? static_cast<std::uint8_t>((*stored)[1]) : 0;
  }
  void begin(Generation later) {
    mark.begin(later, [this] { ++begun; });
  }
  void end() {
    mark.end([this] { ++ended; });
  }
};

}  // namespace

TEST_CASE("rebuild mark: is tried again until it is durable (a full disk)") {
  Fixture f;
  f.full.full = true;
  f.begin(9);
  REQUIRE(f.world.run_until([&] { return f.full.refused == 3; }, 10s));
  CHECK(f.begun == 0);
  f.full.full = false;
  REQUIRE(f.world.run_until([&] { return f.begun == 1; }, 5s));
  CHECK(f.marked() == 9);
  f.world.run_for(5s);
  CHECK(f.begun == 1);
}

TEST_CASE("rebuild mark: the end of a rebuild takes away no later news") {
  Fixture f;
  SECTION("that came while the end was tried again") {
    f.full.full = true;
    f.end();
    REQUIRE(f.world.run_until([&] { return f.full.refused == 1; }, 5s));
    f.begin(9);
    f.full.full = false;
  }
  SECTION("that came while the end was being written") {
    f.end();
    f.begin(9);
  }
  SECTION("that came before") {
    f.begin(9);
    f.end();
  }
  REQUIRE(f.world.run_until([&] { return f.begun == 1; }, 5s));
  f.world.run_for(5s);
  CHECK(f.ended == 0);
  CHECK(f.marked() == 9);
}

TEST_CASE("rebuild mark: stays above the highest life that was heard of") {
  Fixture f;
  f.begin(9);
  f.begin(7);
  REQUIRE(f.world.run_until([&] { return f.begun == 1; }, 5s));
  CHECK(f.marked() == 9);
}

TEST_CASE("rebuild mark: the end is durable when it is told") {
  Fixture f;
  bool saved = false;
  begin_rebuild(f.full, 9, [&](const Status&) { saved = true; });
  REQUIRE(f.world.run_until([&] { return saved; }, 5s));
  f.end();
  REQUIRE(f.world.run_until([&] { return f.ended == 1; }, 5s));
  CHECK(f.marked() == 0);
}
