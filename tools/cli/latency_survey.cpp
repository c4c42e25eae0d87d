#include "tools/cli/latency_survey.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "base/option.h"
#include "replication/level.h"

namespace parley::cli {
namespace {

using replication::LatencyBuckets;
using replication::ModelLink;
using replication::StalenessModel;

// Nodes that do not answer are many and slow: none of them gets the whole time.
constexpr Duration kOneNodeMost = 1s;
constexpr std::size_t kTrials = 50'000;
constexpr std::uint64_t kSeed = 1;

Result<std::unique_ptr<client::Client>> client_of(const CommandLine& line,
                                                  const std::string& endpoint) {
  client::ClientOptions options;
  options.endpoints = {endpoint};
  options.timeout = std::min<Duration>(line.timeout, kOneNodeMost);
  options.learn_ring = false;
  return client::Client::make(std::move(options));
}

double option_ms(const client::NodeInfo& info, const std::string& name, double usual) {
  for (const auto& [option, value] : info.options) {
    if (option != name) continue;
    const auto span = parse_duration(value);
    return span ? to_seconds(*span) * 1e3 : usual;
  }
  return usual;
}

LatencyBuckets buckets_of(const client::LatencyBuckets& in) {
  LatencyBuckets out;
  for (const auto& one : in) out.push_back({one.from_ms, one.to_ms, one.weight});
  return out;
}

void pool(LatencyBuckets& into, const LatencyBuckets& more) {
  into.insert(into.end(), more.begin(), more.end());
}

void fill(LatencyBuckets& empty, const LatencyBuckets& first, const LatencyBuckets& second) {
  if (empty.empty()) empty = first.empty() ? second : first;
}

// Which slots a vnode has, as a share: those after the one before it.
double share_of(const LatencySurvey& survey, std::size_t vnode) {
  const std::size_t count = survey.vnodes.size();
  if (count == 1) return 1;
  const auto slot = survey.vnodes[vnode].first;
  const auto before = survey.vnodes[(vnode + count - 1) % count].first;
  return static_cast<double>((slot + 65536 - before) % 65536) / 65536;
}

std::vector<std::size_t> owners_at(const LatencySurvey& survey, std::size_t vnode, std::size_t n) {
  std::vector<std::size_t> owners;
  for (std::size_t i = 0; i < survey.vnodes.size() && owners.size() < n; ++i) {
    const std::size_t node = survey.vnodes[(vnode + i) % survey.vnodes.size()].second;
    if (std::find(owners.begin(), owners.end(), node) == owners.end()) owners.push_back(node);
  }
  return owners;
}

void put_ranges(const LatencySurvey& survey, std::size_t n, StalenessModel& model) {
  std::map<std::vector<std::size_t>, double> shares;
  for (std::size_t i = 0; i < survey.vnodes.size(); ++i) {
    shares[owners_at(survey, i, n)] += share_of(survey, i);
  }
  for (const auto& [owners, share] : shares) model.ranges.push_back({owners, share});
}

void put_measured(const LatencySurvey& survey, StalenessModel& model) {
  model.nodes.resize(survey.nodes.size());
  for (std::size_t i = 0; i < survey.nodes.size(); ++i) {
    const auto& latencies = survey.nodes[i].latencies;
    auto& node = model.nodes[i];
    node.up = survey.nodes[i].up;
    node.mint = buckets_of(latencies.mint);
    node.merge = buckets_of(latencies.merge);
    node.read = buckets_of(latencies.read);
    node.to.resize(survey.nodes.size());
    for (const auto& peer : latencies.peers) {
      for (std::size_t j = 0; j < survey.nodes.size(); ++j) {
        if (survey.nodes[j].node != peer.node) continue;
        node.to[j] = {buckets_of(peer.write_out), buckets_of(peer.write_back),
                      buckets_of(peer.read_out), buckets_of(peer.read_back)};
      }
    }
  }
}

// The ways of questions and of writes stand for each other, and the other links for one that no
// request has taken.
void fill_links(StalenessModel& model) {
  LatencyBuckets out, back;
  for (const auto& node : model.nodes) {
    for (const ModelLink& link : node.to) {
      pool(out, link.write_out.empty() ? link.read_out : link.write_out);
      pool(back, link.write_back.empty() ? link.read_back : link.write_back);
    }
  }
  for (auto& node : model.nodes) {
    for (ModelLink& link : node.to) {
      const ModelLink measured = link;
      fill(link.write_out, measured.read_out, out);
      fill(link.write_back, measured.read_back, back);
      fill(link.read_out, measured.write_out, out);
      fill(link.read_back, measured.write_back, back);
    }
  }
}

void fill_disks(StalenessModel& model) {
  LatencyBuckets mint, merge, read;
  for (const auto& node : model.nodes) {
    pool(mint, node.mint);
    pool(merge, node.merge);
    pool(read, node.read);
  }
  for (auto& node : model.nodes) {
    fill(node.mint, mint, merge);
    fill(node.merge, merge, mint);
    fill(node.read, read, {});
  }
}

SurveyGaps gaps_of(const StalenessModel& model) {
  SurveyGaps gaps;
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    const auto& node = model.nodes[i];
    gaps.writes_measured = gaps.writes_measured || !node.mint.empty();
    gaps.reads_measured = gaps.reads_measured || !node.read.empty();
    for (std::size_t j = 0; j < model.nodes.size(); ++j) {
      if (i == j || !node.up || !model.nodes[j].up) continue;
      ++gaps.links;
      gaps.links_unmeasured += node.to[j].write_out.empty() && node.to[j].read_out.empty() ? 1 : 0;
    }
  }
  return gaps;
}

Status check_measured(const SurveyGaps& gaps) {
  if (gaps.writes_measured && gaps.reads_measured) return Done{};
  const std::string what = gaps.writes_measured  ? "reads"
                           : gaps.reads_measured ? "writes"
                                                 : "reads and writes";
  return Error{ErrorCode::Unavailable, "the nodes have measured no " + what +
                                           " of late: parley consistency measure makes some"};
}

// All nodes on the ring; the places of the nodes by their ids.
std::map<std::string, std::size_t> ask_nodes(const CommandLine& line,
                                             const client::ClusterStatus& status,
                                             const client::RingInfo& ring, LatencySurvey& out) {
  std::map<std::string, std::size_t> places;
  for (const auto& row : status.nodes) {
    const bool on_ring = std::any_of(ring.vnodes.begin(), ring.vnodes.end(),
                                     [&row](const auto& one) { return one.node == row.node; });
    if (!on_ring) continue;
    places[row.node] = out.nodes.size();
    SurveyedNode node{row.node,
                      row.address,
                      to_text(Endpoint{row.address, row.client_port}),
                      row.status.starts_with('U'),
                      false,
                      {}};
    if (node.up) {
      const auto one = client_of(line, node.endpoint);
      auto latencies = one ? (*one)->latencies() : one.error();
      node.answered = latencies.ok();
      if (latencies) node.latencies = std::move(*latencies);
    }
    out.nodes.push_back(std::move(node));
  }
  return places;
}

}  // namespace

Result<LatencySurvey> survey_latencies(client::Client& client, const CommandLine& line) {
  const auto keyspace = client.keyspace(line.keyspace);
  if (!keyspace) return keyspace.error();
  const auto status = client.status();
  if (!status) return status.error();
  const auto ring = client.ring();
  if (!ring) return ring.error();
  const auto info = client.info();
  if (!info) return info.error();
  LatencySurvey out;
  out.replication_factor = keyspace->replication_factor;
  out.read_hedge_ms = option_ms(*info, "replication.read_hedge", 30);
  out.pass_hedge_ms = option_ms(*info, "replication.pass_hedge", 300);
  const auto places = ask_nodes(line, *status, *ring, out);
  for (const auto& vnode : ring->vnodes) {
    const auto place = places.find(vnode.node);
    if (place != places.end()) out.vnodes.emplace_back(vnode.slot, place->second);
  }
  const bool any_up = std::any_of(out.nodes.begin(), out.nodes.end(),
                                  [](const SurveyedNode& node) { return node.up; });
  if (out.vnodes.empty() || !any_up) {
    return Error{ErrorCode::NotReady, "no node is on the ring yet", 500};
  }
  StalenessModel measured;
  put_measured(out, measured);
  out.gaps = gaps_of(measured);
  const Status enough = check_measured(out.gaps);
  if (!enough) return enough.error();
  return out;
}

StalenessModel model_of(const LatencySurvey& survey, std::size_t n) {
  StalenessModel model;
  model.read_hedge_ms = survey.read_hedge_ms;
  model.pass_hedge_ms = survey.pass_hedge_ms;
  put_measured(survey, model);
  put_ranges(survey, n, model);
  fill_links(model);
  fill_disks(model);
  return model;
}

replication::Staleness predict(const LatencySurvey& survey, std::size_t n) {
  return predict_staleness(model_of(survey, n), kTrials, Random(kSeed));
}

void note_gaps(const LatencySurvey& survey) {
  for (const SurveyedNode& node : survey.nodes) {
    if (!node.up) std::fprintf(stderr, "%s is down\n", node.address.c_str());
    if (node.up && !node.answered) {
      std::fprintf(stderr, "no answer from %s\n", node.address.c_str());
    }
  }
  if (survey.gaps.links_unmeasured == 0) return;
  std::fprintf(stderr,
               "%zu of %zu ways between nodes are not measured and taken to be like the others\n",
               survey.gaps.links_unmeasured, survey.gaps.links);
}

std::string level_name(std::size_t required, std::size_t n) {
  if (required == 1) return "one";
  if (required == replication::majority_of(n)) return "quorum";
  return required == n ? "all" : std::to_string(required);
}

}  // namespace parley::cli
