# What nodes say to each other to make copies equal again. Flat messages inside the frames of
# runtime/rpc; the ring digest that a question was made under travels in the frame.
# Never renumber a field or an enumerant, only add.
@0xd1c6a3f27b58e904;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("parley::repair::wire");

struct CompareRequest {
  keyspace @0 :Data;         # 16 bytes
  root @1 :UInt64;           # first question only
  groups @2 :Data;           # one byte each, ascending; empty: the first question
}

struct CompareReply {
  equal @0 :Bool;
  sums @1 :List(UInt64);
}

struct ListRequest {
  keyspace @0 :Data;
  slots @1 :List(UInt16);    # ascending
  after @2 :Data;            # the last key of the page before; empty: from the start
  keysMost @3 :UInt32;
  bytesMost @4 :UInt32;
}

struct ListReply {
  keys @0 :List(Key);        # in (token, key) order
  last @1 :Bool;

  struct Key {
    key @0 :Data;
    digest @1 :UInt64;       # 0: damaged here
  }
}

struct FetchRequest {
  keyspace @0 :Data;
  keys @1 :List(Data);
  bytesMost @2 :UInt32;
}

struct FetchReply {
  copies @0 :List(Copy);     # for the first so many of the keys asked for, at least one

  struct Copy {
    state @0 :CopyState;
    set @1 :Data;            # canonical bytes of a version set; sound copies only
  }
  enum CopyState {
    missing @0;
    sound @1;
    damaged @2;
  }
}

struct StoreRequest {
  keyspace @0 :Data;
  copies @1 :List(Copy);

  struct Copy {
    key @0 :Data;
    set @1 :Data;
  }
}

struct StoreReply {
  outcomes @0 :List(StoreOutcome);  # one for each copy, in order

  enum StoreOutcome {
    stored @0;    # merged and durable
    notOwner @1;  # nothing done
    failed @2;    # not stored now (no room, too busy): worth another try
    refused @3;   # the bytes are no version set: never worth another try
    damaged @4;   # the record there is damaged and is being mended: try this key again, later
  }
}
