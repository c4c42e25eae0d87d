# What members say to each other over framed streams (verbs JoinAsk .. KeyspaceSet). Ids are 16
# bytes. Records travel in their one byte form (record_codec.h), because digests are made over it.
@0xb80f4d6c5e1a9237;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("parley::membership::wire");

struct JoinAsk {
  node @0 :Data;
  clusterName @1 :Text;
  wouldFound @2 :Bool;      # the sender is the first of its own seeds
}

struct JoinAskReply {
  hasCluster @0 :Bool;
  node @1 :Data;
  wouldFound @2 :Bool;
  cluster @3 :Data;         # this and the rest only with hasCluster
  clusterName @4 :Text;
  clusterKey @5 :Data;
  nodes @6 :List(Data);
  keyspaces @7 :List(Data);
}

struct JoinGrant {
  node @0 :Data;
  cluster @1 :Data;
  ringDigest @2 :UInt64;    # of the ring that the joiner was shown
}

struct JoinGrantReply {
  verdict @0 :UInt16;       # 1 granted, 2 already on the ring, 3 wait, 4 the ring shown is stale
  first @1 :Data;           # with 3: the node that goes first
}

struct JoinDone {
  node @0 :Data;
  cluster @1 :Data;
  record @2 :List(Data);    # one; none: the joiner gave up
}

struct Claim {
  node @0 :Data;
  generation @1 :UInt64;
  nonce @2 :UInt64;
  incarnation @3 :UInt32;
  liveness @4 :UInt8;       # 0 alive, 1 suspect, 2 dead, 3 left
  accuser @5 :Data;
}

struct MemberSync {
  sender @0 :Data;
  asks @1 :Bool;            # the summaries name everything: answer with what is missing there
  nodes @2 :List(NodeSummary);
  keyspaces @3 :List(KeyspaceSummary);
  nodeRecords @4 :List(Data);
  keyspaceRecords @5 :List(Data);
  nodesWanted @6 :List(Data);
  keyspacesWanted @7 :List(Data);

  struct NodeSummary {
    claim @0 :Claim;
    generation @1 :UInt64;
    version @2 :UInt64;
    digest @3 :UInt64;
  }
  struct KeyspaceSummary {
    id @0 :Data;
    version @1 :UInt64;
    digest @2 :UInt64;
  }
}

# A probe where datagrams may be what is broken. Asked: what the prober believes of the target.
# Answered: the target's own claim.
struct StreamProbe {
  claim @0 :Claim;
}

# Joined with what is held. Answered once that is durable: by nothing if it is this very record, else by
# what is held.
struct KeyspaceSet {
  record @0 :Data;
}
