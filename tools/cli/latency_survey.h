// What all nodes of a cluster have measured, asked of each of them, and the model of staleness that
// is made of it.
#pragma once

#include <string>
#include <vector>

#include "api/client.h"
#include "replication/staleness.h"
#include "tools/cli/command_line.h"

namespace parley::cli {

struct SurveyedNode {
  std::string node, address, endpoint;
  bool up = false;
  bool answered = false;
  client::NodeLatencies latencies;
};

// Where nothing is measured yet.
struct SurveyGaps {
  std::size_t links = 0, links_unmeasured = 0;  // between nodes that are up, each way by itself
  bool writes_measured = false, reads_measured = false;
};

struct LatencySurvey {
  std::vector<SurveyedNode> nodes;                            // on the ring
  std::vector<std::pair<std::uint32_t, std::size_t>> vnodes;  // slot and node, by slot
  std::size_t replication_factor = 0;
  double read_hedge_ms = 0, pass_hedge_ms = 0;
  SurveyGaps gaps;

  std::size_t n_most() const { return nodes.size(); }
  std::size_t n() const { return std::min(replication_factor, nodes.size()); }
};

// Asks every node at its client port. Those that do not answer are `answered == false`.
// Unavailable: nothing was measured of late.
Result<LatencySurvey> survey_latencies(client::Client& client, const CommandLine& line);

// With `n` owners a key. Ways that no request has taken of late are taken to be like those that
// one has.
replication::StalenessModel model_of(const LatencySurvey& survey, std::size_t n);
// The same survey gives the same answer; a share deviates by less than 0.25 percentage points.
replication::Staleness predict(const LatencySurvey& survey, std::size_t n);
// For people, on standard error.
void note_gaps(const LatencySurvey& survey);

// "one", "quorum", "all" or a number: what a level that requires so many is called.
std::string level_name(std::size_t required, std::size_t n);

}  // namespace parley::cli
