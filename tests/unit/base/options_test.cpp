#include "base/log.h"
#include "base/metric.h"
#include "base/option.h"
#include "tests/catch.h"

using namespace parley;

namespace {

struct SomeOptions : OptionGroup {
  SomeOptions() : OptionGroup("some") {}
  DurationOption pause{*this, "pause", 1s, {10ms, 1min}, "A pause."};
  CountOption count{*this, "count", 3, {1, 10}, "A count."};
  Option<bool> flag{*this, "flag", false, {false, true}, "A flag."};
};

struct CollectingSink final : LogSink {
  bool wants(LogLevel level) const override { return level >= LogLevel::Info; }
  void write(LogLevel, std::string_view floor, std::string_view event,
             const std::vector<LogField>& fields) override {
    std::string line = std::string(floor) + " " + std::string(event);
    for (const auto& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    lines.push_back(line);
  }
  std::vector<std::string> lines;
};

}  // namespace

TEST_CASE("option: durations are read and written with their unit") {
  CHECK(*parse_duration("250ms") == 250ms);
  CHECK(*parse_duration("2s") == 2s);
  CHECK(*parse_duration("1m") == 60s);
  CHECK(*parse_duration("3h") == std::chrono::hours(3));
  CHECK(duration_text(1500ms) == "1500ms");
  CHECK(duration_text(2s) == "2s");
  CHECK(duration_text(0s) == "0s");
  for (const auto* bad :
       {"", "5", "s", "-1s", "1.5s", "1 s", "99999999999999999999s", "9223372036854775807h"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad).ok());
  }
}

TEST_CASE("option: bounds hold, and a refused value changes nothing") {
  SomeOptions options;
  CHECK(options.options().size() == 3);
  CHECK(options.pause() == 1s);
  CHECK(options.pause.set_text("200ms").ok());
  CHECK(options.pause() == 200ms);
  const auto refused = options.pause.set_text("1ms");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message == "pause must be 10ms to 1m, not 1ms");
  CHECK(options.pause() == 200ms);
  CHECK_FALSE(options.count.set_text("eleven").ok());
  CHECK_FALSE(options.count.set_text("11").ok());
  CHECK(options.count.set_text("10").ok());
  CHECK(options.flag.set_text("true").ok());
  CHECK_FALSE(options.flag.set_text("yes").ok());
  CHECK(options.flag.text() == "true");
}

TEST_CASE("metric: the exposition format, families and escaping") {
  MetricRegistry registry;
  Counter plain(registry, "plain_total", "Plain.");
  MetricFamily<Counter> by_kind(registry, "kinds_total", "By kind.", {"kind"});
  Gauge gauge(registry, "level", "A level.", [] { return 1.5; });
  Histogram latency(registry, "latency_seconds", "Latency.");
  plain.add();
  by_kind.with({"a"}).add(2);
  by_kind.with({"b\"\\"}).add();
  by_kind.with({"a"}).add();
  latency.record(60us);
  latency.record(20s);
  const std::string text = registry.render();
  for (const auto* line :
       {"# TYPE parley_plain_total counter\nparley_plain_total 1\n",
        "parley_kinds_total{kind=\"a\"} 3\n", "parley_kinds_total{kind=\"b\\\"\\\\\"} 1\n",
        "# HELP parley_level A level.\n# TYPE parley_level gauge\nparley_level 1.5\n",
        "parley_latency_seconds_bucket{le=\"5e-05\"} 0\n",
        "parley_latency_seconds_bucket{le=\"0.0001\"} 1\n",
        "parley_latency_seconds_bucket{le=\"10\"} 1\n",
        "parley_latency_seconds_bucket{le=\"+Inf\"} 2\n", "parley_latency_seconds_count 2\n"}) {
    INFO(line << "\n" << text);
    CHECK(text.find(line) != std::string::npos);
  }
}

TEST_CASE("metric: a total is of all labels together") {
  MetricRegistry registry;
  MetricFamily<Counter> by_kind(registry, "kinds_total", "By kind.", {"kind"});
  Gauge gauge(registry, "level", "A level.", [] { return 1.5; });
  Gauge other(registry, "level", "A level.", [] { return 2.0; }, {{"of", "b"}});
  Histogram latency(registry, "latency_seconds", "Latency.");
  by_kind.with({"a"}).add(2);
  by_kind.with({"b"}).add();
  CHECK(registry.total("kinds_total") == 3);
  CHECK(registry.total("level") == 3.5);
  CHECK_FALSE(registry.total("latency_seconds"));
  CHECK_FALSE(registry.total("parley_level"));
}

TEST_CASE("log: fields keep their names, and a logger without a sink drops all") {
  CollectingSink sink;
  const Logger log(sink, "ring");
  log.debug("not.wanted");
  log.info("thing.happened", {{"count", 3}, {"flag", true}, {"text", "a b"}});
  log.on_floor("storage").warn("other", {{"at", Endpoint{"127.0.0.1", 5}}});
  Logger().error("nowhere");
  REQUIRE(sink.lines.size() == 2);
  CHECK(sink.lines[0] == "ring thing.happened count=3 flag=true text=a b");
  CHECK(sink.lines[1] == "storage other at=127.0.0.1:5");
}
