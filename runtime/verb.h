// What nodes ask each other. The numbers travel: never renumber, only add.
#pragma once

#include <cstdint>

namespace parley::runtime {

enum class Verb : std::uint16_t {
  // runtime/rpc
  Hello = 1,
  Heartbeat = 2,
  // membership
  JoinAsk = 16,      // "which cluster are you, and may I join?"; served to strangers
  JoinGrant = 17,    // one joiner at a time: ask a member for its consent
  JoinDone = 18,     // the joiner is on the ring (or gave up)
  MemberSync = 19,   // exchange what the two views lack
  TcpProbe = 20,     // a probe when datagrams may be what is broken
  KeyspaceSet = 21,  // store a newer keyspace record durably
  // replication
  CoordinatePut = 32,  // pass a client's write to a replica, once
  StoreCopy = 33,      // merge a whole version set into a replica
  ReadCopy = 34,       // a replica's version set, or only its digest
  StoreHint = 35,      // keep a version set for an absent target
  FindHints = 36,      // version sets held as hints for a key
  InspectCopy = 37,    // a replica's state of one key for `inspect`
  // repair
  SyncCompare = 48,   // digests of the slots that two nodes share, level by level
  SyncList = 49,      // (key, digest) of one slot, paged
  SyncFetch = 50,     // version sets of named keys
  SyncStore = 51,     // merge a batch of version sets
  DeliverHints = 52,  // merge a batch of hinted version sets
  // api/peer_admin
  PeerHints = 64,         // hints kept there, by target
  PeerDropHints = 65,     // drop the hints kept there for a target, or all
  PeerRepair = 66,        // one round with every co-owner
  PeerRepairStatus = 67,  // what it last found of each co-owner
  PeerLoad = 68,          // bytes on its disk
  PeerConflicts = 72,     // keys of which it holds several live values, paged
};

// A label for logs and metrics.
const char* to_text(Verb verb);

}  // namespace parley::runtime
