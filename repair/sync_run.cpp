#include "repair/sync_run.h"

#include <algorithm>
#include <utility>

#include "repair/local_copies.h"
#include "ring/ring.h"

namespace parley::repair {
namespace {

constexpr std::size_t kBatchKeysMost = 512;

// How many of the first keys make one question.
std::size_t batch_of(const std::vector<Bytes>& keys, std::size_t bytes_most) {
  std::size_t count = 0, bytes = 0;
  while (count < keys.size() && count < kBatchKeysMost) {
    bytes += keys[count].size();
    if (count > 0 && bytes > bytes_most) break;
    ++count;
  }
  return count;
}

void drop_first(std::vector<Bytes>& keys, std::size_t count) {
  keys.erase(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

SyncRun::SyncRun(const RepairWorld& world, SlotIndex& index, std::shared_ptr<SharedSlots> shared,
                 SyncPeer peer, std::function<void(SyncOutcome)> done)
    : world_(world),
      index_(index),
      shared_(std::move(shared)),
      peer_(std::move(peer)),
      done_(std::move(done)),
      session_(*shared_, index_, peer_.keyspace) {}

template <typename Reply>
void SyncRun::call(runtime::Verb verb, Bytes body, Result<Reply> (*decode)(ByteView),
                   std::function<void(Result<Reply>)> then, runtime::CallHandle& handle) {
  const runtime::CallOptions options{world_.options.call_timeout(), runtime::Channel::Bulk,
                                     peer_.ring_digest};
  handle = world_.rpc.call(peer_.endpoint, verb, std::move(body), options,
                           alive_.guard([decode, then = std::move(then)](Result<Bytes> answer) {
                             if (!answer) return then(answer.error());
                             then(decode(*answer));
                           }));
}

void SyncRun::step() {
  switch (session_.step()) {
    case SyncSession::Step::Compare: return ask_compare();
    case SyncSession::Step::Ended: outcome_.took_all = !merge_failed_; return finish(trouble_);
    case SyncSession::Step::List: break;
  }
  slots_ = session_.take_slots();
  join_ = KeyJoin{};
  join();
}

void SyncRun::ask_compare() {
  call<CompareReply>(
      runtime::Verb::SyncCompare, encode_compare_request(session_.compare()), decode_compare_reply,
      [this](Result<CompareReply> reply) {
        if (!reply) return finish(reply.error());
        const Status taken = session_.on_reply(*reply);
        if (!taken) return finish(taken.error());
        step();
      },
      call_);
}

// The part of the next differences that is known already goes first: what is listed but not yet
// settled stays within a page of each side.
void SyncRun::join() {
  if (asking_mine_ || asking_theirs_) return;
  auto differences = join_.take();
  if (!differences.empty()) return settle(std::move(differences));
  if (join_.ended()) return step();
  if (join_.wants_mine()) ask_mine();
  if (join_.wants_theirs()) ask_theirs();
}

void SyncRun::ask_mine() {
  asking_mine_ = true;
  ListOrder order{shared_->keyspace(), slots_, join_.mine_after(), world_.options.list_keys(),
                  world_.options.batch_bytes()};
  list_slots(world_.store, index_, alive_, std::move(order), [this](Result<ListReply> mine) {
    asking_mine_ = false;
    on_listed(mine ? join_.add_mine(mine->keys, mine->last) : Status(mine.error()));
  });
}

void SyncRun::ask_theirs() {
  asking_theirs_ = true;
  const ListRequest request{peer_.keyspace, slots_, join_.theirs_after(),
                            static_cast<std::uint32_t>(world_.options.list_keys()),
                            static_cast<std::uint32_t>(world_.options.batch_bytes())};
  call<ListReply>(
      runtime::Verb::SyncList, encode_list_request(request), decode_list_reply,
      [this](Result<ListReply> theirs) {
        asking_theirs_ = false;
        if (!theirs) return on_listed(theirs.error());
        for (const auto& listed : theirs->keys) {
          const Slot slot = slot_of(ring::token_of(listed.key));
          if (std::binary_search(slots_.begin(), slots_.end(), slot)) continue;
          return on_listed(Error{ErrorCode::InvalidArgument, "listing has keys of other slots"});
        }
        on_listed(join_.add_theirs(theirs->keys, theirs->last));
      },
      list_call_);
}

void SyncRun::on_listed(Status taken) {
  if (!taken) return finish(taken.error());
  join();
}

void SyncRun::settle(std::vector<KeyDifference> differences) {
  for (KeyDifference& difference : differences) {
    const bool push_only = difference.want == KeyDifference::Want::Push;
    (push_only ? to_push_ : to_fetch_).push_back(std::move(difference.key));
  }
  fetch();
}

void SyncRun::fetch() {
  if (to_fetch_.empty()) return push();
  asked_ = batch_of(to_fetch_, world_.options.batch_bytes());
  FetchRequest request{peer_.keyspace,
                       {to_fetch_.begin(), to_fetch_.begin() + static_cast<std::ptrdiff_t>(asked_)},
                       static_cast<std::uint32_t>(world_.options.batch_bytes())};
  call<FetchReply>(
      runtime::Verb::SyncFetch, encode_fetch_request(request), decode_fetch_reply,
      [this](Result<FetchReply> reply) { on_fetched(std::move(reply)); }, call_);
}

void SyncRun::on_fetched(Result<FetchReply> reply) {
  if (!reply) return finish(reply.error());
  const std::size_t count = reply->copies.size();
  if (count == 0 || count > asked_) {
    return finish(Error{ErrorCode::InvalidArgument, "fetched copies do not fit the keys"});
  }
  asked_ = count;
  ++merging_;  // this loop itself: a set that cannot be read is refused inside the call
  for (std::size_t i = 0; i < count; ++i) {
    FetchedCopy& copy = reply->copies[i];
    if (copy.condition == storage::Condition::Sound) {
      merge(to_fetch_[i], std::move(copy.set));
    } else {
      to_push_.push_back(to_fetch_[i]);  // found damaged since it was listed
      if (copy.condition == storage::Condition::Damaged) damaged_there_.insert(to_fetch_[i]);
    }
  }
  if (--merging_ == 0) on_batch_merged();
}

void SyncRun::merge(const Bytes& key, Bytes set) {
  ++merging_;
  const std::uint64_t theirs = storage::record_digest(key, set);
  world_.replica.merge({shared_->keyspace(), ring::token_of(key), key}, std::move(set),
                       storage::Durability::Fsync,
                       alive_.guard([this, key, theirs](Result<storage::Updated> merged) {
                         // A damaged record takes no copy: it was told, and mends itself.
                         if (!merged && merged.error().code != ErrorCode::Damaged) {
                           merge_failed_ = true;
                           note(merged.error());
                         }
                         if (merged) ++outcome_.pulled;
                         // This node knew something that the peer did not.
                         if (merged && merged->digest != theirs) to_push_.push_back(key);
                         if (--merging_ == 0) on_batch_merged();
                       }));
}

void SyncRun::on_batch_merged() {
  drop_first(to_fetch_, asked_);
  fetch();
}

void SyncRun::push() {
  if (to_push_.empty()) {
    outcome_.damaged_there += damaged_there_.size();
    damaged_there_.clear();
    return join();
  }
  const std::size_t count = batch_of(to_push_, world_.options.batch_bytes());
  ReadOrder order{shared_->keyspace(),
                  {to_push_.begin(), to_push_.begin() + static_cast<std::ptrdiff_t>(count)},
                  world_.options.batch_bytes()};
  read_copies(world_.store, alive_, std::move(order),
              [this](Result<std::vector<FetchedCopy>> copies) {
                if (!copies) return finish(copies.error());
                send(std::move(*copies));
              });
}

void SyncRun::send(std::vector<FetchedCopy> copies) {
  asked_ = copies.size();
  StoreRequest request;
  request.keyspace = peer_.keyspace;
  std::vector<Bytes> sent;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    if (copies[i].condition != storage::Condition::Sound) continue;  // rotted since it was listed
    request.copies.push_back({to_push_[i], std::move(copies[i].set)});
    sent.push_back(to_push_[i]);
  }
  if (sent.empty()) return on_sent({}, StoreReply{});
  call<StoreReply>(
      runtime::Verb::SyncStore, encode_store_request(request), decode_store_reply,
      [this, sent](Result<StoreReply> reply) { on_sent(sent, std::move(reply)); }, call_);
}

void SyncRun::on_sent(const std::vector<Bytes>& sent, Result<StoreReply> reply) {
  if (!reply) return finish(reply.error());
  if (reply->outcomes.size() != sent.size()) {
    return finish(Error{ErrorCode::InvalidArgument, "store outcomes do not fit the copies"});
  }
  drop_first(to_push_, asked_);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const StoreOutcome outcome = reply->outcomes[i];
    if (outcome == StoreOutcome::Damaged) damaged_there_.insert(sent[i]);
    if (outcome == StoreOutcome::Stored) ++outcome_.pushed;
    if (outcome == StoreOutcome::Stored || outcome == StoreOutcome::Damaged) continue;
    const bool not_owner = outcome == StoreOutcome::NotOwner;
    note({ErrorCode::Unavailable,
          not_owner ? "the peer does not own a key sent to it" : "the peer could not store a key"});
    // A peer that cannot store can still be read from: what only it has must reach us.
    if (outcome == StoreOutcome::Failed) to_push_.clear();
  }
  push();
}

// One key's trouble does not keep the others from converging; the run says it at its end.
void SyncRun::note(const Error& error) {
  if (!trouble_) trouble_ = error;
}

void SyncRun::finish(std::optional<Error> error) {
  if (!done_) return;
  outcome_.error = std::move(error);
  outcome_.equal = !outcome_.error && session_.equal();
  alive_.reset();  // whatever is still under way has nobody to tell
  world_.loop.post(
      alive_.guard([done = std::exchange(done_, nullptr), outcome = outcome_] { done(outcome); }));
}

}  // namespace parley::repair
