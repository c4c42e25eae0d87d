// The writer: one batch of requests is one transaction. Runs on the writer's thread (or inline);
// owns the only connection that writes and checkpoints.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <set>

#include "base/log.h"
#include "base/metric.h"
#include "storage/sqlite_rows.h"
#include "storage/write_request.h"

namespace parley::storage {

struct WriterMetrics {
  explicit WriterMetrics(MetricRegistry& metrics);
  Counter commits, updates, damaged, checkpoints, refused;
  Histogram commit_seconds;
};

class SqliteWriter {
 public:
  // The world as the writer sees it. All are called on its thread.
  struct World {
    std::function<Instant()> now;
    std::function<std::uint64_t()> free_bytes;
    std::function<void(Delivery)> deliver;    // to the loop, in order
    std::function<void(const Error&)> fatal;  // at most once; nothing is delivered after it
    std::function<void(std::deque<WriteRequest>)> bury;  // destroyed on the loop, never answered
  };
  struct Limits {
    std::uint64_t checkpoint_pages = 0;
    std::uint64_t free_bytes_least = 0;
  };

  SqliteWriter(Connection connection, Limits limits, World world, Logger log,
               WriterMetrics& metrics);
  ~SqliteWriter();

  // One group: takes requests from the front until all are done or the group is large in bytes;
  // what it leaves is to be run next.
  void run_batch(std::deque<WriteRequest>& queue);
  // A last checkpoint, so that the log is empty. After the last batch.
  void close();

  const Connection& connection() const { return connection_; }
  // From any thread.
  std::uint64_t undone() const { return undone_.load(std::memory_order_relaxed); }  // store.h
  std::uint64_t bytes_on_disk() const { return bytes_on_disk_.load(std::memory_order_relaxed); }
  // Running mean of what an update writes: what a queued one, whose closure cannot be measured,
  // is taken to keep in memory. From any thread.
  std::size_t usual_bytes() const { return usual_bytes_.load(std::memory_order_relaxed); }

 private:
  // One request's work, decided and written but not yet committed.
  struct Finished {
    std::vector<Change> changes;
    bool early = false;                        // Durability::Memory
    std::function<void(const Error*)> answer;  // nullptr: success
  };
  struct Group {
    std::vector<Finished> finished;
    std::size_t bytes = 0;
    std::size_t told = 0;  // finished[0..told) had their changes delivered before the commit
    std::vector<WriteRequest> again;  // the rest of sliced requests
    // Sound to this connection, rotten in the file: written anew once, however many readers met it.
    std::set<RecordKey> records_anew;
    std::set<HintKey> hints_anew;
  };

  enum class Room : std::uint8_t {
    Enough,
    Reserve,  // less than is to be kept free: for named values only, they are small and needed
    None,     // SQLite found none just now
  };
  Room room();
  void found_no_room(const char* during);
  // Takes all it refuses out of the queue; with `but_named`, all but the named values.
  void refuse(std::deque<WriteRequest>& queue, bool but_named);
  void work(std::deque<WriteRequest>& queue, Group& group);
  void deliver_early(Group& group);
  void deliver_committed(Group& group);
  void roll_back_full(Group& group, std::deque<WriteRequest>& queue);
  void fail_stop(const std::string& doing, const SqliteError& error);
  void bury(Group& group, std::deque<WriteRequest>& queue);

  void apply(UpdateRecord& request, Group& group);
  void apply(UpdateHint& request, Group& group);
  void apply(EraseHint& request, Group& group);
  void apply(DropHints& request, Group& group);
  void apply(PutNamed& request, Group& group);
  void apply(MarkRecord& request, Group& group);
  void apply(MarkHint& request, Group& group);
  void found_damaged(const char* what, const RecordKey& key);

  void checkpoint_when_due();
  void checkpoint(int mode);
  void measure();

  Connection connection_;
  Statement begin_, commit_;
  std::unique_ptr<WriterRows> rows_;
  const Limits limits_;
  const World world_;
  const Logger log_;
  WriterMetrics& metrics_;

  bool failed_ = false;
  Room room_ = Room::Enough;
  Instant room_tested_{};
  bool room_known_ = false;
  std::uint64_t log_pages_ = 0;
  std::uint64_t checkpoint_at_;
  std::atomic<std::uint64_t> bytes_on_disk_{0};
  std::atomic<std::size_t> usual_bytes_{512};
  std::atomic<std::uint64_t> undone_{0};
};

}  // namespace parley::storage
