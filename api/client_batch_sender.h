// BatchSender: takes batches of any size and keeps a bounded part of them under way, following
// groups sent as earlier ones end, each batch within its deadline. Items that a node turns away as
// overloaded are sent again. A driver; loop thread only.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "api/client.h"
#include "api/client_batch.h"
#include "api/client_core.h"
#include "api/client_requests.h"
#include "runtime/loop.h"

namespace parley::client {

// The items of one batch and their results.
class Batch {
 public:
  using GroupEnded = std::function<void(std::vector<std::size_t> overloaded)>;

  virtual ~Batch() = default;
  virtual std::size_t size() const = 0;
  virtual ByteView key(std::size_t item) const = 0;
  virtual std::size_t bytes(std::size_t item) const = 0;
  // Sends these items in one message. `ended` comes once, with those that are worth sending again
  // because a node had no room for them: nothing of them happened.
  virtual std::unique_ptr<ClientCall> call(std::vector<std::size_t> group, Duration timeout,
                                           GroupEnded ended) = 0;
  // The item will not be sent (again): this is its result, unless a node gave one.
  virtual void give_up(std::size_t item, const Error& error) = 0;
  virtual void finish() = 0;
};

std::unique_ptr<Batch> put_batch_of(std::vector<PutItem> items, std::vector<OpId> ops,
                                    WriteOptions options, Then<std::vector<WriteResult>> done);
std::unique_ptr<Batch> get_batch_of(std::vector<Bytes> keys, ReadOptions options,
                                    Then<std::vector<ReadResult>> done);

class BatchSender {
 public:
  BatchSender(ClientCore& core, runtime::Loop& loop) : core_(core), loop_(loop), timer_(loop) {}
  BatchSender(const BatchSender&) = delete;
  BatchSender& operator=(const BatchSender&) = delete;

  // The batch's finish() comes exactly once, at the latest at its deadline.
  void add(std::unique_ptr<Batch> batch, Duration timeout);
  // Sends no more; what waits is given up. Before the ClientCore ends what is under way; destroy
  // this after it.
  void close();

 private:
  struct Running {
    std::unique_ptr<Batch> batch;
    Instant deadline{};
    Duration timeout{};
    std::deque<std::size_t> waiting;
    std::size_t left = 0;  // items without a final result
    std::size_t group_most = kGroupItemsMost;
    Duration back_off{};
    Instant not_before{};
  };
  using RunningList = std::list<Running>;
  static constexpr std::size_t kGroupItemsMost = 256;
  static constexpr Duration kBackOffLeast = 20ms, kBackOffMost = 500ms;

  void pump();
  void send_some(RunningList::iterator at);
  void send_group(RunningList::iterator at, std::vector<std::size_t> group);
  void group_ended(RunningList::iterator at, const std::vector<std::size_t>& group,
                   const std::vector<std::size_t>& overloaded);
  void give_up_waiting(Running& running);
  void set_timer();

  ClientCore& core_;
  runtime::Loop& loop_;
  BatchPace pace_;
  RunningList running_;
  bool closed_ = false;
  bool pumping_ = false;
  runtime::Timer timer_;
};

}  // namespace parley::client
