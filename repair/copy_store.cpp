#include "repair/copy_store.h"

#include <memory>

#include "repair/ownership.h"
#include "ring/ring.h"

namespace parley::repair {
namespace {

struct Merging {
  StoreReply reply;
  std::size_t waiting = 0;
  std::function<void(StoreReply)> done;
};

StoreOutcome outcome_of(const Result<storage::Updated>& merged) {
  if (merged) return StoreOutcome::Stored;
  switch (merged.error().code) {
    case ErrorCode::InvalidArgument: return StoreOutcome::Refused;
    case ErrorCode::Damaged: return StoreOutcome::Damaged;
    default: return StoreOutcome::Failed;
  }
}

}  // namespace

void merge_copies(const RepairWorld& world, const Lifetime& alive, const membership::View& view,
                  storage::KeyspaceNumber keyspace, std::vector<KeyedSet> copies,
                  std::function<void(StoreReply)> done) {
  auto merging = std::make_shared<Merging>();
  merging->reply.outcomes.assign(copies.size(), StoreOutcome::NotOwner);
  merging->done = std::move(done);
  merging->waiting = 1;  // this function itself
  const auto one_ended = [merging] {
    if (--merging->waiting == 0) merging->done(std::move(merging->reply));
  };
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const Token token = ring::token_of(copies[i].key);
    if (!owns(view, keyspace, view.self, token)) continue;
    ++merging->waiting;
    world.replica.merge({keyspace, token, std::move(copies[i].key)}, std::move(copies[i].set),
                        storage::Durability::Fsync,
                        alive.guard([merging, one_ended, i](Result<storage::Updated> merged) {
                          merging->reply.outcomes[i] = outcome_of(merged);
                          one_ended();
                        }));
  }
  one_ended();
}

void CopySender::send(const NodeId& node, runtime::Verb verb, storage::KeyspaceNumber keyspace,
                      std::vector<KeyedSet> copies, std::function<void(Result<StoreReply>)> done) {
  const auto fail = [&](const char* why) {
    world_.loop.post(alive_.guard([done = std::move(done), why] {
      done(Error{ErrorCode::NotFound, why});
    }));
  };
  const auto view = world_.view();
  if (view == nullptr) return fail("this node is not a member yet");
  const auto* record = keyspace_record(*view, keyspace);
  const auto* member = view->find(node);
  if (record == nullptr || member == nullptr) return fail("the node or keyspace is not known");
  if (node == view->self) {
    // Posted: the copies may all be refused at once, and `done` must not come inside this call.
    auto own = [this, view, keyspace, copies = std::move(copies),
                done = std::move(done)]() mutable {
      merge_copies(world_, alive_, *view, keyspace, std::move(copies),
                   [done](StoreReply reply) { done(std::move(reply)); });
    };
    return world_.loop.post(alive_.guard(std::move(own)));
  }
  const std::size_t count = copies.size();
  Bytes body = encode_store_request({record->id, std::move(copies)});
  const runtime::CallOptions options{world_.options.call_timeout(), runtime::Channel::Bulk,
                                     view->ring == nullptr ? 0 : view->ring->digest()};
  const std::uint64_t id = ++calls_made_;
  calls_[id] = world_.rpc.call(
      member->record.peer(), verb, std::move(body), options,
      alive_.guard([this, id, count, done = std::move(done)](Result<Bytes> answer) {
        const auto handle = calls_.extract(id);
        if (!answer) return done(answer.error());
        auto reply = decode_store_reply(*answer);
        if (reply && reply->outcomes.size() != count) {
          return done(Error{ErrorCode::InvalidArgument, "store outcomes do not fit the copies"});
        }
        done(std::move(reply));
      }));
}

}  // namespace parley::repair
