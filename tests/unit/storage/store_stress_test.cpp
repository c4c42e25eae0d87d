// The store's threads under load: batches, reads, full queues, and an end at any moment, by
// destruction or by a disk that fails. What the simulator takes out (it runs batches as turns of
// the loop). Seeds are drawn anew for each run; a failing one is in the message.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>

#include "base/codec.h"
#include "base/random.h"
#include "runtime/asio_loop.h"
#include "tests/fake/fault_vfs.h"
#include "tests/unit/storage/store_case.h"

using namespace parley;
using namespace parley::storage_test;

namespace {

constexpr Duration kStress = 3s;
constexpr std::uint64_t kKeys = 5;

enum class Ending : std::uint8_t { Drained, Destroyed, DestroyedByCompletion, DiskFailed, Count };

std::uint64_t number_in(ByteView text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

class Stress {
 public:
  explicit Stress(std::uint64_t seed)
      : random_(seed), ending_(static_cast<Ending>(random_.below(std::uint64_t(Ending::Count)))) {
    SqliteSettings settings;
    settings.vfs = vfs_.name();
    settings.synchronous = Synchronous::Normal;  // as fast as it gets: it is about threads
    test_.emplace(std::move(settings));
    REQUIRE(test_->store.options().write_queue_most.set(16 + random_.below(64)).ok());
    REQUIRE(test_->store.options().read_queue_most.set(16 + random_.below(64)).ok());
    REQUIRE(test_->store.options().group_most.set(1 + random_.below(16)).ok());
    REQUIRE(test_->store.options().gather.set(random_.below(2) * 1ms).ok());
    test_->store.reopen();
  }

  void run() {
    const std::uint64_t steps = 50 + random_.below(400);
    const std::uint64_t end_at = random_.below(steps);
    for (std::uint64_t step = 0; step < steps && !closed_; ++step) {
      if (step == end_at) begin_to_end();
      if (closed_) break;
      submit();
      if (random_.below(4) == 0) test_->world.run_for(0ms);
    }
    finish();
    test_->store.reopen();
    judge();
  }

 private:
  struct Key {
    std::uint64_t submitted = 0;  // numbers of writes, ascending
    std::uint64_t durable = 0;    // the last that was answered
  };
  enum class Answer : std::uint8_t { None, Ok, Overloaded };
  // One submitted request, shared with its completion.
  struct Asked {
    std::uint64_t order = 0;  // of accepted writes
    Answer answer = Answer::None;
    std::atomic<int> decided{0};
  };

  void begin_to_end() {
    if (ending_ == Ending::Destroyed) return close();
    if (ending_ == Ending::DiskFailed) {
      failing_ = true;
      using storage::VfsCall, storage::VfsFile, storage::VfsVerdict;
      vfs_.inject({VfsFile::Wal, VfsCall::Write, VfsVerdict::Fail, 1 + random_.below(8)});
    }
    if (ending_ == Ending::DestroyedByCompletion) close_in_completion_ = true;
  }
  void close() {
    test_->store.close();
    closed_ = true;
  }

  void submit() {
    Store& store = test_->store.get();
    const Bytes name(1, static_cast<char>('a' + random_.below(kKeys)));
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2: return update(store, name, Durability::Fsync);
      case 3: return update(store, name, Durability::Memory);
      case 4: return hint(store, name);
      case 5: return named(store);
      default: return get(store, name);
    }
  }
  void update(Store& store, const Bytes& name, Durability durability) {
    Key& key = keys_[name];
    const std::uint64_t number = ++key.submitted;
    const auto asked = ask();
    const bool fsync = durability == Durability::Fsync;
    store.update(
        record_key(name),
        [asked, number](const Found& current) {
          ++asked->decided;
          // An earlier write of the queue can not come after a later one.
          const bool later =
              current.condition == Condition::Sound && number_in(current.value) >= number;
          return later ? std::optional<Bytes>("out of order")
                       : std::optional<Bytes>(std::to_string(number));
        },
        durability,
        [this, asked, fsync, number, name](const Result<Updated>& result) {
          answered(*asked, result.ok(), fsync);
          // One that is answered from memory may be lost, and is not seen before its commit.
          if (result.ok() && fsync) keys_[name].durable = std::max(keys_[name].durable, number);
        });
  }

  void hint(Store& store, const Bytes& name) {
    const auto asked = ask();
    store.update_hint(
        hint_key(1, name), false, {1},
        [asked](const Found&) {
          ++asked->decided;
          return std::optional<Bytes>("hint");
        },
        [this, asked, name](const Result<Updated>& result) {
          answered(*asked, result.ok(), true);
          if (!result.ok() || closed_) return;
          const auto erased = ask();
          erased->decided = -1;
          test_->store->erase_hint(
              hint_key(1, name), result->digest,
              [this, erased](const Result<bool>& done) { answered(*erased, done.ok(), true); });
        });
  }

  void named(Store& store) {
    const auto asked = ask();
    asked->decided = -1;
    store.put_named("name", std::to_string(++named_),
                    [this, asked](const Status& done) { answered(*asked, done.ok(), true); });
  }

  void get(Store& store, const Bytes& name) {
    const auto asked = ask();
    asked->decided = -1;
    const std::uint64_t least = keys_[name].durable;
    store.get(record_key(name), [this, asked, name, least](const Result<Found>& found) {
      answered(*asked, found.ok(), false);
      if (!found.ok()) return;
      const std::uint64_t seen = number_in(found->value);
      CHECK(found->condition != Condition::Damaged);
      CHECK(seen >= least);
      CHECK(seen <= keys_[name].submitted);
    });
  }

  std::shared_ptr<Asked> ask() {
    auto asked = std::make_shared<Asked>();
    asked->order = ++order_;
    asked_.push_back(asked);
    return asked;
  }

  // `ordered`: a write that is answered when it is committed.
  void answered(Asked& asked, bool ok, bool ordered) {
    CHECK_FALSE(closed_);
    CHECK(asked.answer == Answer::None);
    asked.answer = ok ? Answer::Ok : Answer::Overloaded;
    if (asked.decided >= 0) CHECK(asked.decided == (ok ? 1 : 0));
    if (ok && ordered) CHECK(std::exchange(last_, asked.order) < asked.order);
    if (ok && close_in_completion_ && random_.below(4) == 0) close();
  }

  std::size_t open() const {
    return static_cast<std::size_t>(
        std::count_if(asked_.begin(), asked_.end(),
                      [](const auto& asked) { return asked->answer == Answer::None; }));
  }

  void finish() {
    const auto done = [this] {
      return closed_ || open() == 0 || (failing_ && test_->store.fatal().has_value());
    };
    CHECK(test_->world.run_real_until(done, 30s));
    if (failing_ && !closed_ && test_->store.fatal()) {
      // Nothing is answered after the failure, and nothing hangs.
      const auto before = static_cast<std::ptrdiff_t>(asked_.size());
      for (int i = 0; i < 20; ++i) submit();
      test_->world.run_for(0ms);
      CHECK(std::all_of(asked_.begin() + before, asked_.end(),
                        [](const auto& asked) { return asked->answer == Answer::None; }));
    }
    if (!closed_) close();
    test_->world.run_for(0ms);  // answered() would notice
    vfs_.heal();
  }

  // What was answered is there; what was not decided by the engine left nothing.
  void judge() {
    for (const auto& [name, key] : keys_) {
      const auto found = test_->get(record_key(name));
      REQUIRE(found.ok());
      CHECK(number_in(found->value) >= key.durable);
      CHECK(number_in(found->value) <= key.submitted);
    }
    for (const auto& asked : asked_) CHECK(asked->decided <= 1);
  }

  Random random_;
  const Ending ending_;
  fake::FaultVfs vfs_;
  std::optional<StoreCase> test_;
  bool closed_ = false, failing_ = false, close_in_completion_ = false;
  std::map<Bytes, Key> keys_;
  std::vector<std::shared_ptr<Asked>> asked_;
  std::uint64_t order_ = 0, last_ = 0, named_ = 0;
};

}  // namespace

TEST_CASE("store stress: batches, reads and full queues, ended at any moment") {
  const Bytes entropy = runtime::os_entropy32();
  const std::uint64_t first = ByteReader(entropy).number<std::uint64_t>();
  const auto end = std::chrono::steady_clock::now() + kStress;
  std::uint64_t rounds = 0;
  do {
    INFO("seed " << first + rounds);
    Stress(first + rounds).run();
    ++rounds;
  } while (std::chrono::steady_clock::now() < end);
  CHECK(rounds > 0);
}
