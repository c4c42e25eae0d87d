#include "repair/sync_service.h"

#include <algorithm>
#include <array>

#include "repair/local_copies.h"
#include "repair/ownership.h"

namespace parley::repair {
namespace {

constexpr std::size_t kServedMost = 64;
constexpr std::size_t kReplyBytesMost = 4_MiB;
constexpr std::array kVerbs = {runtime::Verb::SyncCompare, runtime::Verb::SyncList,
                               runtime::Verb::SyncFetch, runtime::Verb::SyncStore,
                               runtime::Verb::DeliverHints};

Error no_keyspace() { return {ErrorCode::NotFound, "no such keyspace here"}; }

}  // namespace

SyncService::SyncService(const RepairWorld& world, SlotIndex& index, SharedCache& cache,
                         std::function<void(const NodeId&, bool)> compared)
    : world_(world), index_(index), cache_(cache), compared_(std::move(compared)) {}

SyncService::~SyncService() {
  for (const auto verb : kVerbs) world_.rpc.serve(verb, runtime::Admission::Members, nullptr);
}

void SyncService::start() {
  serve(runtime::Verb::SyncCompare, &SyncService::compare);
  serve(runtime::Verb::SyncList, &SyncService::list);
  serve(runtime::Verb::SyncFetch, &SyncService::fetch);
  serve(runtime::Verb::SyncStore, &SyncService::store);
  serve(runtime::Verb::DeliverHints, &SyncService::store);
}

void SyncService::serve(runtime::Verb verb, Handler handler) {
  world_.rpc.serve(
      verb, runtime::Admission::Members,
      [this, handler](const runtime::RpcRequest& request, runtime::Responder respond) {
        const auto view = world_.view();
        if (view == nullptr || view->ring == nullptr) {
          return respond(Error{ErrorCode::NotReady, "not a member yet", 1000});
        }
        if (serving_ >= kServedMost) {
          return respond(Error{ErrorCode::Overloaded, "too many repair requests", 100});
        }
        ++serving_;
        auto answered = alive_.guard([this](const runtime::Responder& to, Result<Bytes> reply) {
          --serving_;
          to(std::move(reply));
        });
        (this->*handler)(request, view, [answered, respond](Result<Bytes> reply) mutable {
          answered(respond, std::move(reply));
        });
      });
}

void SyncService::compare(const runtime::RpcRequest& request, const membership::ViewPtr& view,
                          runtime::Responder respond) {
  const auto asked = decode_compare_request(request.body);
  if (!asked) return respond(asked.error());
  const auto keyspace = keyspace_number(*view, asked->keyspace);
  if (!keyspace) return respond(no_keyspace());
  if (request.ring_digest != view->ring->digest()) {
    return respond(Error{ErrorCode::WrongRing, "the rings differ; compare later"});
  }
  const auto shared = cache_.get(*view, *keyspace, request.from);
  const auto reply = answer_compare(*asked, *shared, index_);
  if (!reply) return respond(reply.error());
  if (asked->groups.empty()) compared_(request.from, reply->equal);
  respond(encode_compare_reply(*reply));
}

void SyncService::list(const runtime::RpcRequest& request, const membership::ViewPtr& view,
                       runtime::Responder respond) {
  auto asked = decode_list_request(request.body);
  if (!asked) return respond(asked.error());
  const auto keyspace = keyspace_number(*view, asked->keyspace);
  if (!keyspace) return respond(no_keyspace());
  ListOrder order{*keyspace, std::move(asked->slots), std::move(asked->after),
                  std::min<std::size_t>(asked->keys_most, kListEntriesMost),
                  std::min<std::size_t>(asked->bytes_most, kReplyBytesMost)};
  list_slots(world_.store, index_, alive_, std::move(order), [respond](Result<ListReply> reply) {
    if (!reply) return respond(reply.error());
    respond(encode_list_reply(*reply));
  });
}

void SyncService::fetch(const runtime::RpcRequest& request, const membership::ViewPtr& view,
                        runtime::Responder respond) {
  auto asked = decode_fetch_request(request.body);
  if (!asked) return respond(asked.error());
  const auto keyspace = keyspace_number(*view, asked->keyspace);
  if (!keyspace) return respond(no_keyspace());
  ReadOrder order{*keyspace, std::move(asked->keys),
                  std::min<std::size_t>(asked->bytes_most, kReplyBytesMost)};
  read_copies(world_.store, alive_, std::move(order),
              [respond](Result<std::vector<FetchedCopy>> copies) {
                if (!copies) return respond(copies.error());
                respond(encode_fetch_reply({std::move(*copies)}));
              });
}

void SyncService::store(const runtime::RpcRequest& request, const membership::ViewPtr& view,
                        runtime::Responder respond) {
  auto asked = decode_store_request(request.body);
  if (!asked) return respond(asked.error());
  const auto keyspace = keyspace_number(*view, asked->keyspace);
  if (!keyspace) return respond(no_keyspace());
  merge_copies(world_, alive_, *view, *keyspace, std::move(asked->copies),
               [respond](StoreReply reply) { respond(encode_store_reply(reply)); });
}

}  // namespace parley::repair
