#include "repair/read_repair.h"

#include <algorithm>

namespace parley::repair {
namespace {

constexpr std::size_t kQueuedBytesMost = 64_MiB;
// Lets one batch gather what a burst of reads finds.
constexpr Duration kGather = 5ms;

// What the two reads saw together. Bytes that do not decode are left alone: the receiver refuses
// them.
Bytes merged(const Bytes& a, const Bytes& b) {
  auto left = replication::VersionSet::decode(a);
  const auto right = replication::VersionSet::decode(b);
  if (!left || !right) return b;
  left->merge(*right);
  return left->encode();
}

}  // namespace

ReadRepair::ReadRepair(const RepairWorld& world, CopySender& sender,
                       std::function<void(const NodeId&)> left_over)
    : world_(world),
      sender_(sender),
      left_over_(std::move(left_over)),
      timer_(world.loop),
      repaired_(world.metrics, "read_repairs_background_total",
                "Copies brought up to date after a read that did not wait for them."),
      queued_(world.metrics, "read_repair_queue", "Keys waiting for background read repair.",
              [this] { return static_cast<double>(queue_.size()); }) {}

void ReadRepair::add(const storage::RecordKey& key, const Bytes& merged_set,
                     const std::vector<NodeId>& stale) {
  if (stale.empty()) return;
  const auto found = queue_.find(key);
  if (found != queue_.end()) {
    Entry& entry = found->second;
    bytes_ -= entry.set.size();
    if (entry.set != merged_set) entry.set = merged(entry.set, merged_set);
    bytes_ += entry.set.size();
    entry.stale.insert(stale.begin(), stale.end());
    return;
  }
  const bool room = queue_.size() < world_.options.background_most() &&
                    bytes_ + merged_set.size() <= kQueuedBytesMost;
  if (!room) {
    for (const NodeId& node : stale) left_over_(node);
    return;
  }
  bytes_ += merged_set.size();
  const auto turn = turns_.insert(turns_.end(), key);
  queue_.emplace(key, Entry{merged_set, {stale.begin(), stale.end()}, turn});
  wake();
}

void ReadRepair::wake() {
  if (queue_.empty() || in_flight_ > 0 || timer_.pending()) return;
  timer_.after(kGather, [this] { send_some(); });
}

// One batch a node, the oldest keys first, all of one keyspace.
void ReadRepair::send_some() {
  std::map<NodeId, Batch> batches;
  const storage::KeyspaceNumber keyspace = turns_.front().keyspace;
  while (!turns_.empty() && turns_.front().keyspace == keyspace) {
    const auto at = queue_.find(turns_.front());
    const Entry& entry = at->second;
    const bool full = std::any_of(entry.stale.begin(), entry.stale.end(), [&](const NodeId& node) {
      const Batch& batch = batches[node];
      return !batch.copies.empty() && batch.bytes + entry.set.size() > world_.options.batch_bytes();
    });
    if (full) break;
    for (const NodeId& node : entry.stale) {
      batches[node].copies.push_back({at->first.key, entry.set});
      batches[node].bytes += at->first.key.size() + entry.set.size();
    }
    bytes_ -= entry.set.size();
    turns_.pop_front();
    queue_.erase(at);
  }
  for (auto& [node, batch] : batches) {
    if (!batch.copies.empty()) send(node, keyspace, std::move(batch.copies));
  }
  wake();
}

void ReadRepair::send(const NodeId& node, storage::KeyspaceNumber keyspace,
                      std::vector<KeyedSet> copies) {
  const auto view = world_.view();
  if (view == nullptr || !view->is_up(node)) return left_over_(node);
  ++in_flight_;
  sender_.send(node, runtime::Verb::SyncStore, keyspace, std::move(copies),
               alive_.guard([this, node](Result<StoreReply> reply) { on_sent(node, reply); }));
}

void ReadRepair::on_sent(const NodeId& node, const Result<StoreReply>& reply) {
  --in_flight_;
  const auto stored =
      !reply ? 0 : std::count(reply->outcomes.begin(), reply->outcomes.end(), StoreOutcome::Stored);
  repaired_.add(static_cast<std::uint64_t>(stored));
  const bool all = reply.ok() && static_cast<std::size_t>(stored) == reply->outcomes.size();
  if (!all) left_over_(node);
  wake();
}

}  // namespace parley::repair
