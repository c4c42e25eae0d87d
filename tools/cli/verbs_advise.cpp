// The cheapest replication factor and levels that meet a stated need, by prediction.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <tuple>

#include "tools/cli/figures.h"
#include "tools/cli/latency_survey.h"
#include "tools/cli/output.h"
#include "tools/cli/verbs.h"

namespace parley::cli {
namespace {

using replication::Staleness;

// More owners a key than this are nobody's need, and a prediction of them takes long.
constexpr std::size_t kOwnersMost = 9;
// So many trials cannot tell a share above this from all: then only what holds by design will do.
constexpr double kTrialsTell = 0.9999;
constexpr std::size_t kRowsMost = 12;

struct Choice {
  std::size_t n = 0, read = 0, write = 0;
  double fresh = 0;   // in time
  double p99_ms = 0;  // of half reads, half writes
  std::size_t survives() const { return n - std::max(read, write); }
  bool by_design() const { return read + write > n; }
};

double mixed_p99(const Staleness& out, std::size_t read, std::size_t write) {
  std::vector<double> both = out.read_ms(read).values();
  const auto& writes = out.write_ms(write).values();
  both.insert(both.end(), writes.begin(), writes.end());
  return replication::Trials(std::move(both)).quantile(0.99);
}

bool meets(const Choice& choice, const TuningWords& need) {
  if (!std::isfinite(choice.p99_ms)) return false;
  if (choice.survives() < static_cast<std::size_t>(need.survive)) return false;
  return choice.by_design() || (need.share <= kTrialsTell && choice.fresh >= need.share);
}

// Least time first, then fewest replies to wait for, then fewest copies. Times in one step of 10 %
// are the same: trials tell no more.
void sort_by_cost(std::vector<Choice>& choices) {
  double least = std::numeric_limits<double>::infinity();
  for (const Choice& one : choices) least = std::min(least, one.p99_ms);
  const auto cost = [least](const Choice& one) {
    const double times = least > 0 ? one.p99_ms / least : 1;
    return std::tuple(std::floor(std::log(times) / std::log(1.1)), one.read + one.write, one.n,
                      one.p99_ms);
  };
  std::sort(choices.begin(), choices.end(),
            [&](const Choice& a, const Choice& b) { return cost(a) < cost(b); });
}

std::vector<Choice> choices_of(const LatencySurvey& survey, const TuningWords& need) {
  std::vector<Choice> out;
  for (std::size_t n = 1; n <= std::min(survey.nodes.size(), kOwnersMost); ++n) {
    const Staleness predicted = predict(survey, n);
    for (std::size_t r = 1; r <= n; ++r) {
      for (std::size_t w = 1; w <= n; ++w) {
        const double fresh = predicted.fresh_after(r, w).share_within(millis(need.within));
        out.push_back({n, r, w, fresh, mixed_p99(predicted, r, w)});
      }
    }
  }
  return out;
}

Json choice_json(const std::optional<Choice>& choice) {
  if (!choice) return nullptr;
  return {{"n", choice->n},
          {"read", level_name(choice->read, choice->n)},
          {"write", level_name(choice->write, choice->n)},
          {"required", {{"read", choice->read}, {"write", choice->write}}},
          {"fresh", choice->fresh},
          {"p99_ms", millis_json(choice->p99_ms)},
          {"survives", choice->survives()}};
}

struct Advice {
  std::size_t n = 0;            // of the keyspace
  std::vector<Choice> meeting;  // cheapest first
  std::optional<Choice> best() const {
    return meeting.empty() ? std::nullopt : std::optional(meeting.front());
  }
  std::optional<Choice> best_with_n() const {
    for (const Choice& choice : meeting) {
      if (choice.n == n) return choice;
    }
    return std::nullopt;
  }
};

Json advice_json(const Advice& advice, const TuningWords& need) {
  Json all = Json::array();
  for (const Choice& choice : advice.meeting) all.push_back(choice_json(choice));
  Json needed = {{"within_ms", millis(need.within)}, {"share", need.share}};
  needed["survive"] = need.survive;
  return {{"need", std::move(needed)},
          {"n", advice.n},
          {"best", choice_json(advice.best())},
          {"best_with_n", choice_json(advice.best_with_n())},
          {"meets", std::move(all)}};
}

void print_advice(const Advice& advice, const CommandLine& line) {
  std::vector<std::vector<std::string>> rows = {
      {"N", "READ", "WRITE", "SEE IT IN TIME", "P99", "SURVIVES"}};
  for (const Choice& one : advice.meeting) {
    if (rows.size() > kRowsMost) break;
    rows.push_back({std::to_string(one.n), level_name(one.read, one.n),
                    level_name(one.write, one.n), predicted_share_text(one.fresh, one.by_design()),
                    millis_text(one.p99_ms), fmt::format("{} down", one.survives())});
  }
  std::fputs(table_text(rows).c_str(), stdout);
  const auto best = advice.best(), here = advice.best_with_n();
  if (here) {
    const std::string keyspace = line.keyspace == "default" ? "" : " -k " + line.keyspace;
    std::fprintf(stderr,
                 "with this keyspace's N = %zu: parley consistency set%s --read %s --write %s\n",
                 advice.n, keyspace.c_str(), level_name(here->read, here->n).c_str(),
                 level_name(here->write, here->n).c_str());
  } else {
    std::fprintf(stderr, "nothing with this keyspace's N = %zu meets it\n", advice.n);
  }
  if (best && best->n != advice.n) {
    std::fprintf(stderr, "cheapest of all with N = %zu; a keyspace's N is fixed when it is made\n",
                 best->n);
  }
}

std::string shortfall(const std::vector<Choice>& choices, const TuningWords& need) {
  const Choice* nearest = nullptr;
  for (const Choice& one : choices) {
    if (one.survives() < static_cast<std::size_t>(need.survive) || !std::isfinite(one.p99_ms)) {
      continue;
    }
    if (nearest == nullptr || one.fresh > nearest->fresh) nearest = &one;
  }
  if (nearest == nullptr) {
    return fmt::format("no choice on so many nodes survives {} replicas down", need.survive);
  }
  return fmt::format("nothing meets it; nearest is {} with N = {}, read {}, write {}",
                     share_text(nearest->fresh), nearest->n, level_name(nearest->read, nearest->n),
                     level_name(nearest->write, nearest->n));
}

}  // namespace

ExitCode consistency_advise(client::Client& client, const CommandLine& line) {
  const auto survey = survey_latencies(client, line);
  if (!survey) {
    return fail_read(line, survey.error(), survey.error().code != ErrorCode::Unreachable);
  }
  note_gaps(*survey);
  const TuningWords& need = line.tuning;
  std::vector<Choice> choices = choices_of(*survey, need);
  Advice advice{survey->n(), {}};
  for (const Choice& one : choices) {
    if (meets(one, need)) advice.meeting.push_back(one);
  }
  sort_by_cost(advice.meeting);
  if (line.output == OutputForm::Json) print_json(advice_json(advice, need));
  if (advice.meeting.empty()) {
    std::fprintf(stderr, "parley: %s\n", shortfall(choices, need).c_str());
    return kNegative;
  }
  if (line.output != OutputForm::Json) print_advice(advice, line);
  return kOk;
}

}  // namespace parley::cli
