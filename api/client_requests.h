// The calls of the client library, each as a ClientCall: put, get, their batches, and any
// administration call.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "api/client.h"
#include "api/client_core.h"

namespace parley::client {

template <typename T>
using Then = std::function<void(T)>;

// Larger ones are refused here: a server would drop the connection, and with it other calls.
inline constexpr std::size_t kRequestBytesMost = 7_MiB;
Status check_size(std::size_t bytes);
inline std::size_t write_bytes(const PutItem& item) {
  return item.key.size() + (item.value ? item.value->size() : 0) +
         (item.context ? item.context->size() : 0);
}

std::unique_ptr<ClientCall> write_call(PutItem item, WriteOptions options, Duration timeout,
                                       Then<WriteResult> done);
std::unique_ptr<ClientCall> read_call(Bytes key, ReadOptions options, Duration timeout,
                                      Then<ReadResult> done);
// All items in one message, to a node that suits the first. `ops`: one for each.
std::unique_ptr<ClientCall> write_many_call(std::vector<PutItem> items, std::vector<OpId> ops,
                                            WriteOptions options, Duration timeout,
                                            Then<std::vector<WriteResult>> done);
std::unique_ptr<ClientCall> read_many_call(std::vector<Bytes> keys, ReadOptions options,
                                           Duration timeout, Then<std::vector<ReadResult>> done);

// `ask` sends one administration request and reads what came back.
template <typename T>
using AdminAsk = std::function<kj::Promise<Result<T>>(api::schema::Admin::Client, std::uint32_t)>;

template <typename T>
class AdminCall final : public ClientCall {
 public:
  AdminCall(AdminAsk<T> ask, Duration timeout, bool hedging, Then<Result<T>> done,
            Purpose purpose = Purpose::Admin)
      : ClientCall({purpose, std::nullopt, timeout, hedging}),
        ask_(std::move(ask)),
        done_(std::move(done)) {}

  kj::Promise<Verdict> send(ClientConnection& to, std::size_t attempt,
                            std::uint32_t timeout_ms) override {
    return ask_(to.admin(), timeout_ms).then([this, attempt](Result<T>&& result) {
      Verdict verdict{Outcome::Ok, std::nullopt};
      if (!result) {
        const bool unknown = result.error().code == ErrorCode::Unknown;
        verdict = {unknown ? Outcome::Unknown : Outcome::NotWritten, result.error()};
      }
      results_.insert_or_assign(attempt, std::move(result));
      return verdict;
    });
  }
  void finish(const CallPlan::Ending& ending) override {
    const auto found = ending.attempt ? results_.find(*ending.attempt) : results_.end();
    done_(found != results_.end() ? std::move(found->second) : Result<T>(*ending.error));
  }

 private:
  const AdminAsk<T> ask_;
  const Then<Result<T>> done_;
  std::map<std::size_t, Result<T>> results_;
};

}  // namespace parley::client
