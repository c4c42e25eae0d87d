# What coordinators ask of replicas. Flat messages inside the frames of runtime/rpc, which carry the
# deadline and the digest of the ring that the plan was made from. Version sets and contexts travel
# as their canonical bytes. `owners` are the planned owners of the key, 16 bytes each, in order.
# Never renumber a field or an enumerant, only add.
@0xb54a0c7d1e9f3862;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("parley::replication::wire");

struct CopyOf {
  keyspace @0 :Data;  # 16 bytes
  key @1 :Data;
  owners @2 :Data;
}

enum Durability {
  fsync @0;
  memory @1;
}

struct StoreCopyRequest {
  copy @0 :CopyOf;
  set @1 :Data;
  durability @2 :Durability;
}

struct StoreCopyReply {
  digest @0 :UInt64;  # after the merge
  receivedNs @1 :Int64;  # by the replica's monotonic clock: only differences mean something
  answeredNs @2 :Int64;
}

struct ReadCopyRequest {
  copy @0 :CopyOf;
}

struct ReadCopyReply {
  set @0 :Data;  # empty: there is no record
  receivedNs @1 :Int64;  # as in StoreCopyReply
  answeredNs @2 :Int64;
}

struct StoreHintRequest {
  copy @0 :CopyOf;    # owners: empty, a hint is kept whatever the ring
  set @1 :Data;
  target @2 :Data;    # 16 bytes
  sole @3 :Bool;      # may be the only copy of an acknowledged write
}

struct StoreHintReply {
}

struct FindHintsRequest {
  copy @0 :CopyOf;
  targetsOnly @1 :Bool;
}

struct FindHintsReply {
  hints @0 :List(Hint);

  struct Hint {
    target @0 :Data;
    set @1 :Data;     # of all the hints here, in one of them; empty in the others
  }
}

struct InspectCopyRequest {
  copy @0 :CopyOf;
}

struct InspectCopyReply {
  holdsRecord @0 :Bool;
  damaged @1 :Bool;
  version @2 :Data;   # text
  context @3 :Data;   # text
  digest @4 :UInt64;
  tombstone @5 :Bool;
}

struct CoordinatePutRequest {
  copy @0 :CopyOf;
  delete @1 :Bool;
  value @2 :Data;
  level @3 :UInt16;       # 0 all, 1 quorum, 2 one, 3 any, or 16 + number
  hasContext @4 :Bool;
  context @5 :Data;       # token
  durability @6 :Durability;
  op @7 :Data;            # 16 bytes, never nil
  trace @8 :Bool;         # the reply shall say who was asked when
}

struct CoordinatePutReply {
  outcome @0 :Outcome;
  errorCode @1 :UInt16;   # 0: none
  errorMessage @2 :Data;
  retryAfterMs @3 :UInt64;
  version @4 :Data;
  context @5 :Data;
  level @6 :UInt16;
  required @7 :UInt32;
  replicas @8 :List(Replica);
  hintHolders @9 :List(Data);
  trace @10 :List(TraceRow);

  struct Replica {
    node @0 :Data;
    address @1 :Data;
    state @2 :State;
    hintHolder @3 :Data;
  }
  struct TraceRow {
    node @0 :Data;
    address @1 :Data;
    what @2 :Data;
    sentUs @3 :Int64;     # since this node began
    answeredUs @4 :Int64; # -1: not when the reply left
    outcome @5 :Data;
  }
  enum Outcome {
    ok @0;
    notWritten @1;
    unknown @2;
  }
  enum State {
    durable @0;
    memory @1;
    hinted @2;
    failed @3;
    noAnswer @4;
    pending @5;
  }
}
