# What nodes ask each other for an operator. Flat messages inside the frames of runtime/rpc; load
# and status questions have empty bodies. Never renumber a field, only add.
@0x83f624fe2bb61c4b;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("parley::api::peer_schema");

struct HintsReply {
  totals @0 :List(Total);

  struct Total {
    target @0 :Data;        # 16 bytes
    hints @1 :UInt64;
    soleHints @2 :UInt64;
    bytes @3 :UInt64;
    oldestMs @4 :Int64;     # age by the holder's clock
  }
}

struct DropRequest {
  target @0 :Data;          # 16 bytes; empty: every target
}

struct DropReply {
  dropped @0 :UInt64;
}

struct RepairRequest {
  wait @0 :Bool;            # answer when the round has ended, else at once
}

struct RepairReply {
  keys @0 :UInt64;          # sent or received; 0 without `wait`
}

struct RepairStatusReply {
  rows @0 :List(Row);

  struct Row {
    peer @0 :Data;          # 16 bytes
    lastSyncMs @1 :Int64;   # -1: never
    keysLast @2 :UInt64;
    keysTotal @3 :UInt64;
    running @4 :Bool;
    equal @5 :Bool;
  }
}

struct ConflictsRequest {
  keyspace @0 :Data;        # 16 bytes
  after @1 :Data;           # key; empty: from the start
  rowsMost @2 :UInt32;
  timeMs @3 :UInt32;        # stop then, with what was found
}

struct ConflictsReply {
  rows @0 :List(Row);       # by token, then key
  scannedTo @1 :Data;       # the last key looked at; every conflict up to it is in `rows`
  ended @2 :Bool;           # there are no more keys

  struct Row {
    key @0 :Data;
    set @1 :Data;           # its version set, without the values
  }
}

struct LoadReply {
  bytes @0 :UInt64;
  faults @1 :UInt64;        # that an operator has put on this node
}
