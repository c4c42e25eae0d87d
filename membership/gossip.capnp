# Datagrams between members: probes, their answers, and the claims that ride on them.
#
# On the wire: 4 bytes magic "PLYG", then XXH3-64 (little-endian) of everything that follows it,
# then 2 bytes format version (little-endian, now 1), 2 bytes zero, then this message as one flat
# Cap'n Proto message. At most 1,200 bytes in all. Ids are two words of eight bytes each, in order.
@0xd6a3f0b1c29e4875;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("parley::membership::wire");

struct Datagram {
  kind @0 :UInt16;          # 1 ping, 2 ack, 3 ping request, 4 nack, 5 gossip only
  health @1 :UInt8;         # local health of the sender: 0 healthy, at most 31
  incarnation @2 :UInt32;
  sequence @3 :UInt64;      # an answer repeats the question's
  clusterHead @4 :UInt64;
  clusterTail @5 :UInt64;
  clusterName @6 :UInt64;   # XXH3-64 of the cluster's name
  senderHead @7 :UInt64;
  senderTail @8 :UInt64;
  generation @9 :UInt64;    # of the sender
  nonce @10 :UInt64;        # drawn by the sender at its start: tells a cloned disk
  viewDigest @11 :UInt64;
  ringDigest @12 :UInt64;
  targetHead @13 :UInt64;   # nil: none
  targetTail @14 :UInt64;
  updates @15 :List(Update);  # at most 14
  wallMs @16 :Int64;        # the sender's wall clock as this leaves, Unix epoch; 0: not told
}

struct Update {
  nodeHead @0 :UInt64;
  nodeTail @1 :UInt64;
  generation @2 :UInt64;
  nonce @3 :UInt64;         # of that life of the node; 0: not known
  accuserHead @4 :UInt64;   # of a suspicion; nil: none
  accuserTail @5 :UInt64;
  incarnation @6 :UInt32;
  liveness @7 :UInt8;       # 0 alive, 1 suspect, 2 dead, 3 left
  refused @8 :Bool;         # of a suspicion: the kernel there refused the accuser's connection
}
