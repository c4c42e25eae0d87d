// Probabilistically bounded staleness (Bailis, Venkataraman, Franklin, Hellerstein, Stoica: VLDB
// 2012): how likely a read that begins some time after a write's ack sees it, for every number of
// replicas that the write and the read require. By trials over measured latencies; pure.
//
// It does what Parley's coordinators do, which is not what the paper's Dynamo does: the owner that
// mints a write has it on its disk before any other owner hears of it (owner_write.h); a
// coordinator that is no owner passes a write to one first (write_coordinator.h); a read asks only
// as many owners as it requires, the coordinator's own copy first, then in preference order, and
// one more for each read_hedge that it waits (read_coordinator.h). Whoever changes these changes
// this. Replicas are made equal by nothing but the write's own copies: hints, read repair and
// anti-entropy come later than what is asked here. A copy is seen when it is durable, and a
// replica's answer is what it has when the question arrives: where the truth is in between, the
// prediction is on the stale side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "base/units.h"
#include "replication/latency_histogram.h"

namespace parley::replication {

// The network from one node to another: what a node's latency book says of a peer.
struct ModelLink {
  LatencyBuckets write_out, write_back, read_out, read_back;
};

struct ModelNode {
  bool up = true;
  LatencyBuckets mint, merge, read;
  std::vector<ModelLink> to;  // by node; the one to itself is not used
};

// Keys with the same owners, in preference order, by place among the nodes.
struct ModelRange {
  std::vector<std::size_t> owners;  // as many in every range
  double share = 0;                 // of all keys
};

// Clients write through a node that is up and read through another one, each as likely. Without
// any measurement of something it is taken to last no time.
struct StalenessModel {
  std::vector<ModelNode> nodes;
  std::vector<ModelRange> ranges;
  double read_hedge_ms = 30, pass_hedge_ms = 300;
};

// Values in ascending order, one for each trial; infinite where it cannot be done.
class Trials {
 public:
  Trials() = default;
  explicit Trials(std::vector<double> values);
  // The share of trials with at most this.
  double share_within(double value) const;
  double quantile(double share) const;
  const std::vector<double>& values() const { return values_; }

 private:
  std::vector<double> values_;
};

class Staleness {
 public:
  explicit Staleness(std::size_t n);

  std::size_t n() const { return n_; }
  // Milliseconds from the ack until a read sees the write. 1 <= required <= n.
  const Trials& fresh_after(std::size_t read, std::size_t write) const {
    return fresh_after_[(read - 1) * n_ + write - 1];
  }
  // Milliseconds at the coordinator, of a write, and of a read of a key whose replicas are equal.
  const Trials& write_ms(std::size_t write) const { return write_ms_[write - 1]; }
  const Trials& read_ms(std::size_t read) const { return read_ms_[read - 1]; }

 private:
  friend Staleness predict_staleness(const StalenessModel&, std::size_t, Random);
  std::size_t n_;
  std::vector<Trials> fresh_after_, write_ms_, read_ms_;
};

// The model has a node that is up and a range.
Staleness predict_staleness(const StalenessModel& model, std::size_t trials, Random random);

}  // namespace parley::replication
