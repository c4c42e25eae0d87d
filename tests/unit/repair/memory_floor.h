// The floors below repair, in memory and on virtual time: a store, a replica, a hint log and an
// rpc that counts what travels. A version set is a sorted string of distinct letters; its merge is
// their union.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replication/hint_log.h"
#include "replication/replica.h"
#include "ring/ring.h"
#include "runtime/rpc.h"
#include "storage/store.h"
#include "tests/fake/fake_world.h"

namespace parley::repair::test {

inline Bytes letters_union(const Bytes& a, const Bytes& b) {
  Bytes out;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}
inline bool is_letters(const Bytes& set) {
  return !set.empty() && std::is_sorted(set.begin(), set.end()) &&
         std::adjacent_find(set.begin(), set.end()) == set.end();
}
inline storage::RecordKey record_key(const Bytes& key) {
  return {storage::kDefaultKeyspace, ring::token_of(key), key};
}

class MemoryStore final : public storage::Store {
 public:
  explicit MemoryStore(runtime::Loop& loop) : loop_(loop) {}
  void finish() override {}

  // Straight into the table; the observer is told as by a commit.
  void put(const Bytes& key, const Bytes& value) { set(record_key(key), value, false); }
  void damage(const Bytes& key) { set(record_key(key), {}, true); }
  // Rot that nobody noticed: the observer is not told.
  void rot(const Bytes& key) { records_.at(record_key(key)).damaged = true; }
  std::optional<Bytes> value(const Bytes& key) const {
    const auto found = records_.find(record_key(key));
    if (found == records_.end() || found->second.damaged) return std::nullopt;
    return found->second.value;
  }
  void remove(const Bytes& key) {
    const auto at = records_.find(record_key(key));
    const auto before = digest_of(at->first, at->second);
    records_.erase(at);
    tell(record_key(key), before, 0);
  }
  std::size_t size() const { return records_.size(); }
  bool disk_full = false;
  std::size_t listings = 0;

  void get(storage::RecordKey key, storage::Completion<storage::Found> done) override {
    loop_.post([this, key, done] {
      storage::Found found;
      const auto at = records_.find(key);
      if (at != records_.end()) {
        found.condition =
            at->second.damaged ? storage::Condition::Damaged : storage::Condition::Sound;
        if (!at->second.damaged) found.value = at->second.value;
        found.digest = digest_of(key, at->second);
      }
      done(found);
    });
  }
  void update(storage::RecordKey key, storage::Decide decide, storage::Durability,
              storage::Completion<storage::Updated> done) override {
    loop_.post([this, key, decide, done] {
      if (disk_full) return done(Error{ErrorCode::DiskFull, "full"});
      storage::Found found;
      const auto at = records_.find(key);
      if (at != records_.end()) {
        found.condition =
            at->second.damaged ? storage::Condition::Damaged : storage::Condition::Sound;
        if (!at->second.damaged) found.value = at->second.value;
        found.digest = digest_of(key, at->second);
      }
      const auto next = decide(found);
      const bool changed =
          next && (found.condition != storage::Condition::Sound || *next != found.value);
      if (changed) set(key, *next, false);
      done(storage::Updated{found.condition, changed,
                            next ? storage::record_digest(key.key, *next) : found.digest});
    });
  }
  void list_slot(storage::KeyspaceNumber keyspace, Slot slot,
                 std::optional<storage::RecordKey> after, std::size_t limit,
                 storage::Completion<std::vector<storage::ListedKey>> done) override {
    ++listings;
    loop_.post([this, keyspace, slot, after, limit, done] {
      const storage::RecordKey first{keyspace, static_cast<Token>(slot) << 48, {}};
      auto at = after ? records_.upper_bound(*after) : records_.lower_bound(first);
      std::vector<storage::ListedKey> out;
      for (; at != records_.end() && out.size() < limit; ++at) {
        if (slot_of(at->first.token) != slot) break;
        out.push_back({at->first.key, digest_of(at->first, at->second)});
      }
      done(std::move(out));
    });
  }
  void list_records(storage::KeyspaceNumber, std::optional<storage::RecordKey> after,
                    std::size_t limit, std::size_t,
                    storage::Completion<std::vector<storage::ListedRecord>> done) override {
    loop_.post([this, after, limit, done] {
      auto at = after ? records_.upper_bound(*after) : records_.begin();
      std::vector<storage::ListedRecord> out;
      for (; at != records_.end() && out.size() < limit; ++at) {
        const auto condition =
            at->second.damaged ? storage::Condition::Damaged : storage::Condition::Sound;
        out.push_back({at->first, {condition, at->second.value, digest_of(at->first, at->second)}});
      }
      done(std::move(out));
    });
  }
  bool holds_data() const override { return !records_.empty(); }
  std::uint64_t undone() const override { return 0; }
  std::uint64_t bytes_on_disk() const override { return 0; }
  void observe(storage::RecordObserver* observer) override { observer_ = observer; }
  std::vector<storage::SlotDigest> take_slot_digests(storage::KeyspaceNumber) override {
    std::map<Slot, std::uint64_t> sums;
    for (const auto& [key, record] : records_) {
      sums[slot_of(key.token)] += storage::slot_term(key.token, key.key, digest_of(key, record));
    }
    std::vector<storage::SlotDigest> out;
    for (const auto& [slot, sum] : sums) out.push_back({slot, sum});
    return out;
  }
  // Hints live in MemoryHints.
  void update_hint(storage::HintKey, bool, WallTime, storage::Decide,
                   storage::Completion<storage::Updated>) override {
    PARLEY_UNREACHABLE();
  }
  void erase_hint(storage::HintKey, std::uint64_t, storage::Completion<bool>) override {
    PARLEY_UNREACHABLE();
  }
  void list_hints(NodeId, std::optional<storage::HintKey>, std::size_t, std::size_t,
                  storage::Completion<std::vector<storage::HintRow>>) override {
    PARLEY_UNREACHABLE();
  }
  void find_hints(storage::RecordKey, storage::Completion<std::vector<storage::HintRow>>) override {
    PARLEY_UNREACHABLE();
  }
  void drop_hints(std::optional<NodeId>, storage::Completion<std::uint64_t>) override {
    PARLEY_UNREACHABLE();
  }
  const std::map<NodeId, storage::HintTotals>& hint_totals() const override { return totals_; }
  std::optional<Bytes> named(ByteView) const override { return std::nullopt; }
  void put_named(Bytes, Bytes, storage::Completion<Done>) override { PARLEY_UNREACHABLE(); }

 private:
  struct Record {
    Bytes value;
    bool damaged = false;
  };
  static std::uint64_t digest_of(const storage::RecordKey& key, const Record& record) {
    return record.damaged ? 0 : storage::record_digest(key.key, record.value);
  }
  void tell(const storage::RecordKey& key, std::uint64_t before, std::uint64_t after) {
    if (observer_ != nullptr) {
      observer_->record_changed(key.keyspace, key.token, key.key, before, after);
    }
  }
  void set(const storage::RecordKey& key, const Bytes& value, bool damaged) {
    const auto at = records_.find(key);
    const std::uint64_t before = at == records_.end() ? 0 : digest_of(key, at->second);
    Record& record = records_[key];
    record = {value, damaged};
    tell(key, before, digest_of(key, record));
  }

  runtime::Loop& loop_;
  std::map<storage::RecordKey, Record> records_;
  storage::RecordObserver* observer_ = nullptr;
  std::map<NodeId, storage::HintTotals> totals_;
};

class MemoryReplica final : public replication::Replica {
 public:
  explicit MemoryReplica(MemoryStore& store) : store_(store) {}
  StorageId storage_id() const override { return {}; }
  void read(const storage::RecordKey&,
            std::function<void(Result<replication::LocalCopy>)>) override {
    PARLEY_UNREACHABLE();
  }
  void merge(const storage::RecordKey& key, Bytes set, storage::Durability durability,
             std::function<void(Result<storage::Updated>)> done) override {
    PARLEY_CHECK(durability == storage::Durability::Fsync);
    if (!is_letters(set)) return done(Error{ErrorCode::InvalidArgument, "no letters"});
    ++merges;
    auto refused = std::make_shared<bool>(false);
    store_.update(
        key,
        [set, refused](const storage::Found& found) {
          *refused = found.condition == storage::Condition::Damaged;
          if (*refused) return std::optional<Bytes>();
          return std::optional<Bytes>(letters_union(found.value, set));
        },
        durability,
        [this, key, refused, done](Result<storage::Updated> updated) {
          if (!*refused) return done(std::move(updated));
          if (met_damage) met_damage(key.key);
          done(Error{ErrorCode::Damaged, "damaged"});
        });
  }
  void mend(const storage::RecordKey&, Bytes,
            std::function<void(Result<storage::Updated>)>) override {
    PARLEY_UNREACHABLE();
  }
  void write_off(const storage::RecordKey&) override { PARLEY_UNREACHABLE(); }
  void mint(replication::MintRequest, std::function<void(Result<replication::Minted>)>) override {
    PARLEY_UNREACHABLE();
  }
  std::size_t merges = 0;
  std::function<void(const Bytes& key)> met_damage;

 private:
  MemoryStore& store_;
};

class MemoryHints final : public replication::HintLog {
 public:
  explicit MemoryHints(runtime::Loop& loop) : loop_(loop) {}

  void keep(const NodeId& target, const Bytes& key, const Bytes& set, bool damaged = false) {
    storage::HintRow row;
    row.key = {target, record_key(key)};
    row.value = damaged ? Bytes{} : set;
    row.digest = storage::record_digest(key, set);
    row.damaged = damaged;
    if (rows_.insert_or_assign(row.key, row).second) ++totals_[target].hints;
  }
  std::size_t size() const { return rows_.size(); }

  void add(const NodeId&, const storage::RecordKey&, Bytes, bool,
           std::function<void(Status)>) override {
    PARLEY_UNREACHABLE();
  }
  void find(const storage::RecordKey&,
            std::function<void(Result<std::vector<storage::HintRow>>)>) override {
    PARLEY_UNREACHABLE();
  }
  void list(const NodeId& target, std::optional<storage::HintKey> after, std::size_t limit,
            std::size_t bytes_limit,
            std::function<void(Result<std::vector<storage::HintRow>>)> done) override {
    loop_.post([this, target, after, limit, bytes_limit, done] {
      std::vector<storage::HintRow> out;
      std::size_t bytes = 0;
      auto at = after ? rows_.upper_bound(*after) : rows_.lower_bound({target, {0, 0, {}}});
      for (; at != rows_.end() && at->first.target == target && out.size() < limit; ++at) {
        bytes += at->second.value.size();
        if (!out.empty() && bytes > bytes_limit) break;
        out.push_back(at->second);
      }
      done(std::move(out));
    });
  }
  void erase(const storage::HintKey& key, std::uint64_t digest,
             std::function<void(Result<bool>)> done) override {
    loop_.post([this, key, digest, done] {
      const auto at = rows_.find(key);
      const bool same = at != rows_.end() && at->second.digest == digest;
      if (same) {
        rows_.erase(at);
        --totals_.at(key.target).hints;
      }
      done(same);
    });
  }
  void drop(std::optional<NodeId>, std::function<void(Result<std::uint64_t>)>) override {
    PARLEY_UNREACHABLE();
  }
  const std::map<NodeId, storage::HintTotals>& totals() const override { return totals_; }

 private:
  runtime::Loop& loop_;
  std::map<storage::HintKey, storage::HintRow> rows_;
  std::map<NodeId, storage::HintTotals> totals_;
};

class MemoryRpc;

// Connects the nodes; a millisecond each way.
struct Switchboard {
  std::map<Endpoint, MemoryRpc*> nodes;
  std::set<Endpoint> down;  // answers nothing
  std::map<runtime::Verb, std::size_t> calls;
  std::uint64_t bytes = 0;
  void forget() {
    calls.clear();
    bytes = 0;
  }
};

class MemoryRpc final : public runtime::Rpc {
 public:
  MemoryRpc(Switchboard& board, runtime::Loop& loop, NodeId node, Endpoint at)
      : board_(board), loop_(loop), node_(node), at_(std::move(at)) {
    board_.nodes[at_] = this;
  }
  ~MemoryRpc() override { board_.nodes.erase(at_); }

  runtime::CallHandle call(const Endpoint& to, runtime::Verb verb, Bytes body,
                           const runtime::CallOptions& options,
                           std::function<void(Result<Bytes>)> done) override {
    ++board_.calls[verb];
    board_.bytes += body.size();
    auto handle = std::make_unique<Handle>();
    auto once = [alive = std::weak_ptr<bool>(handle->open), done](Result<Bytes> reply) {
      const auto open = alive.lock();
      if (open && std::exchange(*open, false)) done(std::move(reply));
    };
    loop_.start_timer(loop_.now() + options.timeout, [once] {
      once(Error{ErrorCode::NoAnswer, "no answer in time"});
    });
    loop_.start_timer(loop_.now() + 1ms, [this, to, verb, body, options, once] {
      deliver(to, verb, body, options, once);
    });
    return handle;
  }
  void serve(runtime::Verb verb, runtime::Admission, runtime::RpcHandler handler) override {
    handlers_[verb] = std::move(handler);
  }
  void set_identity(const runtime::RpcIdentity&) override {}
  void peer_recovered(const Endpoint&) override {}
  void on_peer_broken(std::function<void(NodeId, const Endpoint&)>) override {}

 private:
  struct Handle final : runtime::PendingCall {
    std::shared_ptr<bool> open = std::make_shared<bool>(true);
  };
  void deliver(const Endpoint& to, runtime::Verb verb, const Bytes& body,
               const runtime::CallOptions& options, std::function<void(Result<Bytes>)> once) {
    const auto peer = board_.nodes.find(to);
    if (peer == board_.nodes.end() || board_.down.contains(to)) {
      return once(Error{ErrorCode::Unreachable, "nobody there"});
    }
    const auto& handler = peer->second->handlers_[verb];
    if (!handler) return once(Error{ErrorCode::Unsupported, "no handler"});
    runtime::RpcRequest request{node_, at_, body, loop_.now() + options.timeout,
                                options.ring_digest};
    handler(request, [this, once](Result<Bytes> reply) {
      if (reply) board_.bytes += reply->size();
      loop_.start_timer(loop_.now() + 1ms, [once, reply] { once(reply); });
    });
  }
  Switchboard& board_;
  runtime::Loop& loop_;
  const NodeId node_;
  const Endpoint at_;
  std::map<runtime::Verb, runtime::RpcHandler> handlers_;
};

}  // namespace parley::repair::test
