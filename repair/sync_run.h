// SyncRun: one comparison with one peer, from the first digest to the last key. Driver of
// SyncSession and KeyJoin.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/lifetime.h"
#include "repair/key_join.h"
#include "repair/merkle.h"
#include "repair/repair.h"
#include "repair/sync_codec.h"

namespace parley::repair {

struct SyncPeer {
  NodeId node;
  Endpoint endpoint;
  KeyspaceId keyspace;
  std::uint64_t ring_digest = 0;
};

struct SyncOutcome {
  bool equal = false;  // no difference at all
  std::uint64_t pulled = 0;
  std::uint64_t pushed = 0;
  bool took_all = false;  // all that the peer could give and this node lacked is durable here now
  std::uint64_t damaged_there = 0;  // keys met whose copies are damaged at the peer
  std::optional<Error> error;       // it ended early; what was moved stays moved
};

class SyncRun {
 public:
  // `done` comes once, in a later turn, and may destroy the run.
  SyncRun(const RepairWorld& world, SlotIndex& index, std::shared_ptr<SharedSlots> shared,
          SyncPeer peer, std::function<void(SyncOutcome)> done);
  void start() { step(); }

 private:
  void step();
  void ask_compare();
  void ask_mine();
  void ask_theirs();
  void on_listed(Status taken);
  void join();
  void settle(std::vector<KeyDifference> differences);
  void fetch();
  void on_fetched(Result<FetchReply> reply);
  void merge(const Bytes& key, Bytes set);
  void on_batch_merged();
  void push();
  void send(std::vector<FetchedCopy> copies);
  void on_sent(const std::vector<Bytes>& sent, Result<StoreReply> reply);
  void note(const Error& error);
  void finish(std::optional<Error> error);
  // `decode` runs on the answer; `then` gets the message or the error.
  template <typename Reply>
  void call(runtime::Verb verb, Bytes body, Result<Reply> (*decode)(ByteView),
            std::function<void(Result<Reply>)> then, runtime::CallHandle& handle);

  const RepairWorld& world_;
  SlotIndex& index_;
  const std::shared_ptr<SharedSlots> shared_;
  const SyncPeer peer_;
  std::function<void(SyncOutcome)> done_;

  SyncSession session_;
  std::vector<Slot> slots_;  // being listed
  KeyJoin join_;
  bool asking_mine_ = false, asking_theirs_ = false;
  std::vector<Bytes> to_fetch_, to_push_;
  std::set<Bytes> damaged_there_;  // of the differences being settled
  std::size_t asked_ = 0;          // keys of to_fetch_ or to_push_ in the batch under way
  std::size_t merging_ = 0;        // merges of this batch without an answer yet, and their begin
  std::optional<Error> trouble_;   // the first that did not end the run
  bool merge_failed_ = false;
  SyncOutcome outcome_;
  runtime::CallHandle call_, list_call_;
  Lifetime alive_;
};

}  // namespace parley::repair
