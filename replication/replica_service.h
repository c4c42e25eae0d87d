// ReplicaService: answers other nodes' replication verbs. Refuses with WrongRing whatever was
// planned for other owners than this node's ring gives; acks a copy or a hint only once it is
// durable (as asked for).
#pragma once

#include <functional>

#include "base/lifetime.h"
#include "replication/replica_client.h"

namespace parley::replication {

class ReplicaService {
 public:
  using CoordinateFn = std::function<void(WriteRequest, std::function<void(WriteReply)>)>;

  // `coordinate` must not pass the write on.
  ReplicaService(const ReplicationWorld& world, Replica& replica, HintLog& hints,
                 LatencyBook& latencies, CoordinateFn coordinate);
  ~ReplicaService();

 private:
  template <typename Request>
  using Handle = void (ReplicaService::*)(const runtime::RpcRequest&, Request,
                                          const storage::RecordKey&, runtime::Responder);
  template <typename Request>
  void serve(runtime::Verb verb, bool owners_only, Result<Request> (*decode)(ByteView),
             Handle<Request> handle);
  Result<storage::RecordKey> admitted(const CopyOf& copy, std::uint64_t ring_digest,
                                      bool owners_only) const;

  void store_copy(const runtime::RpcRequest& rpc, StoreCopyRequest request,
                  const storage::RecordKey& key, runtime::Responder respond);
  void read_copy(const runtime::RpcRequest& rpc, ReadCopyRequest request,
                 const storage::RecordKey& key, runtime::Responder respond);
  void store_hint(const runtime::RpcRequest& rpc, StoreHintRequest request,
                  const storage::RecordKey& key, runtime::Responder respond);
  void find_hints(const runtime::RpcRequest& rpc, FindHintsRequest request,
                  const storage::RecordKey& key, runtime::Responder respond);
  void inspect_copy(const runtime::RpcRequest& rpc, InspectCopyRequest request,
                    const storage::RecordKey& key, runtime::Responder respond);
  void coordinate_put(const runtime::RpcRequest& rpc, CoordinatePutRequest request,
                      const storage::RecordKey& key, runtime::Responder respond);
  ServiceTimes times_since(Instant received) const;

  const ReplicationWorld& world_;
  Replica& replica_;
  HintLog& hints_;
  LatencyBook& latencies_;
  CoordinateFn coordinate_;
  std::vector<runtime::Verb> served_;
  Lifetime alive_;
};

}  // namespace parley::replication
