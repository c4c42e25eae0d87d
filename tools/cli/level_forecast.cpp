#include "tools/cli/level_forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "replication/level.h"

namespace parley::cli {
namespace {

struct Counted {
  std::size_t all = 0, up = 0, answering = 0, states = 0;
  bool hinted = false;
};

Counted count(const std::vector<ReplicaNow>& replicas) {
  Counted out;
  out.all = replicas.size();
  std::set<std::string> states;
  for (const ReplicaNow& replica : replicas) {
    out.up += replica.up ? 1 : 0;
    out.hinted = out.hinted || replica.hints > 0;
    if (!replica.answers) continue;
    ++out.answering;
    states.insert(replica.exists ? replica.digest : "");
  }
  out.states = states.size();
  return out;
}

// What an ok read may return.
std::string freshness(const Counted& now, std::size_t required) {
  if (now.states <= 1) {
    return now.answering == now.all ? "all replicas are equal"
                                    : "the replicas that answer are equal";
  }
  if (required >= replication::majority_of(now.all)) {
    return fmt::format("merges what it meets of {} different states, and repairs", now.states);
  }
  return fmt::format("one of {} different states: it may be old", now.states);
}

std::string shortfall(const Counted& now, std::size_t required) {
  if (now.up < required) return fmt::format("{} of {} replicas are up", now.up, now.all);
  return fmt::format("{} of {} replicas answer, though {} are up to this node", now.answering,
                     now.all, now.up);
}

std::string verdict(const Counted& now, std::size_t required) {
  if (now.up < required) return "unavailable";
  return now.answering < required ? "doubtful" : "ok";
}

Forecast numbered(const Counted& now, std::string level, std::size_t required) {
  Forecast out{std::move(level), required, verdict(now, required), {}, {}, {}};
  out.put = out.get;
  if (out.get == "ok") {
    out.get_why = freshness(now, required);
    out.put_why = fmt::format("{} of {} replicas take it", now.answering, now.all);
  } else {
    out.get_why = out.put_why = shortfall(now, required);
  }
  return out;
}

Forecast any(const Counted& now) {
  Forecast out = numbered(now, "any", 1);
  if (out.put != "ok") {
    out.put = "ok";
    out.put_why = "no replica answers: hints on nodes that are reached";
  }
  if (out.get != "ok" && now.hinted) {
    out.get = "ok";
    out.get_why = "no replica answers: from hints, and marked so";
  } else if (out.get != "ok") {
    out.get = "unavailable";
    out.get_why = "no replica answers, and no node that is reached keeps a hint";
  }
  return out;
}

}  // namespace

std::vector<ReplicaNow> replicas_now(const client::InspectResult& inspected,
                                     const client::ClusterStatus& status) {
  std::vector<ReplicaNow> out;
  for (const auto& row : inspected.replicas) {
    ReplicaNow replica;
    replica.address = row.address;
    replica.up = std::any_of(status.nodes.begin(), status.nodes.end(), [&row](const auto& node) {
      return node.node == row.node && node.status.starts_with('U');
    });
    replica.answers = row.reachable && !row.not_ready && !row.damaged;
    replica.exists = !row.context.empty();
    replica.digest = row.digest;
    replica.hints = row.hints_pending;
    // One that says itself that it does not serve is planned as down.
    if (row.reachable && row.not_ready) replica.up = false;
    out.push_back(std::move(replica));
  }
  return out;
}

std::vector<Forecast> forecast(const std::vector<ReplicaNow>& replicas) {
  const Counted now = count(replicas);
  std::vector<Forecast> out = {numbered(now, "all", now.all),
                               numbered(now, "quorum", replication::majority_of(now.all)),
                               numbered(now, "one", 1), any(now)};
  for (std::size_t n = 1; n <= now.all; ++n) out.push_back(numbered(now, std::to_string(n), n));
  return out;
}

}  // namespace parley::cli
