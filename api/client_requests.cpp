#include "api/client_requests.h"

#include "api/client_codec.h"
#include "base/check.h"
#include "base/mutant.h"

namespace parley::client {

namespace {

template <typename T>
Verdict verdict_of(const T& result) {
  return {result.outcome, result.error};
}

// The data of the attempt that decided, under the outcome of the whole call.
template <typename T>
T settled(std::map<std::size_t, T>& results, const CallPlan::Ending& ending,
          const std::string& level) {
  T out;
  if (ending.attempt) {
    const auto found = results.find(*ending.attempt);
    if (found != results.end()) out = std::move(found->second);
  }
  out.outcome = ending.outcome;
  out.error = ending.error;
  out.connected = ending.connected;
  name_level(out, level);
  return out;
}

// Room for a request in one piece: its items, of so many bytes, and the options. For a message of a
// size that it is not told, Cap'n Proto clears 8 KiB.
capnp::MessageSize room_for(std::size_t items, std::size_t bytes) {
  constexpr std::size_t kItemWords = 16, kOptionsWords = 16;
  return {kOptionsWords + items * kItemWords + bytes / sizeof(capnp::word), 0};
}

Slot home_slot(ByteView key) { return slot_of(ring::token_of(key)); }

class WriteCall final : public ClientCall {
 public:
  WriteCall(PutItem item, WriteOptions options, Duration timeout, Then<WriteResult> done)
      : ClientCall({Purpose::Write, home_slot(item.key), timeout}),
        item_(std::move(item)),
        options_(std::move(options)),
        done_(std::move(done)) {}

  kj::Promise<Verdict> send(ClientConnection& to, std::size_t attempt,
                            std::uint32_t timeout_ms) override {
    const auto room = room_for(1, write_bytes(item_));
    if (item_.value) return send_as(to.key_value().putRequest(room), attempt, timeout_ms);
    return send_as(to.key_value().deleteRequest(room), attempt, timeout_ms);
  }
  void finish(const CallPlan::Ending& ending) override {
    done_(settled(results_, ending, options_.level));
  }

 private:
  template <typename Request>
  kj::Promise<Verdict> send_as(Request request, std::size_t attempt, std::uint32_t timeout_ms) {
    const bool own_op = attempt == 0 || !PARLEY_MUTANT(hedge_without_op);
    write_write(item_.key, item_.value, item_.context, own_op ? options_.op : OpId{},
                request.initWrite());
    write_options(options_, timeout_ms, request.initOptions());
    return request.send().then([this, attempt](auto&& response) {
      WriteResult result = read_result(response.getResult());
      const Verdict verdict = verdict_of(result);
      results_.insert_or_assign(attempt, std::move(result));
      return verdict;
    });
  }

  const PutItem item_;
  const WriteOptions options_;
  const Then<WriteResult> done_;
  std::map<std::size_t, WriteResult> results_;
};

class ReadCall final : public ClientCall {
 public:
  ReadCall(Bytes key, ReadOptions options, Duration timeout, Then<ReadResult> done)
      : ClientCall({Purpose::Read, home_slot(key), timeout}),
        key_(std::move(key)),
        options_(std::move(options)),
        done_(std::move(done)) {}

  kj::Promise<Verdict> send(ClientConnection& to, std::size_t attempt,
                            std::uint32_t timeout_ms) override {
    auto request = to.key_value().getRequest(room_for(1, key_.size()));
    request.setKey(data_of(key_));
    write_options(options_, timeout_ms, request.initOptions());
    return request.send().then([this, attempt](auto&& response) {
      ReadResult result = read_result(response.getResult());
      const Verdict verdict = verdict_of(result);
      results_.insert_or_assign(attempt, std::move(result));
      return verdict;
    });
  }
  void finish(const CallPlan::Ending& ending) override {
    done_(settled(results_, ending, options_.level));
  }

 private:
  const Bytes key_;
  const ReadOptions options_;
  const Then<ReadResult> done_;
  std::map<std::size_t, ReadResult> results_;
};

// What both kinds of batch share: a list of results, or one failure for all of them.
template <typename T>
class ManyCall : public ClientCall {
 public:
  ManyCall(const Terms& terms, std::size_t items, Then<std::vector<T>> done)
      : ClientCall(terms), items_(items), done_(std::move(done)) {}

  void finish(const CallPlan::Ending& ending) override {
    const bool answered = ending.attempt && ending.outcome == Outcome::Ok;
    std::vector<T> out;
    for (std::size_t i = 0; i < items_; ++i) {
      T result;
      if (answered) {
        result = std::move(results_.at(*ending.attempt)[i]);
        // Another attempt may have been executed: a refusal by this one proves nothing.
        if (ending.maybe_elsewhere && !PARLEY_MUTANT(hedged_batch_refusal_stands) &&
            result.outcome == Outcome::NotWritten && terms().purpose == Purpose::Write) {
          result.outcome = Outcome::Unknown;
          result.error->code = ErrorCode::Unknown;
        }
      } else {
        result.outcome = ending.outcome;
        result.error = ending.error;
        result.connected = ending.connected;
      }
      out.push_back(std::move(result));
    }
    done_(std::move(out));
  }

 protected:
  template <typename Response>
  Verdict keep(std::size_t attempt, Response& response) {
    if (auto failure = read_failure(response.getFailure())) {
      return {Outcome::NotWritten, std::move(failure)};
    }
    std::vector<T> results;
    for (const auto one : response.getResults()) results.push_back(read_result(one));
    if (results.size() != items_) {
      return {Outcome::Unknown, Error{ErrorCode::Internal, "the node left out results", 0}};
    }
    results_.insert_or_assign(attempt, std::move(results));
    return {Outcome::Ok, std::nullopt};
  }

 private:
  const std::size_t items_;
  const Then<std::vector<T>> done_;
  std::map<std::size_t, std::vector<T>> results_;
};

class WriteManyCall final : public ManyCall<WriteResult> {
 public:
  WriteManyCall(std::vector<PutItem> items, std::vector<OpId> ops, WriteOptions options,
                Duration timeout, Then<std::vector<WriteResult>> done)
      : ManyCall({Purpose::Write, home_slot(items.front().key), timeout}, items.size(),
                 std::move(done)),
        items_(std::move(items)),
        ops_(std::move(ops)),
        options_(std::move(options)) {
    PARLEY_CHECK(ops_.size() == items_.size());
  }

  kj::Promise<Verdict> send(ClientConnection& to, std::size_t attempt,
                            std::uint32_t timeout_ms) override {
    std::size_t bytes = 0;
    for (const PutItem& item : items_) bytes += write_bytes(item);
    auto request = to.key_value().putManyRequest(room_for(items_.size(), bytes));
    auto writes = request.initWrites(static_cast<unsigned>(items_.size()));
    for (unsigned i = 0; i < items_.size(); ++i) {
      write_write(items_[i].key, items_[i].value, items_[i].context, ops_[i], writes[i]);
    }
    write_options(options_, timeout_ms, request.initOptions());
    return request.send().then(
        [this, attempt](auto&& response) { return keep(attempt, response); });
  }

 private:
  const std::vector<PutItem> items_;
  const std::vector<OpId> ops_;
  const WriteOptions options_;
};

class ReadManyCall final : public ManyCall<ReadResult> {
 public:
  ReadManyCall(std::vector<Bytes> keys, ReadOptions options, Duration timeout,
               Then<std::vector<ReadResult>> done)
      : ManyCall({Purpose::Read, home_slot(keys.front()), timeout}, keys.size(), std::move(done)),
        keys_(std::move(keys)),
        options_(std::move(options)) {}

  kj::Promise<Verdict> send(ClientConnection& to, std::size_t attempt,
                            std::uint32_t timeout_ms) override {
    std::size_t bytes = 0;
    for (const Bytes& key : keys_) bytes += key.size();
    auto request = to.key_value().getManyRequest(room_for(keys_.size(), bytes));
    auto keys = request.initKeys(static_cast<unsigned>(keys_.size()));
    for (unsigned i = 0; i < keys_.size(); ++i) keys.set(i, data_of(keys_[i]));
    write_options(options_, timeout_ms, request.initOptions());
    return request.send().then(
        [this, attempt](auto&& response) { return keep(attempt, response); });
  }

 private:
  const std::vector<Bytes> keys_;
  const ReadOptions options_;
};

}  // namespace

Status check_size(std::size_t bytes) {
  if (bytes <= kRequestBytesMost) return Done{};
  return Error{ErrorCode::TooLarge,
               "key, value and context of " + std::to_string(bytes) + " bytes fit no message (" +
                   std::to_string(kRequestBytesMost) + ")",
               0};
}

std::unique_ptr<ClientCall> write_call(PutItem item, WriteOptions options, Duration timeout,
                                       Then<WriteResult> done) {
  return std::make_unique<WriteCall>(std::move(item), std::move(options), timeout, std::move(done));
}

std::unique_ptr<ClientCall> read_call(Bytes key, ReadOptions options, Duration timeout,
                                      Then<ReadResult> done) {
  return std::make_unique<ReadCall>(std::move(key), std::move(options), timeout, std::move(done));
}

std::unique_ptr<ClientCall> write_many_call(std::vector<PutItem> items, std::vector<OpId> ops,
                                            WriteOptions options, Duration timeout,
                                            Then<std::vector<WriteResult>> done) {
  return std::make_unique<WriteManyCall>(std::move(items), std::move(ops), std::move(options),
                                         timeout, std::move(done));
}

std::unique_ptr<ClientCall> read_many_call(std::vector<Bytes> keys, ReadOptions options,
                                           Duration timeout, Then<std::vector<ReadResult>> done) {
  return std::make_unique<ReadManyCall>(std::move(keys), std::move(options), timeout,
                                        std::move(done));
}

}  // namespace parley::client
