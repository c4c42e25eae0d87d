// What staleness and latency each pair of levels gives, predicted from what the nodes measured.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/cli/figures.h"
#include "tools/cli/latency_survey.h"
#include "tools/cli/output.h"
#include "tools/cli/verbs.h"

namespace parley::cli {
namespace {

using replication::Staleness;
using replication::Trials;

constexpr double kNearlyAll = 0.999;

bool possible(const Trials& trials) { return std::isfinite(trials.values().front()); }

Json latency_json(const Trials& trials, std::size_t required, std::size_t n) {
  return {{"level", level_name(required, n)},
          {"required", required},
          {"p50_ms", millis_json(trials.quantile(0.5))},
          {"p99_ms", millis_json(trials.quantile(0.99))},
          {"survives", n - required}};
}

Json prediction_json(const LatencySurvey& survey, const Staleness& out,
                     const std::vector<Duration>& at) {
  const std::size_t n = out.n();
  Json reads = Json::array(), writes = Json::array(), pairs = Json::array();
  for (std::size_t k = 1; k <= n; ++k) {
    reads.push_back(latency_json(out.read_ms(k), k, n));
    writes.push_back(latency_json(out.write_ms(k), k, n));
  }
  for (std::size_t r = 1; r <= n; ++r) {
    for (std::size_t w = 1; w <= n; ++w) {
      const Trials& fresh = out.fresh_after(r, w);
      Json moments = Json::array();
      for (const Duration moment : at) {
        moments.push_back(
            {{"at_ms", millis(moment)}, {"fresh", fresh.share_within(millis(moment))}});
      }
      Json pair = {{"read", level_name(r, n)}, {"write", level_name(w, n)}};
      pair["required"] = {{"read", r}, {"write", w}};
      pair["staleness"] = std::move(moments);
      pair["fresh_999_ms"] = millis_json(fresh.quantile(kNearlyAll));
      pairs.push_back(std::move(pair));
    }
  }
  return {{"n", n},
          {"nodes", survey.nodes.size()},
          {"links", survey.gaps.links},
          {"links_unmeasured", survey.gaps.links_unmeasured},
          {"reads", std::move(reads)},
          {"writes", std::move(writes)},
          {"pairs", std::move(pairs)}};
}

void print_prediction(const Staleness& out, const std::vector<Duration>& at) {
  const std::size_t n = out.n();
  std::vector<std::vector<std::string>> fresh = {{"READ", "WRITE"}};
  for (const Duration moment : at) fresh[0].push_back(fmt::format("{:g} ms", millis(moment)));
  fresh[0].push_back("99.9 % AFTER");
  for (std::size_t r = 1; r <= n; ++r) {
    for (std::size_t w = 1; w <= n; ++w) {
      const Trials& trials = out.fresh_after(r, w);
      fresh.push_back({level_name(r, n), level_name(w, n)});
      for (const Duration moment : at) {
        fresh.back().push_back(
            possible(trials) ? predicted_share_text(trials.share_within(millis(moment)), r + w > n)
                             : "-");
      }
      fresh.back().push_back(millis_text(trials.quantile(kNearlyAll)));
    }
  }
  std::vector<std::vector<std::string>> speed = {
      {"LEVEL", "READ P50", "READ P99", "WRITE P50", "WRITE P99", "SURVIVES"}};
  for (std::size_t k = 1; k <= n; ++k) {
    speed.push_back(
        {level_name(k, n), millis_text(out.read_ms(k).quantile(0.5)),
         millis_text(out.read_ms(k).quantile(0.99)), millis_text(out.write_ms(k).quantile(0.5)),
         millis_text(out.write_ms(k).quantile(0.99)), fmt::format("{} of {} down", n - k, n)});
  }
  std::fputs((folded_table_text(fresh, 2) + "\n" + table_text(speed)).c_str(), stdout);
}

ExitCode failed(const CommandLine& line, const Error& error) {
  return fail_read(line, error, error.code != ErrorCode::Unreachable);
}

}  // namespace

ExitCode consistency_predict(client::Client& client, const CommandLine& line) {
  const auto survey = survey_latencies(client, line);
  if (!survey) return failed(line, survey.error());
  std::vector<Duration> at = line.tuning.at;
  if (at.empty()) at = {0ms, 1ms, 5ms, 20ms, 100ms};
  const Staleness out = predict(*survey, survey->n());
  note_gaps(*survey);
  if (line.output == OutputForm::Json) {
    print_json(prediction_json(*survey, out, at));
    return kOk;
  }
  print_prediction(out, at);
  std::fprintf(stderr,
               "Of reads that begin so long after a write's ack, through another node, so many see "
               "it.\nN = %zu; predicted from what the nodes measured of late.\n",
               out.n());
  return kOk;
}

}  // namespace parley::cli
