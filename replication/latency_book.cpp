#include "replication/latency_book.h"

#include <algorithm>

namespace parley::replication {

LatencyBook::LatencyBook(Duration half_life)
    : half_life_(half_life), mint_(half_life), merge_(half_life), read_(half_life) {}

LatencyBook::Peer& LatencyBook::peer(const NodeId& node) {
  const auto found = peers_.find(node);
  if (found != peers_.end()) return found->second;
  if (peers_.size() >= kPeersMost) {
    peers_.erase(std::min_element(peers_.begin(), peers_.end(), [](const auto& a, const auto& b) {
      return a.second.last < b.second.last;
    }));
  }
  return peers_.emplace(node, half_life_).first->second;
}

void LatencyBook::asked(const NodeId& node, Question question, const RoundTrip& trip) {
  if (!trip.is_sound()) return;
  Peer& of = peer(node);
  of.last = trip.back;
  const Legs legs = of.clock.split(trip);
  (question == Question::Write ? of.write_out : of.read_out).record(legs.out, trip.back);
  (question == Question::Write ? of.write_back : of.read_back).record(legs.back, trip.back);
}

void LatencyBook::served(Own what, Duration elapsed, Instant now) {
  LatencyHistogram& into = what == Own::Mint ? mint_ : what == Own::Merge ? merge_ : read_;
  into.record(elapsed, now);
}

NodeLatencies LatencyBook::latencies() const {
  NodeLatencies out{mint_.buckets(), merge_.buckets(), read_.buckets(), {}};
  for (const auto& [node, of] : peers_) {
    out.peers.push_back({node, of.write_out.buckets(), of.write_back.buckets(),
                         of.read_out.buckets(), of.read_back.buckets()});
  }
  return out;
}

}  // namespace parley::replication
