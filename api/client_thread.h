// The thread of one Client, and the door to it: Client::Core. The only place of the library where
// threads meet.
#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "api/client.h"
#include "api/client_batch_sender.h"
#include "api/client_requests.h"
#include "base/log.h"
#include "base/metric.h"
#include "runtime/asio_loop.h"
#include "runtime/kj_port.h"

namespace parley::client {

// Waits on the caller's thread for what the client's thread calls back with.
template <typename T>
class Answer {
 public:
  Then<T> slot() {
    return [promise = promise_](T value) { promise->set_value(std::move(value)); };
  }
  T wait() { return promise_->get_future().get(); }

 private:
  std::shared_ptr<std::promise<T>> promise_ = std::make_shared<std::promise<T>>();
};

class Client::Core {
 public:
  Core(ClientOptions options, std::vector<Endpoint> endpoints)
      : options_(std::move(options)),
        world_(runtime::make_asio_world(Logger{}, metrics_)),
        thread_([this, endpoints = std::move(endpoints)] { run(endpoints); }) {}
  ~Core() {
    world_->loop().post([this] {
      batches_->close();
      core_.reset();
      batches_.reset();
      world_->stop();
    });
    thread_.join();
  }

  const ClientOptions& options() const { return options_; }
  Duration timeout(const std::optional<Duration>& wanted) const {
    return std::max<Duration>(wanted.value_or(options_.timeout), 1ms);
  }

  // Runs `task` on the client's thread with the ClientCore.
  void on_thread(std::function<void(ClientCore&)> task) {
    world_->loop().post([this, task = std::move(task)] {
      if (core_ != nullptr) task(*core_);
    });
  }

  // False: too many calls are under way, and `calls` more were not counted in.
  bool enter(std::size_t calls) {
    if (under_way_.fetch_add(calls) + calls <= options_.in_flight_most) return true;
    under_way_.fetch_sub(calls);
    return false;
  }
  void leave(std::size_t calls) { under_way_.fetch_sub(calls); }

  // `done`, and the call is no longer under way.
  template <typename T>
  Then<T> leaving(std::size_t calls, Then<T> done) {
    return [this, calls, done = std::move(done)](T value) {
      leave(calls);
      done(std::move(value));
    };
  }

  void write(PutItem item, WriteOptions options, Then<WriteResult> done);
  void read(Bytes key, ReadOptions options, Then<ReadResult> done);
  void write_many(std::vector<PutItem> items, WriteOptions options,
                  Then<std::vector<WriteResult>> done);
  void read_many(std::vector<Bytes> keys, ReadOptions options, Then<std::vector<ReadResult>> done);
  template <typename T>
  Result<T> admin(AdminAsk<T> ask, std::optional<Duration> timeout = std::nullopt,
                  bool hedging = true, Purpose purpose = Purpose::Admin) {
    Answer<Result<T>> answer;
    const Duration most = this->timeout(timeout);
    if (!enter(1)) return Error{ErrorCode::Overloaded, "too many calls under way", 10};
    on_thread([ask = std::move(ask), most, hedging, purpose,
               done = leaving<Result<T>>(1, answer.slot())](ClientCore& core) mutable {
      core.run(
          std::make_unique<AdminCall<T>>(std::move(ask), most, hedging, std::move(done), purpose));
    });
    return answer.wait();
  }

 private:
  void run(const std::vector<Endpoint>& endpoints) {
    runtime::KjPort port(world_->loop());
    core_ = std::make_unique<ClientCore>(endpoints, options_.learn_ring, world_->loop(),
                                         world_->network(), Random(runtime::os_entropy32()));
    batches_ = std::make_unique<BatchSender>(*core_, world_->loop());
    world_->run();
  }

  // Errors come back on the client's thread like any answer.
  template <typename T>
  void answer_later(Then<T> done, T value) {
    on_thread([done = std::move(done), value = std::move(value)](ClientCore&) mutable {
      done(std::move(value));
    });
  }

  const ClientOptions options_;
  MetricRegistry metrics_;
  std::atomic<std::size_t> under_way_{0};
  std::unique_ptr<runtime::AsioWorld> world_;
  std::unique_ptr<BatchSender> batches_;  // the thread's, as is the next
  std::unique_ptr<ClientCore> core_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace parley::client
