#include "api/fault_desk.h"

#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/fake/temp_store.h"

namespace parley::api {
namespace {

class Lines final : public LogSink {
 public:
  bool wants(LogLevel) const override { return true; }
  void write(LogLevel level, std::string_view, std::string_view event,
             const std::vector<LogField>&) override {
    CHECK(level == LogLevel::Warn);
    events.emplace_back(event);
  }
  std::vector<std::string> events;
};

struct Desk {
  fake::World world{1};
  fake::Node& node = world.node("127.0.0.1");
  MetricRegistry metrics;
  Lines lines;
  std::vector<Duration> stalls;
  FaultDesk desk{node.loop(), node.network(),
                 Random(1),   Logger(lines, "api"),
                 metrics,     [this](Duration span) { stalls.push_back(span); }};
};

client::FaultSpec cut(const std::string& peer) {
  client::FaultSpec spec;
  spec.peer = peer;
  spec.cut = true;
  return spec;
}

}  // namespace

TEST_CASE("fault desk: every fault is listed, counted and logged, and what heals is gone") {
  Desk d;
  CHECK(*d.desk.inject(cut("127.0.0.2")) == 1);
  auto brief = cut("127.0.0.3");
  brief.for_ms = 2000;
  CHECK(*d.desk.inject(brief) == 2);
  CHECK(d.metrics.render().find("\nparley_faults_active 2\n") != std::string::npos);
  d.world.run_for(1500ms);
  const auto rows = d.desk.faults();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].left_ms == -1);
  CHECK(rows[0].text == "cut to and from 127.0.0.2");
  CHECK(rows[1].left_ms == 500);
  CHECK(rows[1].spec == brief);
  d.world.run_for(500ms);
  CHECK(d.desk.active() == 1);
  d.world.run_for(60s);
  CHECK(*d.desk.heal(0, "127.0.0.2") == 1);
  CHECK(*d.desk.heal(0, "") == 0);
  CHECK(d.desk.heal(1, "").error().code == ErrorCode::NotFound);
  CHECK(d.metrics.render().find("\nparley_faults_active 0\n") != std::string::npos);
  CHECK(d.metrics.render().find("\nparley_faults_injected_total 2\n") != std::string::npos);
  CHECK(d.lines.events == std::vector<std::string>{"fault.allowed", "fault.injected",
                                                   "fault.injected", "fault.over", "fault.active",
                                                   "fault.healed"});
}

TEST_CASE("fault desk: what it cannot do changes nothing") {
  Desk d;
  const auto refused = [&](const client::FaultSpec& spec) {
    const auto result = d.desk.inject(spec);
    return !result && result.error().code == ErrorCode::InvalidArgument;
  };
  auto spec = cut("nowhere");
  CHECK(refused(spec));
  spec = cut("127.0.0.2");
  spec.direction = "?";
  CHECK(refused(spec));
  spec = cut("127.0.0.2");
  spec.traffic = "?";
  CHECK(refused(spec));
  spec.kind = "?";
  CHECK(refused(spec));
  client::FaultSpec pause;
  pause.kind = "pause";
  CHECK(refused(pause));
  pause.for_ms = 301'000;
  CHECK(refused(pause));
  client::FaultSpec skew;
  skew.kind = "skew";
  for (const std::int64_t far : {std::numeric_limits<std::int64_t>::max(),
                                 std::numeric_limits<std::int64_t>::min(), std::int64_t{0}}) {
    skew.skew_ms = far;
    CHECK(refused(skew));
  }
  client::FaultSpec disk;
  disk.kind = "slow_disk";
  disk.delay_ms = std::numeric_limits<std::uint64_t>::max();
  CHECK(refused(disk));
  CHECK(d.desk.active() == 0);
}

TEST_CASE("fault desk: a pause begins after the answer and is no fault to heal") {
  Desk d;
  client::FaultSpec pause;
  pause.kind = "pause";
  pause.for_ms = 3000;
  CHECK(*d.desk.inject(pause) == 0);
  CHECK(d.stalls.empty());
  d.world.run_for(100ms);
  CHECK(d.stalls == std::vector<Duration>{3s});
  CHECK(d.desk.active() == 0);
}

TEST_CASE("fault desk: a second pause waits for its turn, and one that nobody can do is refused") {
  Desk d;
  client::FaultSpec pause;
  pause.kind = "pause";
  pause.for_ms = 3000;
  REQUIRE(d.desk.inject(pause));
  CHECK(d.desk.inject(pause).error().code == ErrorCode::Overloaded);
  d.world.run_for(100ms);
  CHECK(d.stalls.size() == 1);
  CHECK(d.desk.inject(pause));
  MetricRegistry metrics;
  FaultDesk unstoppable(d.node.loop(), d.node.network(), Random(1), Logger(d.lines, "api"), metrics,
                        nullptr);
  CHECK(unstoppable.inject(pause).error().code == ErrorCode::Refused);
  CHECK(metrics.render().find("\nparley_faults_injected_total 0\n") != std::string::npos);
}

TEST_CASE("fault desk: one command's faults heal by its note, and no others") {
  Desk d;
  auto spec = cut("127.0.0.2");
  spec.note = "drop 1 2 #01020304";
  REQUIRE(d.desk.inject(spec));
  REQUIRE(d.desk.inject(spec));
  spec.note = "drop 1 2 #01020305";
  REQUIRE(d.desk.inject(spec));
  CHECK(*d.desk.heal(0, "127.0.0.2", "drop 1 2") == 0);
  CHECK(*d.desk.heal(0, "127.0.0.9", "drop 1 2 #01020304") == 2);
  REQUIRE(d.desk.active() == 1);
  CHECK(d.desk.faults()[0].spec == spec);
}

TEST_CASE("fault desk: a slow disk answers late, in order, and all of it") {
  Desk d;
  storage::SqliteSettings settings = fake::inline_settings();
  fake::TempDirectory directory;
  const storage::StoreOptions options;
  auto opened = storage::open_sqlite_store_with(settings, directory.path(), options, d.node.loop(),
                                                Logger{}, d.metrics, [](const Error&) {});
  REQUIRE(opened.ok());
  const auto store = d.desk.wrap(std::move(*opened));
  client::FaultSpec disk;
  disk.kind = "slow_disk";
  disk.delay_ms = 50;
  disk.jitter_ms = 100;
  REQUIRE(d.desk.inject(disk));
  std::vector<int> order;
  for (int i = 0; i < 20; ++i) {
    store->update(
        {1, 7, "key"}, [](const auto&) { return Bytes("value"); }, storage::Durability::Fsync,
        [&order, i](Result<storage::Updated> done) {
          REQUIRE(done);
          order.push_back(i);
        });
  }
  bool read = false;
  store->get({1, 7, "key"}, [&](Result<storage::Found> found) { read = found->value == "value"; });
  d.world.run_for(49ms);
  CHECK(order.empty());
  d.world.run_for(1s);
  CHECK(read);
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(order.size() == 20);
}

TEST_CASE("fault desk: a slow disk that heals gives what it held back, in order, and is fast") {
  Desk d;
  fake::TempDirectory directory;
  auto opened =
      storage::open_sqlite_store_with(fake::inline_settings(), directory.path(), {}, d.node.loop(),
                                      Logger{}, d.metrics, [](const Error&) {});
  REQUIRE(opened.ok());
  auto store = d.desk.wrap(std::move(*opened));
  client::FaultSpec disk;
  disk.kind = "slow_disk";
  disk.delay_ms = 60'000;
  REQUIRE(d.desk.inject(disk));
  std::vector<int> order;
  const auto put = [&](int i) {
    store->update(
        {1, 7, "key"}, [](const auto&) { return Bytes("value"); }, storage::Durability::Fsync,
        [&order, i](Result<storage::Updated>) { order.push_back(i); });
  };
  for (int i = 0; i < 5; ++i) put(i);
  d.world.run_for(1s);
  CHECK(order.empty());
  REQUIRE(d.desk.heal(0, ""));
  CHECK(order.empty());  // never inside the call
  put(5);
  d.world.run_for(10ms);
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5});
  // One whose time is over is healed as well.
  disk.for_ms = 500;
  REQUIRE(d.desk.inject(disk));
  put(6);
  d.world.run_for(510ms);
  CHECK(order.size() == 7);
  // An answer may destroy the store.
  disk.for_ms = 0;
  REQUIRE(d.desk.inject(disk));
  store->get({1, 7, "key"}, [&](Result<storage::Found>) { store.reset(); });
  store->get({1, 7, "key"}, [&](Result<storage::Found>) { FAIL("it is gone"); });
  d.world.run_for(1s);
  REQUIRE(d.desk.heal(0, ""));
  d.world.run_for(1s);
  CHECK_FALSE(store);
}

TEST_CASE("fault desk: the clock of the floors is off, and only that") {
  Desk d;
  client::FaultSpec skew;
  skew.kind = "skew";
  skew.skew_ms = -5000;
  REQUIRE(d.desk.inject(skew));
  CHECK(d.desk.loop().wall().millis == d.node.loop().wall().millis - 5000);
  CHECK(d.desk.loop().now() == d.node.loop().now());
  REQUIRE(d.desk.heal(0, ""));
  CHECK(d.desk.loop().wall() == d.node.loop().wall());
}

}  // namespace parley::api
