#include "repair/repair.h"

#include <utility>

#include "repair/anti_entropy.h"
#include "repair/damage_mender.h"
#include "repair/hint_delivery.h"
#include "repair/read_repair.h"
#include "repair/sync_service.h"

namespace parley::repair {
namespace {

// Owns the five ways of mending and passes the news to them.
class RepairFloor final : public Repair {
 public:
  RepairFloor(RepairWorld world, Random random)
      : world_(std::move(world)),
        sender_(world_),
        anti_entropy_(world_, index_, cache_, std::move(random)),
        service_(
            world_, index_, cache_,
            [this](const NodeId& peer, bool equal) { anti_entropy_.compared_by(peer, equal); }),
        hint_delivery_(world_, sender_,
                       [this](const NodeId& node) { anti_entropy_.compare_soon(node); }),
        read_repair_(world_, sender_,
                     [this](const NodeId& node) { anti_entropy_.compare_soon(node); }),
        damage_mender_(world_) {
    index_.load(storage::kDefaultKeyspace,
                world_.store.take_slot_digests(storage::kDefaultKeyspace));
  }

  void start() override {
    service_.start();
    anti_entropy_.start();
    hint_delivery_.start();
  }

  void run_round(Duration timeout, std::function<void(Result<std::uint64_t>)> done) override {
    anti_entropy_.run_round(timeout, std::move(done));
  }
  std::vector<SyncRow> status() const override { return anti_entropy_.status(); }
  Comparisons comparisons() const override { return anti_entropy_.comparisons(); }
  void when_compared(std::function<void()> done) override {
    anti_entropy_.when_compared(std::move(done));
  }

  void record_changed(storage::KeyspaceNumber keyspace, Token token, ByteView key,
                      std::uint64_t digest_before, std::uint64_t digest_after) override {
    index_.change(keyspace, token, key, digest_before, digest_after);
  }
  void view_changed(const membership::ViewPtr&) override {
    anti_entropy_.view_changed();
    hint_delivery_.look_soon();
  }
  void member_returned(const NodeId& node) override {
    anti_entropy_.compare_soon(node);
    hint_delivery_.look_soon();
    damage_mender_.look_soon();
  }
  void record_damaged(const storage::RecordKey& key) override { damage_mender_.add(key); }
  void replicas_stale(const storage::RecordKey& key, const Bytes& merged_set,
                      const std::vector<NodeId>& stale) override {
    read_repair_.add(key, merged_set, stale);
  }
  void hint_dropped(const NodeId& target, const storage::RecordKey&) override {
    anti_entropy_.compare_soon(target);
  }

 private:
  const RepairWorld world_;
  SlotIndex index_;
  SharedCache cache_;
  CopySender sender_;
  AntiEntropy anti_entropy_;
  SyncService service_;
  HintDelivery hint_delivery_;
  ReadRepair read_repair_;
  DamageMender damage_mender_;
};

}  // namespace

std::unique_ptr<Repair> make_repair(RepairWorld world, Random random) {
  return std::make_unique<RepairFloor>(std::move(world), std::move(random));
}

}  // namespace parley::repair
