#include "api/client.h"

#include <algorithm>

#include "api/client_batch.h"
#include "api/client_codec.h"
#include "api/client_thread.h"

namespace parley::client {

namespace {

template <typename T>
T refused(ErrorCode code, std::string message, std::int64_t retry_after_ms = 0) {
  T result;
  result.outcome = Outcome::NotWritten;
  result.error = Error{code, std::move(message), retry_after_ms};
  return result;
}

std::size_t bytes_of(const PutItem& item) {
  return item.key.size() + (item.value ? item.value->size() : 0) +
         (item.context ? item.context->size() : 0);
}

}  // namespace

void Client::Core::write(PutItem item, WriteOptions options, Then<WriteResult> done) {
  Status sound = check_level_text(options.level);
  if (sound.ok()) sound = check_size(bytes_of(item));
  if (!sound) {
    return answer_later(std::move(done),
                        refused<WriteResult>(sound.error().code, sound.error().message));
  }
  if (!enter(1)) {
    return answer_later(std::move(done), refused<WriteResult>(ErrorCode::Overloaded,
                                                              "too many calls under way", 10));
  }
  const Duration most = timeout(options.timeout);
  on_thread([item = std::move(item), options = std::move(options), most,
             done = leaving(1, std::move(done))](ClientCore& core) mutable {
    if (options.op.is_nil()) options.op = core.mint_op();
    core.run(write_call(std::move(item), std::move(options), most, std::move(done)));
  });
}

void Client::Core::read(Bytes key, ReadOptions options, Then<ReadResult> done) {
  Status sound = check_level_text(options.level);
  if (sound.ok()) sound = check_size(key.size());
  if (!sound) {
    return answer_later(std::move(done),
                        refused<ReadResult>(sound.error().code, sound.error().message));
  }
  if (!enter(1)) {
    return answer_later(std::move(done),
                        refused<ReadResult>(ErrorCode::Overloaded, "too many calls under way", 10));
  }
  const Duration most = timeout(options.timeout);
  on_thread([key = std::move(key), options = std::move(options), most,
             done = leaving(1, std::move(done))](ClientCore& core) mutable {
    core.run(read_call(std::move(key), std::move(options), most, std::move(done)));
  });
}

namespace {

// Gathers the groups of one batch back into one list.
template <typename T>
struct Gathered {
  std::vector<T> results;
  std::size_t left = 0;
  Then<std::vector<T>> done;

  void take(const std::vector<std::size_t>& group, std::vector<T> part) {
    for (std::size_t i = 0; i < group.size(); ++i) results[group[i]] = std::move(part[i]);
    left -= group.size();
    if (left == 0) done(std::move(results));
  }
};

template <typename T>
std::shared_ptr<Gathered<T>> gather(std::size_t items, Then<std::vector<T>> done) {
  auto out = std::make_shared<Gathered<T>>();
  out->results.resize(items);
  out->left = items;
  out->done = std::move(done);
  return out;
}

std::optional<Endpoint> home_of(const ClientCore& core, ByteView key) {
  return core.home(slot_of(ring::token_of(key)));
}

void run_writes(ClientCore& core, std::vector<PutItem> items, const WriteOptions& options,
                Duration timeout, Then<std::vector<WriteResult>> done) {
  std::vector<BatchItem> shapes;
  for (const PutItem& item : items) {
    shapes.push_back({home_of(core, item.key), bytes_of(item)});
  }
  const auto gathered = gather(items.size(), std::move(done));
  for (auto& group : cut_batch(shapes, kBatchItemsMost, kBatchBytesMost)) {
    std::vector<PutItem> part;
    std::vector<OpId> ops;
    for (const std::size_t i : group) {
      part.push_back(std::move(items[i]));
      ops.push_back(core.mint_op());
    }
    if (part.size() == 1) {
      WriteOptions one = options;
      one.op = ops.front();
      core.run(write_call(
          std::move(part.front()), one, timeout,
          [gathered, group](WriteResult result) { gathered->take(group, {std::move(result)}); }));
      continue;
    }
    core.run(write_many_call(std::move(part), std::move(ops), options, timeout,
                             [gathered, group](std::vector<WriteResult> results) {
                               gathered->take(group, std::move(results));
                             }));
  }
}

void run_reads(ClientCore& core, std::vector<Bytes> keys, const ReadOptions& options,
               Duration timeout, Then<std::vector<ReadResult>> done) {
  std::vector<BatchItem> shapes;
  for (const Bytes& key : keys) shapes.push_back({home_of(core, key), key.size()});
  const auto gathered = gather(keys.size(), std::move(done));
  const Instant deadline = core.now() + timeout;
  const auto read_alone = [&core, options, deadline, gathered](std::size_t index, Bytes key) {
    core.run(read_call(
        std::move(key), options, deadline - core.now(),
        [gathered, index](ReadResult result) { gathered->take({index}, {std::move(result)}); }));
  };
  for (auto& group : cut_batch(shapes, kBatchItemsMost, kBatchBytesMost)) {
    if (group.size() == 1) {
      read_alone(group.front(), keys[group.front()]);
      continue;
    }
    std::vector<Bytes> part;
    for (const std::size_t i : group) part.push_back(keys[i]);
    auto kept = part;
    core.run(read_many_call(std::move(part), options, timeout,
                            [&core, deadline, gathered, group, kept = std::move(kept),
                             read_alone](std::vector<ReadResult> results) {
                              for (std::size_t i = 0; i < group.size(); ++i) {
                                // No more room in that message: this key is asked for alone.
                                const bool alone =
                                    results[i].error && results[i].connected &&
                                    results[i].error->code == ErrorCode::Overloaded &&
                                    core.now() < deadline;
                                if (alone)
                                  read_alone(group[i], kept[i]);
                                else
                                  gathered->take({group[i]}, {std::move(results[i])});
                              }
                            }));
  }
}

}  // namespace

void Client::Core::write_many(std::vector<PutItem> items, WriteOptions options,
                              Then<std::vector<WriteResult>> done) {
  Status sound = check_level_text(options.level);
  for (const PutItem& item : items) {
    if (sound.ok()) sound = check_size(bytes_of(item));
  }
  const std::size_t count = items.size();
  if (sound.ok() && !enter(count)) {
    sound = Error{ErrorCode::Overloaded, "too many calls under way", 10};
  }
  if (!sound || count == 0) {
    std::vector<WriteResult> results(count);
    for (auto& one : results) one = refused<WriteResult>(sound.error().code, sound.error().message);
    return answer_later(std::move(done), std::move(results));
  }
  const Duration most = timeout(options.timeout);
  on_thread([items = std::move(items), options = std::move(options), most,
             done = leaving(count, std::move(done))](ClientCore& core) mutable {
    run_writes(core, std::move(items), options, most, std::move(done));
  });
}

void Client::Core::read_many(std::vector<Bytes> keys, ReadOptions options,
                             Then<std::vector<ReadResult>> done) {
  Status sound = check_level_text(options.level);
  for (const Bytes& key : keys) {
    if (sound.ok()) sound = check_size(key.size());
  }
  const std::size_t count = keys.size();
  if (sound.ok() && !enter(count)) {
    sound = Error{ErrorCode::Overloaded, "too many calls under way", 10};
  }
  if (!sound || count == 0) {
    std::vector<ReadResult> results(count);
    for (auto& one : results) one = refused<ReadResult>(sound.error().code, sound.error().message);
    return answer_later(std::move(done), std::move(results));
  }
  const Duration most = timeout(options.timeout);
  on_thread([keys = std::move(keys), options = std::move(options), most,
             done = leaving(count, std::move(done))](ClientCore& core) mutable {
    run_reads(core, std::move(keys), options, most, std::move(done));
  });
}

Result<std::unique_ptr<Client>> Client::make(ClientOptions options) {
  std::vector<Endpoint> endpoints;
  for (const std::string& text : options.endpoints) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint) {
      return Error{ErrorCode::InvalidArgument,
                   "endpoint \"" + text + "\" is not a numeric ADDRESS:PORT", 0};
    }
    if (std::find(endpoints.begin(), endpoints.end(), *endpoint) == endpoints.end()) {
      endpoints.push_back(*endpoint);
    }
  }
  if (endpoints.empty()) return Error{ErrorCode::InvalidArgument, "no endpoint given", 0};
  auto core = std::make_unique<Core>(std::move(options), std::move(endpoints));
  return std::unique_ptr<Client>(new Client(std::move(core)));
}

Client::Client(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Client::~Client() = default;

void Client::put_async(Bytes key, Bytes value, WriteOptions options, Then<WriteResult> done) {
  std::optional<Bytes> context = options.context;
  core_->write({std::move(key), std::move(value), std::move(context)}, std::move(options),
               std::move(done));
}

void Client::del_async(Bytes key, WriteOptions options, Then<WriteResult> done) {
  std::optional<Bytes> context = options.context;
  core_->write({std::move(key), std::nullopt, std::move(context)}, std::move(options),
               std::move(done));
}

void Client::get_async(Bytes key, ReadOptions options, Then<ReadResult> done) {
  core_->read(std::move(key), std::move(options), std::move(done));
}

WriteResult Client::put(Bytes key, Bytes value, WriteOptions options) {
  Answer<WriteResult> answer;
  put_async(std::move(key), std::move(value), std::move(options), answer.slot());
  return answer.wait();
}

WriteResult Client::del(Bytes key, WriteOptions options) {
  Answer<WriteResult> answer;
  del_async(std::move(key), std::move(options), answer.slot());
  return answer.wait();
}

ReadResult Client::get(Bytes key, ReadOptions options) {
  Answer<ReadResult> answer;
  get_async(std::move(key), std::move(options), answer.slot());
  return answer.wait();
}

std::vector<WriteResult> Client::put_batch(std::vector<PutItem> items, WriteOptions options) {
  if (items.empty()) return {};
  Answer<std::vector<WriteResult>> answer;
  core_->write_many(std::move(items), std::move(options), answer.slot());
  return answer.wait();
}

std::vector<ReadResult> Client::get_batch(std::vector<Bytes> keys, ReadOptions options) {
  if (keys.empty()) return {};
  Answer<std::vector<ReadResult>> answer;
  core_->read_many(std::move(keys), std::move(options), answer.slot());
  return answer.wait();
}

}  // namespace parley::client
