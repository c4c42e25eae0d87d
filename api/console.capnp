# What the console's page is told, as JSON: field names as they stand here. Every number is one that
# JavaScript holds exactly, so counts are Float64. Addresses name nodes. Add fields, never rename.
@0x9fb8e1c5a3d27746;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("parley::api::console_schema");

# GET /api/v1/cluster: as the node asked sees it. It asks the others' client ports too, which no
# fault touches, so what they say of themselves is there even when their links are cut.
struct Cluster {
  name @0 :Text;
  self @1 :Text;                # the address of the node asked
  version @2 :Text;             # of its program
  ready @3 :Text;               # "ready", or why not
  uptimeMs @4 :Float64;
  generation @5 :Float64;       # of the node asked: other totals belong to another life
  ringDigest @6 :Text;
  viewsAgree @7 :Bool;
  faultsAllowed @8 :Bool;       # on the node asked
  nodes @9 :List(Node);         # in the order in which they are named n1, n2, ...
  links @10 :List(Link);        # only those that a fault is on
  hints @11 :List(Hint);        # the most first, and at most kHintRowsMost
  hintRows @12 :UInt32;         # how many there are
  repair @13 :Repair;
  # By op and level, what all nodes together did since the node asked first heard of each: it only
  # grows while that node runs, whoever is silent or starts again meanwhile.
  work @14 :List(Work);
  noAnswer @15 :List(Text);     # up, and did not say in time what they hold
  notAsked @16 :UInt32;         # nodes past the first kNodesAskedMost

  struct Node {
    address @0 :Text;
    status @1 :Text;            # UN, DN, ... as in `parley status`
    liveness @2 :Text;          # alive, suspect, dead, left
    rack @3 :Text;
    dc @4 :Text;
    loadBytes @5 :Float64;
    owns @6 :Float64;           # share of the keys, 0 to 1
    tokens @7 :UInt32;
    hintsFor @8 :Float64;
    lastHeardMs @9 :Float64;    # -1: never, or itself
    rttMs @10 :Float64;         # -1: not known
    answers @11 :Bool;          # at its client port
    ready @12 :Text;            # what it says itself; empty: no answer
    version @13 :Text;
    uptimeMs @14 :Float64;
    hintsKept @15 :Float64;
    requests @16 :Float64;      # that it coordinated since it started
    faultsAllowed @17 :Bool;
    faults @18 :List(Fault);
    oldestSyncMs @19 :Float64;  # of its comparisons with its co-owners; -1: one never was
    coOwners @20 :UInt32;
    syncing @21 :Bool;
    node @22 :Text;             # id
    faultCount @23 :Float64;    # as it last said
  }
  struct Fault {
    id @0 :Float64;
    text @1 :Text;
    note @2 :Text;
    leftMs @3 :Float64;         # -1: until it is healed
    kind @4 :Text;              # link, slow_disk, skew, pause
  }
  struct Link {
    a @0 :Text;
    b @1 :Text;
    toB @2 :State;              # what a sends to b
    toA @3 :State;
    because @4 :List(Text);     # "127.0.0.2: cut to and from 127.0.0.3"

    enum State {
      sound @0;
      bad @1;                   # loses, delays, damages or limits some of it, or cuts one kind of
                                # traffic alone: `because` says which
      cut @2;                   # nothing passes
    }
  }
  struct Hint {
    holder @0 :Text;
    target @1 :Text;
    hints @2 :Float64;
    soleHints @3 :Float64;
    bytes @4 :Float64;
    oldestMs @5 :Float64;
  }
  # Over all pairs of a node that says so and a co-owner of it.
  struct Repair {
    oldestMs @0 :Float64;       # the pair compared longest ago; -1: there is none
    oldestHolder @1 :Text;
    oldestPeer @2 :Text;
    pairs @3 :UInt32;
    never @4 :UInt32;           # pairs never compared since the holder started
    running @5 :UInt32;
    differed @6 :UInt32;        # whose last comparison found a difference
    keys @7 :Float64;           # sent or received since they started
  }
  struct Work {
    op @0 :Text;
    level @1 :Text;
    ok @2 :Float64;
    refused @3 :Float64;
    unknown @4 :Float64;
    buckets @5 :List(Float64);  # by Cluster.bounds, as WorkRow of parley.capnp
  }
  bounds @17 :List(Float64);    # seconds
}

# GET /api/v1/ring: changes only with Cluster.ringDigest.
struct Ring {
  digest @0 :Text;
  addresses @1 :List(Text);
  slots @2 :List(UInt16);       # of each vnode, ascending; it owns the slots up to it
  owners @3 :List(UInt16);      # of each vnode, its place in `addresses`
}

# GET /api/v1/key?keyspace=NAME&key=PERCENT-ENCODED
struct Key {
  keyspace @0 :Text;
  slot @1 :UInt16;
  token @2 :Text;               # 16 hexadecimal digits
  exists @3 :Bool;
  diverged @4 :Bool;
  replicas @5 :List(Replica);   # in preference order

  struct Replica {
    address @0 :Text;
    state @1 :Text;             # equal words to `parley inspect`: "has it", "deleted", ...
    version @2 :Text;
    digest @3 :Text;
    hintsPending @4 :Float64;
  }
}

# POST /api/v1/fault
struct Order {
  do @0 :Text;                  # cut: the link, both ways. heal: the link; or, with one node alone,
                                # all that is broken there; or, with none, everywhere
  a @1 :Text;                   # addresses
  b @2 :Text;
}
struct Said {
  text @0 :Text;                # one line for people
}

# Any answer that is not 200.
struct Refusal {
  error @0 :Text;
}
