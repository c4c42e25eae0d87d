// parley_client: the C++ client library. Keeps connections to several nodes, learns the ring from
// them, sends each key to one of its replicas, fails over, and puts a deadline on every call.
//
// Thread-safe: every method may be called from any thread. The blocking methods wait for their
// answer; the *_async methods return at once and call back on the client's own thread (the callback
// must not block and must not destroy the Client). Each call ends at the latest shortly after its
// deadline. Calls begun out of a callback while the Client is being destroyed are dropped, without
// a callback of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"

namespace parley::client {

struct ClientOptions {
  std::vector<std::string> endpoints = {"127.0.0.1:7400"};  // HOST:PORT of client ports
  Duration timeout = 2s;                                    // default deadline of a call
  bool learn_ring = true;                                   // false: only ever talk to `endpoints`
  std::size_t in_flight_most = 4096;  // calls at once, a batch being one; past it: overloaded
};

// A level as text: "all", "quorum", "one", "any" or a number; empty: the keyspace's default. In a
// result it is empty only when the default was asked for and the refusal came before it was known.
struct WriteOptions {
  std::string level;
  std::optional<Bytes>
      context;  // as a read gave it; nullopt: concurrent with everything (siblings)
  bool memory_durability = false;
  OpId op;  // nil: the library mints one and keeps it over its retries
  std::string keyspace = "default";
  std::optional<Duration> timeout;
  bool trace = false;  // say in the result who was asked what, and when each answered
};
struct ReadOptions {
  std::string level;
  std::string keyspace = "default";
  std::optional<Duration> timeout;
  bool trace = false;
};

enum class Outcome : std::uint8_t { Ok, NotWritten, Unknown };

struct ReplicaReceipt {
  std::string node, address;
  std::string state;        // durable | memory | hinted | failed | no_answer | pending
  std::string hint_holder;  // address, with "hinted"
};

// What the coordinator asked of one node, or did itself. Microseconds since the request began
// there.
struct TraceRow {
  std::string node, address;
  std::string what;  // mint, write, read, repair, hint for ADDRESS, pass on, find hints
  std::int64_t sent_us = 0;
  std::int64_t answered_us = -1;  // -1: not when the reply left
  std::string outcome;            // ok, or an error's code; empty: not answered
};

struct WriteResult {
  Outcome outcome = Outcome::NotWritten;
  std::optional<Error> error;  // unless Ok. `connected` tells "no node answered" from the rest
  bool connected = true;       // false: no endpoint could be reached at all
  std::string version;
  Bytes context;  // covers this write, or only what it had seen: see WriteResult in parley.capnp
  std::string level;
  std::uint32_t required = 0;
  std::vector<ReplicaReceipt> replicas;
  std::vector<std::string> hint_holders;
  std::vector<TraceRow> trace;
};

struct Value {
  Bytes value;
  std::string version;
};

struct ReadResult {
  Outcome outcome = Outcome::NotWritten;  // Ok, or NotWritten: unavailable
  std::optional<Error> error;
  bool connected = true;
  bool found = false;
  std::vector<Value> values;
  Bytes context;
  std::string level;
  std::uint32_t required = 0, asked = 0, answered = 0, agreed = 0, repaired = 0;
  bool from_hint = false;
  std::vector<TraceRow> trace;
};

struct PutItem {
  Bytes key;
  std::optional<Bytes> value;  // nullopt: delete
  std::optional<Bytes> context;
};

// --- what the admin interface says ---
struct StatusRow {
  std::string address;
  std::string status;  // UN DN UJ UL
  std::string node, rack, dc;
  std::uint64_t load_bytes = 0;
  double owns = 0;  // share of the keys of which it is a replica, 0..1
  std::uint64_t hints_for = 0;
  std::uint32_t tokens = 0;
  std::uint64_t faults = 0;  // that an operator has put on it
  std::uint16_t client_port = 0;
};
struct ClusterStatus {
  std::vector<StatusRow> nodes;
  std::string ring_digest;
  bool views_agree = false;
  std::string cluster_name, cluster_id;
  // Addresses of nodes that are up and did not say in time what they hold: their load is what they
  // said last, and their hints are missing from `hints_for`.
  std::vector<std::string> no_answer;
};
// What the nodes said that are up and answered in time, and the addresses of those that did not.
template <typename Row>
struct Gathered {
  std::vector<Row> rows;
  std::vector<std::string> no_answer;
};
struct RingRow {
  std::uint32_t slot = 0;  // the vnode's slot; its token is slot * 2^48
  std::string node, address;
};
struct RingInfo {
  std::string digest;
  std::vector<RingRow> vnodes;
};
struct ReplicaAddress {
  std::string address, node;
};
struct InspectRow {
  std::string address, node, version, context, digest;
  bool tombstone = false, reachable = false, damaged = false;
  std::uint64_t hints_pending = 0;
  bool not_ready = false;  // it answers, and serves nothing now
};
// In a word or two, for people: "has it", "deleted", "no answer", ...
const char* state_of(const InspectRow& row);
struct InspectResult {
  std::vector<InspectRow> replicas;
  bool diverged = true;
  bool exists = false;  // some replica has a record
};
// Requests that one node coordinated since it started, of one kind and level.
struct WorkRow {
  std::string op, level;
  std::uint64_t ok = 0, refused = 0, unknown = 0;
  double seconds_sum = 0;
  std::vector<std::uint64_t> buckets;  // by Histogram::kBounds, each without those before it
  bool operator==(const WorkRow&) const = default;
};

struct NodeInfo {
  std::string node, address, version, cluster_name, cluster_id, storage_id, data_dir;
  std::uint16_t client_port = 0, peer_port = 0, http_port = 0;
  std::uint64_t generation = 0, uptime_ms = 0, load_bytes = 0, hints = 0;
  std::string rack, dc, ready;                               // "ready", or why not
  std::vector<std::pair<std::string, std::string>> options;  // name, value
  std::vector<WorkRow> work;
};
struct GossipRow {
  std::string node, address, liveness;
  std::uint64_t generation = 0;
  std::uint32_t incarnation = 0;
  std::int64_t last_heard_ms = -1;
  double rtt_ms = -1;
  std::string view_digest, ring_digest;
};
struct HintRow {
  std::string holder, target;  // addresses
  std::string target_node;
  std::uint64_t hints = 0, sole_hints = 0, bytes = 0;
  std::int64_t oldest_ms = 0;
};
struct RepairRow {
  std::string holder, peer;  // addresses
  std::int64_t last_sync_ms = -1;
  std::uint64_t keys_last = 0, keys_total = 0;
  bool running = false, equal = false;
};
struct KeyspaceInfo {
  std::string name, id, conflict_rule, read_level, write_level;
  std::uint32_t replication_factor = 0;
  std::uint64_t version = 0;
};

struct ConflictRow {
  Bytes key;
  std::vector<std::string> versions;  // of the live values, in a read's order
};
struct ConflictPage {
  std::vector<ConflictRow> rows;
  Bytes next;  // go on after it, also when there are no rows; empty: that were all
  std::vector<std::string> no_answer;
};

// What an operator breaks on one node (`parley fault`); only where it runs with --allow-faults.
struct FaultSpec {
  std::string kind = "link";  // link | slow_disk | skew | pause
  // link: to which peer (a numeric address; empty: all), as this node sees it
  std::string peer;
  std::string direction = "both";  // both | out | in
  std::string traffic = "all";     // all | peer (streams) | gossip (datagrams)
  bool cut = false;
  double drop = 0, duplicate = 0, reorder = 0, corrupt = 0;  // shares, 0..1
  std::uint64_t delay_ms = 0, jitter_ms = 0;                 // link, slow_disk
  std::uint64_t bytes_per_second = 0;                        // link; 0: no limit
  std::int64_t skew_ms = 0;                                  // skew: the wall clock is so far ahead
  std::uint64_t for_ms = 0;  // heals by itself after it; 0: never. A pause needs it
  std::string note;          // shown beside it
  bool operator==(const FaultSpec&) const = default;
};
struct FaultRow {
  std::uint64_t id = 0;
  FaultSpec spec;
  std::string text;           // for people: "cut to and from 127.0.0.2"
  std::int64_t left_ms = -1;  // -1: until it is healed
};

// What one node has measured of late: how long things take, in log buckets, ascending.
struct LatencyBucket {
  double from_ms = 0, to_ms = 0;
  double weight = 0;
};
using LatencyBuckets = std::vector<LatencyBucket>;
struct PeerLatencies {
  std::string node, address;  // no address: no member any more
  // One way each; what the peer itself takes is its own merge and read.
  LatencyBuckets write_out, write_back, read_out, read_back;
};
struct NodeLatencies {
  std::string node, address;
  LatencyBuckets mint, merge, read;  // on its own disk
  std::vector<PeerLatencies> peers;
};

class Client {
 public:
  // InvalidArgument for an endpoint that is no numeric HOST:PORT. Does not connect yet.
  static Result<std::unique_ptr<Client>> make(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  WriteResult put(Bytes key, Bytes value, WriteOptions options = {});
  WriteResult del(Bytes key, WriteOptions options = {});
  ReadResult get(Bytes key, ReadOptions options = {});
  // Of any size. One result per item, in order; items are independent of each other. Grouped by
  // replica; a bounded part is under way at a time, the whole within the deadline: what could not
  // be sent by then is NotWritten (Expired). Items turned away as overloaded are sent again.
  std::vector<WriteResult> put_batch(std::vector<PutItem> items, WriteOptions options = {});
  std::vector<ReadResult> get_batch(std::vector<Bytes> keys, ReadOptions options = {});

  void put_async(Bytes key, Bytes value, WriteOptions options,
                 std::function<void(WriteResult)> done);
  void del_async(Bytes key, WriteOptions options, std::function<void(WriteResult)> done);
  void get_async(Bytes key, ReadOptions options, std::function<void(ReadResult)> done);

  // Admin: answered by the first endpoint given that answers. Error Unreachable: none did.
  Result<ClusterStatus> status();
  Result<RingInfo> ring();
  Result<NodeInfo> info();
  Result<std::vector<GossipRow>> gossip();
  Result<std::vector<ReplicaAddress>> endpoints(Bytes key, std::string keyspace = "default");
  Result<InspectResult> inspect(Bytes key, std::string keyspace = "default");
  // Of every node that is up, asked through the one connected to.
  Result<Gathered<HintRow>> hints();
  // How many were dropped, over all nodes that are up. `target`: an address or a node id; empty:
  // all targets. Hints that may be the only copy of an acknowledged write stay. Error Unknown: some
  // node that is up did not answer and may still hold hints.
  Result<std::uint64_t> drop_hints(std::string target);
  // Starts a round on every node that is up; with `wait`, until all have ended: the keys moved.
  Result<std::uint64_t> repair(bool wait);
  Result<Gathered<RepairRow>> repair_status();
  // Keys with more than one live value, after the key `after` (empty: from the start); at most
  // `limit` of them (0: 100; 256 at most).
  Result<ConflictPage> conflicts(std::string keyspace, Bytes after = {}, std::uint32_t limit = 0,
                                 std::optional<Duration> timeout = {});
  Result<KeyspaceInfo> keyspace(std::string name);
  // Empty level: unchanged.
  Result<KeyspaceInfo> set_consistency(std::string name, std::string read_level,
                                       std::string write_level);
  // Of the node that answers alone. Error Refused: it does not allow faults.
  Result<std::vector<FaultRow>> faults();
  // Its id; 0 for a pause. InvalidArgument, Overloaded, Refused: nothing changed.
  Result<std::uint64_t> inject_fault(FaultSpec spec);
  // One by its id; with id 0 all with exactly this note; with an empty note all on links to `peer`;
  // with an empty peer all. How many.
  Result<std::uint64_t> heal_faults(std::uint64_t id, std::string peer, std::string note = "");
  // Of the node that answers alone.
  Result<NodeLatencies> latencies();

 private:
  class Core;
  explicit Client(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace parley::client
