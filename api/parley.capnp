# Parley's client protocol: Cap'n Proto RPC (two-party, level 1) over TCP, by default on port 7400.
# These comments are its reference. Never renumber a field, method or enumerant; only add.
#
# Ask for the bootstrap capability as a `Parley`, call keyValue() and pipeline the first request on
# its result: one round trip. Every node serves every key; sending to a replica of the key (see
# topology()) saves a hop.
#
# Limits (a node's options may lower or raise the ones marked *):
#   key 1 B to 4 KiB*; value 0 B to 1 MiB*; context 64 KiB; siblings of a key 64* or 4 MiB*;
#   message 8 MiB to a node and 33 MiB from it, in at most 16 segments; nesting 32; batch 1024
#   items and 4 MiB of keys, values and contexts; calls under way on one connection 1024* (each item of a batch counts as one);
#   deadline 60 s*.
# Send a Finish for every answer that you have read, as every implementation's futures do when they
# are dropped: until then, or until the connection ends, a node keeps the answer in memory, and
# nothing but the bound on connections limits that.
# A message over the message limits ends the connection. Everything else that goes wrong is a value
# in the results (`Failure`), never an exception: an exception means that the connection broke, that
# the message was malformed, or a bug, and then a write may have happened.
#
# All ids are 16 bytes (or, as Text, 8-4-4-4-12 lower-case hexadecimal). All times are milliseconds.
@0x9e12f5d06f48344e;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("parley::api::schema");

interface Parley {
  keyValue @0 () -> (service :KeyValue);
  admin @1 () -> (service :Admin);
}

# ---------------------------------------------------------------------------------------------
# Words shared by all calls

# How many replicas must answer. N is the smaller of the keyspace's replication factor and the
# number of nodes on the ring.
struct Level {
  union {
    default @0 :Void;    # the keyspace's default for reads or for writes
    all @1 :Void;        # N
    quorum @2 :Void;     # floor(N / 2) + 1
    one @3 :Void;        # 1
    any @4 :Void;        # writes: 1 replica, or a durable hint on a reachable node; reads: as
                         # `one`, and if no replica answers, hints are asked for and
                         # the answer is marked
    number @5 :UInt32;   # that many. Above the replication factor: invalidArgument; above N:
                         # unavailable
  }
}

enum Durability {
  fsync @0;              # a replica counts once the write is on its disk
  memory @1;             # it counts before; such a write is outside every promise about crashes
                         # and full disks
}

enum Outcome {
  unknown @0;            # sent, and fewer than required answered in time: it may appear later
  ok @1;                 # the level was met
  notWritten @2;         # provably no replica has it nor ever will; for reads: unavailable
}

# What went wrong. `none`: nothing. Each line says whether the state may have changed.
enum ErrorCode {
  none @0;
  internal @1;           # a bug or an impossible answer; may have changed
  invalidArgument @2;    # the request is malformed; unchanged
  tooLarge @3;           # key, value, context, batch or version set over its limit; unchanged
  badContext @4;         # malformed, forged or foreign causal context; unchanged
  unavailable @5;        # too few live replicas, nothing was sent; unchanged
  unknown @6;            # sent, too few answered in time; may have changed
  unreachable @7;        # (client libraries) no connection could be made; unchanged
  noAnswer @8;           # (client libraries) sent, no answer in time; may have changed
  overloaded @9;         # a queue or cap is full; unchanged; retry after retryAfterMs
  wrongRing @10;         # the node's idea of the owners is behind; unchanged
  wrongCluster @11;      # another cluster; unchanged
  siblingCap @12;        # the key has too many siblings to take one more; unchanged
  expired @13;           # the deadline passed before the work was begun; unchanged
  damaged @14;           # the record failed its checksum, so there is no answer; unchanged
  diskFull @15;          # writes are refused until there is room; unchanged
  refused @16;           # not permitted, for the reason in the message; unchanged
  notReady @17;          # the node is not (yet, or any more) serving; unchanged; try another
  unsupported @18;       # this node's version does not know it; unchanged
  notFound @19;          # a named thing (node, keyspace) does not exist; unchanged
  staleCopy @20;         # that node's data directory is an old copy; unchanged; try another
  clockSkew @21;         # that node's clock is too far off to stamp a write; unchanged; try another
}

struct Failure {
  code @0 :ErrorCode;
  message @1 :Text;          # one clear line for a person; no contract
  retryAfterMs @2 :UInt32;   # > 0 only with overloaded and notReady
}

# ---------------------------------------------------------------------------------------------
# Keys and values

interface KeyValue {
  put @0 (write :Write, options :WriteOptions) -> (result :WriteResult);
  # A delete is a version like any other: a tombstone. `write.value` is ignored.
  delete @1 (write :Write, options :WriteOptions) -> (result :WriteResult);
  get @2 (key :Data, options :ReadOptions) -> (result :ReadResult);

  # One result for each item, in order; items are independent of each other and may end in
  # different outcomes. A failure of the whole batch (too many items, too large) is said in
  # `failure`: then nothing was written and `results` is empty.
  putMany @3 (writes :List(Write), options :WriteOptions)
      -> (results :List(WriteResult), failure :Failure);
  # Where the values of all keys together would not fit one message, the keys for which there was
  # no more room answer `overloaded`: ask for these again.
  getMany @4 (keys :List(Data), options :ReadOptions)
      -> (results :List(ReadResult), failure :Failure);

  topology @5 (keyspace :Text) -> (topology :Topology, failure :Failure);
}

struct Write {
  key @0 :Data;
  value @1 :Data;
  isDelete @2 :Bool;     # putMany only
  # As a read or a write of this very key gave it: the write replaces exactly what that one saw.
  # Absent or empty: concurrent with everything that is there.
  context @3 :Data;
  # 16 bytes that name this operation; a retry must carry the same. Absent: the node mints one.
  # A retry of an operation that was overwritten in between may bring its value back.
  opId @4 :Data;
  # Later: time to live.
}

struct WriteOptions {
  keyspace @0 :Text;     # absent or empty: "default"
  level @1 :Level;
  durability @2 :Durability;
  timeoutMs @3 :UInt32;  # from receipt; 0: the node's usual (2 s); more than its most: its most
  trace @4 :Bool;        # say in the result who was asked what, and when each answered
}

struct ReadOptions {
  keyspace @0 :Text;
  level @1 :Level;
  timeoutMs @2 :UInt32;
  trace @3 :Bool;
}

# The receipt: what is known of every replica at the moment of the answer, whatever the outcome.
struct WriteResult {
  outcome @0 :Outcome;
  failure @1 :Failure;         # set unless ok
  version @2 :Text;            # names this write for ever; empty when none was minted
  # What the write's own context covered, and with it this write, unless that would also cover a
  # live sibling that the writer has not seen: a context says 1..n of an actor. So the context of a
  # blind write over siblings of the same actor covers nothing, and a write that carries it adds a
  # sibling. Empty when no version was minted.
  context @3 :Data;
  level @4 :Level;             # as executed, or as asked for: `default` only where the request was
                               # refused before the keyspace's default was known
  required @5 :UInt32;         # replicas that the level required
  replicas @6 :List(ReplicaReceipt);  # in preference order; empty if refused before planning
  hintHolders @7 :List(Text);  # addresses of nodes that keep this write for an absent replica
  # If asked for (put, delete and get), in the order in which it was sent; 128 rows at most.
  trace @8 :List(TraceRow);
}

struct ReplicaReceipt {
  node @0 :Text;
  address @1 :Text;            # listen address, without a port
  state @2 :State;
  hintHolder @3 :Text;         # address; with `hinted`

  enum State {
    pending @0;                # not yet answered when this reply left
    durable @1;                # fsynced there
    memory @2;                 # there, not yet fsynced (asked for by Durability.memory)
    hinted @3;                 # not there; a hint is kept for it. Counts for `any` only
    failed @4;                 # said no: it does not have the write
    noAnswer @5;               # asked, and silent: it may have the write
  }
}

struct ReadResult {
  outcome @0 :Outcome;         # ok or notWritten (unavailable)
  failure @1 :Failure;
  found @2 :Bool;              # at least one value
  values @3 :List(Value);      # more than one: concurrent siblings. Deletes are left out
  context @4 :Data;            # covers all that was read, deletes too. Empty: nothing was seen
  level @5 :Level;
  required @6 :UInt32;
  asked @7 :UInt32;            # replicas asked
  answered @8 :UInt32;
  agreed @9 :UInt32;           # of the answers, those equal to the merged version before any repair
  repaired @10 :UInt32;        # replicas made equal before this answer
  fromHint @11 :Bool;          # `any`: no replica answered, this comes from hints
  trace @12 :List(TraceRow);   # as in WriteResult

  struct Value {
    value @0 :Data;
    version @1 :Text;
  }
}

# Enough to compute every key's replicas: token = XXH3-64 of the key; its slot = the top 16 bits;
# the replicas are the first N distinct nodes clockwise from the first vnode at or after that slot.
struct Topology {
  ringDigest @0 :UInt64;       # equal digests mean equal rings
  replicationFactor @1 :UInt32;
  nodes @2 :List(Node);

  struct Node {
    node @0 :Data;             # 16 bytes
    address @1 :Text;
    clientPort @2 :UInt16;
    up @3 :Bool;               # as the node asked believes
    slots @4 :List(UInt16);    # of its vnodes; empty: not on the ring
    rack @5 :Text;             # reserved for placement; not used yet
  }
}

# ---------------------------------------------------------------------------------------------
# Administration. timeoutMs as in WriteOptions.

interface Admin {
  # As seen by the node asked; load and hints are asked of the others that are up. Those that do
  # not answer shortly are left out of the sums and named in ClusterStatus.noAnswer.
  status @0 (timeoutMs :UInt32) -> (status :ClusterStatus, failure :Failure);
  ring @1 () -> (ring :RingInfo, failure :Failure);
  info @2 () -> (info :NodeInfo, failure :Failure);
  gossip @3 () -> (rows :List(GossipRow), failure :Failure);
  # The replicas of a key, in preference order.
  endpoints @4 (keyspace :Text, key :Data) -> (replicas :List(ReplicaAddress), failure :Failure);
  # What each replica of a key holds.
  inspect @5 (keyspace :Text, key :Data, timeoutMs :UInt32)
      -> (result :InspectResult, failure :Failure);
  # Hints kept, by holder and target, over all nodes that are up and answer. `noAnswer`: the
  # addresses of those that are up and did not answer shortly; what they keep is not in `rows`.
  hints @6 (timeoutMs :UInt32)
      -> (rows :List(HintRow), failure :Failure, noAnswer :List(Text));
  # On all nodes that are up. `target`: an address or a node id; empty: all targets. Hints that may
  # be the only copy of an acknowledged write stay.
  dropHints @7 (target :Text, timeoutMs :UInt32) -> (dropped :UInt64, failure :Failure);
  # Starts an anti-entropy round on every node that is up. With `wait`: answers when all have
  # ended, with the number of keys moved (failure `unknown` when some did not end in time, or went
  # down before they were compared). Nodes that are down (see status) are compared with nobody.
  repair @8 (wait :Bool, timeoutMs :UInt32) -> (keys :UInt64, failure :Failure);
  # What every node that is up and answers says of its comparisons; `noAnswer` as in hints().
  repairStatus @9 (timeoutMs :UInt32)
      -> (rows :List(RepairRow), failure :Failure, noAnswer :List(Text));
  keyspace @10 (name :Text) -> (keyspace :KeyspaceInfo, failure :Failure);
  # Sets a keyspace's default levels on a majority of the nodes, durably. `default`: unchanged.
  setConsistency @11 (name :Text, readLevel :Level, writeLevel :Level, timeoutMs :UInt32)
      -> (keyspace :KeyspaceInfo, failure :Failure);
  # Of this node alone, and only where it was started with --allow-faults (else: refused). Faults
  # are put on the traffic between nodes, the disk and the clock, never on clients' connections.
  faults @12 () -> (rows :List(FaultRow), failure :Failure);
  # `id` names it for healFaults; 0 for a pause, which begins 50 ms after the answer.
  injectFault @13 (fault :Fault) -> (id :UInt64, failure :Failure);
  # One by its id (notFound if there is none); with id 0 all with exactly this note; with an empty
  # note all on links to `peer`; with an empty peer all.
  healFaults @14 (id :UInt64, peer :Text, note :Text) -> (healed :UInt64, failure :Failure);
  # What this node alone has measured of late of its peers and its own disk, all the time, of the
  # requests that it served: what staleness is predicted from.
  latencies @15 () -> (latencies :NodeLatencies, failure :Failure);
  # Keys with more than one live value, of every node that is up and answers, by token and then key,
  # after the key `after` (empty: from the start), at most `limit` (0: 100; 256 at most). `next`: go
  # on after it, also when there are no rows (a node looks at so many keys in the time it has); empty:
  # that were all. Replicas that differ are merged, as far as each has several values by itself: what
  # a read would only find by merging two replicas comes once repair has made them equal. `noAnswer`
  # as in hints(): keys that only those hold may be missing.
  conflicts @16 (keyspace :Text, after :Data, limit :UInt32, timeoutMs :UInt32)
      -> (rows :List(ConflictRow), next :Data, failure :Failure, noAnswer :List(Text));
}

struct Fault {
  forMs @0 :UInt64;            # heals by itself after it; 0: never. A day at most
  note @1 :Text;               # shown beside it; 200 bytes at most
  union {
    link @2 :LinkFault;
    slowDisk @3 :SlowDisk;     # every answer of the disk comes so much later
    skewMs @4 :Int64;          # the wall clock is so far ahead (behind if negative), a year at most
    pause @5 :Void;            # nothing of the node runs for forMs, 5 minutes at most
  }
}

struct LinkFault {
  peer @0 :Text;               # numeric address; empty: every peer
  direction @1 :Direction;     # as this node sees it
  traffic @2 :Traffic;
  cut @3 :Bool;
  # Shares, 0 to 1. What is dropped of a stream comes late, as TCP sends it again.
  drop @4 :Float64;
  duplicate @5 :Float64;       # gossip
  reorder @6 :Float64;         # gossip
  corrupt @7 :Float64;
  delayMs @8 :UInt32;          # a minute at most, jitter too
  jitterMs @9 :UInt32;         # up to so much more
  bytesPerSecond @10 :UInt64;  # 0: no limit; else 1024 at least

  enum Direction {
    both @0;
    out @1;
    in @2;
  }
  enum Traffic {
    all @0;
    peer @1;                   # streams: requests, hints, repair
    gossip @2;                 # datagrams
  }
}

struct SlowDisk {
  delayMs @0 :UInt32;          # a minute at most, jitter too
  jitterMs @1 :UInt32;
}

struct FaultRow {
  id @0 :UInt64;
  fault @1 :Fault;
  text @2 :Text;               # for people
  leftMs @3 :Int64;            # -1: until it is healed
}

struct ClusterStatus {
  nodes @0 :List(Row);
  ringDigest @1 :Text;         # 16 hexadecimal digits
  viewsAgree @2 :Bool;         # every node that is up last said the same view and ring
  clusterName @3 :Text;
  clusterId @4 :Text;
  noAnswer @5 :List(Text);     # addresses of up nodes that did not say what they hold in time

  struct Row {
    address @0 :Text;
    status @1 :Text;           # UN up, DN down, UJ joining, UL leaving; U or D, then N, J or L
    node @2 :Text;
    rack @3 :Text;
    dc @4 :Text;
    loadBytes @5 :UInt64;      # on its disk, as last said; 0 when it was never reached
    owns @6 :Float64;          # share of the keys of which it is a replica, 0 to 1
    hintsFor @7 :UInt64;       # hints that others keep for it, but for those in noAnswer
    tokens @8 :UInt32;
    faults @9 :UInt64;         # that an operator has put on it, as last said
    clientPort @10 :UInt16;
  }
}

struct RingInfo {
  digest @0 :Text;
  vnodes @1 :List(Row);        # by slot

  struct Row {
    slot @0 :UInt16;           # the vnode's token is slot * 2^48 and it owns the slots before it
    node @1 :Text;
    address @2 :Text;
  }
}

struct ReplicaAddress {
  address @0 :Text;
  node @1 :Text;
}

struct InspectResult {
  replicas @0 :List(Row);      # in preference order
  diverged @1 :Bool;           # false: all reachable, ready, sound and equal
  exists @2 :Bool;             # some replica has a record (a tombstone is one)

  struct Row {
    address @0 :Text;
    node @1 :Text;
    version @2 :Text;          # of the live siblings, comma-separated
    context @3 :Text;
    digest @4 :Text;           # 16 hexadecimal digits; empty: no sound record
    tombstone @5 :Bool;        # every live sibling is a delete
    reachable @6 :Bool;
    damaged @7 :Bool;
    hintsPending @8 :UInt64;   # hints for this replica and key on live nodes
    notReady @9 :Bool;         # it answers, and serves nothing now (it rebuilds itself, or starts)
  }
}

struct NodeInfo {
  node @0 :Text;
  address @1 :Text;
  version @2 :Text;            # of the program
  clusterName @3 :Text;
  clusterId @4 :Text;
  storageId @5 :Text;
  dataDir @6 :Text;
  clientPort @7 :UInt16;
  peerPort @8 :UInt16;
  httpPort @9 :UInt16;
  generation @10 :UInt64;
  uptimeMs @11 :UInt64;
  loadBytes @12 :UInt64;
  hints @13 :UInt64;           # kept here
  rack @14 :Text;
  dc @15 :Text;
  ready @16 :Text;             # "ready", or why not
  options @17 :List(Option);
  work @18 :List(WorkRow);     # requests that it coordinated since it started

  struct Option {
    name @0 :Text;
    value @1 :Text;
  }
}

struct WorkRow {
  op @0 :Text;                 # get, put, ...
  level @1 :Text;
  ok @2 :UInt64;
  refused @3 :UInt64;          # nothing was written, or read
  unknown @4 :UInt64;
  secondsSum @5 :Float64;      # from arrival to reply, of all of them
  # How many took at most 50 us, 100 us, 250 us, ... as parley_request_seconds counts them, each
  # without those before it; the last: longer than all bounds.
  buckets @6 :List(UInt64);
}

struct GossipRow {
  node @0 :Text;
  address @1 :Text;
  liveness @2 :Text;           # alive, suspect, dead, left
  generation @3 :UInt64;
  incarnation @4 :UInt32;
  lastHeardMs @5 :Int64;       # since the last proof of life; -1: never
  rttMs @6 :Float64;           # -1: not known
  viewDigest @7 :Text;
  ringDigest @8 :Text;
}

struct HintRow {
  holder @0 :Text;             # address
  target @1 :Text;             # address
  targetNode @2 :Text;
  hints @3 :UInt64;
  soleHints @4 :UInt64;        # may be the only copy of an acknowledged write
  bytes @5 :UInt64;
  oldestMs @6 :Int64;          # age
}

struct RepairRow {
  holder @0 :Text;             # address of the node that says so
  peer @1 :Text;               # address
  lastSyncMs @2 :Int64;        # since the last finished comparison; -1: never
  keysLast @3 :UInt64;         # sent or received in it
  keysTotal @4 :UInt64;
  running @5 :Bool;
  equal @6 :Bool;              # the last comparison found no difference
}

struct KeyspaceInfo {
  name @0 :Text;
  id @1 :Text;
  conflictRule @2 :Text;       # siblings or lww
  readLevel @3 :Level;
  writeLevel @4 :Level;
  replicationFactor @5 :UInt32;
  version @6 :UInt64;          # raised by every change
}

# How long things took, older ones counting less. A node's messages to its peers without what the
# peer took for its disk; of each round trip what is known is only the sum of both ways and what one
# took longer than usual: the shortest is taken for twice the same way (docs/consistency.md).
struct NodeLatencies {
  node @0 :Text;
  address @1 :Text;
  mint @2 :List(LatencyBucket);   # a write, durable on the owner that takes it first
  merge @3 :List(LatencyBucket);  # a copy of one, durable on another owner
  read @4 :List(LatencyBucket);   # a replica's copy read
  peers @5 :List(Peer);           # those that it has asked

  struct Peer {
    node @0 :Text;
    address @1 :Text;             # empty: no member any more
    writeOut @2 :List(LatencyBucket);   # a copy of a write on its way to the peer
    writeBack @3 :List(LatencyBucket);  # its ack
    readOut @4 :List(LatencyBucket);
    readBack @5 :List(LatencyBucket);
  }
}

# Ascending; empty ones are left out.
struct LatencyBucket {
  fromMs @0 :Float32;
  toMs @1 :Float32;
  weight @2 :Float32;
}

struct ConflictRow {
  key @0 :Data;
  versions @1 :List(Text);     # of the live values, in the order in which a read gives them
}

# What the node that executes a request asked of one node, or did itself. What an owner did to which
# it was passed on follows the row `pass on`; its times begin when it was sent there.
struct TraceRow {
  node @0 :Text;
  address @1 :Text;
  what @2 :Text;               # mint, write, read, repair, hint for ADDRESS, pass on, find hints
  sentUs @3 :Int64;            # microseconds since the request began
  answeredUs @4 :Int64;        # -1: not when the reply left
  outcome @5 :Text;            # ok, or an error's code; empty: not answered
}
