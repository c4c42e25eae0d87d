#include "api/client_batch_sender.h"

#include <algorithm>
#include <string>
#include <utility>

#include "api/client_codec.h"
#include "base/mutant.h"
#include "ring/ring.h"

namespace parley::client {

namespace {

// Keeps the results of a group; answers with the items that may be sent again.
template <typename T>
std::vector<std::size_t> keep(std::vector<T>& results, const std::vector<std::size_t>& group,
                              std::vector<T> part) {
  std::vector<std::size_t> overloaded;
  for (std::size_t i = 0; i < group.size(); ++i) {
    T& result = results[PARLEY_MUTANT(batch_results_by_group) ? i : group[i]];
    result = std::move(part[i]);
    const bool again = result.outcome == Outcome::NotWritten && result.connected && result.error &&
                       result.error->code == ErrorCode::Overloaded;
    if (again) overloaded.push_back(group[i]);
  }
  return overloaded;
}

template <typename T>
void give_up_result(T& result, const Error& error) {
  if (result.error) return;
  result.outcome = Outcome::NotWritten;
  result.error = error;
  result.connected = error.code != ErrorCode::Unreachable;
}

class PutBatch final : public Batch {
 public:
  PutBatch(std::vector<PutItem> items, std::vector<OpId> ops, WriteOptions options,
           Then<std::vector<WriteResult>> done)
      : items_(std::move(items)),
        ops_(std::move(ops)),
        options_(std::move(options)),
        done_(std::move(done)),
        results_(items_.size()) {}

  std::size_t size() const override { return items_.size(); }
  ByteView key(std::size_t item) const override { return items_[item].key; }
  std::size_t bytes(std::size_t item) const override { return write_bytes(items_[item]); }
  std::unique_ptr<ClientCall> call(std::vector<std::size_t> group, Duration timeout,
                                   GroupEnded ended) override {
    if (group.size() == 1) {
      WriteOptions options = options_;
      if (!PARLEY_MUTANT(lone_item_without_op)) options.op = ops_[group.front()];
      return write_call(items_[group.front()], std::move(options), timeout,
                        [this, group, ended = std::move(ended)](WriteResult result) {
                          ended(keep<WriteResult>(results_, group, {std::move(result)}));
                        });
    }
    std::vector<PutItem> items;
    std::vector<OpId> ops;
    for (const std::size_t i : group) {
      items.push_back(items_[i]);
      ops.push_back(ops_[i]);
    }
    return write_many_call(
        std::move(items), std::move(ops), options_, timeout,
        [this, group = std::move(group), ended = std::move(ended)](std::vector<WriteResult> part) {
          ended(keep(results_, group, std::move(part)));
        });
  }
  void give_up(std::size_t item, const Error& error) override {
    give_up_result(results_[item], error);
  }
  void finish() override {
    for (auto& result : results_) name_level(result, options_.level);
    done_(std::move(results_));
  }

 private:
  const std::vector<PutItem> items_;
  const std::vector<OpId> ops_;  // an item keeps its own over every sending
  const WriteOptions options_;
  const Then<std::vector<WriteResult>> done_;
  std::vector<WriteResult> results_;
};

class GetBatch final : public Batch {
 public:
  GetBatch(std::vector<Bytes> keys, ReadOptions options, Then<std::vector<ReadResult>> done)
      : keys_(std::move(keys)),
        options_(std::move(options)),
        done_(std::move(done)),
        results_(keys_.size()) {}

  std::size_t size() const override { return keys_.size(); }
  ByteView key(std::size_t item) const override { return keys_[item]; }
  std::size_t bytes(std::size_t item) const override { return keys_[item].size(); }
  std::unique_ptr<ClientCall> call(std::vector<std::size_t> group, Duration timeout,
                                   GroupEnded ended) override {
    if (group.size() == 1) {
      return read_call(keys_[group.front()], options_, timeout,
                       [this, group, ended = std::move(ended)](ReadResult result) {
                         ended(keep<ReadResult>(results_, group, {std::move(result)}));
                       });
    }
    std::vector<Bytes> keys;
    for (const std::size_t i : group) keys.push_back(keys_[i]);
    return read_many_call(
        std::move(keys), options_, timeout,
        [this, group = std::move(group), ended = std::move(ended)](std::vector<ReadResult> part) {
          ended(keep(results_, group, std::move(part)));
        });
  }
  void give_up(std::size_t item, const Error& error) override {
    give_up_result(results_[item], error);
  }
  void finish() override {
    for (auto& result : results_) name_level(result, options_.level);
    done_(std::move(results_));
  }

 private:
  const std::vector<Bytes> keys_;
  const ReadOptions options_;
  const Then<std::vector<ReadResult>> done_;
  std::vector<ReadResult> results_;
};

}  // namespace

std::unique_ptr<Batch> put_batch_of(std::vector<PutItem> items, std::vector<OpId> ops,
                                    WriteOptions options, Then<std::vector<WriteResult>> done) {
  return std::make_unique<PutBatch>(std::move(items), std::move(ops), std::move(options),
                                    std::move(done));
}

std::unique_ptr<Batch> get_batch_of(std::vector<Bytes> keys, ReadOptions options,
                                    Then<std::vector<ReadResult>> done) {
  return std::make_unique<GetBatch>(std::move(keys), std::move(options), std::move(done));
}

void BatchSender::add(std::unique_ptr<Batch> batch, Duration timeout) {
  running_.emplace_back();
  Running& running = running_.back();
  running.timeout = timeout;
  running.deadline = loop_.now() + timeout;
  running.left = batch->size();
  for (std::size_t i = 0; i < batch->size(); ++i) running.waiting.push_back(i);
  running.batch = std::move(batch);
  pump();
}

void BatchSender::close() {
  closed_ = true;
  pump();
}

void BatchSender::pump() {
  if (std::exchange(pumping_, true)) return;
  for (auto at = running_.begin(); at != running_.end();) {
    const Instant now = loop_.now();
    if (closed_ || now >= at->deadline) {
      give_up_waiting(*at);
    } else if (now >= at->not_before) {
      send_some(at);
    }
    if (at->left > 0) {
      ++at;
      continue;
    }
    const std::unique_ptr<Batch> ended = std::move(at->batch);
    at = running_.erase(at);
    ended->finish();
  }
  pumping_ = false;
  set_timer();
}

void BatchSender::send_some(RunningList::iterator at) {
  Running& running = *at;
  // Where replies overflow, little is asked for at a time.
  const std::size_t most =
      running.group_most == kGroupItemsMost ? BatchPace::kItemsMost : running.group_most * 4;
  std::vector<std::size_t> taken;
  std::vector<BatchItem> shapes;
  for (std::size_t room = pace_.room(running.waiting.size(), most); room > 0; --room) {
    const std::size_t item = running.waiting.front();
    const std::size_t bytes = running.batch->bytes(item);
    if (!pace_.fits(bytes)) break;
    pace_.begin(bytes);
    running.waiting.pop_front();
    taken.push_back(item);
    shapes.push_back({core_.home(slot_of(ring::token_of(running.batch->key(item)))), bytes});
  }
  for (const auto& cut : cut_batch(shapes, running.group_most, kBatchBytesMost)) {
    std::vector<std::size_t> group;
    for (const std::size_t i : cut) group.push_back(taken[i]);
    send_group(at, std::move(group));
  }
}

void BatchSender::send_group(RunningList::iterator at, std::vector<std::size_t> group) {
  const Duration left = std::max<Duration>(at->deadline - loop_.now(), 1ms);
  auto ended = [this, at, group](const std::vector<std::size_t>& overloaded) {
    group_ended(at, group, overloaded);
  };
  core_.run(at->batch->call(std::move(group), left, std::move(ended)));
}

void BatchSender::group_ended(RunningList::iterator at, const std::vector<std::size_t>& group,
                              const std::vector<std::size_t>& overloaded) {
  Running& running = *at;
  for (const std::size_t item : group) pace_.end(running.batch->bytes(item));
  running.left -= group.size() - overloaded.size();
  running.waiting.insert(running.waiting.begin(), overloaded.begin(), overloaded.end());
  if (overloaded.empty()) {
    running.back_off = {};
    running.group_most = std::min(kGroupItemsMost, running.group_most + running.group_most / 4 + 1);
  } else if (overloaded.size() < group.size()) {
    // Most likely the reply had no room for the rest: ask for what it had room for.
    running.group_most = std::min(running.group_most, group.size() - overloaded.size());
  } else {
    running.back_off = std::clamp(running.back_off * 2, kBackOffLeast, kBackOffMost);
    running.not_before = loop_.now() + running.back_off;
  }
  pump();
}

void BatchSender::give_up_waiting(Running& running) {
  const Error error =
      closed_ ? Error{ErrorCode::Unreachable, "the client was closed before this was sent", 0}
              : Error{ErrorCode::Expired,
                      "not sent within " + std::to_string(to_millis(running.timeout)) + " ms", 0};
  for (const std::size_t item : running.waiting) running.batch->give_up(item, error);
  running.left -= running.waiting.size();
  running.waiting.clear();
}

void BatchSender::set_timer() {
  std::optional<Instant> wake;
  for (const Running& running : running_) {
    if (running.waiting.empty()) continue;
    const bool held = running.not_before > loop_.now();
    const Instant at = held ? std::min(running.deadline, running.not_before) : running.deadline;
    wake = wake ? std::min(*wake, at) : at;
  }
  if (wake)
    timer_.at(*wake, [this] { pump(); });
  else
    timer_.cancel();
}

}  // namespace parley::client
