// Gossiper: the driver around SWIM, joining and the exchange of records. It owns the datagram
// socket and timers, and feeds the deciders (swim.h, join.h) with bytes and time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"
#include "membership/held_keyspace.h"
#include "membership/options.h"
#include "membership/view.h"
#include "runtime/loop.h"
#include "runtime/network.h"
#include "runtime/rpc.h"

namespace parley::membership {

// Where membership keeps what must survive a restart. Implemented by whoever owns the disk.
class Journal {
 public:
  virtual ~Journal() = default;
  // Durable before `done`. The newest save wins. A failed save ends the process (fail-stop), so
  // `done` means success.
  virtual void save(Bytes state, std::function<void()> done) = 0;
};

struct GossiperStart {
  NodeRecord self;              // id, generation (already durable), addresses, rack, dc; no slots
  std::optional<Bytes> state;   // what Journal::save last kept; nullopt on the first start
  std::string cluster_name;     // --cluster
  std::vector<Endpoint> seeds;  // --seed
  bool found = false;           // --found
  std::size_t vnodes = 0;       // --vnodes
  // --conflict-rule: of the keyspace `default`, if this node founds the cluster. nullopt: siblings.
  std::optional<ConflictRule> conflict_rule = std::nullopt;
  std::function<bool()> has_records;  // does this node hold data?
  // Is a client's write under way here, which may yet leave data? Consent to a join waits for it.
  std::function<bool()> writes_under_way = nullptr;
  // The first news of another life of this node, up to that generation: to be kept durably. Until
  // it is clear which of the two is the old one this process may be killed, and the next would
  // begin above both.
  std::function<void(Generation later)> in_doubt = nullptr;
};

// One row of `parley gossip`.
struct GossipRow {
  Member member;
  std::int64_t last_heard_ms = -1;  // since the last proof of life; -1: never
  double rtt_ms = -1;
  std::uint64_t view_digest = 0, ring_digest = 0;  // as last said by it
};

// Why this node can be no member as it is.
struct Refusal {
  Error error;
  // Not 0: an old copy of its disk came back, and no other process runs with its id. It may go on
  // with a generation above this one, once it holds what its co-owners have.
  Generation later = 0;
};

class Gossiper {
 public:
  virtual ~Gossiper() = default;

  // Begins to probe, found or join. `refused` comes at most once, with one clear line, when this
  // node can not be a member as it is (another cluster or name, the cluster holds data, its disk
  // runs twice, an old copy of its disk came back): destroy the Gossiper.
  virtual void start(std::function<void(const Refusal&)> refused) = 0;
  // nullptr until this node is on the ring of a cluster; after a restart also until enough members
  // have heard its generation without knowing a later one, or a second without an answer passed;
  // and from the news of another life of this node on.
  virtual ViewPtr view() const = 0;
  // While waiting to join: why, for the log and /readyz ("waiting for 127.0.0.2:7401 ...").
  virtual std::string waiting_for() const = 0;
  // False for a moment while another node's join is being agreed: writes are then refused as
  // overloaded with a retry time.
  virtual bool accepts_writes() const = 0;
  virtual void observe(MembershipObserver* observer) = 0;  // any number; before start()
  virtual std::vector<GossipRow> gossip() const = 0;
  // True when every up member last said the same view and ring digest as ours.
  virtual bool views_agree() const = 0;
  // This node has rebuilt itself (GossiperStart::self.serves was false): tells the others.
  virtual void serve() = 0;
  // How far this node's wall clock is ahead of the median of the members' clocks, its own among
  // them; nullopt until a majority of the members has answered in this life.
  virtual std::optional<Duration> clock_off() const = 0;
  // A reason to probe this member out of turn (a call to it failed, its connection broke).
  virtual void suspect_evidence(const NodeId& node) = 0;
  // Changes a keyspace here and on a majority of the ring's members, durably, and answers with the
  // record that they hold then. A level that it does not name stays as whoever set it last left it;
  // what another member made of the same level meanwhile is changed again, not passed over. Errors:
  // NotFound, Unavailable (nothing sent), Unknown (fewer than a majority took it in time: it may
  // prevail later, even over a change of the same level that was made since).
  virtual void change_keyspace(const KeyspaceId& id, const KeyspaceChange& change, Duration timeout,
                               std::function<void(Result<KeyspaceRecord>)> done) = 0;
  // Says goodbye (Left) and calls `done` when it is on its way to all, at most `patience` later.
  virtual void leave(Duration patience, std::function<void()> done) = 0;
};

// Errors: InvalidArgument when the datagram socket cannot be bound or the saved state is
// unreadable.
Result<std::unique_ptr<Gossiper>> make_gossiper(const MembershipOptions& options,
                                                GossiperStart start, runtime::Loop& loop,
                                                runtime::Network& network, runtime::Rpc& rpc,
                                                Journal& journal, Random random, Logger log,
                                                MetricRegistry& metrics);

}  // namespace parley::membership
