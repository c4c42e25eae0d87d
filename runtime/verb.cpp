#include "runtime/verb.h"

namespace parley::runtime {

const char* to_text(Verb verb) {
  switch (verb) {
    case Verb::Hello: return "hello";
    case Verb::Heartbeat: return "heartbeat";
    case Verb::JoinAsk: return "join_ask";
    case Verb::JoinGrant: return "join_grant";
    case Verb::JoinDone: return "join_done";
    case Verb::MemberSync: return "member_sync";
    case Verb::TcpProbe: return "tcp_probe";
    case Verb::KeyspaceSet: return "keyspace_set";
    case Verb::CoordinatePut: return "coordinate_put";
    case Verb::StoreCopy: return "store_copy";
    case Verb::ReadCopy: return "read_copy";
    case Verb::StoreHint: return "store_hint";
    case Verb::FindHints: return "find_hints";
    case Verb::InspectCopy: return "inspect_copy";
    case Verb::SyncCompare: return "sync_compare";
    case Verb::SyncList: return "sync_list";
    case Verb::SyncFetch: return "sync_fetch";
    case Verb::SyncStore: return "sync_store";
    case Verb::DeliverHints: return "deliver_hints";
    case Verb::PeerHints: return "peer_hints";
    case Verb::PeerDropHints: return "peer_drop_hints";
    case Verb::PeerRepair: return "peer_repair";
    case Verb::PeerRepairStatus: return "peer_repair_status";
    case Verb::PeerLoad: return "peer_load";
    case Verb::PeerConflicts: return "peer_conflicts";
  }
  return "unknown";
}

}  // namespace parley::runtime
