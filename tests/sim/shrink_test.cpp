#include "tests/sim/shrink.h"

#include <algorithm>

#include "base/hash.h"
#include "tests/catch.h"
#include "tests/sim/run_flags.h"
#include "tests/sim/workload.h"

using namespace parley;
using namespace parley::sim;

namespace {

// A checker with a fault of its own: it takes every kill for a violation.
RunReport run_planted(const RunOptions& options) {
  RunReport report = run_seed(options);
  for (const Strike& one : report.strikes) {
    if (one.fault == Fault::Kill) report.violations.push_back({"planted", "key0", "a kill"});
  }
  return report;
}

// Not only while the cluster forms.
bool kills_at_work(const RunReport& report) {
  return std::any_of(report.strikes.begin(), report.strikes.end(), [](const Strike& one) {
    return one.fault == Fault::Kill && one.number < Nemesis::kStirring;
  });
}

RunOptions busy() {
  RunOptions options;
  options.seed = 7;
  options.span = 24s;
  options.nodes = 4;
  options.faults = {Fault::Kill, Fault::Cut, Fault::Skew, Fault::Loss};
  return options;
}

const auto kNever = [] { return false; };

}  // namespace

TEST_CASE("shrink: what is told of a shrunk run fails again by the same rule", "[shrink]") {
  const RunReport whole = run_planted(busy());
  REQUIRE(whole.strikes.size() > 3);
  REQUIRE_FALSE(whole.violations.empty());
  const Shrunk small = shrink(busy(), whole, run_planted, kNever);
  CHECK(small.runs > 0);
  REQUIRE(small.report.strikes.size() == 1);
  CHECK(small.report.strikes[0].fault == Fault::Kill);
  CHECK(small.report.nodes == 3);
  CHECK(small.report.clients == 1);
  CHECK(small.report.keys == 1);
  CHECK(small.options.span < busy().span);

  const auto told = parse_command(to_command(small.options));
  REQUIRE(told.ok());
  const RunReport again = run_planted(*told);
  CHECK(again.digest == small.report.digest);
  REQUIRE_FALSE(again.violations.empty());
  CHECK(again.violations.front().rule == "planted");
}

TEST_CASE("shrink: strangers and a troubled founding go when the rule fails without", "[shrink]") {
  RunOptions options = busy();
  options.faults->insert(options.faults->end(), {Fault::Stranger, Fault::Founding});
  const RunReport whole = run_planted(options);
  REQUIRE_FALSE(whole.violations.empty());
  const auto later = [](const RunReport& report) {
    std::vector<std::size_t> numbers;
    for (const Strike& one : report.strikes) {
      if (one.number < Nemesis::kStirring) numbers.push_back(one.number);
    }
    return numbers;
  };
  // Without them what else strikes is the same.
  CHECK(later(whole) == later(run_planted(busy())));
  const auto after_founding = [](const RunOptions& one) {
    RunReport report = run_planted(one);
    if (!kills_at_work(report)) report.violations.clear();
    return report;
  };
  const Shrunk small = shrink(options, whole, after_founding, kNever);
  REQUIRE(small.options.faults);
  CHECK(small.report.strikes.size() == 1);
  CHECK(*small.options.faults == *busy().faults);
}

TEST_CASE("shrink: a rule that only the whole run breaks leaves it whole", "[shrink]") {
  RunOptions options = busy();
  options.span = 6s;
  const RunReport first = run_seed(options);
  const auto only_whole = [&first](const RunOptions& smaller) {
    RunReport report = run_seed(smaller);
    if (report.digest == first.digest) report.violations.push_back({"planted", "", ""});
    return report;
  };
  const Shrunk kept = shrink(options, only_whole(options), only_whole, kNever);
  CHECK(kept.report.digest == first.digest);
}

TEST_CASE("shrink: nothing is run when there is no time", "[shrink]") {
  RunReport report;
  report.violations.push_back({"planted", "", ""});
  report.strikes = {{1, Fault::Kill}, {2, Fault::Cut}};
  report.nodes = 5;
  const auto never_run = [](const RunOptions&) -> RunReport {
    FAIL("a run without time");
    return {};
  };
  const Shrunk same = shrink(busy(), report, never_run, [] { return true; });
  CHECK(same.runs == 0);
  CHECK(same.report.strikes.size() == 2);
}

TEST_CASE("shrink: strikes that do not happen leave the others alike", "[shrink]") {
  RunOptions options = busy();
  const RunReport whole = run_seed(options);
  options.strikes.emplace();
  for (const Strike& one : whole.strikes) {
    if (one.number % 2 == 0) options.strikes->insert(one.number);
  }
  const RunReport half = run_seed(options);
  REQUIRE(half.strikes.size() == options.strikes->size());
  for (const Strike& one : half.strikes) {
    CHECK(std::any_of(whole.strikes.begin(), whole.strikes.end(), [&](const Strike& other) {
      return other.number == one.number && other.fault == one.fault;
    }));
  }
}

TEST_CASE("shrink: a key that is watched changes no event", "[shrink]") {
  RunOptions options = busy();
  options.span = 6s;
  options.keys = 1;
  const RunReport plain = run_seed(options);
  options.watch = draw_key_names(Random(hash64("keys", options.seed)), 1).front();
  const RunReport watched = run_seed(options);
  CHECK(watched.digest == plain.digest);
  const std::string text = text_of(watched.timeline);
  CHECK(text.find("record: nothing -> {w") != std::string::npos);
  CHECK(text.find("record durable") != std::string::npos);
}

TEST_CASE("shrink: a command line says a run and gives it back", "[shrink]") {
  RunOptions options = busy();
  options.mode = Mode::Liveness;
  options.rule = membership::ConflictRule::LastWriterWins;
  options.clients = 2;
  options.keys = 5;
  options.levels = {"quorum", "any"};
  options.strikes = {1, 3, 4, 5, 1001};
  const std::string command = to_command(options);
  CHECK(
      command ==
      "parley-sim --seed 7 --mode liveness --rule lww --seconds 24 --nodes 4 --clients 2 --keys 5 "
      "--levels quorum,any --faults kill,cut,skew,loss --strikes 1,3-5,1001");
  const auto back = parse_command(command);
  REQUIRE(back.ok());
  CHECK(to_command(*back) == command);
  CHECK(back->span == options.span);
  options.strikes.emplace();
  options.faults.emplace();
  CHECK(to_command(*parse_command(to_command(options))) == to_command(options));
}

TEST_CASE("shrink: what no run can be is refused", "[shrink]") {
  RunOptions options;
  for (const auto& [name, value] : {std::pair{"nodes", "2"},
                                    {"nodes", "8"},
                                    {"mode", "both"},
                                    {"rule", "lose"},
                                    {"faults", "kill,typo"},
                                    {"strikes", "3-"},
                                    {"strikes", "x"},
                                    {"seconds", "0"},
                                    {"keys", "-1"},
                                    {"keys", "1001"},
                                    {"levels", ""}}) {
    INFO(name << " " << value);
    CHECK_FALSE(set_flag(options, name, value).ok());
  }
}
