// LatencyBook: what this node has measured, all the time, of the ways to its peers and of its own
// disk: what the prediction of staleness is made from (staleness.h). A few additions for each
// request. Pure.
#pragma once

#include <map>

#include "base/ids.h"
#include "replication/clock_offset.h"
#include "replication/latency_histogram.h"

namespace parley::replication {

// Of the words of Bailis et al. (VLDB 2012) W, A, R and S: the way of a write's copy to a replica,
// of its ack back, of a read's question to a replica and of its answer back. Here they are the
// network alone; what the replica takes is its own node's `merge` and `read`.
struct PeerLatencies {
  NodeId peer;
  LatencyBuckets write_out, write_back, read_out, read_back;
};

struct NodeLatencies {
  LatencyBuckets mint;   // a write on the disk of the owner that mints it
  LatencyBuckets merge;  // a copy of it on another owner's
  LatencyBuckets read;   // a replica's copy read
  std::vector<PeerLatencies> peers;
};

class LatencyBook {
 public:
  static constexpr std::size_t kPeersMost = 1024;  // the one that was silent longest gives way

  enum class Question : std::uint8_t { Write, Read };
  enum class Own : std::uint8_t { Mint, Merge, Read };

  explicit LatencyBook(Duration half_life);

  // What is not sound is left out.
  void asked(const NodeId& peer, Question question, const RoundTrip& trip);
  void served(Own what, Duration elapsed, Instant now);
  NodeLatencies latencies() const;

 private:
  struct Peer {
    explicit Peer(Duration half_life)
        : write_out(half_life), write_back(half_life), read_out(half_life), read_back(half_life) {}
    LatencyHistogram write_out, write_back, read_out, read_back;
    ClockOffset clock;
    Instant last{};
  };
  Peer& peer(const NodeId& node);

  const Duration half_life_;
  LatencyHistogram mint_, merge_, read_;
  std::map<NodeId, Peer> peers_;
};

}  // namespace parley::replication
