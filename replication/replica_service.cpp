#include "replication/replica_service.h"

#include <algorithm>

#include "base/mutant.h"
#include "ring/ring.h"

namespace parley::replication {

ReplicaService::ReplicaService(const ReplicationWorld& world, Replica& replica, HintLog& hints,
                               LatencyBook& latencies, CoordinateFn coordinate)
    : world_(world),
      replica_(replica),
      hints_(hints),
      latencies_(latencies),
      coordinate_(std::move(coordinate)) {
  using runtime::Verb;
  serve(Verb::StoreCopy, true, decode_store_copy_request, &ReplicaService::store_copy);
  serve(Verb::ReadCopy, true, decode_read_copy_request, &ReplicaService::read_copy);
  serve(Verb::InspectCopy, true, decode_inspect_copy_request, &ReplicaService::inspect_copy);
  serve(Verb::CoordinatePut, true, decode_coordinate_put_request, &ReplicaService::coordinate_put);
  serve(Verb::StoreHint, false, decode_store_hint_request, &ReplicaService::store_hint);
  serve(Verb::FindHints, false, decode_find_hints_request, &ReplicaService::find_hints);
}

ReplicaService::~ReplicaService() {
  for (const runtime::Verb verb : served_) {
    world_.rpc.serve(verb, runtime::Admission::Members, nullptr);
  }
}

template <typename Request>
void ReplicaService::serve(runtime::Verb verb, bool owners_only,
                           Result<Request> (*decode)(ByteView), Handle<Request> handle) {
  served_.push_back(verb);
  world_.rpc.serve(verb, runtime::Admission::Members,
                   alive_.guard([this, owners_only, decode, handle](const runtime::RpcRequest& rpc,
                                                                    runtime::Responder respond) {
                     auto request = decode(rpc.body);
                     if (!request) return respond(request.error());
                     const auto key = admitted(request->copy, rpc.ring_digest, owners_only);
                     if (!key) return respond(key.error());
                     (this->*handle)(rpc, std::move(*request), *key, std::move(respond));
                   }));
}

Result<storage::RecordKey> ReplicaService::admitted(const CopyOf& copy, std::uint64_t ring_digest,
                                                    bool owners_only) const {
  const auto view = world_.view();
  if (view == nullptr || view->ring == nullptr) {
    return Error{ErrorCode::NotReady, "this node is not serving yet", 500};
  }
  if (copy.key.size() > world_.options.key_bytes_most()) {
    return Error{ErrorCode::TooLarge, "the key is too long"};
  }
  const auto number = keyspace_number(*view, copy.keyspace);
  if (!number) return Error{ErrorCode::NotFound, "no such keyspace here"};
  const Token token = ring::token_of(copy.key);
  if (owners_only && !PARLEY_MUTANT(stale_ring_accepted)) {
    const auto factor = view->keyspace(copy.keyspace)->replication_factor;
    if (!same_owners(*view, copy.keyspace, copy.key, ring_digest, copy.owners) ||
        !view->ring->owns(view->self, slot_of(token), factor)) {
      return Error{ErrorCode::WrongRing, "the owners of the key differ here"};
    }
  }
  return storage::RecordKey{*number, token, copy.key};
}

ServiceTimes ReplicaService::times_since(Instant received) const {
  return {received.time_since_epoch(), world_.loop.now().time_since_epoch()};
}

void ReplicaService::store_copy(const runtime::RpcRequest&, StoreCopyRequest request,
                                const storage::RecordKey& key, runtime::Responder respond) {
  const Instant received = world_.loop.now();
  const auto durability = request.durability;
  replica_.merge(
      key, std::move(request.set), durability,
      alive_.guard([this, respond, received, durability](const Result<storage::Updated>& merged) {
        if (!merged && !PARLEY_MUTANT(failed_merge_acked)) return respond(merged.error());
        const ServiceTimes times = times_since(received);
        if (durability == storage::Durability::Fsync) {
          const Instant answered{times.answered};
          latencies_.served(LatencyBook::Own::Merge, answered - received, answered);
        }
        respond(encode_store_copy_reply({merged ? merged->digest : 0, times}));
      }));
}

void ReplicaService::read_copy(const runtime::RpcRequest&, ReadCopyRequest,
                               const storage::RecordKey& key, runtime::Responder respond) {
  const Instant received = world_.loop.now();
  replica_.read(key, alive_.guard([this, respond, received](const Result<LocalCopy>& copy) {
    if (!copy) return respond(copy.error());
    Bytes set = copy->set.empty() ? Bytes{} : copy->set.encode();
    const ServiceTimes times = times_since(received);
    const Instant answered{times.answered};
    latencies_.served(LatencyBook::Own::Read, answered - received, answered);
    respond(encode_read_copy_reply({std::move(set), times}));
  }));
}

void ReplicaService::store_hint(const runtime::RpcRequest&, StoreHintRequest request,
                                const storage::RecordKey& key, runtime::Responder respond) {
  hints_.add(request.target, key, std::move(request.set), request.sole,
             alive_.guard([respond](const Status& kept) {
               if (!kept) return respond(kept.error());
               respond(encode_store_hint_reply());
             }));
}

void ReplicaService::find_hints(const runtime::RpcRequest&, FindHintsRequest request,
                                const storage::RecordKey& key, runtime::Responder respond) {
  hints_.find(key, alive_.guard([respond, targets_only = request.targets_only](
                                    const Result<std::vector<storage::HintRow>>& rows) {
    if (!rows) return respond(rows.error());
    respond(encode_find_hints_reply(found_hints(*rows, targets_only)));
  }));
}

void ReplicaService::inspect_copy(const runtime::RpcRequest&, InspectCopyRequest,
                                  const storage::RecordKey& key, runtime::Responder respond) {
  replica_.read(key, alive_.guard([respond](const Result<LocalCopy>& copy) {
    const auto reply = describe_copy(copy);
    if (!reply) return respond(reply.error());
    respond(encode_inspect_copy_reply(*reply));
  }));
}

void ReplicaService::coordinate_put(const runtime::RpcRequest& rpc, CoordinatePutRequest request,
                                    const storage::RecordKey&, runtime::Responder respond) {
  // The reply has to be back before the asker's own deadline.
  const Duration left = rpc.deadline - world_.loop.now();
  const Duration margin = std::min<Duration>(left / 8, 50ms);
  WriteRequest write{request.copy.keyspace,
                     std::move(request.copy.key),
                     std::move(request.value),
                     request.level,
                     std::move(request.context),
                     request.durability,
                     request.op,
                     rpc.deadline - margin,
                     request.trace};
  coordinate_(std::move(write), alive_.guard([respond](const WriteReply& reply) {
    const bool untouched =
        reply.outcome == Outcome::NotWritten && reply.error &&
        (reply.error->code == ErrorCode::WrongRing || reply.error->code == ErrorCode::NotReady);
    if (untouched) return respond(*reply.error);
    respond(encode_coordinate_put_reply(reply));
  }));
}

}  // namespace parley::replication
