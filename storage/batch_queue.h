// A bounded queue in front of one worker that takes all that waits at once: its thread (or, inline,
// turns of the loop) and nothing else. The worker decides; this waits.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "base/units.h"

namespace parley::storage {

struct QueueLimits {
  std::size_t count_most = 0;
  std::size_t bytes_most = 0;
  std::size_t batch_most = 0;
  Duration gather{0};  // how long a batch may wait for company; 0: never
};

template <typename Request>
class BatchQueue {
 public:
  // Runs requests from the front and removes them; what it leaves goes back to the queue's front.
  using Run = std::function<void(std::deque<Request>&)>;
  // Inline mode: asks for one call of run_inline() in a later turn. Empty: a thread of its own.
  using Schedule = std::function<void()>;

  BatchQueue(QueueLimits limits, Run run, Schedule schedule)
      : limits_(limits), run_(std::move(run)), schedule_(std::move(schedule)) {
    if (!schedule_) thread_ = std::thread([this] { work(); });
  }
  ~BatchQueue() { stop(); }
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  // False: full, nothing done. From any thread. `bytes` is the caller's estimate of what the
  // request keeps in memory; a lone request is never too large.
  bool push(Request request, std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      const bool full = queue_.size() >= limits_.count_most ||
                        (!queue_.empty() && bytes_ + bytes > limits_.bytes_most);
      if (full || stopping_) return false;
      add(std::move(request), bytes);
    }
    return true;
  }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return queue_.size();
  }

  // Inline mode: one batch.
  void run_inline() {
    std::unique_lock lock(mutex_);
    scheduled_ = false;
    run_one(lock);
    if (!queue_.empty() && !std::exchange(scheduled_, true)) schedule_();
  }

  // Runs everything that waits, then ends the thread. No request is taken any more.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(stopping_, true) && !thread_.joinable()) return;
      wake_.notify_all();
    }
    if (thread_.joinable()) {
      thread_.join();
      return;
    }
    std::unique_lock lock(mutex_);
    while (!queue_.empty()) run_one(lock);
  }

 private:
  static constexpr std::size_t kMany = 8;
  static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();
  struct Item {
    Request request;
    std::size_t bytes;
  };

  void add(Request request, std::size_t bytes) {
    bytes_ += bytes;
    queue_.push_back({std::move(request), bytes});
    if (schedule_) {
      if (!std::exchange(scheduled_, true)) schedule_();
    } else if (queue_.size() >= wake_at_) {
      wake_.notify_one();
    }
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wait_for(lock, 1, nullptr);
      if (queue_.empty()) return;
      // Those answered by the last batches come again, together with those that queued meanwhile.
      // Of many, seven eighths of the most that were active lately are company enough (of the last
      // batch alone would let batches shrink without end); of few, half, so that two or three
      // never wait for each other. A lone requester is never made to wait.
      const std::size_t company = active_ < kMany ? active_ / 2 : active_ - active_ / 8;
      if (in_flight_ > 1 && limits_.gather > Duration{0}) {
        wait_for(lock, company < limits_.batch_most ? company : limits_.batch_most,
                 &limits_.gather);
      }
      const std::size_t ran = run_one(lock);
      in_flight_ = ran + queue_.size();
      active_ = std::max(in_flight_, active_ - (active_ + 15) / 16);
    }
  }

  // Until so many wait, or stop(), or the time is over.
  void wait_for(std::unique_lock<std::mutex>& lock, std::size_t count, const Duration* most) {
    const auto ready = [&] { return stopping_ || queue_.size() >= count; };
    wake_at_ = count;
    if (most == nullptr) {
      wake_.wait(lock, ready);
    } else {
      wake_.wait_for(lock, *most, ready);
    }
    wake_at_ = kNever;
  }

  // How many the batch finished.
  std::size_t run_one(std::unique_lock<std::mutex>& lock) {
    std::deque<Request> batch;
    std::deque<std::size_t> bytes;
    while (!queue_.empty() && batch.size() < limits_.batch_most) {
      batch.push_back(std::move(queue_.front().request));
      bytes.push_back(queue_.front().bytes);
      queue_.pop_front();
    }
    const std::size_t taken = batch.size();
    lock.unlock();
    run_(batch);
    lock.lock();
    while (bytes.size() > batch.size()) {
      bytes_ -= bytes.front();
      bytes.pop_front();
    }
    const std::size_t finished = taken - batch.size();
    while (!batch.empty()) {
      queue_.push_front({std::move(batch.back()), bytes.back()});
      batch.pop_back();
      bytes.pop_back();
    }
    return finished;
  }

  const QueueLimits limits_;
  const Run run_;
  const Schedule schedule_;

  mutable std::mutex mutex_;  // guards all below but the thread
  std::condition_variable wake_;
  std::deque<Item> queue_;
  std::size_t bytes_ = 0;  // of the queue and of the batch that runs
  std::size_t wake_at_ = kNever;
  std::size_t in_flight_ = 0;  // requesters seen around the last batch
  std::size_t active_ = 0;     // the most of these lately: falls by a sixteenth a batch
  bool stopping_ = false;
  bool scheduled_ = false;
  std::thread thread_;
};

}  // namespace parley::storage
