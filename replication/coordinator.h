// Coordinator: executes one client request at its consistency level. The deciders are
// replica_plan, write_quorum and read_merge; this is the driver's face to the API floor.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"
#include "base/result.h"
#include "membership/view.h"
#include "replication/hint_log.h"
#include "replication/latency_book.h"
#include "replication/level.h"
#include "replication/observers.h"
#include "replication/options.h"
#include "replication/replica.h"
#include "replication/request_trace.h"
#include "runtime/loop.h"
#include "runtime/rpc.h"

namespace parley::replication {

enum class Outcome : std::uint8_t {
  Ok,          // the level was met
  NotWritten,  // provably no replica has it nor ever will (reads: unavailable)
  Unknown,     // sent, and fewer than required answered in time; may appear later
};
const char* to_text(Outcome outcome);

enum class ReplicaState : std::uint8_t { Durable, Memory, Hinted, Failed, NoAnswer, Pending };
const char* to_text(ReplicaState state);

struct ReplicaReceipt {
  NodeId node;
  std::string address;
  ReplicaState state = ReplicaState::Pending;
  std::string hint_holder;  // address; Hinted only
};

struct WriteRequest {
  KeyspaceId keyspace;
  Bytes key;
  std::optional<Bytes> value;  // nullopt: delete
  Level level;
  std::optional<Bytes> context;  // token as a read gave it (see context_token.h)
  storage::Durability durability = storage::Durability::Fsync;
  OpId op;  // nil: the coordinator mints one
  Instant deadline;
  bool trace = false;
};

struct WriteReply {
  Outcome outcome = Outcome::NotWritten;
  std::optional<Error> error;  // set unless Ok
  std::string version;         // the dot's text; empty when none was minted (as far as is known)
  Bytes context;  // token, see context_after_write(); empty unless a version was minted
  std::optional<Level> level;  // nullopt: refused before it was known
  std::size_t required = 0;
  std::vector<ReplicaReceipt> replicas;   // in preference order; empty if refused before planning
  std::vector<std::string> hint_holders;  // addresses
  std::vector<TraceRow> trace;            // if asked for: what had happened when this left
};

struct ReadRequest {
  KeyspaceId keyspace;
  Bytes key;
  Level level;
  Instant deadline;
  bool trace = false;
};

struct ReadValue {
  Bytes value;
  std::string version;
};

struct ReadReply {
  Outcome outcome = Outcome::NotWritten;  // Ok, or NotWritten with Unavailable and the like
  std::optional<Error> error;
  bool found = false;             // at least one value that is no tombstone
  std::vector<ReadValue> values;  // live siblings, tombstones left out, by dot
  Bytes context;                  // token; covers tombstones too; empty when nothing was ever seen
  std::optional<Level> level;     // as in WriteReply
  std::size_t required = 0, asked = 0, answered = 0;
  std::size_t agreed = 0;    // answers that had the merged version before any repair
  std::size_t repaired = 0;  // replicas made equal before this answer
  bool from_hint = false;
  std::vector<TraceRow> trace;  // as in WriteReply
};

struct InspectRow {
  NodeId node;
  std::string address;
  bool reachable = false;
  bool holds_record = false;
  bool damaged = false;
  bool not_ready = false;  // it answers, and serves nothing now: what it holds counts for nothing
  std::string version;     // dots of the live siblings, comma-separated; empty: none
  std::string context;     // version vector as text
  std::uint64_t digest = 0;
  bool tombstone = false;           // every live sibling is a delete
  std::uint64_t hints_pending = 0;  // hints for this replica and key, summed over live nodes
};

struct InspectReply {
  std::optional<Error> error;
  std::vector<InspectRow> replicas;  // in preference order
  bool diverged = true;
};

class Coordinator {
 public:
  virtual ~Coordinator() = default;
  // `done` comes exactly once, at the latest shortly after the deadline, never inside the call,
  // unless the Coordinator is destroyed first.
  virtual void write(WriteRequest request, std::function<void(WriteReply)> done) = 0;
  virtual void read(ReadRequest request, std::function<void(ReadReply)> done) = 0;
  virtual void inspect(KeyspaceId keyspace, Bytes key, Instant deadline,
                       std::function<void(InspectReply)> done) = 0;
  virtual std::size_t in_flight() const = 0;
};

// Everything that replication needs of the world below it.
struct ReplicationWorld {
  const ReplicationOptions& options;
  runtime::Loop& loop;
  runtime::Rpc& rpc;
  storage::Store& store;
  // nullptr while this node serves nothing: no member yet, or rebuilding itself
  std::function<membership::ViewPtr()> view;
  std::function<bool()> accepts_writes;
  std::function<void(const NodeId&)> call_failed;  // evidence for the failure detector
  Logger log;
  MetricRegistry& metrics;
  // Why this node's clock may stamp no write where the last writer wins: ClockSkew.
  std::function<std::optional<Error>()> clock_trouble = nullptr;
};

// Replica + HintLog + Coordinator + the service that answers other nodes' replication verbs.
// `storage_id` and the durable epoch lease live in the store's named values; `Damaged` if
// unreadable.
class Replication {
 public:
  virtual ~Replication() = default;
  virtual Replica& replica() = 0;
  virtual HintLog& hints() = 0;
  virtual Coordinator& coordinator() = 0;
  // As measured up to now.
  virtual NodeLatencies latencies() const = 0;
  virtual void observe(DivergenceObserver* observer) = 0;
  // What all co-owners had has been taken since this start: the epochs of earlier lives may be
  // continued. Until then mints draw new ones, since the disk may be an earlier copy of itself.
  virtual void trust_earlier_lives() = 0;
  // `ready` comes once, in a later turn, when this node can mint: its storage id and a lease of key
  // epochs are durable. Until then mints are NotReady.
  virtual void when_ready(std::function<void()> ready) = 0;
};
Result<std::unique_ptr<Replication>> make_replication(ReplicationWorld world, Random random);

}  // namespace parley::replication
