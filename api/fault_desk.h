// FaultDesk: what an operator may break on this node, where --allow-faults was given; without it
// there is none. It owns the table of faults and stands between the node and its world: the
// network between nodes, the disk, the wall clock. Clients' connections are never touched, so a
// fault can always be healed. A driver; loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/client.h"
#include "base/log.h"
#include "base/metric.h"
#include "runtime/fault_table.h"
#include "runtime/faulty_network.h"
#include "runtime/skewed_loop.h"
#include "storage/slow_store.h"

namespace parley::api {

// The fault that an operator's words mean; its ranges are FaultTable's business. InvalidArgument
// for words that are none. Not for a pause, which is no fault of the table.
Result<runtime::Fault> fault_of(const client::FaultSpec& spec);
client::FaultSpec spec_of(const runtime::Fault& fault);

class FaultDesk {
 public:
  static constexpr Duration kPauseMost = 5min;

  // `stall` stops the loop's thread for so long; null: nothing can. All outlive the desk, and it
  // outlives the node's floors.
  FaultDesk(runtime::Loop& loop, runtime::Network& wire, Random random, Logger log,
            MetricRegistry& metrics, std::function<void(Duration)> stall);

  // For the node's floors instead of those given.
  runtime::Loop& loop() { return skewed_; }
  runtime::Network& network() { return network_; }
  // Once; the store dies before the desk, and no fault changes between the two.
  std::unique_ptr<storage::Store> wrap(std::unique_ptr<storage::Store> store);

  std::vector<client::FaultRow> faults() const;
  std::size_t active() const { return table_.active().size(); }
  // Its id; 0 for a pause, which begins once the answer is on its way. InvalidArgument, Overloaded,
  // Refused (nothing can pause this node): nothing changed.
  Result<std::uint64_t> inject(const client::FaultSpec& spec);
  // One fault by its id; or, with id 0, all with exactly this note; or, that being empty, all on
  // links to `peer`; or, that being empty too, all. How many. NotFound for an id that no fault has.
  Result<std::uint64_t> heal(std::uint64_t id, const std::string& peer,
                             const std::string& note = "");

 private:
  Result<std::uint64_t> pause(Duration span);
  void changed();
  void arm();

  runtime::Loop& real_loop_;
  const Logger log_;
  const std::function<void(Duration)> stall_;
  Random random_;
  runtime::FaultTable table_;
  runtime::SkewedLoop skewed_;
  runtime::FaultyNetwork network_;
  storage::SlowStore* store_ = nullptr;  // see wrap()
  runtime::Timer end_timer_, reminder_, pause_timer_;
  Gauge active_;
  Counter injected_;
};

}  // namespace parley::api
