// How fast and how stale each level is on the user's own cluster, sampled now.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>

#include "replication/level.h"
#include "tools/cli/figures.h"
#include "tools/cli/latency_survey.h"
#include "tools/cli/output.h"
#include "tools/cli/staleness_run.h"
#include "tools/cli/verbs.h"

namespace parley::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

// The keys are deleted first; whoever cannot wait for that interrupts twice.
void catch_interrupt() {
  std::signal(SIGINT, [](int) {
    if (interrupted != 0) _exit(kInterrupted);
    interrupted = 1;
  });
}

double success(const LevelFigures& figures) {
  return figures.asked == 0 ? 0
                            : static_cast<double>(figures.ok) / static_cast<double>(figures.asked);
}

// The usual three, those that are the same left out.
std::vector<std::string> usual_levels(std::size_t n) {
  std::vector<std::string> out = {"one"};
  if (n > 1) out.push_back("quorum");
  if (n > replication::majority_of(n)) out.push_back("all");
  return out;
}

Result<RunPlan> plan_run(client::Client& client, const CommandLine& line,
                         std::vector<std::string>& through) {
  const auto keyspace = client.keyspace(line.keyspace);
  if (!keyspace) return keyspace.error();
  const auto status = client.status();
  if (!status) return status.error();
  RunPlan plan;
  for (const auto& row : status->nodes) {
    if (row.status != "UN") continue;
    plan.endpoints.push_back(to_text(Endpoint{row.address, row.client_port}));
    through.push_back(row.address);
  }
  if (plan.endpoints.empty()) return Error{ErrorCode::NotReady, "no node is up", 500};
  const std::size_t n = std::min<std::size_t>(keyspace->replication_factor, status->nodes.size());
  const TuningWords& words = line.tuning;
  plan.read_levels = words.read_levels.empty() ? usual_levels(n) : words.read_levels;
  plan.write_levels = words.write_levels.empty() ? usual_levels(n) : words.write_levels;
  for (const auto* levels : {&plan.read_levels, &plan.write_levels}) {
    for (const std::string& text : *levels) {
      const auto level = replication::parse_level(text);
      if (level->kind != replication::Level::Kind::Number ||
          level->number <= keyspace->replication_factor) {
        continue;
      }
      return Error{ErrorCode::InvalidArgument,
                   fmt::format("level {} is outside 1..{}, the replication factor", text,
                               keyspace->replication_factor)};
    }
  }
  plan.at = words.at;
  if (plan.at.empty()) plan.at = {0ms, 5ms, 20ms, 100ms};
  plan.n = n;
  plan.lasts = words.duration;
  plan.timeout = line.timeout;
  plan.rate = words.rate;
  plan.keys = words.keys;
  plan.keyspace = line.keyspace;
  plan.stopped = [] { return interrupted != 0; };
  return plan;
}

Json level_rows(const std::vector<std::string>& levels,
                const std::map<std::string, LevelFigures>& by_level) {
  Json out = Json::array();
  for (const std::string& level : levels) {
    const auto found = by_level.find(level);
    const LevelFigures figures = found == by_level.end() ? LevelFigures{} : found->second;
    out.push_back({{"level", level_json(level)},
                   {"count", figures.asked},
                   {"ok", figures.ok},
                   {"success", success(figures)},
                   {"p50_ms", millis_json(figures.quantile(0.5))},
                   {"p99_ms", millis_json(figures.quantile(0.99))}});
  }
  return out;
}

StalenessFigures cell_of(const RunFigures& figures, const std::string& read,
                         const std::string& write, Duration at) {
  const auto found = figures.staleness.find({read, write, at});
  return found == figures.staleness.end() ? StalenessFigures{} : found->second;
}

double fresh_share(const StalenessFigures& cell) {
  return cell.reads == 0 ? 0
                         : 1 - static_cast<double>(cell.stale) / static_cast<double>(cell.reads);
}

Json figures_json(const RunPlan& plan, const RunFigures& figures,
                  const std::vector<std::string>& through, std::size_t left) {
  Json pairs = Json::array();
  for (const std::string& read : plan.read_levels) {
    for (const std::string& write : plan.write_levels) {
      Json moments = Json::array();
      for (const Duration at : plan.at) {
        const auto cell = cell_of(figures, read, write, at);
        const bool any = cell.reads > 0;
        moments.push_back(
            {{"at_ms", millis(at)},
             {"reads", cell.reads},
             {"stale", cell.stale},
             {"fresh", any ? Json(fresh_share(cell)) : Json(nullptr)},
             {"error", any ? Json(share_error(cell.stale, cell.reads)) : Json(nullptr)}});
      }
      pairs.push_back({{"read", level_json(read)},
                       {"write", level_json(write)},
                       {"staleness", std::move(moments)}});
    }
  }
  return {{"nodes", through},
          {"reads", level_rows(plan.read_levels, figures.reads)},
          {"writes", level_rows(plan.write_levels, figures.writes)},
          {"pairs", std::move(pairs)},
          {"late", figures.late},
          {"missed", figures.missed},
          {"keys_left", left},
          {"interrupted", interrupted != 0}};
}

void add_levels(std::vector<std::vector<std::string>>& rows, const char* what,
                const std::vector<std::string>& levels,
                const std::map<std::string, LevelFigures>& by_level) {
  for (const std::string& level : levels) {
    const auto found = by_level.find(level);
    if (found == by_level.end()) continue;
    const LevelFigures& figures = found->second;
    rows.push_back({what, level, std::to_string(figures.asked), share_text(success(figures)),
                    millis_text(figures.quantile(0.5)), millis_text(figures.quantile(0.99))});
  }
}

std::string stale_text(const StalenessFigures& cell) {
  if (cell.reads == 0) return "-";
  const double stale = 1 - fresh_share(cell);
  return fmt::format("{:.1f} ±{:.1f} %", stale * 100, share_error(cell.stale, cell.reads) * 100);
}

// Of each pair of levels that was stale at all.
std::string plot_text(const RunPlan& plan, const RunFigures& figures) {
  constexpr std::size_t kBar = 50;
  std::string out;
  for (const std::string& read : plan.read_levels) {
    for (const std::string& write : plan.write_levels) {
      std::string lines;
      bool stale = false;
      for (const Duration at : plan.at) {
        const auto cell = cell_of(figures, read, write, at);
        if (cell.reads == 0) continue;
        stale = stale || cell.stale > 0;
        lines += fmt::format("{:>8g} ms  {}  {}\n", millis(at), bar_text(fresh_share(cell), kBar),
                             share_text(fresh_share(cell)));
      }
      if (stale) out += fmt::format("\nread {}, write {}: saw it\n{}", read, write, lines);
    }
  }
  return out;
}

void print_figures(const RunPlan& plan, const RunFigures& figures) {
  std::vector<std::vector<std::string>> speed = {{"", "LEVEL", "COUNT", "OK", "P50", "P99"}};
  add_levels(speed, "read", plan.read_levels, figures.reads);
  add_levels(speed, "write", plan.write_levels, figures.writes);
  std::vector<std::vector<std::string>> stale = {{"READ", "WRITE"}};
  for (const Duration at : plan.at) stale[0].push_back(fmt::format("STALE {:g} ms", millis(at)));
  for (const std::string& read : plan.read_levels) {
    for (const std::string& write : plan.write_levels) {
      stale.push_back({read, write});
      for (const Duration at : plan.at) {
        stale.back().push_back(stale_text(cell_of(figures, read, write, at)));
      }
    }
  }
  std::fputs(
      (table_text(speed) + "\n" + folded_table_text(stale, 2) + plot_text(plan, figures)).c_str(),
      stdout);
}

}  // namespace

ExitCode consistency_measure(client::Client& client, const CommandLine& line) {
  std::vector<std::string> through;
  const auto plan = plan_run(client, line, through);
  if (!plan) return fail_read(line, plan.error(), plan.error().code != ErrorCode::Unreachable);
  StalenessRun run(*plan);
  catch_interrupt();
  const Status prepared = run.prepare();
  if (!prepared) {
    return fail_read(line, prepared.error(), prepared.error().code != ErrorCode::Unreachable);
  }
  const RunFigures figures = run.run();
  const std::size_t left = run.clean_up();
  if (line.output == OutputForm::Json) {
    print_json(figures_json(*plan, figures, through, left));
  } else {
    print_figures(*plan, figures);
    std::fprintf(stderr,
                 "Each write through one of %zu nodes and its read, so long after the ack, through "
                 "another.\n",
                 through.size());
  }
  if (figures.late > 0) {
    std::fprintf(stderr, "%zu reads began too late and say nothing of staleness\n", figures.late);
  }
  if (figures.missed > 0) {
    std::fprintf(stderr, "%zu writes were left out: all keys were in use\n", figures.missed);
  }
  if (left > 0) {
    std::fprintf(stderr, "parley: %zu keys under %s may be left: measure again deletes them\n",
                 left, kMeasuredKeys);
  }
  if (interrupted != 0) return kInterrupted;
  return left > 0 ? kUnknown : kOk;
}

}  // namespace parley::cli
