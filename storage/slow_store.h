// A store whose every answer comes later by what a FaultTable says, in the order in which the store
// gave them: a disk that is slow and sound. What observers are told is not delayed.
#pragma once

#include <deque>
#include <memory>

#include "base/lifetime.h"
#include "base/random.h"
#include "runtime/fault_table.h"
#include "runtime/loop.h"
#include "storage/forwarding_store.h"

namespace parley::storage {

class SlowStore final : public ForwardingStore {
 public:
  // Answers that wait; past it a call is refused as overloaded, and nothing is done.
  static constexpr std::size_t kWaitingMost = 16384;

  // `loop` and `table` outlive it.
  SlowStore(std::unique_ptr<Store> store, runtime::Loop& loop, const runtime::FaultTable& table,
            Random random)
      : ForwardingStore(std::move(store)),
        loop_(loop),
        table_(table),
        random_(std::move(random)),
        reads_(loop),
        writes_(loop) {}

  // The table is another one now: if the disk is sound again, what waits begins to go next turn.
  void table_changed();

  void get(RecordKey key, Completion<Found> done) override;
  void update(RecordKey key, Decide decide, Durability durability,
              Completion<Updated> done) override;
  void list_slot(KeyspaceNumber keyspace, Slot slot, std::optional<RecordKey> after,
                 std::size_t limit, Completion<std::vector<ListedKey>> done) override;
  void list_records(KeyspaceNumber keyspace, std::optional<RecordKey> after, std::size_t limit,
                    std::size_t bytes_limit, Completion<std::vector<ListedRecord>> done) override;
  void update_hint(HintKey key, bool sole, WallTime now, Decide decide,
                   Completion<Updated> done) override;
  void erase_hint(HintKey key, std::uint64_t digest, Completion<bool> done) override;
  void list_hints(NodeId target, std::optional<HintKey> after, std::size_t limit,
                  std::size_t bytes_limit, Completion<std::vector<HintRow>> done) override;
  void find_hints(RecordKey key, Completion<std::vector<HintRow>> done) override;
  void drop_hints(std::optional<NodeId> target, Completion<std::uint64_t> done) override;
  void put_named(Bytes name, Bytes value, Completion<Done> done) override;

 private:
  // One after the other among themselves, as a disk's reads and its commits are.
  struct Line {
    explicit Line(runtime::Loop& loop) : alarm(loop) {}
    struct Answer {
      Instant due;
      runtime::Task give;
    };
    std::deque<Answer> waiting;  // none is due before the one ahead of it
    runtime::Timer alarm;        // set whenever some wait
  };
  template <typename T>
  bool refuse(const Completion<T>& done);  // and say so
  template <typename T>
  Completion<T> later(Line& line, Completion<T> done);
  void arm(Line& line);
  void give_one(Line& line);

  runtime::Loop& loop_;
  const runtime::FaultTable& table_;
  Random random_;
  Line reads_, writes_;
  Lifetime lifetime_;
};

}  // namespace parley::storage
