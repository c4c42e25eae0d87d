#include "storage/sqlite_store.h"

#include <chrono>
#include <filesystem>

#include "base/hash.h"
#include "storage/batch_queue.h"
#include "storage/directory_lock.h"
#include "storage/sqlite_reader.h"
#include "storage/sqlite_scan.h"
#include "storage/sqlite_settings.h"
#include "storage/sqlite_sync_count.h"
#include "storage/sqlite_writer.h"

namespace parley::storage {
namespace {

constexpr std::int64_t kRetryAfterMs = 50;

Error overloaded() { return {ErrorCode::Overloaded, "the store's queue is full", kRetryAfterMs}; }

std::uint64_t free_bytes_of(const std::string& directory) {
  std::error_code code;
  const auto space = std::filesystem::space(directory, code);
  // Unknown is not full: a write that finds no room fails by itself.
  return code ? std::uint64_t{1} << 62 : space.available;
}

// What survives open() and the options, by value.
struct Parts {
  std::unique_ptr<DirectoryLock> lock;
  std::unique_ptr<SyncCountVfs> vfs;  // outlives the connections
  Connection writing, reading;
  StoredState state;
};

class SqliteStore final : public Store {
 public:
  SqliteStore(Parts parts, const SqliteSettings& settings, const std::string& directory,
              const StoreOptions& options, runtime::Loop& loop, Logger log, MetricRegistry& metrics,
              std::function<void(const Error&)> fatal);
  ~SqliteStore() override;

  void finish() override;
  void get(RecordKey key, Completion<Found> done) override;
  void update(RecordKey key, Decide decide, Durability durability,
              Completion<Updated> done) override;
  void list_slot(KeyspaceNumber keyspace, Slot slot, std::optional<RecordKey> after,
                 std::size_t limit, Completion<std::vector<ListedKey>> done) override;
  void list_records(KeyspaceNumber keyspace, std::optional<RecordKey> after, std::size_t limit,
                    std::size_t bytes_limit, Completion<std::vector<ListedRecord>> done) override;
  std::uint64_t undone() const override { return writer_.undone(); }
  bool holds_data() const override { return holds_data_; }
  std::uint64_t bytes_on_disk() const override { return writer_.bytes_on_disk(); }
  void observe(RecordObserver* observer) override { observer_ = observer; }
  std::vector<SlotDigest> take_slot_digests(KeyspaceNumber keyspace) override;

  void update_hint(HintKey key, bool sole, WallTime now, Decide decide,
                   Completion<Updated> done) override;
  void erase_hint(HintKey key, std::uint64_t digest, Completion<bool> done) override;
  void list_hints(NodeId target, std::optional<HintKey> after, std::size_t limit,
                  std::size_t bytes_limit, Completion<std::vector<HintRow>> done) override;
  void find_hints(RecordKey key, Completion<std::vector<HintRow>> done) override;
  void drop_hints(std::optional<NodeId> target, Completion<std::uint64_t> done) override;
  const std::map<NodeId, HintTotals>& hint_totals() const override { return state_.hints.totals(); }

  std::optional<Bytes> named(ByteView name) const override;
  void put_named(Bytes name, Bytes value, Completion<Done> done) override;

 private:
  // Shared with tasks that wait on the loop: they do nothing once the store is gone. Loop only,
  // but for the atomic.
  struct Shared {
    bool alive = true;
    std::atomic<bool> stopped{false};  // fail-stop: nothing is promised any more
  };
  SqliteWriter::World writer_world(const SqliteSettings& settings, const std::string& directory);
  SqliteReader::World reader_world(const SqliteSettings& settings);
  std::function<Instant()> clock(const SqliteSettings& settings) const;
  template <typename Queue>
  std::function<void()> schedule(const SqliteSettings& settings, std::unique_ptr<Queue>& queue);
  // Runs `task` on the loop unless the store is gone by then. From any thread.
  void post(runtime::Task task) const;
  void stop_for_good(const Error& error);
  void deliver(const std::shared_ptr<Shared>& shared, Delivery& delivery);
  void tell(const Change& change);
  template <typename Request, typename Done>
  void write(Request request, std::size_t bytes, const Done& done);
  template <typename Request, typename Done>
  void read(Request request, const Done& done);
  std::size_t usual_bytes(const RecordKey& key) const {
    return sizeof(WriteRequest) + key.key.size() + writer_.usual_bytes();
  }

  // Constant after construction.
  runtime::Loop& loop_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  const std::function<void(const Error&)> fatal_;
  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<SyncCountVfs> vfs_;

  // Loop only.
  StoredState state_;
  bool holds_data_;
  RecordObserver* observer_ = nullptr;

  WriterMetrics writer_metrics_;
  SqliteWriter writer_;
  SqliteReader reader_;
  // Last, so that the threads end before what they use.
  std::unique_ptr<BatchQueue<WriteRequest>> writes_;
  std::unique_ptr<BatchQueue<ReadRequest>> reads_;
  Gauge write_queue_, read_queue_, disk_bytes_;
};

// Nodes of one cluster, started together, would all stop for their checkpoints at the same time:
// up to an eighth more, by directory.
std::uint64_t checkpoint_pages(const StoreOptions& options, const std::string& directory) {
  const std::uint64_t pages = options.checkpoint_pages();
  return pages + hash64(directory) % (pages / 8 + 1);
}

SqliteStore::SqliteStore(Parts parts, const SqliteSettings& settings, const std::string& directory,
                         const StoreOptions& options, runtime::Loop& loop, Logger log,
                         MetricRegistry& metrics, std::function<void(const Error&)> fatal)
    : loop_(loop),
      fatal_(std::move(fatal)),
      lock_(std::move(parts.lock)),
      vfs_(std::move(parts.vfs)),
      state_(std::move(parts.state)),
      holds_data_(state_.records > 0 || !state_.hints.totals().empty()),
      writer_metrics_(metrics),
      writer_(std::move(parts.writing),
              {checkpoint_pages(options, directory), options.free_bytes_least()},
              writer_world(settings, directory), log, writer_metrics_),
      reader_(std::move(parts.reading), reader_world(settings)),
      writes_(std::make_unique<BatchQueue<WriteRequest>>(
          QueueLimits{options.write_queue_most(), options.queued_bytes_most(), options.group_most(),
                      options.gather()},
          [this](auto& queue) { writer_.run_batch(queue); }, schedule(settings, writes_))),
      reads_(std::make_unique<BatchQueue<ReadRequest>>(
          QueueLimits{options.read_queue_most(), options.queued_bytes_most(), 256, Duration{0}},
          [this](auto& queue) { reader_.run_batch(queue); }, schedule(settings, reads_))),
      write_queue_(metrics, "store_write_queue", "Writes that wait for the writer.",
                   [this] { return static_cast<double>(writes_->size()); }),
      read_queue_(metrics, "store_read_queue", "Reads that wait for the reader.",
                  [this] { return static_cast<double>(reads_->size()); }),
      disk_bytes_(metrics, "store_disk_bytes", "Bytes of the database and its log.",
                  [this] { return static_cast<double>(bytes_on_disk()); }) {}

SqliteStore::~SqliteStore() {
  shared_->alive = false;
  finish();
  if (!shared_->stopped) writer_.close();
}

void SqliteStore::finish() {
  reads_->stop();  // before the writer: it may still send marks
  writes_->stop();
}

// --- between the threads ---

void SqliteStore::post(runtime::Task task) const {
  loop_.post([shared = shared_, task = std::move(task)] {
    if (shared->alive) task();
  });
}

std::function<Instant()> SqliteStore::clock(const SqliteSettings& settings) const {
  if (settings.threads == StoreThreads::Inline) return [&loop = loop_] { return loop.now(); };
  // The loop's clock may only be asked on the loop.
  return [] { return Instant{std::chrono::steady_clock::now().time_since_epoch()}; };
}

template <typename Queue>
std::function<void()> SqliteStore::schedule(const SqliteSettings& settings,
                                            std::unique_ptr<Queue>& queue) {
  if (settings.threads == StoreThreads::Real) return {};
  if (!settings.batch_time) return [this, &queue] { post([&queue] { queue->run_inline(); }); };
  return [this, &queue, batch_time = settings.batch_time] {
    loop_.start_timer(loop_.now() + batch_time(), [shared = shared_, &queue] {
      if (shared->alive) queue->run_inline();
    });
  };
}

SqliteWriter::World SqliteStore::writer_world(const SqliteSettings& settings,
                                              const std::string& directory) {
  SqliteWriter::World world;
  world.now = clock(settings);
  const auto free_bytes = settings.free_bytes ? settings.free_bytes : free_bytes_of;
  world.free_bytes = [free_bytes, directory] { return free_bytes(directory); };
  world.deliver = [this](Delivery delivery) {
    post([this, delivery = std::move(delivery)]() mutable { deliver(shared_, delivery); });
  };
  world.fatal = [this](const Error& error) { stop_for_good(error); };
  world.bury = [this](std::deque<WriteRequest> queue) {
    loop_.post([buried = std::make_shared<std::deque<WriteRequest>>(std::move(queue))] {});
  };
  return world;
}

SqliteReader::World SqliteStore::reader_world(const SqliteSettings& settings) {
  SqliteReader::World world;
  world.now = clock(settings);
  world.deliver = [this](std::vector<runtime::Task> answers) {
    post([this, delivery = Delivery{{}, std::move(answers)}]() mutable {
      deliver(shared_, delivery);
    });
  };
  world.mark = [this](WriteRequest request) {
    (void)writes_->push(std::move(request), sizeof(WriteRequest));
  };
  world.fatal = [this](const Error& error) { stop_for_good(error); };
  return world;
}

void SqliteStore::stop_for_good(const Error& error) {
  if (shared_->stopped.exchange(true)) return;
  post([this, error] {
    if (fatal_) fatal_(error);
  });
}

void SqliteStore::deliver(const std::shared_ptr<Shared>& shared, Delivery& delivery) {
  const std::shared_ptr<Shared> kept = shared;  // a completion may destroy the store
  for (const Change& change : delivery.changes) {
    tell(change);
    if (!kept->alive) return;
  }
  for (auto& completion : delivery.completions) {
    completion();
    if (!kept->alive) return;
  }
}

void SqliteStore::tell(const Change& change) {
  if (const auto* record = std::get_if<RecordChange>(&change)) {
    holds_data_ = true;
    if (observer_ != nullptr) {
      observer_->record_changed(record->key.keyspace, record->key.token, record->key.key,
                                record->before, record->after);
    }
  } else if (const auto* hint = std::get_if<HintChange>(&change)) {
    holds_data_ = true;
    state_.hints.change(hint->target, hint->before, hint->after);
  } else {
    const auto& named = std::get<NamedChange>(change);
    if (named.after) {
      state_.named[named.name] = *named.after;
    } else {
      state_.named.erase(named.name);
    }
  }
}

template <typename Request, typename Done>
void SqliteStore::write(Request request, std::size_t bytes, const Done& done) {
  if (shared_->stopped) return;  // never answered, as everything since the failure
  if (writes_->push(std::move(request), bytes)) return;
  post([done] { done(overloaded()); });
}

template <typename Request, typename Done>
void SqliteStore::read(Request request, const Done& done) {
  if (shared_->stopped) return;
  if (reads_->push(std::move(request), sizeof(ReadRequest))) return;
  post([done] { done(overloaded()); });
}

// --- the interface ---

void SqliteStore::get(RecordKey key, Completion<Found> done) {
  read(GetRecord{std::move(key), done}, done);
}

void SqliteStore::update(RecordKey key, Decide decide, Durability durability,
                         Completion<Updated> done) {
  const std::size_t bytes = usual_bytes(key);
  write(UpdateRecord{std::move(key), std::move(decide), durability, done}, bytes, done);
}

void SqliteStore::list_slot(KeyspaceNumber keyspace, Slot slot, std::optional<RecordKey> after,
                            std::size_t limit, Completion<std::vector<ListedKey>> done) {
  read(ListSlot{keyspace, slot, std::move(after), limit, done, {}}, done);
}

void SqliteStore::list_records(KeyspaceNumber keyspace, std::optional<RecordKey> after,
                               std::size_t limit, std::size_t bytes_limit,
                               Completion<std::vector<ListedRecord>> done) {
  read(ListRecords{keyspace, std::move(after), limit, bytes_limit, done}, done);
}

std::vector<SlotDigest> SqliteStore::take_slot_digests(KeyspaceNumber keyspace) {
  auto taken = state_.slot_digests.extract(keyspace);
  return taken.empty() ? std::vector<SlotDigest>{} : std::move(taken.mapped());
}

void SqliteStore::update_hint(HintKey key, bool sole, WallTime now, Decide decide,
                              Completion<Updated> done) {
  const std::size_t bytes = usual_bytes(key.record);
  write(UpdateHint{std::move(key), sole, now, std::move(decide), done}, bytes, done);
}

void SqliteStore::erase_hint(HintKey key, std::uint64_t digest, Completion<bool> done) {
  const std::size_t bytes = sizeof(WriteRequest) + key.record.key.size();
  write(EraseHint{std::move(key), digest, done}, bytes, done);
}

void SqliteStore::list_hints(NodeId target, std::optional<HintKey> after, std::size_t limit,
                             std::size_t bytes_limit, Completion<std::vector<HintRow>> done) {
  read(ListHints{target, std::move(after), limit, bytes_limit, done}, done);
}

void SqliteStore::find_hints(RecordKey key, Completion<std::vector<HintRow>> done) {
  read(FindHints{std::move(key), done}, done);
}

void SqliteStore::drop_hints(std::optional<NodeId> target, Completion<std::uint64_t> done) {
  write(DropHints{target, std::nullopt, 0, done}, sizeof(WriteRequest), done);
}

std::optional<Bytes> SqliteStore::named(ByteView name) const {
  const auto found = state_.named.find(name);
  if (found == state_.named.end()) return std::nullopt;
  return found->second;
}

void SqliteStore::put_named(Bytes name, Bytes value, Completion<Done> done) {
  const std::size_t bytes = sizeof(WriteRequest) + name.size() + value.size();
  write(PutNamed{std::move(name), std::move(value), done}, bytes, done);
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store_with(const SqliteSettings& settings,
                                                      const std::string& directory,
                                                      const StoreOptions& options,
                                                      runtime::Loop& loop, Logger log,
                                                      MetricRegistry& metrics,
                                                      std::function<void(const Error&)> fatal) {
  Parts parts;
  if (settings.real_directory) {
    auto lock = DirectoryLock::take(directory);
    if (!lock) return lock.error();
    parts.lock = std::move(*lock);
  }
  parts.vfs = std::make_unique<SyncCountVfs>(settings.vfs, metrics);
  if (!parts.vfs->usable()) {
    return Error{ErrorCode::InvalidArgument, "there is no SQLite VFS named " + settings.vfs};
  }
  const std::string path = directory + "/parley.db";
  auto writing = open_writing(path, parts.vfs->name(), settings.synchronous);
  if (!writing) return writing.error();
  parts.writing = std::move(*writing);
  try {
    parts.state = scan(parts.writing);
    parts.reading = open_reading(path, parts.vfs->name());
    if (!parts.state.damaged_name.empty()) {
      return Error{ErrorCode::Damaged, path + ": damaged: the named value \"" +
                                           parts.state.damaged_name + "\" fails its checksum"};
    }
    return std::unique_ptr<Store>(std::make_unique<SqliteStore>(
        std::move(parts), settings, directory, options, loop, log, metrics, std::move(fatal)));
  } catch (const SqliteError& error) {
    return open_error(path, error);
  }
}

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& directory,
                                                 const StoreOptions& options, runtime::Loop& loop,
                                                 Logger log, MetricRegistry& metrics,
                                                 std::function<void(const Error&)> fatal) {
  return open_sqlite_store_with({}, directory, options, loop, log, metrics, std::move(fatal));
}

}  // namespace parley::storage
